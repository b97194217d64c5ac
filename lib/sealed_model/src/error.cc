#include "ensconce/sealed_model/error.h"

namespace ensconce {

CodeInfo error_info(SealedModelError code) {
  switch (code) {
    case SealedModelError::kBadMagic:
      return {"sealed.bad_magic", Kind::kInvalidInput, Stage::kBundle};
    case SealedModelError::kUnsupportedFormat:
      return {"sealed.unsupported_format", Kind::kUnsupported, Stage::kBundle};
    case SealedModelError::kUnsupportedSuite:
      return {"sealed.unsupported_suite", Kind::kUnsupported, Stage::kBundle};
    case SealedModelError::kTooLarge:
      return {"sealed.too_large", Kind::kExhausted, Stage::kBundle};
    case SealedModelError::kBadHeader:
      return {"sealed.bad_header", Kind::kInvalidInput, Stage::kBundle};
    case SealedModelError::kBadSignature:
      return {"sealed.bad_signature", Kind::kRejected, Stage::kBundle};
    case SealedModelError::kForeignOwner:
      return {"sealed.foreign_owner", Kind::kRejected, Stage::kBundle};
    case SealedModelError::kWrongKey:
      return {"sealed.wrong_key", Kind::kRejected, Stage::kBundle};
    case SealedModelError::kRolledBack:
      return {"sealed.rolled_back", Kind::kRejected, Stage::kBundle};
    case SealedModelError::kTruncated:
      return {"sealed.truncated", Kind::kInvalidInput, Stage::kBundle};
    case SealedModelError::kExtended:
      return {"sealed.extended", Kind::kInvalidInput, Stage::kBundle};
    case SealedModelError::kSegment:
      return {"sealed.segment", Kind::kRejected, Stage::kBundle};
    case SealedModelError::kTableDigest:
      return {"sealed.table_digest", Kind::kRejected, Stage::kBundle};
    case SealedModelError::kBadTable:
      return {"sealed.bad_table", Kind::kInvalidInput, Stage::kBundle};
    case SealedModelError::kFileDigest:
      return {"sealed.file_digest", Kind::kRejected, Stage::kBundle};
    case SealedModelError::kUnsafeName:
      return {"sealed.unsafe_name", Kind::kRejected, Stage::kBundle};
    case SealedModelError::kUnsafeFile:
      return {"sealed.unsafe_file", Kind::kRejected, Stage::kBundle};
    case SealedModelError::kEmpty:
      return {"sealed.empty", Kind::kInvalidInput, Stage::kBundle};
    case SealedModelError::kChangedWhileSealing:
      return {"sealed.changed_while_sealing", Kind::kUnavailable, Stage::kBundle};
    case SealedModelError::kNoSuchFile:
      return {"sealed.no_such_file", Kind::kInvalidInput, Stage::kBundle};
    case SealedModelError::kBadKey:
      return {"sealed.bad_key", Kind::kInvalidInput, Stage::kBundle};
    case SealedModelError::kInvalidArgument:
      return {"sealed.invalid_argument", Kind::kInvalidInput, Stage::kUsage};
    case SealedModelError::kIo:
      return {"sealed.io", Kind::kUnavailable, Stage::kSystem};
  }
  return {"sealed.unknown", Kind::kInternal, Stage::kBundle};
}

}  // namespace ensconce
