#pragma once

#include <memory>

#include "ensconce/attestation/evidence/azure_evidence.h"
#include "ensconce/attestation/evidence/intel_quote.h"
#include "ensconce/attestation/evidence/snp_report.h"

namespace ensconce {

class SnpPki;
class IntelPki;

// AzureVtpm plays the paravisor and vTPM of an Azure confidential VM: an attestation key, runtime
// claims that name it, TPM quotes. The hardware below is one of our simulated processors.
class AzureVtpm {
 public:
  static AzureVtpm generate();
  ~AzureVtpm();
  AzureVtpm(AzureVtpm&&) noexcept;
  AzureVtpm& operator=(AzureVtpm&&) noexcept;
  AzureVtpm(const AzureVtpm&) = delete;
  AzureVtpm& operator=(const AzureVtpm&) = delete;

  // runtime_data is the JSON of the claims: HCLAkPub, HCLEkPub, vm-configuration, user-data.
  [[nodiscard]] std::string runtime_data() const;
  // attest_template is a quote over all 24 PCRs (distinct values) with this extraData.
  [[nodiscard]] TpmAttest attest_template(ByteView extra_data) const;
  [[nodiscard]] std::vector<ByteArray<32>> pcrs() const;
  // sign_attest is the RSASSA-PKCS1-v1_5 SHA-256 signature by the attestation key.
  [[nodiscard]] Bytes sign_attest(ByteView attest) const;

  // on_snp and on_tdx are whole evidence: `report`/`quote` template, its report data replaced by
  // the digest of `runtime_data`, signed by the processor; the TPM quote for `extra_data`.
  [[nodiscard]] AzureEvidence on_snp(const SnpPki& processor, SnpReport report,
                                     const std::string& runtime_data, ByteView extra_data) const;
  [[nodiscard]] AzureEvidence on_tdx(const IntelPki& processor, IntelQuote quote,
                                     const std::string& runtime_data, ByteView extra_data) const;

 private:
  struct State;
  explicit AzureVtpm(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ensconce
