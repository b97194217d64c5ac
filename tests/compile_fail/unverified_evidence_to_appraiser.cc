// Evidence that was not verified and bound cannot be appraised, so a broker or a client that
// forgets to verify does not exist.
#include "ensconce/attestation/appraise/appraise.h"

namespace ensconce {

AttestationResult judge(const Verified<Attested>& verified, const Attested& unverified,
                        const AppraisalPolicy& policy, Instant now) {
  (void)verified;
  (void)unverified;
#ifdef ENSC_MISUSE
  return appraise(unverified, FreshByRcarNonce{}, policy, now);  // MISUSE: Verified
#else
  return appraise(verified, FreshByRcarNonce{}, policy, now);
#endif
}

}  // namespace ensconce
