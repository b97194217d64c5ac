#include "passed_on.h"

#include <string>
#include <utility>

#include "ensconce/attestation/endorsements/intel_endorsements.h"
#include "ensconce/attestation/evidence/cert_table.h"
#include "ensconce/attestation/evidence/intel_quote.h"

namespace ensconce::internal {

namespace {

Error other_report_data() {
  return Error(TeeError::kWrongReport, "the evidence carries other report data than was asked for")
      .with_remedy("somebody answers with evidence that was made for another request");
}

// A TDREPORT (Intel TDX module ABI, "TDREPORT_STRUCT") is 1024 bytes and begins with its type 0x81,
// where a quote has its version.
bool is_tdreport(ByteView bytes) { return bytes.size() == 1024 && bytes[0] == 0x81; }

}  // namespace

Result<HardwareEvidence> snp_evidence(ByteView report, ByteView cert_table,
                                      const SnpRequest& asked) {
  const auto parsed = parse_snp_report(report);
  if (!parsed) {
    return Error(TeeError::kBadAnswer, "report: " + parsed.error().to_string());
  }
  if (parsed->report_data != asked.report_data) {
    return other_report_data();
  }
  if (parsed->vmpl != asked.level) {
    return Error(TeeError::kWrongLevel, "expected a report of privilege level " +
                                            std::to_string(asked.level) + ", got one of level " +
                                            std::to_string(parsed->vmpl))
        .with_remedy("another program of this machine, at that level, made it");
  }
  auto endorsements = endorsements_from_cert_table(cert_table);
  if (!endorsements) {
    return Error(TeeError::kBadAnswer, "certificate table: " + endorsements.error().to_string());
  }
  std::vector<std::string> missing = missing_snp_endorsements(*endorsements);
  return HardwareEvidence{{"snp", to_bytes(report)}, *std::move(endorsements), std::move(missing)};
}

Result<HardwareEvidence> quote_evidence(ByteView quote, const ByteArray<64>& report_data,
                                        IntelTee tee) {
  if (is_tdreport(quote)) {
    return Error(TeeError::kTdReport,
                 "the device gave a TDREPORT, which no other machine can check")
        .with_remedy("a quote takes a quote generation service: ask the host's operator for it");
  }
  const auto parsed = parse_intel_quote(quote);
  if (!parsed) {
    return Error(TeeError::kBadAnswer, "quote: " + parsed.error().to_string());
  }
  if (const Result<void> fits = expect_tee(*parsed, tee == IntelTee::kTdx); !fits) {
    return Error(TeeError::kBadAnswer, "quote: " + fits.error().to_string());
  }
  if (parsed->report_data() != report_data) {
    return other_report_data();
  }
  // Without the padding that a buffer may have behind it.
  return HardwareEvidence{{tee == IntelTee::kTdx ? "tdx" : "sgx", write_intel_quote(*parsed)},
                          {},
                          missing_intel_endorsements(*parsed, {})};
}

}  // namespace ensconce::internal
