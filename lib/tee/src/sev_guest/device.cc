#include "device.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <utility>

#include "ensconce/base/file.h"

namespace ensconce {

namespace {

class KernelDevice final : public SevGuestDevice {
 public:
  explicit KernelDevice(std::filesystem::path path) : path_(std::move(path)) {}

  int open() override {
    fd_ = Fd(::open(path_.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY));
    return fd_.valid() ? 0 : errno;
  }
  void close() override { fd_.reset(); }
  int get_report(snp_guest_request_ioctl& request) override {
    return call(SNP_GET_REPORT, request);
  }
  int get_ext_report(snp_guest_request_ioctl& request) override {
    return call(SNP_GET_EXT_REPORT, request);
  }

 private:
  [[nodiscard]] int call(unsigned long what, snp_guest_request_ioctl& request) const {
    return ::ioctl(fd_.get(), what, &request) == 0 ? 0 : errno;
  }
  std::filesystem::path path_;
  Fd fd_;
};

}  // namespace

std::unique_ptr<SevGuestDevice> make_sev_guest_device(std::filesystem::path path) {
  return std::make_unique<KernelDevice>(std::move(path));
}

}  // namespace ensconce
