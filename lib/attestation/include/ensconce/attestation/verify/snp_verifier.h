#pragma once

#include <vector>

#include "ensconce/attestation/endorsements/snp_endorsements.h"
#include "ensconce/attestation/verify/claims.h"
#include "ensconce/attestation/verify/signature_memo.h"

namespace ensconce {

// SnpVerifier judges SEV-SNP evidence: chain to an anchor, validity, revocation, report signature,
// certificate against report, report data. It holds no policy. Thread-safe.
class SnpVerifier {
 public:
  // The memo is borrowed; nullptr checks every signature anew.
  explicit SnpVerifier(std::vector<TrustAnchor> anchors, SignatureMemo* memo = nullptr)
      : anchors_(std::move(anchors)), memo_(memo) {}
  // verify applies every rule it can and refuses with the first that does not hold. It reads no
  // clock: `now` is the caller's. Where `expected` is nothing the report data is listed as not
  // applied, and StatementBinder still holds any statement against it.
  [[nodiscard]] Verification verify(const SnpReport& report, const SnpEndorsements& endorsements,
                                    const ExpectedReportData& expected, Instant now) const;

 private:
  std::vector<TrustAnchor> anchors_;
  SignatureMemo* memo_;
};

}  // namespace ensconce
