#pragma once

#include <array>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "ensconce/sim/device_files.h"
#include "ensconce/sim/process_gate.h"
#include "ensconce/sim/processors.h"

namespace ensconce {

// TsmDevice is the content of a configfs-tsm tree: which requests exist, what was written to them,
// and what a read gives. Both transports serve it. It speaks errno, as the interface does.
// A fault takes its turn when outblob is read; `denied` when a request is made.
class TsmDevice {
 public:
  enum class Access : std::uint8_t { kRead, kWrite };
  struct Attribute {
    std::string_view name;
    Access access;
  };
  static constexpr std::array<Attribute, 7> kAttributes = {{{"provider", Access::kRead},
                                                            {"generation", Access::kRead},
                                                            {"privlevel_floor", Access::kRead},
                                                            {"outblob", Access::kRead},
                                                            {"auxblob", Access::kRead},
                                                            {"privlevel", Access::kWrite},
                                                            {"inblob", Access::kWrite}}};
  static constexpr std::size_t kMaxRequests = 64;
  static constexpr std::size_t kMaxName = 64;

  // Processor and gate are borrowed.
  TsmDevice(TsmProcessor& processor, const ProcessGate& gate, FaultScript faults = {})
      : processor_(processor), gate_(gate), faults_(std::move(faults)) {}

  int make(std::string_view name);    // EEXIST, ENOSPC, EINVAL, EACCES
  int remove(std::string_view name);  // ENOENT
  [[nodiscard]] bool has(std::string_view name) const;
  int write(std::string_view name, std::string_view attribute, ByteView bytes);
  // read makes a report when outblob or auxblob is read, and only while the started program runs
  // nothing but what was measured; otherwise EIO.
  DeviceAnswer read(std::string_view name, std::string_view attribute);

  // shows says whether this processor's requests have the attribute; find finds it among all.
  [[nodiscard]] bool shows(std::string_view attribute) const;
  static const Attribute* find(std::string_view attribute);

 private:
  struct Request {
    Bytes inblob;
    std::uint64_t generation = 0;
    std::uint32_t privlevel = 0;
  };
  DeviceAnswer report(Request& request);

  TsmProcessor& processor_;
  const ProcessGate& gate_;
  FaultScript faults_;
  mutable std::mutex mutex_;
  std::map<std::string, Request, std::less<>> requests_;
  std::uint64_t num_reports_ = 0;
};

}  // namespace ensconce
