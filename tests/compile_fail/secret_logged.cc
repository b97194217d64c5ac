// A secret is not text: no log line takes it.
#include "ensconce/base/log.h"
#include "ensconce/base/secret.h"

namespace ensconce {

void say(const SecretBytes& key) {
#ifdef ENSC_MISUSE
  log_info(key);  // MISUSE: cannot convert | could not convert | invalid initialization | no
                  // matching function
#endif
  log_info("a key of " + std::to_string(key.size()) + " bytes");
}

}  // namespace ensconce
