// Certificates and lists: what parses keeps its bytes, parses again to the same, and is never
// signed by a key made here.

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <string>

#include "ensconce/crypto/x509.h"

namespace {
using namespace ensconce;

template <typename T, typename I2d>
Bytes encoded(I2d i2d, const T* object) {
  unsigned char* out = nullptr;
  const int len = i2d(object, &out);
  ENSC_CHECK(len > 0);
  const Bytes bytes(out, out + len);
  OPENSSL_free(out);
  return bytes;
}

// Our reader is the stricter one: what it takes OpenSSL takes, and understands alike.
void agree(const Certificate& certificate) {
  const unsigned char* p = certificate.der().data();
  X509* other = d2i_X509(nullptr, &p, static_cast<long>(certificate.der().size()));
  ENSC_CHECK(other != nullptr && p == certificate.der().data() + certificate.der().size());
  const Bytes spki = encoded<X509_PUBKEY>(i2d_X509_PUBKEY, X509_get_X509_PUBKEY(other));
  ENSC_CHECK(spki == certificate.spki_der());
  const Bytes subject = encoded<X509_NAME>(i2d_X509_NAME, X509_get_subject_name(other));
  const Bytes issuer = encoded<X509_NAME>(i2d_X509_NAME, X509_get_issuer_name(other));
  ENSC_CHECK(!certificate.self_issued() || subject == issuer);
  int days = 0;
  int seconds = 0;
  ASN1_TIME* from = ASN1_TIME_set(nullptr, certificate.not_before().unix_ms / 1000);
  ENSC_CHECK(ASN1_TIME_diff(&days, &seconds, from, X509_get0_notBefore(other)) == 1 && days == 0 &&
             seconds == 0);
  ASN1_TIME_free(from);
  ENSC_CHECK(static_cast<std::size_t>(X509_get_ext_count(other)) >=
             certificate.critical_extensions().size());
  if ((X509_get_extension_flags(other) & EXFLAG_INVALID) == 0) {
    ENSC_CHECK(certificate.is_ca() == ((X509_get_extension_flags(other) & EXFLAG_CA) != 0));
    ENSC_CHECK(certificate.may_sign_certificates() ==
               ((X509_get_key_usage(other) & KU_KEY_CERT_SIGN) != 0));
    ENSC_CHECK(certificate.may_sign_crls() == ((X509_get_key_usage(other) & KU_CRL_SIGN) != 0));
  }
  X509_free(other);
}

void agree(const RevocationList& list) {
  const unsigned char* p = list.der().data();
  X509_CRL* other = d2i_X509_CRL(nullptr, &p, static_cast<long>(list.der().size()));
  ENSC_CHECK(other != nullptr && p == list.der().data() + list.der().size());
  ENSC_CHECK(list.next_update().has_value() == (X509_CRL_get0_nextUpdate(other) != nullptr));
  X509_CRL_free(other);
}

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
    agree(*certificate);
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
    agree(*crl);
    (void)crl->lists(issuer());
    (void)crl->issued_by_name(issuer());
    ENSC_CHECK(!crl->verify_signed_by(issuer(), Certificate::Scheme::kEcdsaSha256));
  }
  (void)Certificate::many_from_pem(as_text(input));
  return 0;
}
