#include "ensconce/crypto/x509.h"

#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "ensconce/codec/base64.h"
#include "ensconce/codec/der.h"
#include "spki.h"
#include "x509_state.h"

namespace ensconce {

namespace {

constexpr std::size_t kMaxCertificateLen = std::size_t{64} * 1024;
constexpr std::size_t kMaxCrlLen = std::size_t{4} * 1024 * 1024;
constexpr std::size_t kMaxPemCertificates = 16;
constexpr int kMaxExtensions = 64;
constexpr std::size_t kMaxSerialLen = 21;  // 20 octets (RFC 5280 §4.1.2.2) and a sign octet
constexpr int kMinRsaBits = 2048;

constexpr std::uint8_t kBitString = 0x03;
constexpr std::uint8_t kVersionTag = 0xa0;

Error bad_certificate(std::string detail) {
  return {CryptoError::kBadCertificate, std::move(detail)};
}

Result<der::Element> take(ByteReader& reader, std::uint8_t tag, std::string_view what) {
  auto element = der::read_element(reader);
  if (!element) {
    return bad_certificate(element.error().to_string()).with_context(what);
  }
  if (element->tag != tag) {
    return bad_certificate("another tag was expected").with_context(what);
  }
  return *element;
}

// magnitude drops the leading zeros of a number, but not its last digit.
Bytes magnitude(ByteView number) {
  while (number.size() > 1 && number[0] == 0) {
    number = number.subspan(1);
  }
  return number.empty() ? Bytes{0} : to_bytes(number);
}

struct Parts {
  SignedForm form;
  ByteReader tbs;  // behind the inner AlgorithmIdentifier
  Bytes serial;    // of a certificate
};

enum class Document : std::uint8_t { kCertificate, kCrl };

// read_signed_form reads the outer form and the tbs up to its own AlgorithmIdentifier. Both kinds
// must be of the version that has extensions: v3 (2) for certificates, v2 (1) for CRLs.
Result<Parts> read_signed_form(ByteView bytes, Document document) {
  ByteReader reader(bytes);
  ENSC_TRY_ASSIGN(const der::Element whole, take(reader, der::kSequence, "document"));
  if (reader.remaining() != 0) {
    return bad_certificate("bytes after the end");
  }
  ByteReader fields(whole.content);
  ENSC_TRY_ASSIGN(const der::Element tbs, take(fields, der::kSequence, "tbs"));
  ENSC_TRY_ASSIGN(const der::Element algorithm, take(fields, der::kSequence, "signatureAlgorithm"));
  ENSC_TRY_ASSIGN(const der::Element signature, take(fields, kBitString, "signature"));
  if (fields.remaining() != 0 || signature.content.empty() || signature.content[0] != 0) {
    return bad_certificate("signature: not a whole number of octets, or something after it");
  }
  Parts out{.form = {}, .tbs = ByteReader(tbs.content), .serial = {}};
  if (document == Document::kCertificate) {
    ENSC_TRY_ASSIGN(const der::Element version, take(out.tbs, kVersionTag, "version"));
    if (!equal(version.content, Bytes{der::kInteger, 1, 2})) {
      return bad_certificate("not an X.509 v3 certificate");
    }
    ENSC_TRY_ASSIGN(const der::Element serial, take(out.tbs, der::kInteger, "serialNumber"));
    const ByteView n = serial.content;
    if (n.empty() || n.size() > kMaxSerialLen || (n[0] & 0x80U) != 0 ||
        (n.size() > 1 && n[0] == 0 && (n[1] & 0x80U) == 0)) {
      return bad_certificate("serialNumber: negative, too long or not minimal");
    }
    out.serial = magnitude(n);
  } else {
    ENSC_TRY_ASSIGN(const der::Element version, take(out.tbs, der::kInteger, "version"));
    if (!equal(version.content, Bytes{1})) {
      return bad_certificate("not a v2 CRL");
    }
  }
  ENSC_TRY_ASSIGN(const der::Element inner, take(out.tbs, der::kSequence, "tbs.signature"));
  out.form = {.tbs = to_bytes(tbs.whole),
              .algorithm = to_bytes(algorithm.whole),
              .inner_algorithm = to_bytes(inner.whole),
              .signature = to_bytes(signature.content.subspan(1))};
  return out;
}

// read_time accepts what RFC 5280 §4.1.2.5 allows: seconds always, UTC always.
Result<Instant> read_time(const ASN1_TIME* time) {
  const int type = ASN1_STRING_type(time);
  const int len = ASN1_STRING_length(time);
  const unsigned char* text = ASN1_STRING_get0_data(time);
  const bool form =
      (type == V_ASN1_UTCTIME && len == 13) || (type == V_ASN1_GENERALIZEDTIME && len == 15);
  std::tm tm{};
  if (!form || text[len - 1] != 'Z' || ASN1_TIME_to_tm(time, &tm) != 1) {
    return bad_certificate("a time not as RFC 5280 wants it");
  }
  return Instant{static_cast<std::int64_t>(timegm(&tm)) * 1000};
}

Bytes name_der(const X509_NAME* name) {
  const unsigned char* p = nullptr;
  std::size_t len = 0;
  ENSC_CHECK(X509_NAME_get0_der(name, &p, &len) == 1);
  return {p, p + len};
}

// common_name returns the one CN; a name with two has none that a policy could mean.
std::string common_name(const X509_NAME* name) {
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0) {
    return {};
  }
  unsigned char* text = nullptr;
  const int len =
      ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
  const ossl::Buffer owner(text);
  return len < 0 ? std::string() : std::string(as_text({text, static_cast<std::size_t>(len)}));
}

Result<std::string> dotted(const ASN1_OBJECT* object) {
  std::array<char, 128> text{};
  const int len = OBJ_obj2txt(text.data(), static_cast<int>(text.size()), object, 1);
  if (len <= 0 || len >= static_cast<int>(text.size())) {
    return bad_certificate("an object identifier that is empty or too long");
  }
  return std::string(text.data());
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
Result<void> verify_form(const SignedForm& form, const X509* issuer, Certificate::Scheme scheme) {
  const ossl::QuietErrors quiet;
  if (!equal(form.algorithm, form.inner_algorithm)) {
    return bad_certificate("the two signature algorithms differ");
  }
  if (!is_scheme(form.algorithm, scheme)) {
    return bad_certificate("not signed with the algorithm that is required");
  }
  EVP_PKEY* key = X509_get0_pubkey(issuer);
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

}  // namespace

// ---- Certificate ----------------------------------------------------------------------------

Result<Certificate> Certificate::from_der(ByteView der) {
  (void)ossl::backend();
  const ossl::QuietErrors quiet;
  if (der.size() > kMaxCertificateLen) {
    return bad_certificate("larger than any certificate");
  }
  ENSC_TRY_ASSIGN(Parts parts, read_signed_form(der, Document::kCertificate));
  const unsigned char* p = der.data();
  ossl::X509Ptr x509(d2i_X509(nullptr, &p, static_cast<long>(der.size())));
  if (x509 == nullptr || p != der.data() + der.size()) {
    return bad_certificate("not an X.509 certificate");
  }
  auto state = std::make_shared<State>();
  const int num_extensions = X509_get_ext_count(x509.get());
  if (num_extensions > kMaxExtensions) {
    return bad_certificate("too many extensions");
  }
  for (int i = 0; i < num_extensions; ++i) {
    X509_EXTENSION* extension = X509_get_ext(x509.get(), i);
    ENSC_TRY_ASSIGN(std::string oid, dotted(X509_EXTENSION_get_object(extension)));
    const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(extension);
    for (const State::Extension& other : state->extensions) {
      if (other.oid == oid) {
        return bad_certificate("two extensions " + oid);  // RFC 5280 §4.2
      }
    }
    const unsigned char* data = ASN1_STRING_get0_data(value);
    state->extensions.push_back({std::move(oid), Bytes(data, data + ASN1_STRING_length(value)),
                                 X509_EXTENSION_get_critical(extension) == 1});
  }
  // This also reads and keeps what OpenSSL knows of the extensions, so that later calls from
  // several threads only read.
  const std::uint32_t flags = X509_get_extension_flags(x509.get());
  if ((flags & EXFLAG_INVALID) != 0) {
    return bad_certificate("an extension does not parse");
  }
  state->ca = (flags & EXFLAG_BCONS) != 0 && (flags & EXFLAG_CA) != 0;
  state->key_usage = X509_get_key_usage(x509.get());  // all ones when there is none
  ENSC_TRY_ASSIGN(state->not_before, read_time(X509_get0_notBefore(x509.get())));
  ENSC_TRY_ASSIGN(state->not_after, read_time(X509_get0_notAfter(x509.get())));
  state->subject = name_der(X509_get_subject_name(x509.get()));
  state->issuer = name_der(X509_get_issuer_name(x509.get()));
  state->spki = ossl::encode(i2d_X509_PUBKEY, X509_get_X509_PUBKEY(x509.get()));
  state->serial = std::move(parts.serial);
  state->form = std::move(parts.form);
  state->der = to_bytes(der);
  state->x509 = std::move(x509);
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
    if (end - begin > 2 * kMaxCertificateLen) {
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
std::string Certificate::subject_cn() const {
  return common_name(X509_get_subject_name(state_->x509.get()));
}
std::string Certificate::issuer_cn() const {
  return common_name(X509_get_issuer_name(state_->x509.get()));
}
bool Certificate::issued_by_name(const Certificate& issuer) const {
  return state_->issuer == issuer.state_->subject;
}
bool Certificate::self_issued() const { return issued_by_name(*this); }
Instant Certificate::not_before() const { return state_->not_before; }
Instant Certificate::not_after() const { return state_->not_after; }
Bytes Certificate::serial() const { return state_->serial; }
Bytes Certificate::spki_der() const { return state_->spki; }
Sha256Digest Certificate::spki_sha256() const { return sha256(state_->spki); }
bool Certificate::is_ca() const { return state_->ca; }
bool Certificate::may_sign_certificates() const {
  return (state_->key_usage & KU_KEY_CERT_SIGN) != 0;
}
bool Certificate::may_sign_crls() const { return (state_->key_usage & KU_CRL_SIGN) != 0; }

Result<EcPublicKey> Certificate::ec_public_key() const {
  const ByteView spki = state_->spki;
  for (const Curve curve : {Curve::kP256, Curve::kP384}) {
    const ByteView prefix = spki_prefix(curve);
    if (spki.size() > prefix.size() && equal(spki.first(prefix.size()), prefix)) {
      return EcPublicKey::from_point(curve, spki.subspan(prefix.size()));
    }
  }
  return Error(CryptoError::kBadKey, "the certificate's key is not on P-256 or P-384");
}

std::optional<Bytes> Certificate::extension(std::string_view oid) const {
  for (const State::Extension& extension : state_->extensions) {
    if (extension.oid == oid) {
      return extension.value;
    }
  }
  return std::nullopt;
}

std::vector<std::string> Certificate::critical_extensions() const {
  std::vector<std::string> out;
  for (const State::Extension& extension : state_->extensions) {
    if (extension.critical) {
      out.push_back(extension.oid);
    }
  }
  return out;
}

Result<void> Certificate::verify_signed_by(const Certificate& issuer, Scheme scheme) const {
  return verify_form(state_->form, issuer.state_->x509.get(), scheme);
}

// ---- RevocationList -------------------------------------------------------------------------

struct RevocationList::State {
  Bytes der;
  SignedForm form;
  Bytes issuer;
  Instant this_update;
  std::optional<Instant> next_update;
  std::vector<Bytes> serials;  // magnitudes, sorted
};

Result<RevocationList> RevocationList::from_der(ByteView der) {
  (void)ossl::backend();
  const ossl::QuietErrors quiet;
  if (der.size() > kMaxCrlLen) {
    return bad_certificate("larger than any CRL we know");
  }
  ENSC_TRY_ASSIGN(Parts parts, read_signed_form(der, Document::kCrl));
  const unsigned char* p = der.data();
  const ossl::X509CrlPtr crl(d2i_X509_CRL(nullptr, &p, static_cast<long>(der.size())));
  if (crl == nullptr || p != der.data() + der.size()) {
    return bad_certificate("not a CRL");
  }
  auto state = std::make_shared<State>();
  // A critical extension narrows what the list says (RFC 5280 §5.2: delta lists, indirect lists,
  // lists for a part of the certificates). Read without it, such a list would clear too much.
  const int num_extensions = X509_CRL_get_ext_count(crl.get());
  for (int i = 0; i < num_extensions; ++i) {
    if (X509_EXTENSION_get_critical(X509_CRL_get_ext(crl.get(), i)) == 1) {
      return bad_certificate("a CRL with a critical extension");
    }
  }
  const STACK_OF(X509_REVOKED)* revoked = X509_CRL_get_REVOKED(crl.get());
  const int num_revoked = revoked == nullptr ? 0 : sk_X509_REVOKED_num(revoked);
  state->serials.reserve(static_cast<std::size_t>(num_revoked));
  for (int i = 0; i < num_revoked; ++i) {
    const X509_REVOKED* entry = sk_X509_REVOKED_value(revoked, i);
    const int num_entry_extensions = X509_REVOKED_get_ext_count(entry);
    for (int k = 0; k < num_entry_extensions; ++k) {
      if (X509_EXTENSION_get_critical(X509_REVOKED_get_ext(entry, k)) == 1) {
        return bad_certificate("a CRL entry with a critical extension");
      }
    }
    const ASN1_INTEGER* serial = X509_REVOKED_get0_serialNumber(entry);
    const unsigned char* data = ASN1_STRING_get0_data(serial);
    state->serials.push_back(
        magnitude({data, static_cast<std::size_t>(ASN1_STRING_length(serial))}));
  }
  std::sort(state->serials.begin(), state->serials.end());
  ENSC_TRY_ASSIGN(state->this_update, read_time(X509_CRL_get0_lastUpdate(crl.get())));
  if (const ASN1_TIME* next = X509_CRL_get0_nextUpdate(crl.get()); next != nullptr) {
    ENSC_TRY_ASSIGN(state->next_update, read_time(next));
  }
  state->issuer = name_der(X509_CRL_get_issuer(crl.get()));
  state->form = std::move(parts.form);
  state->der = to_bytes(der);
  return RevocationList(std::move(state));
}

const Bytes& RevocationList::der() const { return state_->der; }
Instant RevocationList::this_update() const { return state_->this_update; }
std::optional<Instant> RevocationList::next_update() const { return state_->next_update; }
bool RevocationList::issued_by_name(const Certificate& issuer) const {
  return state_->issuer == issuer.state_->subject;
}
bool RevocationList::lists(const Certificate& certificate) const {
  return std::binary_search(state_->serials.begin(), state_->serials.end(),
                            certificate.state_->serial);
}
Result<void> RevocationList::verify_signed_by(const Certificate& issuer,
                                              Certificate::Scheme scheme) const {
  return verify_form(state_->form, issuer.state_->x509.get(), scheme);
}

}  // namespace ensconce
