// Only an appraisal makes the pass that opens the broker and lets a client encrypt.
#include <optional>

#include "ensconce/attestation/appraise/appraise.h"

namespace ensconce {

std::optional<Affirmed> pass(const Verified<Attested>& attested, const AppraisalPolicy& policy,
                             Instant now) {
#ifdef ENSC_MISUSE
  return Affirmed(attested.value(), now);  // MISUSE: private
#endif
  return appraise(attested, FreshByRcarNonce{}, policy, now).affirmed();
}

}  // namespace ensconce
