// Comparing secrets byte by byte tells how far they agree; equals() takes the same time always.
#include "ensconce/base/secret.h"

namespace ensconce {

bool same(const SecretArray<32>& a, const SecretArray<32>& b) {
#ifdef ENSC_MISUSE
  return a == b;  // MISUSE: no match for | invalid operands
#else
  return a.equals(b);
#endif
}

}  // namespace ensconce
