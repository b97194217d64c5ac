#include "ensconce/crypto/x509.h"

#include <algorithm>

#include "ensconce/codec/base64.h"
#include "spki.h"
#include "x509_state.h"

namespace ensconce {

namespace {

constexpr std::size_t kMaxPemCertificates = 16;
constexpr int kMinRsaBits = 2048;

using internal::SignedForm;

Error bad_certificate(std::string detail) {
  return {CryptoError::kBadCertificate, std::move(detail)};
}

// The AlgorithmIdentifiers we accept, whole. RSASSA-PSS parameters (RFC 4055 §3.1): SHA-384, MGF1
// with SHA-384, salt 48; AMD's roots and intermediates spell out the default trailer field,
// its leaves do not.
constexpr ByteArray<67> kRsaPssSha384 = {
    0x30, 0x41, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30,
    0x34, 0xa0, 0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04,
    0x02, 0x02, 0x05, 0x00, 0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
    0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65,
    0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0xa2, 0x03, 0x02, 0x01, 0x30};
constexpr ByteArray<72> kRsaPssSha384Trailer = {
    0x30, 0x46, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30, 0x39,
    0xa0, 0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02,
    0x05, 0x00, 0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01,
    0x01, 0x08, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02,
    0x05, 0x00, 0xa2, 0x03, 0x02, 0x01, 0x30, 0xa3, 0x03, 0x02, 0x01, 0x01};
// RFC 5758 §3.2: no parameters.
constexpr ByteArray<12> kEcdsaSha256 = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                                        0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
constexpr ByteArray<12> kEcdsaSha384 = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                                        0x48, 0xce, 0x3d, 0x04, 0x03, 0x03};

bool is_scheme(ByteView algorithm, Certificate::Scheme scheme) {
  switch (scheme) {
    case Certificate::Scheme::kRsaPssSha384:
      return equal(algorithm, kRsaPssSha384) || equal(algorithm, kRsaPssSha384Trailer);
    case Certificate::Scheme::kEcdsaSha256:
      return equal(algorithm, kEcdsaSha256);
    case Certificate::Scheme::kEcdsaSha384:
      return equal(algorithm, kEcdsaSha384);
  }
  return false;
}

// verify_form checks the algorithm before the signature: a signer's other signatures, made by a
// weaker scheme, must not count (RFC 5280 §4.1.1.2: inner and outer algorithm are the same).
Result<void> verify_form(const SignedForm& form, EVP_PKEY* key, Certificate::Scheme scheme) {
  const ossl::QuietErrors quiet;
  if (!equal(form.algorithm, form.inner_algorithm)) {
    return bad_certificate("the two signature algorithms differ");
  }
  if (!is_scheme(form.algorithm, scheme)) {
    return bad_certificate("not signed with the algorithm that is required");
  }
  const bool rsa = scheme == Certificate::Scheme::kRsaPssSha384;
  if (key == nullptr || EVP_PKEY_is_a(key, rsa ? "RSA" : "EC") != 1 ||
      (rsa && EVP_PKEY_get_bits(key) < kMinRsaBits)) {
    return Error(CryptoError::kChain, "the issuer's key is of another kind");
  }
  const EVP_MD* md =
      scheme == Certificate::Scheme::kEcdsaSha256 ? ossl::backend().sha256 : ossl::backend().sha384;
  const ossl::MdCtx ctx(EVP_MD_CTX_new());
  ENSC_CHECK(ctx != nullptr);
  EVP_PKEY_CTX* pctx = nullptr;  // owned by ctx
  if (EVP_DigestVerifyInit(ctx.get(), &pctx, md, nullptr, key) != 1) {
    return Error(CryptoError::kBackend, "EVP_DigestVerifyInit");
  }
  if (rsa && (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) != 1 ||
              EVP_PKEY_CTX_set_rsa_mgf1_md(pctx, md) != 1 ||
              EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, 48) != 1)) {
    return Error(CryptoError::kBackend, "RSASSA-PSS parameters");
  }
  if (EVP_DigestVerify(ctx.get(), form.signature.data(), form.signature.size(), form.tbs.data(),
                       form.tbs.size()) != 1) {
    return Error(CryptoError::kChain, "the issuer's key did not sign this");
  }
  return ok();
}

Result<EcPublicKey> ec_key_of(ByteView spki) {
  for (const Curve curve : {Curve::kP256, Curve::kP384}) {
    const ByteView prefix = spki_prefix(curve);
    if (spki.size() > prefix.size() && equal(spki.first(prefix.size()), prefix)) {
      return EcPublicKey::from_point(curve, spki.subspan(prefix.size()));
    }
  }
  return Error(CryptoError::kBadKey, "the certificate's key is not on P-256 or P-384");
}

Result<RsaPublicKey> rsa_key_of(ByteView spki) {
  const auto form = internal::read_rsa_key(spki);
  if (!form) {
    return Error(CryptoError::kBadKey, "the certificate's key is not an RSA key");
  }
  return RsaPublicKey::from_modulus(form->modulus, form->exponent);
}

}  // namespace

// ---- Certificate ----------------------------------------------------------------------------

namespace internal {
ossl::X509Ptr backend_x509(const Bytes& der) {
  const unsigned char* p = der.data();
  return ossl::X509Ptr(d2i_X509(nullptr, &p, static_cast<long>(der.size())));
}
}  // namespace internal

