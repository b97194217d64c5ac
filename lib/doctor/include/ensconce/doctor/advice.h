#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ensconce/doctor/machine.h"

namespace ensconce {

enum class Readiness : std::uint8_t {
  kReady,    // what a worker needs is there
  kNotYet,   // the machine is of this kind, and something is missing
  kNotHere,  // the machine is of another kind
};
std::string_view name_of(Readiness readiness);  // "ready", "not yet", "not here"

// Missing is one thing that is not there, and how to get it.
struct Missing {
  std::string what;
  std::string how;
};

// PlatformAdvice says of one platform what this machine has for it.
struct PlatformAdvice {
  std::string platform;  // "snp", "tdx", "sgx", "azure", "simulated"
  std::string words;     // "AMD SEV-SNP guest"
  Readiness readiness = Readiness::kNotHere;
  std::vector<std::string> found;
  std::vector<Missing> missing;
};

// advise goes through the platforms, each once, "simulated" last. A machine that can start guests
// of a platform is told so under that platform, which is not ready on it: workers run in the guest.
std::vector<PlatformAdvice> advise(const MachineFacts& facts);

// HygieneFinding is one thing beside attestation that keeps a worker's memory to itself.
struct HygieneFinding {
  std::string name;  // "swap", "core dumps", "locked memory", "landlock", "seccomp", "aes"
  bool good = false;
  std::string found;
  std::string how;  // to mend it; "" when good
};
std::vector<HygieneFinding> look_at_hygiene(const MachineFacts& facts);

}  // namespace ensconce
