#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ensconce {

// Platform is the kind of secure processor that is played.
enum class Platform : std::uint8_t {
  kSnp,    // AMD SEV-SNP by configfs-tsm
  kTdx,    // Intel TDX by configfs-tsm
  kSgx,    // Intel SGX by the files of Gramine
  kAzure,  // an Azure confidential VM on SEV-SNP by its vTPM
};
std::string_view name_of(Platform platform);  // "snp", "tdx", "sgx", "azure"
std::optional<Platform> platform_from_name(std::string_view name);

// device_place is where a started program finds its device, relative to its working directory:
// "tsm", "attestation" or "tpm".
std::string_view device_place(Platform platform);
// has_endorsements says whether the device hands out no certificates, so that they lie beside it in
// "endorsements", as an operator would put them there.
bool has_endorsements(Platform platform);

inline constexpr std::string_view kEndorsementsPlace = "endorsements";

}  // namespace ensconce
