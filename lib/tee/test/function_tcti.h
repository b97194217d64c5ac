#pragma once

#include <tss2/tss2_tcti.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "../src/azure_vtpm/esys_device.h"

namespace ensconce {

// TpmAnswer answers one command of the TPM, whole bytes in and out; no bytes is a device that
// failed.
using TpmAnswer = std::function<Bytes(ByteView command)>;

// FunctionTcti is tpm2-tss's way to a function.
class FunctionTcti {
 public:
  static internal::OpenTcti opening(TpmAnswer answer) {
    return [answer = std::move(answer)]() -> Result<internal::Tcti> {
      auto* made = new FunctionTcti(answer);
      return internal::Tcti(reinterpret_cast<TSS2_TCTI_CONTEXT*>(made),
                            [made](TSS2_TCTI_CONTEXT*) { delete made; });
    };
  }

 private:
  explicit FunctionTcti(TpmAnswer answer) : answer_(std::move(answer)) {
    common_.magic = 0x656e7363;
    common_.version = 1;
    common_.transmit = transmit;
    common_.receive = receive;
  }

  static FunctionTcti& of(TSS2_TCTI_CONTEXT* context) {
    return *reinterpret_cast<FunctionTcti*>(context);
  }

  static TSS2_RC transmit(TSS2_TCTI_CONTEXT* context, std::size_t size, const std::uint8_t* bytes) {
    of(context).response_ = of(context).answer_({bytes, size});
    return of(context).response_.empty() ? TSS2_TCTI_RC_IO_ERROR : TSS2_RC_SUCCESS;
  }

  static TSS2_RC receive(TSS2_TCTI_CONTEXT* context, std::size_t* size, std::uint8_t* bytes,
                         std::int32_t /*timeout*/) {
    const Bytes& response = of(context).response_;
    if (bytes != nullptr) {
      if (*size < response.size()) {
        return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
      }
      std::copy(response.begin(), response.end(), bytes);
    }
    *size = response.size();
    return TSS2_RC_SUCCESS;
  }

  TSS2_TCTI_CONTEXT_COMMON_V1 common_{};  // first: tpm2-tss looks for it at our address
  TpmAnswer answer_;
  Bytes response_;
};

}  // namespace ensconce
