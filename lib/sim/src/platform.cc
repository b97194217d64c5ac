#include "ensconce/sim/platform.h"

#include <array>
#include <utility>

namespace ensconce {

namespace {

constexpr std::array<std::pair<std::string_view, Platform>, 4> kNames = {
    {{"snp", Platform::kSnp},
     {"tdx", Platform::kTdx},
     {"sgx", Platform::kSgx},
     {"azure", Platform::kAzure}}};

}  // namespace

std::string_view name_of(Platform platform) {
  for (const auto& [name, value] : kNames) {
    if (value == platform) {
      return name;
    }
  }
  return "unknown";
}

std::optional<Platform> platform_from_name(std::string_view name) {
  for (const auto& [known, value] : kNames) {
    if (known == name) {
      return value;
    }
  }
  return std::nullopt;
}

std::string_view device_place(Platform platform) {
  switch (platform) {
    case Platform::kSnp:
    case Platform::kTdx:
      return "tsm";
    case Platform::kSgx:
      return "attestation";
    case Platform::kAzure:
      return "tpm";
  }
  return "tsm";
}

bool has_endorsements(Platform platform) { return platform != Platform::kSnp; }

}  // namespace ensconce
