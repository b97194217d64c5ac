#pragma once

#include <linux/sev-guest.h>

#include <filesystem>
#include <memory>

#include "ensconce/tee/provider.h"

namespace ensconce {

// SevGuestDevice is /dev/sev-guest as Linux offers it (Documentation/virt/coco/sev-guest.rst), one
// method an ioctl. The kernel's own structures go through it unchanged, so that what stands in for
// it in tests is the driver and nothing of ours. Each returns an errno, 0 for success; `request`
// then has what firmware and host said, as it also has after EIO.
class SevGuestDevice {
 public:
  SevGuestDevice() = default;
  virtual ~SevGuestDevice() = default;
  SevGuestDevice(const SevGuestDevice&) = delete;
  SevGuestDevice& operator=(const SevGuestDevice&) = delete;

  // open is done before each request, close after it.
  virtual int open() = 0;
  virtual void close() = 0;
  virtual int get_report(snp_guest_request_ioctl& request) = 0;      // SNP_GET_REPORT
  virtual int get_ext_report(snp_guest_request_ioctl& request) = 0;  // SNP_GET_EXT_REPORT
};
std::unique_ptr<SevGuestDevice> make_sev_guest_device(std::filesystem::path path);

// SevGuestProvider gets SEV-SNP evidence by the ioctls of /dev/sev-guest, for kernels without
// configfs-tsm: the extended report, with the host's certificates; where the host has none to give,
// the report alone. What may pass (EBUSY, a host that throttles) is tried again, at most kAttempts
// times. It runs at VMPL 0 and takes no report of another level.
class SevGuestProvider final : public EvidenceProvider {
 public:
  static constexpr int kAttempts = 8;

  explicit SevGuestProvider(std::filesystem::path path);
  SevGuestProvider(std::unique_ptr<SevGuestDevice> device, Sleeper sleep);

  Result<HardwareEvidence> attest(const ByteArray<64>& report_data) override;
  [[nodiscard]] std::string name() const override { return "sev-guest"; }

 private:
  Result<HardwareEvidence> request(const ByteArray<64>& report_data);
  std::unique_ptr<SevGuestDevice> device_;
  Sleeper sleep_;
};

}  // namespace ensconce
