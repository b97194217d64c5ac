#include "tpm_error.h"

#include <tss2/tss2_tpm2_types.h>

#include <array>
#include <string>

#include "ensconce/base/bytes.h"

namespace ensconce::internal {

namespace {

// Response codes (TCG TPM 2.0 Library, part 2, 6.6.3) of which we know what to do.
struct Meaning {
  TSS2_RC code;
  TeeError error;
  const char* name;
  const char* remedy;
};

constexpr const char* kOtherTpm = "this TPM is no Azure confidential VM's";
constexpr const char* kRestart = "restart the virtual machine";
constexpr const char* kOwner =
    "the paravisor leaves the owner hierarchy open: somebody set a password for it, or locked it";

constexpr std::array kMeanings = {
    // A later try may find the TPM free.
    Meaning{TPM2_RC_RETRY, TeeError::kBusy, "RETRY", nullptr},
    Meaning{TPM2_RC_YIELDED, TeeError::kBusy, "YIELDED", nullptr},
    Meaning{TPM2_RC_CANCELED, TeeError::kBusy, "CANCELED", nullptr},
    Meaning{TPM2_RC_TESTING, TeeError::kBusy, "TESTING", nullptr},
    Meaning{TPM2_RC_NV_RATE, TeeError::kBusy, "NV_RATE", nullptr},
    Meaning{TPM2_RC_NV_UNAVAILABLE, TeeError::kBusy, "NV_UNAVAILABLE", nullptr},
    Meaning{TPM2_RC_OBJECT_MEMORY, TeeError::kBusy, "OBJECT_MEMORY",
            "other programs fill the TPM's memory: use /dev/tpmrm0, which shares it out"},
    // Not this kind of TPM.
    Meaning{TPM2_RC_HANDLE, TeeError::kNoDevice, "HANDLE: no such index or key", kOtherTpm},
    Meaning{TPM2_RC_NV_UNINITIALIZED, TeeError::kNoDevice, "NV_UNINITIALIZED: never written",
            kOtherTpm},
    Meaning{TPM2_RC_BAD_TAG, TeeError::kBadAnswer, "BAD_TAG: a TPM 1.2", "TPM 2.0 is needed"},
    Meaning{TPM2_RC_COMMAND_CODE, TeeError::kUnsupported, "COMMAND_CODE: no such command",
            kOtherTpm},
    // Not for us.
    Meaning{TPM2_RC_NV_LOCKED, TeeError::kDenied, "NV_LOCKED", kOwner},
    Meaning{TPM2_RC_NV_AUTHORIZATION, TeeError::kDenied, "NV_AUTHORIZATION", kOwner},
    Meaning{TPM2_RC_AUTH_FAIL, TeeError::kDenied, "AUTH_FAIL", kOwner},
    Meaning{TPM2_RC_BAD_AUTH, TeeError::kDenied, "BAD_AUTH", kOwner},
    Meaning{TPM2_RC_HIERARCHY, TeeError::kDenied, "HIERARCHY", kOwner},
    // Out of order.
    Meaning{TPM2_RC_LOCKOUT, TeeError::kFirmware, "LOCKOUT", kRestart},
    Meaning{TPM2_RC_FAILURE, TeeError::kFirmware, "FAILURE", kRestart},
    Meaning{TPM2_RC_INITIALIZE, TeeError::kFirmware, "INITIALIZE", kRestart},
};

std::string hex_of(TSS2_RC code) {
  const ByteArray<4> bytes{static_cast<std::uint8_t>(code >> 24),
                           static_cast<std::uint8_t>(code >> 16),
                           static_cast<std::uint8_t>(code >> 8), static_cast<std::uint8_t>(code)};
  return "0x" + to_hex(bytes);
}

// Codes of format one say also which handle, session or parameter they are about: bits 6 and 8-11.
TSS2_RC without_position(TSS2_RC code) {
  return (code & TPM2_RC_FMT1) != 0 ? code & 0x0bf : code & 0xfff;
}

// The kernel's resource manager answers as the TPM does, in a layer of its own.
bool is_of_tpm(TSS2_RC code) {
  const TSS2_RC layer = code & TSS2_RC_LAYER_MASK;
  return layer == TSS2_TPM_RC_LAYER || layer == TSS2_RESMGR_TPM_RC_LAYER;
}

}  // namespace

Error tpm_error(const char* doing, TSS2_RC code) {
  const std::string detail = std::string(doing) + ": TPM code " + hex_of(code);
  if (is_of_tpm(code)) {
    for (const Meaning& one : kMeanings) {
      if (one.code == without_position(code)) {
        const Error error(one.error, detail + " (" + one.name + ")");
        return one.remedy == nullptr ? error : Error(error).with_remedy(one.remedy);
      }
    }
    return {TeeError::kFirmware, detail};
  }
  switch (code & 0xffff) {
    case TSS2_BASE_RC_TRY_AGAIN:
      return {TeeError::kBusy, detail};
    case TSS2_BASE_RC_IO_ERROR:
    case TSS2_BASE_RC_NO_CONNECTION:
    case TSS2_BASE_RC_MEMORY:
      return {TeeError::kIo, detail};
    default:
      return {TeeError::kBadAnswer, detail};
  }
}

}  // namespace ensconce::internal
