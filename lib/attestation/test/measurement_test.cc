#include "ensconce/attestation/evidence/measurement.h"

#include <gtest/gtest.h>

#include "ensconce/attestation/evidence/azure_evidence.h"
#include "ensconce/sim/azure_vtpm.h"
#include "made_intel.h"

namespace ensconce {
namespace {

Bytes snp_bytes() { return write_snp_report(made::report_for(made::shared_pki(), {})); }
IntelQuote td() { return made::td_quote(made::shared_intel_pki(), {}); }
IntelQuote sgx() { return made::sgx_quote(made::shared_intel_pki(), {}); }
Bytes signed_quote(const IntelQuote& quote) {
  return write_intel_quote(made::shared_intel_pki().sign(quote));
}

const AzureVtpm& vtpm() {
  static const AzureVtpm made = AzureVtpm::generate();
  return made;
}
AzureEvidence azure_snp() {
  const SnpPki& pki = made::shared_pki();
  return vtpm().on_snp(pki, made::report_for(pki, {}), vtpm().runtime_data(), Bytes(32, 1));
}
AzureEvidence azure_tdx() {
  return vtpm().on_tdx(made::shared_intel_pki(), td(), vtpm().runtime_data(), Bytes(32, 1));
}

void expect_refused(const EvidenceItem& evidence, EvidenceError code) {
  const auto measured = measurement_of(evidence);
  ASSERT_FALSE(measured) << evidence.type;
  EXPECT_TRUE(measured.error().is(code)) << measured.error().to_string();
}

TEST(Measurement, IsReadFromEveryKindOfEvidence) {
  const Bytes snp = to_bytes(ByteView(made::measurement()));
  const Bytes mr_td = to_bytes(ByteView(std::get<TdReport>(td().body).mr_td));
  const Bytes mr_enclave = to_bytes(ByteView(std::get<SgxReport>(sgx().body).mr_enclave));
  EXPECT_EQ(measurement_of({"snp", snp_bytes()}).value(), snp);
  EXPECT_EQ(measurement_of({"tdx", signed_quote(td())}).value(), mr_td);
  EXPECT_EQ(measurement_of({"sgx", signed_quote(sgx())}).value(), mr_enclave);
  EXPECT_EQ(measurement_of({"azure-snp", write_azure_evidence(azure_snp())}).value(), snp);
  EXPECT_EQ(measurement_of({"azure-tdx", write_azure_evidence(azure_tdx())}).value(), mr_td);
}

TEST(Measurement, IsWhatTheVerifierShows) {
  const auto verified = made::verified(made::shared_pki(), {});
  EXPECT_EQ(measurement_of({"snp", snp_bytes()}).value(), verified->measurement());
  const auto quote = made::verified_quote(made::shared_intel_pki(), td());
  EXPECT_EQ(measurement_of({"tdx", signed_quote(td())}).value(), quote->measurement());
}

TEST(Measurement, RejectsATypeThatIsNone) {
  expect_refused({"sev", snp_bytes()}, EvidenceError::kEvidenceUnknown);
}

TEST(Measurement, RejectsEvidenceOfAnotherTypeThanSaid) {
  expect_refused({"tdx", signed_quote(sgx())}, EvidenceError::kIntelTeeType);
  expect_refused({"sgx", signed_quote(td())}, EvidenceError::kIntelTeeType);
  expect_refused({"azure-tdx", write_azure_evidence(azure_snp())}, EvidenceError::kAzureForm);
  expect_refused({"azure-snp", write_azure_evidence(azure_tdx())}, EvidenceError::kAzureForm);
}

TEST(Measurement, RejectsWhatDoesNotParse) {
  expect_refused({"snp", Bytes(3)}, EvidenceError::kSnpLength);
  expect_refused({"tdx", Bytes(3)}, EvidenceError::kIntelVersion);
  expect_refused({"azure-snp", Bytes(3)}, EvidenceError::kAzureForm);
  AzureEvidence evidence = azure_snp();
  evidence.hcl_report[0] ^= 1;
  expect_refused({"azure-snp", write_azure_evidence(evidence)}, EvidenceError::kAzureHcl);
}

}  // namespace
}  // namespace ensconce
