#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ensconce/base/result.h"
#include "ensconce/sim/error.h"
#include "ensconce/sim/platform.h"

namespace ensconce {

// Fault is one way in which a played device or its processor misbehaves. docs/simulator.md says
// what each does on each platform.
enum class Fault : std::uint8_t {
  // Devices that fail.
  kBusy,
  kThrottled,
  kFirmwareError,
  kShortRead,
  kWrongGeneration,
  kDenied,
  kHang,
  kStale,
  // Evidence that is genuine in form, and must be refused.
  kOtherEnclave,
  kTdReport,
  kOtherAk,
  kWrongPcr,
  kOtherVm,
  kPrivilegeLevel,
  kDebug,
};
std::string_view name_of(Fault fault);  // "firmware-error"

// FaultRule makes a fault befall requests number `first` to `first` + `count` - 1 of a run. A
// request is one asking for a report or quote; the first is number 1.
struct FaultRule {
  Fault fault = Fault::kBusy;
  std::uint64_t first = 1;
  std::optional<std::uint64_t> count;  // nothing: all that follow
  bool of_run = false;                 // befalls the run, and no request
  friend bool operator==(const FaultRule&, const FaultRule&) = default;
};

// parse_fault reads NAME[:COUNT][@FIRST], both numbers from 1 to 1000000. A fault that makes no
// sense on the platform is SimError::kFault, and so are numbers with one that is of the whole run
// (what an Azure VM finds in its TPM was put there before the first request).
Result<FaultRule> parse_fault(std::string_view text, Platform platform);

// FaultScript counts the requests of a run and says what befalls each: the first rule that fits.
class FaultScript {
 public:
  FaultScript() = default;
  explicit FaultScript(std::vector<FaultRule> rules) : rules_(std::move(rules)) {}

  // next takes the next request and returns its fault; it says so in the log.
  std::optional<Fault> next();
  // next_is says whether the next request has this fault, and takes it then alone.
  bool next_is(Fault fault);
  // of_run says whether a fault is scripted for the run as a whole.
  [[nodiscard]] bool of_run(Fault fault) const;

 private:
  [[nodiscard]] std::optional<Fault> of(std::uint64_t request) const;
  std::vector<FaultRule> rules_;
  std::uint64_t num_requests_ = 0;
};

}  // namespace ensconce
