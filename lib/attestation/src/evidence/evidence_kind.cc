#include "ensconce/attestation/evidence/evidence_kind.h"

#include <algorithm>
#include <array>

#include "ensconce/base/check.h"
#include "ensconce/base/printable.h"

namespace ensconce {
namespace {

constexpr std::array kKinds{EvidenceKind::kSnp, EvidenceKind::kTdx, EvidenceKind::kSgx,
                            EvidenceKind::kAzureSnp, EvidenceKind::kAzureTdx};

}  // namespace

std::string_view name_of(EvidenceKind kind) {
  switch (kind) {
    case EvidenceKind::kSnp:
      return "snp";
    case EvidenceKind::kTdx:
      return "tdx";
    case EvidenceKind::kSgx:
      return "sgx";
    case EvidenceKind::kAzureSnp:
      return "azure-snp";
    case EvidenceKind::kAzureTdx:
      return "azure-tdx";
  }
  ENSC_CHECK(false);
}

std::optional<EvidenceKind> evidence_kind_from_name(std::string_view name) {
  const auto found = std::find_if(kKinds.begin(), kKinds.end(),
                                  [&](EvidenceKind kind) { return name_of(kind) == name; });
  return found == kKinds.end() ? std::nullopt : std::optional(*found);
}

Result<EvidenceKind> parse_evidence_kind(std::string_view type) {
  const auto kind = evidence_kind_from_name(type);
  if (!kind.has_value()) {
    return Error(EvidenceError::kEvidenceUnknown,
                 "evidence of type \"" + printable(std::string(type)) +
                     "\"; snp, tdx, sgx, azure-snp and azure-tdx are known");
  }
  return *kind;
}

}  // namespace ensconce
