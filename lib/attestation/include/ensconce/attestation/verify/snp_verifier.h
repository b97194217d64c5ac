#pragma once

#include <vector>

#include "ensconce/attestation/endorsements/snp_endorsements.h"
#include "ensconce/attestation/evidence/snp_report.h"
#include "ensconce/attestation/verify/check.h"
#include "ensconce/attestation/verify/trust_anchor.h"
#include "ensconce/attestation/verify/verified.h"
#include "ensconce/base/clock.h"

namespace ensconce {

// SnpClaims are the facts of a report whose signature and chain hold.
struct SnpClaims {
  SnpReport report;
  SnpProduct product = SnpProduct::kMilan;
  TcbVersion current_tcb;
  TcbVersion reported_tcb;
  TcbVersion committed_tcb;
  TcbVersion launch_tcb;
  std::string csp_id;  // of a VLEK, else ""
  TrustAnchor anchor;
  bool crl_checked = false;
  Instant endorsed_until;     // the earliest end of certificates and CRL
  std::vector<Check> checks;  // what was checked to make this
};

struct SnpVerification {
  std::vector<Check> checks;  // also when refused
  Result<Verified<SnpClaims>> claims;
};

// SnpVerifier judges SEV-SNP evidence: chain to an anchor, validity, revocation, report signature,
// certificate against report, report data. It holds no policy. Thread-safe.
class SnpVerifier {
 public:
  explicit SnpVerifier(std::vector<TrustAnchor> anchors) : anchors_(std::move(anchors)) {}
  // verify applies every rule it can and refuses with the first that does not hold. It reads no
  // clock: `now` is the caller's.
  [[nodiscard]] SnpVerification verify(const SnpReport& report, const SnpEndorsements& endorsements,
                                       const ByteArray<64>& expected_report_data,
                                       Instant now) const;

  // verify_unbound is verify where nobody knows what report data to expect: a bare report on a
  // desk. The check is listed as not applied, and StatementBinder still holds any statement against
  // the report data.
  [[nodiscard]] SnpVerification verify_unbound(const SnpReport& report,
                                               const SnpEndorsements& endorsements,
                                               Instant now) const;

 private:
  [[nodiscard]] SnpVerification verify_with(const SnpReport& report,
                                            const SnpEndorsements& endorsements,
                                            const ByteArray<64>* expected_report_data,
                                            Instant now) const;
  std::vector<TrustAnchor> anchors_;
};

}  // namespace ensconce
