#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "ensconce/codec/json.h"

namespace ensconce {

// AttesterKind is an interface through which a secure processor is asked.
enum class AttesterKind : std::uint8_t {
  kAuto,         // the first of the others that is there
  kConfigfsTsm,  // Linux configfs-tsm: SEV-SNP and TDX guests
  kSevGuest,     // /dev/sev-guest: SEV-SNP guests of older kernels
  kGramine,      // Gramine's /dev/attestation: SGX enclaves
  kAzureVtpm,    // the vTPM of an Azure confidential VM
};
std::string_view name_of(AttesterKind kind);  // "auto", "configfs-tsm", …
std::optional<AttesterKind> attester_kind_from_name(std::string_view name);

// AttesterSettings are the keys of worker.toml and broker.toml that say which device to ask, and
// where it is.
struct AttesterSettings {
  AttesterKind attester = AttesterKind::kAuto;
  std::filesystem::path tsm_root = "/sys/kernel/config/tsm";
  std::filesystem::path sev_guest = "/dev/sev-guest";
  std::filesystem::path gramine_root = "/dev/attestation";
  std::filesystem::path tpm = "/dev/tpmrm0";
  std::filesystem::path endorsements;  // a directory (docs/attesters.md); empty: none
};

// read_attester_settings takes the keys `attester`, `tsm_root`, `sev_guest`, `gramine_root`, `tpm`
// and `endorsements`, each optional: TeeError::kConfig names the one that is wrong.
Result<AttesterSettings> read_attester_settings(json::Fields& fields);

// read_optional_attester is the same where no attester may be meant: nothing unless `attester` or
// `tsm_root` is there. `tsm_root` alone means configfs-tsm, the other keys alone nothing: they are
// refused.
Result<std::optional<AttesterSettings>> read_optional_attester(json::Fields& fields);

}  // namespace ensconce
