#pragma once

#include <linux/sev-guest.h>

#include <filesystem>
#include <memory>

namespace ensconce {

// SevGuestDevice is /dev/sev-guest as Linux offers it (Documentation/virt/coco/sev-guest.rst), one
// method an ioctl. The kernel's own structures go through it unchanged, so that what stands in for
// it in tests is the driver and nothing of ours. Each returns an errno, 0 for success; after an
// error `request` has what firmware or host said, or the driver's mark that neither was called.
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

}  // namespace ensconce
