#pragma once

#include <span>
#include <string>
#include <vector>

#include "ensconce/attestation/evidence/evidence_item.h"
#include "ensconce/attestation/verify/claims.h"
#include "ensconce/attestation/verify/signature_memo.h"

namespace ensconce {

// EvidenceVerifier parses and judges evidence of any kind. It is the one door for callers that do
// not care what made the evidence: clients, brokers, tools. Thread-safe.
class EvidenceVerifier {
 public:
  // The memo is borrowed; nullptr checks every signature anew.
  explicit EvidenceVerifier(std::vector<TrustAnchor> anchors, SignatureMemo* memo = nullptr)
      : anchors_(std::move(anchors)), memo_(memo) {}

  // verify takes of `pool` what fits the evidence; a pool may be a directory of everything. A
  // refusal of form has no checks.
  [[nodiscard]] Verification verify(const EvidenceItem& evidence,
                                    std::span<const EndorsementItem> pool,
                                    const ExpectedReportData& expected, Instant now) const;

 private:
  std::vector<TrustAnchor> anchors_;
  SignatureMemo* memo_;
};

// choose_evidence picks the first item of a document whose kind we know, or nullptr.
const EvidenceItem* choose_evidence(std::span<const EvidenceItem> items);

}  // namespace ensconce
