#pragma once

#include "ensconce/base/error.h"

namespace ensconce {

// SealedModelError names what is wrong with a sealed bundle, or with the directory to be sealed.
enum class SealedModelError : std::uint8_t {
  kBadMagic,
  kUnsupportedFormat,
  kUnsupportedSuite,
  kTooLarge,      // a named limit was passed: header, file table, payload, number of files
  kBadHeader,     // the header is not the map docs/protocols/sealed-bundle.md describes
  kBadSignature,  // the header is not what its owner signed
  kForeignOwner,  // the header's owner is none of those accepted
  kWrongKey,      // the key is not the one the header commits to
  kRolledBack,    // older than the minimum version
  kTruncated,
  kExtended,
  kSegment,      // a segment was changed, moved, or comes from another bundle
  kTableDigest,  // the file table is not the one the header names
  kBadTable,     // the file table is malformed, or does not add up to the payload
  kFileDigest,   // a file is not the one the table names
  kUnsafeName,
  kUnsafeFile,  // a symbolic link, device, pipe or socket in the directory to be sealed
  kEmpty,       // no file to seal
  kChangedWhileSealing,
  kNoSuchFile,
  kBadKey,  // a content key of the wrong length
  kInvalidArgument,
  kIo,
};
CodeInfo error_info(SealedModelError code);

}  // namespace ensconce
