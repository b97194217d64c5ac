#pragma once

#include "ensconce/base/error.h"

namespace ensconce {

// TeeError says why a device gave no evidence, or why what it gave was not passed on.
enum class TeeError : std::uint8_t {
  kConfig,           // a key of the configuration that says which device to ask
  kNoDevice,         // there is no such interface where the configuration says
  kDenied,           // the device refuses this process
  kBusy,             // still busy, or used by others at the same time, after every attempt
  kTimedOut,         // an attribute did not appear, or the device did not answer, in time
  kUnsupported,      // a platform this version does not know
  kAttestationType,  // Gramine was started without DCAP attestation
  kBadAnswer,        // the answer has not the form the interface promises
  kTdReport,         // a TDREPORT in the place of a quote
  kWrongReport,      // evidence that does not carry the report data that was asked for
  kWrongLevel,       // a report of another privilege level than was asked for
  kWrongKey,         // a vTPM quote by another key than the paravisor's report vouches for
  kFirmware,         // the firmware, or the host for it, refused
  kEndorsements,     // endorsements of this platform cannot be read, or lack what evidence needs
  kIo,               // the device failed
};
CodeInfo error_info(TeeError code);

}  // namespace ensconce
