// Only a verifier makes a Verified.
#include "ensconce/attestation/verify/snp_verifier.h"

namespace ensconce {

Result<Verified<EvidenceClaims>> claims_of(const SnpVerifier& verifier, const SnpReport& report,
                                           const SnpEndorsements& endorsements,
                                           const ByteArray<64>& report_data, Instant now) {
#ifdef ENSC_MISUSE
  return Verified<EvidenceClaims>(EvidenceClaims{});  // MISUSE: private
#endif
  return verifier.verify(report, endorsements, report_data, now).claims;
}

}  // namespace ensconce
