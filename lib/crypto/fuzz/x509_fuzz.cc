// Certificates and lists: what parses keeps its bytes, parses again to the same, and is never
// signed by a key made here.

#include <string>

#include "ensconce/crypto/x509.h"

namespace {
using namespace ensconce;

const Certificate& issuer() {
  static const Certificate instance = [] {
    CertificateBuilder builder;
    return builder.subject_cn("fuzz")
        .validity(Instant{0}, Instant{1000})
        .self_sign(EcPrivateKey::generate(Curve::kP256));
  }();
  return instance;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  if (const auto certificate = Certificate::from_der(input); certificate) {
    ENSC_CHECK(equal(certificate->der(), input));
    ENSC_CHECK(Certificate::from_der(certificate->der()).value() == *certificate);
    ENSC_CHECK(!certificate->serial().empty());
    (void)certificate->subject_cn();
    (void)certificate->issuer_cn();
    (void)certificate->is_ca();
    (void)certificate->may_sign_crls();
    for (const std::string& oid : certificate->critical_extensions()) {
      ENSC_CHECK(certificate->extension(oid).has_value());
    }
    if (const auto key = certificate->ec_public_key(); key) {
      ENSC_CHECK(key->spki_der() == certificate->spki_der());
    }
    for (const auto scheme :
         {Certificate::Scheme::kRsaPssSha384, Certificate::Scheme::kEcdsaSha256}) {
      ENSC_CHECK(!certificate->verify_signed_by(issuer(), scheme));
      (void)certificate->verify_signed_by(*certificate, scheme);
    }
  }
  if (const auto crl = RevocationList::from_der(input); crl) {
    ENSC_CHECK(equal(crl->der(), input));
    (void)crl->lists(issuer());
    (void)crl->issued_by_name(issuer());
    ENSC_CHECK(!crl->verify_signed_by(issuer(), Certificate::Scheme::kEcdsaSha256));
  }
  (void)Certificate::many_from_pem(as_text(input));
  return 0;
}
