// A pass has no default: there is no empty one to be filled in later.
#include "ensconce/attestation/appraise/appraise.h"

namespace ensconce {

Instant end_of(const Affirmed& given) {
#ifdef ENSC_MISUSE
  const Affirmed made{};  // MISUSE: no matching | private
  return made.expires();
#endif
  return given.expires();
}

}  // namespace ensconce
