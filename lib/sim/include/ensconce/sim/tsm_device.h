#pragma once

#include <array>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "ensconce/base/bytes.h"
#include "ensconce/sim/process_gate.h"
#include "ensconce/sim/snp_pki.h"

namespace ensconce {

// SimulatedChip makes SNP reports for one launch. Byte-exact in form, signed by a chip key whose
// root nobody trusts unless they say so.
class SimulatedChip {
 public:
  // Everything borrowed must outlive the chip.
  SimulatedChip(const SnpPki& pki, const ByteArray<48>& measurement, const Clock& clock,
                Random& random);
  [[nodiscard]] Bytes report(const ByteArray<64>& report_data, std::uint32_t vmpl) const;
  // certificates is the certificate table with a CRL that is current.
  [[nodiscard]] Bytes certificates();

 private:
  const SnpPki& pki_;
  const Clock& clock_;
  SnpReport template_;
  Bytes table_;
  Instant table_made_;
};

struct DeviceAnswer {
  int error = 0;  // errno
  Bytes bytes;
};

// TsmDevice is the content of a configfs-tsm tree: which requests exist, what was written to them,
// and what a read gives. Both transports serve it. It speaks errno, as the interface does.
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

  TsmDevice(SimulatedChip& chip, const ProcessGate& gate) : chip_(chip), gate_(gate) {}

  int make(std::string_view name);    // EEXIST, ENOSPC, EINVAL
  int remove(std::string_view name);  // ENOENT
  [[nodiscard]] bool has(std::string_view name) const;
  int write(std::string_view name, std::string_view attribute, ByteView bytes);
  // read makes a report when outblob or auxblob is read, and only while the started program runs
  // nothing but what was measured; otherwise EIO.
  DeviceAnswer read(std::string_view name, std::string_view attribute);

  static const Attribute* find(std::string_view attribute);

 private:
  struct Request {
    Bytes inblob;
    std::uint64_t generation = 0;
    std::uint32_t privlevel = 0;
  };
  DeviceAnswer report(const Request& request);

  SimulatedChip& chip_;
  const ProcessGate& gate_;
  mutable std::mutex mutex_;
  std::map<std::string, Request, std::less<>> requests_;
  std::uint64_t num_reports_ = 0;
};

}  // namespace ensconce
