#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ensconce/base/clock.h"
#include "ensconce/base/random.h"
#include "ensconce/tee/provider.h"
#include "ensconce/tee/settings.h"

namespace ensconce {

// AttesterFinding is what detection saw of one interface.
struct AttesterFinding {
  AttesterKind kind = AttesterKind::kAuto;
  bool there = false;
  std::string found;   // "tsm/report", or why not
  std::string remedy;  // what would bring it; "" when there
};

// Detection is all that was seen, in the order of choice, and what was chosen: the first that is
// there.
struct Detection {
  std::optional<AttesterKind> chosen;
  std::vector<AttesterFinding> findings;

  // why says in one line what was chosen and what it was chosen before.
  [[nodiscard]] std::string why() const;
};

// detect_attester looks for interfaces where the settings say they are; it asks for no evidence (of
// configfs-tsm it makes and removes an empty request, as without a guest driver that cannot be).
// Inside an SGX enclave nothing else can be, so Gramine comes first; then configfs-tsm, which
// serves SEV-SNP and TDX alike; /dev/sev-guest of older kernels; and Azure's vTPM, since many
// machines have a TPM: it counts when it holds the paravisor's report.
// kToTheFirst looks no further than the choice: what is not asked cannot hold anybody up.
enum class DetectionScope : std::uint8_t { kAll, kToTheFirst };
Detection detect_attester(const AttesterSettings& settings,
                          DetectionScope scope = DetectionScope::kAll);

// make_evidence_provider makes the provider that the settings name, or with "auto" the one that
// detection chooses. It reads the settings' endorsements at each evidence, and gives up on devices
// that do not answer. TeeError::kNoDevice, with every finding, where "auto" finds none. `say` gets
// a line for the log. Clock and randomness must live as long as the process.
Result<std::unique_ptr<EvidenceProvider>> make_evidence_provider(
    const AttesterSettings& settings, const Clock& clock, Random& random,
    const std::function<void(const std::string&)>& say);

}  // namespace ensconce
