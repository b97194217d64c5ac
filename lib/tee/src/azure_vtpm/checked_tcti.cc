#include "checked_tcti.h"

#include <tss2/tss2_tpm2_types.h>

#include <algorithm>
#include <utility>

#include "ensconce/base/bytes.h"

namespace ensconce::internal {

namespace {

// No length, count or algorithm that begins with it is one that a TPM may name.
constexpr std::uint8_t kNothing = 0xff;

// Every answer begins with tag, size and code (TCG TPM 2.0 Library, part 1, 18.3).
TSS2_RC check_answer(MutableByteView buffer, std::size_t len) {
  if (len > buffer.size()) {
    return TSS2_TCTI_RC_MALFORMED_RESPONSE;
  }
  ByteReader in(buffer.first(len));
  const auto tag = in.u16_be();
  const auto size = in.u32_be();
  const auto code = in.u32_be();
  if (!tag || !size || !code || *size != len) {
    return TSS2_TCTI_RC_MALFORMED_RESPONSE;
  }
  if (*tag == TPM2_ST_RSP_COMMAND) {
    return TPM2_RC_BAD_TAG;
  }
  // Behind a refusal tpm2-tss looks for its command, to send it again.
  if (*code == TPM2_RC_SUCCESS) {
    std::fill(buffer.begin() + static_cast<std::ptrdiff_t>(len), buffer.end(), kNothing);
  }
  return TSS2_RC_SUCCESS;
}

struct CheckedTcti {
  TSS2_TCTI_CONTEXT_COMMON_V1 common{};  // first: tpm2-tss looks for it at our address
  Tcti inner;

  static CheckedTcti& of(TSS2_TCTI_CONTEXT* context) {
    return *reinterpret_cast<CheckedTcti*>(context);
  }

  static TSS2_RC transmit(TSS2_TCTI_CONTEXT* context, std::size_t size, const std::uint8_t* bytes) {
    return Tss2_Tcti_Transmit(of(context).inner.get(), size, bytes);
  }

  static TSS2_RC receive(TSS2_TCTI_CONTEXT* context, std::size_t* size, std::uint8_t* bytes,
                         std::int32_t timeout) {
    if (bytes == nullptr) {  // how much room the answer takes
      *size = TPM2_MAX_RESPONSE_SIZE;
      return TSS2_RC_SUCCESS;
    }
    const std::size_t room = *size;
    const TSS2_RC code = Tss2_Tcti_Receive(of(context).inner.get(), size, bytes, timeout);
    return code == TSS2_RC_SUCCESS ? check_answer({bytes, room}, *size) : code;
  }
};

}  // namespace

Tcti checked_tcti(Tcti inner) {
  auto* made = new CheckedTcti;
  made->common.magic = 0x656e73636f6e6365;
  made->common.version = 1;
  made->common.transmit = CheckedTcti::transmit;
  made->common.receive = CheckedTcti::receive;
  made->inner = std::move(inner);
  return {reinterpret_cast<TSS2_TCTI_CONTEXT*>(made), [made](TSS2_TCTI_CONTEXT*) { delete made; }};
}

}  // namespace ensconce::internal
