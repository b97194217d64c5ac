#include "ensconce/sim/faults.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "ensconce/base/log.h"

namespace ensconce {

namespace {

constexpr std::uint64_t kMaxNumber = 1'000'000;

constexpr unsigned bit(Platform platform) { return 1U << static_cast<unsigned>(platform); }
constexpr unsigned kSnp = bit(Platform::kSnp);
constexpr unsigned kTdx = bit(Platform::kTdx);
constexpr unsigned kSgx = bit(Platform::kSgx);
constexpr unsigned kAzure = bit(Platform::kAzure);
constexpr unsigned kEvery = kSnp | kTdx | kSgx | kAzure;

struct Known {
  Fault fault;
  std::string_view name;
  unsigned platforms;      // where it makes sense
  unsigned of_run_on = 0;  // where it is of the whole run
};
constexpr std::array<Known, 15> kKnown = {{
    {Fault::kBusy, "busy", kEvery},
    {Fault::kThrottled, "throttled", kEvery},
    {Fault::kFirmwareError, "firmware-error", kEvery},
    {Fault::kShortRead, "short-read", kEvery},
    {Fault::kWrongGeneration, "wrong-generation", kSnp | kTdx},
    {Fault::kDenied, "denied", kEvery},
    {Fault::kHang, "hang", kEvery},
    {Fault::kStale, "stale", kEvery},
    {Fault::kOtherEnclave, "other-enclave", kSgx},
    {Fault::kTdReport, "tdreport", kTdx},
    {Fault::kOtherAk, "other-ak", kAzure},
    {Fault::kWrongPcr, "wrong-pcr", kAzure},
    {Fault::kOtherVm, "other-vm", kAzure, kAzure},
    {Fault::kPrivilegeLevel, "privilege-level", kSnp | kAzure, kAzure},
    {Fault::kDebug, "debug", kEvery, kAzure},
}};

Error bad(std::string detail, Platform platform) {
  std::string names;
  for (const Known& known : kKnown) {
    if ((known.platforms & bit(platform)) != 0) {
      names += (names.empty() ? "" : ", ") + std::string(known.name);
    }
  }
  return Error(SimError::kFault, std::move(detail))
      .with_remedy("--fault NAME[:COUNT][@FIRST]; on " + std::string(name_of(platform)) +
                   " NAME is one of " + names);
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0 ||
      value > kMaxNumber) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

std::string_view name_of(Fault fault) {
  for (const Known& known : kKnown) {
    if (known.fault == fault) {
      return known.name;
    }
  }
  return "unknown";
}

Result<FaultRule> parse_fault(std::string_view text, Platform platform) {
  const std::size_t at = std::min(text.find('@'), text.size());
  const std::size_t colon = std::min(text.substr(0, at).find(':'), at);
  const std::string name(text.substr(0, colon));
  const auto* known = std::find_if(kKnown.begin(), kKnown.end(),
                                   [&](const Known& one) { return one.name == name; });
  if (known == kKnown.end()) {
    return bad("\"" + name + "\" is no fault", platform);
  }
  if ((known->platforms & bit(platform)) == 0) {
    return bad(name + " makes no sense on " + std::string(name_of(platform)), platform);
  }
  FaultRule rule;
  rule.fault = known->fault;
  if (colon != at) {
    rule.count = number(text.substr(colon + 1, at - colon - 1));
    if (!rule.count.has_value()) {
      return bad("COUNT of " + name + " is no number from 1 to 1000000", platform);
    }
  }
  if (at != text.size()) {
    const auto first = number(text.substr(at + 1));
    if (!first.has_value()) {
      return bad("FIRST of " + name + " is no number from 1 to 1000000", platform);
    }
    rule.first = *first;
  }
  rule.of_run = (known->of_run_on & bit(platform)) != 0;
  if (rule.of_run && text.size() != name.size()) {
    return bad(name + " is of the whole run on " + std::string(name_of(platform)) +
                   " and takes no numbers",
               platform);
  }
  return rule;
}

std::optional<Fault> FaultScript::of(std::uint64_t request) const {
  for (const FaultRule& rule : rules_) {
    if (!rule.of_run && request >= rule.first &&
        (!rule.count.has_value() || request - rule.first < *rule.count)) {
      return rule.fault;
    }
  }
  return std::nullopt;
}

std::optional<Fault> FaultScript::next() {
  const auto fault = of(++num_requests_);
  if (fault.has_value()) {
    log_info("SIMULATED fault " + std::string(name_of(*fault)) + " befalls request " +
             std::to_string(num_requests_));
  }
  return fault;
}

bool FaultScript::next_is(Fault fault) {
  if (of(num_requests_ + 1) != fault) {
    return false;
  }
  next();
  return true;
}

bool FaultScript::of_run(Fault fault) const {
  return std::any_of(rules_.begin(), rules_.end(),
                     [&](const FaultRule& rule) { return rule.of_run && rule.fault == fault; });
}

}  // namespace ensconce
