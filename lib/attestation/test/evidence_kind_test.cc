#include "ensconce/attestation/evidence/evidence_kind.h"

#include <gtest/gtest.h>

namespace ensconce {
namespace {

TEST(EvidenceKind, IsFoundByItsName) {
  const struct {
    EvidenceKind kind;
    std::string_view name;
  } kinds[] = {{EvidenceKind::kSnp, "snp"},
               {EvidenceKind::kTdx, "tdx"},
               {EvidenceKind::kSgx, "sgx"},
               {EvidenceKind::kAzureSnp, "azure-snp"},
               {EvidenceKind::kAzureTdx, "azure-tdx"}};
  for (const auto& [kind, name] : kinds) {
    EXPECT_EQ(name_of(kind), name);
    EXPECT_EQ(evidence_kind_from_name(name), kind);
  }
}

TEST(EvidenceKind, HasNoOtherNames) {
  for (const std::string_view name : {"", "SNP", "snp ", "sn", "azure", "azure_snp", "sev"}) {
    EXPECT_EQ(evidence_kind_from_name(name), std::nullopt) << name;
  }
}

}  // namespace
}  // namespace ensconce
