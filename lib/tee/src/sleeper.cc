#include <thread>

#include "ensconce/tee/provider.h"

namespace ensconce {

Sleeper real_sleeper() {
  return [](Millis d) { std::this_thread::sleep_for(d); };
}

}  // namespace ensconce
