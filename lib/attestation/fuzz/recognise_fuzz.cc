// What is recognised is evidence of a known kind, something that supports it, or an HCL report; and
// the verifier behind every tool judges whatever it is without harm.

#include "ensconce/attestation/endorsements/recognise.h"

#include "ensconce/attestation/verify/evidence_verifier.h"
#include "ensconce/attestation/verify/ra_tls_verifier.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ensconce;
  const auto recognised = recognise(ByteView(data, size));
  if (!recognised) {
    ENSC_CHECK(recognised.error().stage() == Stage::kForm);
    return 0;
  }
  ENSC_CHECK(!recognised->what.empty());
  ENSC_CHECK(recognised->evidence.has_value() || !recognised->endorsements.empty() ||
             recognised->hcl_report.has_value() || recognised->what == "a certificate table");
  if (!recognised->evidence.has_value()) {
    return 0;
  }
  ENSC_CHECK(evidence_kind_from_name(recognised->evidence->type).has_value());
  constexpr Instant kNow{1'790'000'000'000};
  const Verification verification =
      recognised->ra_tls.has_value()
          ? RaTlsVerifier(vendor_anchors())
                .verify(*recognised->ra_tls, recognised->endorsements, std::nullopt, kNow)
          : EvidenceVerifier(vendor_anchors())
                .verify(*recognised->evidence, recognised->endorsements, std::nullopt, kNow);
  ENSC_CHECK(!verification.claims.has_value());  // made evidence has no vendor behind it
  return 0;
}
