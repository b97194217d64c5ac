#pragma once

#include <functional>
#include <span>
#include <vector>

#include "ensconce/base/result.h"
#include "ensconce/crypto/x509.h"

namespace ensconce::internal {

// expect_issuers_of_lists wants a certificate in one of the groups for whoever issued each list,
// else EvidenceError::kEndorsementUnknown. A list in nobody's name may be one of this chain's that
// was changed on the way: passed over, it would no longer revoke.
Result<void> expect_issuers_of_lists(
    std::span<const RevocationList> lists,
    std::initializer_list<std::reference_wrapper<const std::vector<Certificate>>> groups);

}  // namespace ensconce::internal
