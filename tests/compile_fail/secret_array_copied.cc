// The same for secrets of a fixed length.
#include "ensconce/base/secret.h"

namespace ensconce {

SecretArray<32> take(SecretArray<32> secret) {
#ifdef ENSC_MISUSE
  SecretArray<32> taken = secret;  // MISUSE: deleted
#else
  SecretArray<32> taken = std::move(secret);
#endif
  return taken;
}

}  // namespace ensconce
