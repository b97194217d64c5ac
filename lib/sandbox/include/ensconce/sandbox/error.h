#pragma once

#include "ensconce/base/error.h"

namespace ensconce {

// SandboxError says why a process did not lock itself in.
enum class SandboxError : std::uint8_t {
  kUnsupported,  // "required", and this kernel or build lacks a part
  kThreads,      // other threads run already, which a part would not reach
  kRefused,      // the kernel has the part and did not take it
};
CodeInfo error_info(SandboxError code);

}  // namespace ensconce
