#include "list_issuers.h"

#include <algorithm>
#include <string>

#include "ensconce/attestation/evidence/error.h"
#include "ensconce/base/printable.h"

namespace ensconce::internal {

Result<void> expect_issuers_of_lists(
    std::span<const RevocationList> lists,
    std::initializer_list<std::reference_wrapper<const std::vector<Certificate>>> groups) {
  for (const RevocationList& list : lists) {
    const bool known =
        std::any_of(groups.begin(), groups.end(), [&](const std::vector<Certificate>& group) {
          return std::any_of(group.begin(), group.end(),
                             [&](const Certificate& one) { return list.issued_by_name(one); });
        });
    if (!known) {
      return Error(EvidenceError::kEndorsementUnknown, "a revocation list by \"" +
                                                           printable(list.issuer_cn()) +
                                                           "\", of whom no certificate is here")
          .with_remedy(
              "give the certificate of the list's issuer too, or fetch the list again; leave the "
              "list out where it is of a vendor this evidence is not of");
    }
  }
  return ok();
}

}  // namespace ensconce::internal
