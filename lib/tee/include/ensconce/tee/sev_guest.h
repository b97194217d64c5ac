#pragma once

#include <filesystem>
#include <memory>

#include "ensconce/tee/provider.h"

namespace ensconce {

class SevGuestDevice;  // the ioctls, in the kernel's structures; src/sev_guest/device.h

// SevGuestProvider gets SEV-SNP evidence by the ioctls of /dev/sev-guest, for kernels without
// configfs-tsm: the extended report, with the host's certificates; where the host has none to give,
// the report alone. What may pass (EBUSY, a host that throttles) is tried again, at most kAttempts
// times. It runs at VMPL 0 and takes no report of another level.
class SevGuestProvider final : public EvidenceProvider {
 public:
  static constexpr int kAttempts = 8;

  explicit SevGuestProvider(std::filesystem::path path);
  SevGuestProvider(std::unique_ptr<SevGuestDevice> device, Sleeper sleep);
  ~SevGuestProvider() override;

  Result<HardwareEvidence> attest(const ByteArray<64>& report_data) override;
  [[nodiscard]] std::string name() const override { return "sev-guest"; }

 private:
  Result<HardwareEvidence> request(const ByteArray<64>& report_data);
  std::unique_ptr<SevGuestDevice> device_;
  Sleeper sleep_;
};

}  // namespace ensconce
