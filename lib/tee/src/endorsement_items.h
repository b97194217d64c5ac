#pragma once

#include <filesystem>
#include <vector>

#include "ensconce/attestation/evidence/evidence_item.h"
#include "ensconce/tee/error.h"

namespace ensconce::internal {

// unusable_endorsements is TeeError::kEndorsements with what to do.
Error unusable_endorsements(std::string detail);
// read_endorsement_items reads a directory of endorsements, of no more bytes than an evidence
// document has room for. kEndorsements.
Result<std::vector<EndorsementItem>> read_endorsement_items(const std::filesystem::path& directory);

}  // namespace ensconce::internal
