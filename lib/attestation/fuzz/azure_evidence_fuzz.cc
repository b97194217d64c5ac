// What parses parses to the same again after it was written; what is inside goes to its parsers.

#include "ensconce/attestation/evidence/azure_evidence.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ensconce;
  const ByteView input(data, size);
  const auto evidence = parse_azure_evidence(input);
  if (!evidence) {
    ENSC_CHECK(evidence.error().is(EvidenceError::kAzureForm));
    return 0;
  }
  ENSC_CHECK(looks_like_azure_evidence(input));
  const Bytes written = write_azure_evidence(*evidence);
  const auto again = parse_azure_evidence(written);
  ENSC_CHECK(again.has_value() && write_azure_evidence(*again) == written);
  ENSC_CHECK(again->hcl_report == evidence->hcl_report && again->vcek == evidence->vcek &&
             again->td_quote == evidence->td_quote && again->pcrs == evidence->pcrs);
  (void)parse_tpm_attest(evidence->tpm_message);
  if (const auto report = parse_hcl_report(evidence->hcl_report)) {
    (void)parse_runtime_claims(report->runtime_data);
  }
  return 0;
}
