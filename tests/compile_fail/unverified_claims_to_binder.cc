// Claims that no verifier vouches for cannot be bound to a statement.
#include "ensconce/attestation/verify/binding.h"

namespace ensconce {

BindingVerification bind(const Verified<EvidenceClaims>& verified, const EvidenceClaims& unverified,
                         ByteView statement) {
  (void)verified;
  (void)unverified;
#ifdef ENSC_MISUSE
  return StatementBinder::bind_statement(unverified, statement);  // MISUSE: Verified
#else
  return StatementBinder::bind_statement(verified, statement);
#endif
}

}  // namespace ensconce
