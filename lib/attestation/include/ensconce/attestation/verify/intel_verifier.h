#pragma once

#include <vector>

#include "ensconce/attestation/verify/claims.h"
#include "ensconce/attestation/verify/signature_memo.h"

namespace ensconce {

// IntelVerifier judges SGX and TDX quotes with Intel's collateral, in the order of Intel's own
// quote verification library: PCK chain to an anchor, lists, TCB info, TDX module identity, quoting
// enclave, signatures, TCB levels and their convergence. A TCB status other than Revoked is a fact
// for the policy; no level at all, and Revoked, are refusals. Thread-safe.
class IntelVerifier {
 public:
  // The memo is borrowed; nullptr checks every signature anew.
  explicit IntelVerifier(std::vector<TrustAnchor> anchors, SignatureMemo* memo = nullptr)
      : anchors_(std::move(anchors)), memo_(memo) {}
  // verify applies every rule it can and refuses with the first that does not hold. It reads no
  // clock: `now` is the caller's. `event_log` is a CCEL, or nothing.
  [[nodiscard]] Verification verify(const IntelQuote& quote, const IntelEndorsements& endorsements,
                                    const ExpectedReportData& expected, Instant now,
                                    const EventLog* event_log = nullptr) const;

 private:
  std::vector<TrustAnchor> anchors_;
  SignatureMemo* memo_;
};

}  // namespace ensconce
