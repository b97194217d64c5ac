#include <fcntl.h>
#include <tss2/tss2_tcti_device.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "../device_error.h"
#include "ensconce/base/file.h"
#include "esys_device.h"
#include "tpm_error.h"

namespace ensconce {

namespace {

// tpm2-tss says of a device that cannot be opened only that: the errno tells more.
Result<void> look_at(const std::filesystem::path& path) {
  const Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (fd.valid()) {
    return ok();
  }
  const int error = errno;
  if (internal::is_absent(error)) {
    return Error(TeeError::kNoDevice,
                 "there is no TPM at " + path.string() + ": " + std::strerror(error))
        .with_remedy("in an Azure confidential VM: modprobe tpm_crb");
  }
  Error out = internal::device_error("opening the TPM", error);
  return out.is(TeeError::kDenied)
             ? std::move(out).with_remedy("add the user of this program to the group tss")
             : out;
}

Result<internal::Tcti> open_kernel_device(const std::filesystem::path& path) {
  ENSC_TRY(look_at(path));
  std::size_t size = 0;
  if (const TSS2_RC code = Tss2_Tcti_Device_Init(nullptr, &size, nullptr); code != 0) {
    return internal::tpm_error("opening the TPM", code);
  }
  auto memory = std::make_unique<Bytes>(size);
  auto* context = reinterpret_cast<TSS2_TCTI_CONTEXT*>(memory->data());
  if (const TSS2_RC code = Tss2_Tcti_Device_Init(context, &size, path.c_str()); code != 0) {
    return internal::tpm_error("opening the TPM", code);
  }
  return internal::Tcti(context, [owned = std::shared_ptr<Bytes>(std::move(memory))](
                                     TSS2_TCTI_CONTEXT* opened) { Tss2_Tcti_Finalize(opened); });
}

}  // namespace

std::unique_ptr<VtpmDevice> make_vtpm_device(std::filesystem::path path) {
  return internal::make_esys_device([path = std::move(path)] { return open_kernel_device(path); });
}

}  // namespace ensconce
