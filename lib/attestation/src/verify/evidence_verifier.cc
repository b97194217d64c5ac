#include "ensconce/attestation/verify/evidence_verifier.h"

#include <algorithm>

#include "ensconce/attestation/verify/azure_verifier.h"
#include "ensconce/attestation/verify/intel_verifier.h"
#include "ensconce/attestation/verify/snp_verifier.h"
#include "ensconce/base/check.h"

namespace ensconce {
namespace {

// What one verification is given.
struct Question {
  const std::vector<TrustAnchor>& anchors;
  ByteView data;
  std::span<const EndorsementItem> pool;
  const ExpectedReportData& expected;
  Instant now;
  SignatureMemo* memo;
};

Result<Verification> verify_snp(const Question& q) {
  ENSC_TRY_ASSIGN(const SnpReport report, parse_snp_report(q.data));
  ENSC_TRY_ASSIGN(const SnpEndorsements endorsements, snp_endorsements_for(report, q.pool));
  return SnpVerifier(q.anchors, q.memo).verify(report, endorsements, q.expected, q.now);
}

Result<Verification> verify_intel(const Question& q, bool tdx) {
  ENSC_TRY_ASSIGN(const IntelQuote quote, parse_intel_quote(q.data));
  ENSC_TRY(expect_tee(quote, tdx));
  ENSC_TRY_ASSIGN(const IntelEndorsements endorsements, collect_intel_endorsements(quote, q.pool));
  ENSC_TRY_ASSIGN(const std::optional<EventLog> log, event_log_in(q.pool));
  return IntelVerifier(q.anchors, q.memo)
      .verify(quote, endorsements, q.expected, q.now, log.has_value() ? &*log : nullptr);
}

Result<Verification> verify_azure(const Question& q, bool tdx) {
  ENSC_TRY_ASSIGN(const AzureEvidence evidence, parse_azure_evidence(q.data));
  ENSC_TRY(expect_hardware(evidence, tdx));
  ENSC_TRY_ASSIGN(const std::optional<EventLog> log, event_log_in(q.pool));
  return AzureVerifier(q.anchors, q.memo)
      .verify(evidence, q.pool, q.expected, q.now, log.has_value() ? &*log : nullptr);
}

Result<Verification> verify_kind(const EvidenceItem& evidence, const Question& q) {
  ENSC_TRY_ASSIGN(const EvidenceKind kind, parse_evidence_kind(evidence.type));
  switch (kind) {
    case EvidenceKind::kSnp:
      return verify_snp(q);
    case EvidenceKind::kTdx:
    case EvidenceKind::kSgx:
      return verify_intel(q, kind == EvidenceKind::kTdx);
    case EvidenceKind::kAzureSnp:
    case EvidenceKind::kAzureTdx:
      return verify_azure(q, kind == EvidenceKind::kAzureTdx);
  }
  ENSC_CHECK(false);
}

}  // namespace

Verification EvidenceVerifier::verify(const EvidenceItem& evidence,
                                      std::span<const EndorsementItem> pool,
                                      const ExpectedReportData& expected, Instant now) const {
  Result<Verification> out =
      verify_kind(evidence, {anchors_, evidence.data, pool, expected, now, memo_});
  return out ? *std::move(out) : Verification{{}, out.error()};
}

const EvidenceItem* choose_evidence(std::span<const EvidenceItem> items) {
  const auto found = std::find_if(items.begin(), items.end(), [](const EvidenceItem& item) {
    return evidence_kind_from_name(item.type).has_value();
  });
  return found == items.end() ? nullptr : &*found;
}

}  // namespace ensconce
