#pragma once

#include "ensconce/base/error.h"

namespace ensconce {

// SimError says why the simulated processor could not do its part.
enum class SimError : std::uint8_t {
  kState,        // the state directory is missing, foreign or open to others
  kNotFound,     // no such program
  kNotElf,       // a program this machine cannot measure (a script, another architecture)
  kClosure,      // the dynamic loader cannot say, or the copies would not be what runs
  kStage,        // the private copies could not be made
  kTransport,    // the device tree could not be served
  kStart,        // the program did not start
  kForeignCode,  // the program runs code that was not measured
  kFault,        // a scripted fault that there is not, or not on this platform
  kVtpm,         // swtpm is missing, or did not do what it was asked
};
CodeInfo error_info(SimError code);

}  // namespace ensconce
