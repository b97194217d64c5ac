#pragma once

#include "ensconce/attestation/evidence/snp_report.h"
#include "ensconce/tee/provider.h"

namespace ensconce::internal {

// What a device gave, checked as far as an attester can: it has the form its interface promises and
// answers this request. Whether it is to be believed is the verifier's to say.

struct SnpRequest {
  const ByteArray<64>& report_data;
  std::uint32_t level;  // VMPL
};
// snp_evidence takes a report and a certificate table, which may be empty. kBadAnswer,
// kWrongReport, kWrongLevel.
Result<HardwareEvidence> snp_evidence(ByteView report, ByteView cert_table,
                                      const SnpRequest& asked);

enum class IntelTee : std::uint8_t { kSgx, kTdx };
// quote_evidence takes a quote. kTdReport, kBadAnswer, kWrongReport.
Result<HardwareEvidence> quote_evidence(ByteView quote, const ByteArray<64>& report_data,
                                        IntelTee tee);

}  // namespace ensconce::internal
