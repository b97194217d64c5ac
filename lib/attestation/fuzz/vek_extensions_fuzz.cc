// A chip's certificate: its extensions are read or refused, and one that is read holds for exactly
// the chip and TCB it names.

#include "ensconce/attestation/endorsements/snp_endorsements.h"
#include "ensconce/attestation/verify/snp_verifier.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ensconce;
  const auto certificate = Certificate::from_der(ByteView(data, size));
  if (!certificate) {
    return 0;
  }
  const auto extensions = parse_snp_vek_extensions(*certificate);
  if (extensions) {
    ENSC_CHECK(extensions->product_name.size() <= 256);
    ENSC_CHECK(!extensions->hwid || extensions->hwid->size() == 8 ||
               extensions->hwid->size() == 64);
  }
  // The matcher: whatever the certificate says, nobody's root signed it.
  SnpReport report;
  if (extensions && extensions->hwid && extensions->hwid->size() == report.chip_id.size()) {
    std::copy(extensions->hwid->begin(), extensions->hwid->end(), report.chip_id.begin());
  }
  const SnpEndorsements endorsements{*certificate, *certificate, *certificate, {}};
  const TrustAnchor anchor{certificate->spki_sha256(), "Milan", AnchorOrigin::kPrivate};
  const Verification verification =
      SnpVerifier({anchor}).verify(report, endorsements, std::nullopt, certificate->not_before());
  ENSC_CHECK(!verification.claims && !verification.checks.empty());
  return 0;
}
