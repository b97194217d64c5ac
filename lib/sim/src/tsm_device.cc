#include "ensconce/sim/tsm_device.h"

#include <algorithm>
#include <cerrno>

#include "ensconce/base/log.h"

namespace ensconce {

namespace {

constexpr std::size_t kReportDataLen = 64;
// What goes with privilege levels, which a trust domain has not.
constexpr std::array<std::string_view, 3> kOfLevels = {"privlevel", "privlevel_floor", "auxblob"};

bool valid_name(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !name.empty() && name.size() <= TsmDevice::kMaxName && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), plain);
}

Bytes line(std::string_view text) { return to_bytes(std::string(text) + "\n"); }

}  // namespace

bool TsmDevice::shows(std::string_view attribute) const {
  return find(attribute) != nullptr &&
         (processor_.has_levels() ||
          std::find(kOfLevels.begin(), kOfLevels.end(), attribute) == kOfLevels.end());
}

const TsmDevice::Attribute* TsmDevice::find(std::string_view attribute) {
  const auto* it = std::find_if(kAttributes.begin(), kAttributes.end(),
                                [&](const Attribute& a) { return a.name == attribute; });
  return it == kAttributes.end() ? nullptr : it;
}

int TsmDevice::make(std::string_view name) {
  const std::lock_guard lock(mutex_);
  if (!valid_name(name)) {
    return EINVAL;
  }
  if (requests_.contains(name)) {
    return EEXIST;
  }
  if (requests_.size() == kMaxRequests) {
    return ENOSPC;
  }
  if (faults_.next_is(Fault::kDenied)) {
    return EACCES;
  }
  requests_.emplace(name, Request{});
  return 0;
}

int TsmDevice::remove(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto it = requests_.find(name);
  if (it == requests_.end()) {
    return ENOENT;
  }
  requests_.erase(it);
  return 0;
}

bool TsmDevice::has(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  return requests_.contains(name);
}

int TsmDevice::write(std::string_view name, std::string_view attribute, ByteView bytes) {
  const std::lock_guard lock(mutex_);
  const auto it = requests_.find(name);
  const Attribute* known = shows(attribute) ? find(attribute) : nullptr;
  if (it == requests_.end() || known == nullptr) {
    return ENOENT;
  }
  if (known->access != Access::kWrite) {
    return EACCES;
  }
  Request& request = it->second;
  if (attribute == "inblob") {
    if (bytes.empty() || bytes.size() > kReportDataLen) {
      return EINVAL;
    }
    request.inblob = to_bytes(bytes);
  } else {  // privlevel: one digit, 0 to 3
    const std::string_view text = as_text(bytes);
    if (text.empty() || text.size() > 2 || text[0] < '0' || text[0] > '3' ||
        (text.size() == 2 && text[1] != '\n')) {
      return EINVAL;
    }
    request.privlevel = static_cast<std::uint32_t>(text[0] - '0');
  }
  ++request.generation;
  return 0;
}

DeviceAnswer TsmDevice::read(std::string_view name, std::string_view attribute) {
  const std::lock_guard lock(mutex_);
  const auto it = requests_.find(name);
  const Attribute* known = shows(attribute) ? find(attribute) : nullptr;
  if (it == requests_.end() || known == nullptr) {
    return {ENOENT, {}};
  }
  if (known->access != Access::kRead) {
    return {EACCES, {}};
  }
  if (attribute == "provider") {
    return {0, line(processor_.provider())};
  }
  if (attribute == "privlevel_floor") {
    return {0, line("0")};
  }
  if (attribute == "generation") {
    return {0, line(std::to_string(it->second.generation))};
  }
  if (const auto measured = gate_.verify_code(); !measured) {
    log_failure("SIMULATED processor refuses a report", measured.error());
    return {EIO, {}};
  }
  if (it->second.inblob.size() != kReportDataLen) {
    return {EINVAL, {}};  // as the kernel's drivers do: report data is 64 bytes
  }
  return attribute == "outblob" ? report(it->second) : DeviceAnswer{0, processor_.certificates()};
}

DeviceAnswer TsmDevice::report(Request& request) {
  const std::optional<Fault> fault = faults_.next();
  if (fault == Fault::kBusy) {
    return {EBUSY, {}};
  }
  if (fault == Fault::kThrottled) {
    return {EAGAIN, {}};
  }
  if (fault == Fault::kFirmwareError) {
    return {EIO, {}};
  }
  if (fault == Fault::kHang) {
    return {kNever, {}};
  }
  if (fault == Fault::kWrongGeneration) {
    ++request.generation;  // as if another process had written to the same directory
  }
  ByteArray<kReportDataLen> report_data{};
  std::copy(request.inblob.begin(), request.inblob.end(), report_data.begin());
  ++num_reports_;
  log_info("SIMULATED " + std::string(processor_.provider()) + " report " +
           std::to_string(num_reports_) + " for process " + std::to_string(gate_.pid()) +
           ", report data " + to_hex(ByteView(report_data).first(8)) + "…");
  Bytes bytes = processor_.report(report_data, request.privlevel, fault);
  if (fault == Fault::kShortRead) {
    bytes.resize(bytes.size() / 2);
  }
  return {0, std::move(bytes)};
}

}  // namespace ensconce
