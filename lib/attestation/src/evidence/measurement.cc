#include "ensconce/attestation/evidence/measurement.h"

#include "ensconce/attestation/evidence/azure_evidence.h"
#include "ensconce/attestation/evidence/evidence_kind.h"
#include "ensconce/attestation/evidence/intel_quote.h"
#include "ensconce/attestation/evidence/snp_report.h"
#include "ensconce/base/check.h"

namespace ensconce {

namespace {

Result<Bytes> of_snp(ByteView data) {
  ENSC_TRY_ASSIGN(const SnpReport report, parse_snp_report(data));
  return to_bytes(ByteView(report.measurement));
}

Result<Bytes> of_intel(ByteView data, bool tdx) {
  ENSC_TRY_ASSIGN(const IntelQuote quote, parse_intel_quote(data));
  ENSC_TRY(expect_tee(quote, tdx));
  return tdx ? to_bytes(ByteView(std::get<TdReport>(quote.body).mr_td))
             : to_bytes(ByteView(std::get<SgxReport>(quote.body).mr_enclave));
}

Result<Bytes> of_azure(ByteView data, bool tdx) {
  ENSC_TRY_ASSIGN(const AzureEvidence evidence, parse_azure_evidence(data));
  ENSC_TRY(expect_hardware(evidence, tdx));
  if (tdx) {
    return of_intel(*evidence.td_quote, true);
  }
  ENSC_TRY_ASSIGN(const HclReport hcl, parse_hcl_report(evidence.hcl_report));
  return of_snp(hcl.hardware_report);
}

}  // namespace

Result<Bytes> measurement_of(const EvidenceItem& evidence) {
  ENSC_TRY_ASSIGN(const EvidenceKind kind, parse_evidence_kind(evidence.type));
  switch (kind) {
    case EvidenceKind::kSnp:
      return of_snp(evidence.data);
    case EvidenceKind::kTdx:
    case EvidenceKind::kSgx:
      return of_intel(evidence.data, kind == EvidenceKind::kTdx);
    case EvidenceKind::kAzureSnp:
    case EvidenceKind::kAzureTdx:
      return of_azure(evidence.data, kind == EvidenceKind::kAzureTdx);
  }
  ENSC_CHECK(false);
}

}  // namespace ensconce
