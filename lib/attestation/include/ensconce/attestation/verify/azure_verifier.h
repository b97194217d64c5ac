#pragma once

#include <span>
#include <vector>

#include "ensconce/attestation/evidence/evidence_item.h"
#include "ensconce/attestation/verify/claims.h"
#include "ensconce/attestation/verify/signature_memo.h"

namespace ensconce {

// AzureVerifier judges evidence of Azure confidential VMs: the hardware's own report as its
// verifier does, then that it vouches for the runtime claims, that those name the key which signed
// the TPM quote, and that the quote is about the given PCRs and extraData. Thread-safe.
class AzureVerifier {
 public:
  // The memo is borrowed; nullptr checks every signature anew.
  explicit AzureVerifier(std::vector<TrustAnchor> anchors, SignatureMemo* memo = nullptr)
      : anchors_(std::move(anchors)), memo_(memo) {}
  // verify refuses with the first rule that does not hold. `expected` is held against extraData:
  // 32, 48 or 64 bytes, and zeros behind them. `event_log` is a TPM's, or nothing.
  [[nodiscard]] Verification verify(const AzureEvidence& evidence,
                                    std::span<const EndorsementItem> pool,
                                    const ExpectedReportData& expected, Instant now,
                                    const EventLog* event_log = nullptr) const;

 private:
  std::vector<TrustAnchor> anchors_;
  SignatureMemo* memo_;
};

}  // namespace ensconce
