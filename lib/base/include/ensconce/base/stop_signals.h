#pragma once

#include <csignal>

namespace ensconce {

// StopSignals keeps SIGTERM and SIGINT from the threads of a program and lets its main thread wait
// for one; SIGPIPE is ignored. Made before any thread is started, because threads inherit the mask.
class StopSignals {
 public:
  StopSignals();
  void wait() const;

 private:
  sigset_t signals_{};
};

}  // namespace ensconce
