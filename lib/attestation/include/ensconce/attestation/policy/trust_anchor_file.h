#pragma once

#include <string_view>
#include <vector>

#include "ensconce/attestation/verify/trust_anchor.h"

namespace ensconce {

// trust_anchors_from_pem reads roots (self-issued CA certificates named "ARK-<product>" or
// kIntelRootName) from a file of the user's. Origin is simulated if the root carries our OID, else
// private; a vendor's own root is vendor. Errors: EvidenceError::kEndorsementForm.
Result<std::vector<TrustAnchor>> trust_anchors_from_pem(std::string_view pem);

}  // namespace ensconce
