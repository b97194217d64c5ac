#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "ensconce/attestation/evidence/error.h"
#include "ensconce/attestation/evidence/evidence_item.h"
#include "ensconce/base/file.h"

namespace ensconce {

inline constexpr std::size_t kMaxEndorsementFiles = 256;

// EndorsementFiles is what a file or directory held: what supports evidence, and for people what
// was passed over.
struct EndorsementFiles {
  std::vector<EndorsementItem> items;
  std::vector<std::string> notes;
};

// EndorsementFileLimits bound one reading: bytes of each file, and of all that was kept.
struct EndorsementFileLimits {
  std::size_t max_file = kMaxSmallFile;
  std::size_t max_total = kMaxSmallFile * 4;
};

// read_endorsement_files reads one file, which must be an endorsement (kEndorsementUnknown), or a
// directory, not what lies below it, in the order of names. Of a directory, what is no endorsement
// is passed over in silence and what cannot be read or is a broken one with a note; more than
// kMaxEndorsementFiles files is BaseError::kTooLarge, as is more than the limits allow.
Result<EndorsementFiles> read_endorsement_files(const std::filesystem::path& path,
                                                const EndorsementFileLimits& limits = {});

}  // namespace ensconce
