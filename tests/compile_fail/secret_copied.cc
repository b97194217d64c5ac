// A secret has one owner; a second copy is one that nobody wipes.
#include "ensconce/base/secret.h"

namespace ensconce {

SecretBytes take(SecretBytes secret) {
#ifdef ENSC_MISUSE
  SecretBytes taken = secret;  // MISUSE: deleted
#else
  SecretBytes taken = std::move(secret);
#endif
  return taken;
}

}  // namespace ensconce
