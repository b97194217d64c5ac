#pragma once

#include "ensconce/base/error.h"

namespace ensconce {

// TeeError says why a device gave no evidence.
enum class TeeError : std::uint8_t {
  kNoDevice,     // there is no report interface under the configured root
  kDenied,       // the device refuses this process
  kBusy,         // still busy, or used by others at the same time, after every attempt
  kTimedOut,     // an attribute did not appear, or the device did not answer, in time
  kUnsupported,  // a provider this version does not know
  kBadAnswer,    // the answer has not the form the interface promises
  kWrongReport,  // a report that does not carry the report data that was asked for
  kIo,           // the device failed
};
CodeInfo error_info(TeeError code);

}  // namespace ensconce