EVP_PKEY* Certificate::State::backend_key() const {
  std::call_once(key_once_, [this] {
    if (const auto ec = ec_key_of(form.spki)) {
      key_ = ossl::pkey_of(*ec);
    } else if (const auto rsa = rsa_key_of(form.spki)) {
      key_ = ossl::pkey_of(*rsa);
    }
  });
  return key_.get();
}

Result<Certificate> Certificate::from_der(ByteView der) {
  (void)ossl::backend();
  const ossl::QuietErrors quiet;
  auto state = std::make_shared<State>();
  ENSC_TRY_ASSIGN(state->form, internal::read_certificate(der));
  state->der = to_bytes(der);
  return Certificate(std::move(state));
}

Result<std::vector<Certificate>> Certificate::many_from_pem(std::string_view pem) {
  // RFC 7468 §5.1; what stands between the blocks is for people.
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
  constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
  std::vector<Certificate> out;
  for (std::size_t at = pem.find(kBegin); at != std::string_view::npos; at = pem.find(kBegin, at)) {
    const std::size_t begin = at + kBegin.size();
    const std::size_t end = pem.find(kEnd, begin);
    if (end == std::string_view::npos) {
      return bad_certificate("a PEM block without an end");
    }
    if (out.size() == kMaxPemCertificates) {
      return bad_certificate("more than 16 certificates");
    }
    if (end - begin > 2 * internal::kMaxCertificateLen) {
      return bad_certificate("larger than any certificate");
    }
    std::string text(pem.substr(begin, end - begin));
    std::erase_if(text, [](char c) { return c == '\n' || c == '\r' || c == ' ' || c == '\t'; });
    const auto der = base64_decode(text);
    if (!der) {
      return bad_certificate("a PEM block is not base64");
    }
    ENSC_TRY_ASSIGN(Certificate certificate, from_der(*der));
    out.push_back(std::move(certificate));
    at = end + kEnd.size();
  }
  if (out.empty()) {
    return bad_certificate("no certificate in PEM");
  }
  return out;
}

const Bytes& Certificate::der() const { return state_->der; }
std::string Certificate::subject_cn() const { return internal::common_name(state_->form.subject); }
std::string Certificate::issuer_cn() const { return internal::common_name(state_->form.issuer); }
bool Certificate::issued_by_name(const Certificate& issuer) const {
  return state_->form.issuer == issuer.state_->form.subject;
}
bool Certificate::self_issued() const { return issued_by_name(*this); }
Instant Certificate::not_before() const { return state_->form.not_before; }
Instant Certificate::not_after() const { return state_->form.not_after; }
Bytes Certificate::serial() const { return state_->form.serial; }
Bytes Certificate::spki_der() const { return state_->form.spki; }
Sha256Digest Certificate::spki_sha256() const { return sha256(state_->form.spki); }
bool Certificate::is_ca() const { return state_->form.ca; }
bool Certificate::may_sign_certificates() const {
  return (state_->form.key_usage.value_or(0xff) & internal::kKeyCertSign) != 0;
}
bool Certificate::may_sign_crls() const {
  return (state_->form.key_usage.value_or(0xff) & internal::kCrlSign) != 0;
}

Result<EcPublicKey> Certificate::ec_public_key() const { return ec_key_of(state_->form.spki); }

std::optional<Bytes> Certificate::extension(std::string_view oid) const {
  for (const internal::ExtensionForm& extension : state_->form.extensions) {
    if (extension.oid == oid) {
      return extension.value;
    }
  }
  return std::nullopt;
}

std::vector<std::string> Certificate::critical_extensions() const {
  std::vector<std::string> out;
  for (const internal::ExtensionForm& extension : state_->form.extensions) {
    if (extension.critical) {
      out.push_back(extension.oid);
    }
  }
  return out;
}

Result<void> Certificate::verify_signed_by(const Certificate& issuer, Scheme scheme) const {
  return verify_form(state_->form.form, issuer.state_->backend_key(), scheme);
}

// ---- RevocationList -------------------------------------------------------------------------

struct RevocationList::State {
  Bytes der;
  internal::CrlForm form;
};

Result<RevocationList> RevocationList::from_der(ByteView der) {
  (void)ossl::backend();
  const ossl::QuietErrors quiet;
  auto state = std::make_shared<State>();
  ENSC_TRY_ASSIGN(state->form, internal::read_crl(der));
  state->der = to_bytes(der);
  return RevocationList(std::move(state));
}

const Bytes& RevocationList::der() const { return state_->der; }
std::string RevocationList::issuer_cn() const { return internal::common_name(state_->form.issuer); }
const std::vector<Bytes>& RevocationList::serials() const { return state_->form.serials; }
Instant RevocationList::this_update() const { return state_->form.this_update; }
std::optional<Instant> RevocationList::next_update() const { return state_->form.next_update; }
bool RevocationList::issued_by_name(const Certificate& issuer) const {
  return state_->form.issuer == issuer.state_->form.subject;
}
bool RevocationList::lists(const Certificate& certificate) const {
  return std::binary_search(state_->form.serials.begin(), state_->form.serials.end(),
                            certificate.state_->form.serial);
}
Result<void> RevocationList::verify_signed_by(const Certificate& issuer,
                                              Certificate::Scheme scheme) const {
  return verify_form(state_->form.form, issuer.state_->backend_key(), scheme);
}

}  // namespace ensconce
