// A beacon whose signature nobody checked proves no freshness.
#include "ensconce/attestation/appraise/appraise.h"

namespace ensconce {

Freshness fresh(const Verified<BeaconClaims>& verified, const BeaconClaims& unverified) {
  (void)verified;
  (void)unverified;
#ifdef ENSC_MISUSE
  return FreshByBeacon{unverified};  // MISUSE: Verified
#else
  return FreshByBeacon{verified};
#endif
}

}  // namespace ensconce
