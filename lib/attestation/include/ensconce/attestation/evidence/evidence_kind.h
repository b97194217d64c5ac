#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "ensconce/attestation/evidence/error.h"
#include "ensconce/base/result.h"

namespace ensconce {

// EvidenceKind is what made a piece of evidence. Its name is the `type` of an EvidenceItem and the
// `kind` of every verdict.
enum class EvidenceKind : std::uint8_t {
  kSnp,       // AMD SEV-SNP report: 1184 bytes
  kTdx,       // Intel TDX quote, version 4 or 5
  kSgx,       // Intel SGX quote, version 3 (4 and 5 where a platform makes them)
  kAzureSnp,  // Azure confidential VM on SEV-SNP: HCL report and vTPM quote, as JSON
  kAzureTdx,  // the same on TDX, with a TD quote
};
std::string_view name_of(EvidenceKind kind);  // "snp", "tdx", "sgx", "azure-snp", "azure-tdx"
std::optional<EvidenceKind> evidence_kind_from_name(std::string_view name);

// parse_evidence_kind is evidence_kind_from_name for a type that must be one we know:
// EvidenceError::kEvidenceUnknown.
Result<EvidenceKind> parse_evidence_kind(std::string_view type);

}  // namespace ensconce
