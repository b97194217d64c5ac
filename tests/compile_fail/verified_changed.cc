// What was verified cannot be changed afterwards.
#include "ensconce/attestation/verify/snp_verifier.h"

namespace ensconce {

Sha256Digest root_of(Verified<EvidenceClaims>& verified) {
#ifdef ENSC_MISUSE
  verified->anchor.spki_sha256 = {};  // MISUSE: no match for | no viable overloaded | const
#endif
  return verified->anchor.spki_sha256;
}

}  // namespace ensconce
