// A secret has no operator<<.
#include <ostream>

#include "ensconce/base/secret.h"

namespace ensconce {

void print(std::ostream& out, const SecretArray<32>& key) {
#ifdef ENSC_MISUSE
  out << key;  // MISUSE: no match for | invalid operands
#endif
  out << key.expose().size();
}

}  // namespace ensconce
