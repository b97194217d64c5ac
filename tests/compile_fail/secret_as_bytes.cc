// A secret does not turn into ordinary bytes by itself: expose() is the word to search for.
#include "ensconce/base/secret.h"

namespace ensconce {

Bytes join(const SecretBytes& key) {
#ifdef ENSC_MISUSE
  return concat({key});  // MISUSE: could not convert | cannot convert | no matching
#else
  return concat({key.expose()});
#endif
}

}  // namespace ensconce
