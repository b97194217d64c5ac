#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ensconce/attestation/evidence/evidence_item.h"
#include "ensconce/base/bytes.h"
#include "ensconce/base/clock.h"
#include "ensconce/tee/error.h"

namespace ensconce {

// HardwareEvidence is what a device gave: the report or quote, the endorsements that came along
// with it, and the names of those that a verifier will need and that are not there: of SNP and
// Azure "vek", "intermediate", "root", "crl"; of TDX and SGX those of missing_intel_endorsements.
struct HardwareEvidence {
  EvidenceItem evidence;
  std::vector<EndorsementItem> endorsements;
  std::vector<std::string> missing;
};

// Sleeper waits; tests pass one that moves a ManualClock.
using Sleeper = std::function<void(Millis)>;
// real_sleeper sleeps.
Sleeper real_sleeper();

// EvidenceProvider asks the secure processor of this machine for evidence. It makes evidence and
// never judges it.
class EvidenceProvider {
 public:
  EvidenceProvider() = default;
  virtual ~EvidenceProvider() = default;
  EvidenceProvider(const EvidenceProvider&) = delete;
  EvidenceProvider& operator=(const EvidenceProvider&) = delete;

  // attest returns evidence that carries these 64 bytes of report data. Slow (milliseconds to
  // seconds) and blocking; one call at a time per provider. Fails with a TeeError.
  virtual Result<HardwareEvidence> attest(const ByteArray<64>& report_data) = 0;
  // name says which interface it speaks, for logs: "configfs-tsm".
  [[nodiscard]] virtual std::string name() const = 0;
};

}  // namespace ensconce
