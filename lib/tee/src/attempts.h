#pragma once

#include <algorithm>

#include "ensconce/tee/error.h"
#include "ensconce/tee/provider.h"

namespace ensconce::internal {

// Pauses between attempts double from `first` to `longest`.
struct Pauses {
  Millis first;
  Millis longest;
};

// with_attempts makes a request anew while it fails with kBusy, which alone may pass, at most
// `attempts` times.
template <typename Request>
Result<HardwareEvidence> with_attempts(int attempts, Pauses pauses, const Sleeper& sleep,
                                       const Request& request) {
  Millis pause = pauses.first;
  for (int attempt = 1;; ++attempt) {
    Result<HardwareEvidence> evidence = request();
    if (evidence || !evidence.error().is(TeeError::kBusy) || attempt == attempts) {
      return evidence;
    }
    sleep(pause);
    pause = std::min(pause * 2, pauses.longest);
  }
}

}  // namespace ensconce::internal
