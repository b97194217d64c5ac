// A refusal that nobody reads would be a check that is not there.
#include "ensconce/base/result.h"

namespace ensconce {

Result<void> refuse();

Result<void> act() {
#ifdef ENSC_MISUSE
  refuse();  // MISUSE: nodiscard
#else
  ENSC_TRY(refuse());
#endif
  return ok();
}

}  // namespace ensconce
