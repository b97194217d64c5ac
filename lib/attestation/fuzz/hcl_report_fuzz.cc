// What parses is written back byte for byte, without the zeros behind it. Runtime claims are read
// as they stand in a report and by themselves.

#include "ensconce/attestation/evidence/azure_evidence.h"
#include "ensconce/crypto/keys.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ensconce;
  const ByteView input(data, size);
  const auto report = parse_hcl_report(input);
  if (report) {
    const Bytes written = write_hcl_report(*report);
    ENSC_CHECK(equal(written, input.first(written.size())));
    ENSC_CHECK(all_zero(input.subspan(written.size())));
  } else {
    ENSC_CHECK(report.error().is(EvidenceError::kAzureHcl));
  }
  const auto claims =
      parse_runtime_claims(report ? std::string_view(report->runtime_data) : as_text(input));
  if (claims) {
    ENSC_CHECK(RsaPublicKey::from_modulus(claims->ak_modulus, claims->ak_exponent).has_value());
  } else {
    ENSC_CHECK(claims.error().is(EvidenceError::kAzureRuntimeClaims));
  }
  return 0;
}
