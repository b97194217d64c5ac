#include <openssl/core_names.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>

#include "ensconce/codec/der.h"
#include "ensconce/crypto/x509.h"
#include "x509_state.h"

namespace ensconce {

// ---- RsaPrivateKey --------------------------------------------------------------------------

struct RsaPrivateKey::State {
  ossl::Pkey key;
};

RsaPrivateKey::RsaPrivateKey(std::unique_ptr<State> state) : state_(std::move(state)) {}
RsaPrivateKey::~RsaPrivateKey() = default;
RsaPrivateKey::RsaPrivateKey(RsaPrivateKey&&) noexcept = default;
RsaPrivateKey& RsaPrivateKey::operator=(RsaPrivateKey&&) noexcept = default;

RsaPrivateKey RsaPrivateKey::generate(int bits) {
  (void)ossl::backend();
  ENSC_CHECK(bits >= 2048 && bits <= 8192);
  ossl::Pkey key(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<std::size_t>(bits)));
  ENSC_CHECK(key != nullptr);
  return RsaPrivateKey(std::make_unique<State>(State{std::move(key)}));
}

Result<RsaPrivateKey> RsaPrivateKey::from_pkcs8_der(ByteView der) {
  (void)ossl::backend();
  const ossl::QuietErrors quiet;
  ossl::Pkey key = ossl::pkey_from_pkcs8(der);
  if (key == nullptr || EVP_PKEY_is_a(key.get(), "RSA") != 1 ||
      EVP_PKEY_get_bits(key.get()) < 2048) {
    return Error(CryptoError::kBadKey, "not one PKCS#8 RSA key of 2048 bits or more");
  }
  return RsaPrivateKey(std::make_unique<State>(State{std::move(key)}));
}

SecretBytes RsaPrivateKey::pkcs8_der() const { return ossl::pkcs8_of(state_->key.get()); }

namespace {

Bytes magnitude_of(const EVP_PKEY* key, const char* parameter) {
  BIGNUM* number = nullptr;
  ENSC_CHECK(EVP_PKEY_get_bn_param(key, parameter, &number) == 1);
  const ossl::Bn owned(number);
  Bytes out(static_cast<std::size_t>(BN_num_bytes(number)));
  ENSC_CHECK(BN_bn2bin(number, out.data()) == static_cast<int>(out.size()));
  return out;
}

}  // namespace

Bytes RsaPrivateKey::modulus() const {
  return magnitude_of(state_->key.get(), OSSL_PKEY_PARAM_RSA_N);
}
Bytes RsaPrivateKey::exponent() const {
  return magnitude_of(state_->key.get(), OSSL_PKEY_PARAM_RSA_E);
}

Bytes RsaPrivateKey::sign_pkcs1_sha256(ByteView message) const {
  const ossl::MdCtx ctx(EVP_MD_CTX_new());
  EVP_PKEY_CTX* pctx = nullptr;  // owned by ctx
  ENSC_CHECK(ctx != nullptr);
  ENSC_CHECK(EVP_DigestSignInit(ctx.get(), &pctx, ossl::backend().sha256, nullptr,
                                state_->key.get()) == 1);
  ENSC_CHECK(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PADDING) == 1);
  Bytes out(static_cast<std::size_t>(EVP_PKEY_get_size(state_->key.get())));
  std::size_t len = out.size();
  ENSC_CHECK(EVP_DigestSign(ctx.get(), out.data(), &len, ossl::non_null(message), message.size()) ==
             1);
  ENSC_CHECK(len == out.size());
  return out;
}

// ---- CertificateBuilder ---------------------------------------------------------------------

struct CertificateBuilder::State {
  struct Extension {
    std::string oid;
    Bytes value;
    bool critical;
  };
  std::string cn;
  std::array<std::string, 5> organisation;  // OU, C, L, ST, O
  Bytes serial;                             // big-endian magnitude; empty: a random one
  Instant not_before;
  Instant not_after;
  std::vector<std::string> names;
  std::vector<Extension> extensions;
  ossl::Pkey key;
};

namespace {

constexpr std::uint8_t kBitStringTag = 0x03;
constexpr std::uint8_t kDnsNameTag = 0x82;    // GeneralName [2] IA5String
constexpr std::uint8_t kIpAddressTag = 0x87;  // GeneralName [7] OCTET STRING
constexpr std::uint8_t kKeyIdTag = 0x80;      // AuthorityKeyIdentifier.keyIdentifier [0]

constexpr std::size_t kMaxSerialLen = 20;  // RFC 5280 §4.1.2.2

// The builder is used on our own input alone, so what fails here is a broken invariant.
void set_time(ASN1_TIME* to, Instant t) {
  ENSC_CHECK(ASN1_TIME_set(to, static_cast<time_t>(t.unix_ms / 1000)) != nullptr);
}

void set_serial(ASN1_INTEGER* to, ByteView magnitude) {
  ENSC_CHECK(!magnitude.empty() && magnitude.size() <= kMaxSerialLen);
  const ossl::Bn n(BN_bin2bn(magnitude.data(), static_cast<int>(magnitude.size()), nullptr));
  ENSC_CHECK(n != nullptr && BN_to_ASN1_INTEGER(n.get(), to) != nullptr);
}

Bytes magnitude_of(std::uint64_t n) {
  ByteWriter out;
  out.u64_be(n);
  return std::move(out).take();
}

ossl::X509ExtensionPtr make_extension(const std::string& oid, ByteView value, bool critical) {
  const ossl::Asn1ObjectPtr object(OBJ_txt2obj(oid.c_str(), 1));
  const ossl::Asn1OctetStringPtr data(ASN1_OCTET_STRING_new());
  ENSC_CHECK(object != nullptr && data != nullptr);
  ENSC_CHECK(ASN1_OCTET_STRING_set(data.get(), ossl::non_null(value),
                                   static_cast<int>(value.size())) == 1);
  ossl::X509ExtensionPtr out(
      X509_EXTENSION_create_by_OBJ(nullptr, object.get(), critical ? 1 : 0, data.get()));
  ENSC_CHECK(out != nullptr);
  return out;
}

// start_signing sets up RSASSA-PSS (SHA-384, MGF1 SHA-384, salt 48) or ECDSA with the curve's hash.
void start_signing(EVP_MD_CTX* ctx, EVP_PKEY* key) {
  const bool rsa = EVP_PKEY_is_a(key, "RSA") == 1;
  const EVP_MD* md =
      rsa || EVP_PKEY_get_bits(key) == 384 ? ossl::backend().sha384 : ossl::backend().sha256;
  EVP_PKEY_CTX* pctx = nullptr;  // owned by ctx
  ENSC_CHECK(EVP_DigestSignInit(ctx, &pctx, md, nullptr, key) == 1);
  if (rsa) {
    ENSC_CHECK(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1);
    ENSC_CHECK(EVP_PKEY_CTX_set_rsa_mgf1_md(pctx, md) == 1);
    ENSC_CHECK(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, 48) == 1);
  }
}

Bytes general_name(const std::string& name) {
  const ossl::Asn1OctetStringPtr ip(a2i_IPADDRESS(name.c_str()));
  if (ip != nullptr) {
    const unsigned char* data = ASN1_STRING_get0_data(ip.get());
    return der::write_element(kIpAddressTag,
                              {data, static_cast<std::size_t>(ASN1_STRING_length(ip.get()))});
  }
  return der::write_element(kDnsNameTag, as_bytes(name));
}

}  // namespace

CertificateBuilder::CertificateBuilder() : state_(std::make_unique<State>()) {
  (void)ossl::backend();
}
CertificateBuilder::~CertificateBuilder() = default;

CertificateBuilder& CertificateBuilder::subject_cn(std::string cn) {
  state_->cn = std::move(cn);
  return *this;
}

CertificateBuilder& CertificateBuilder::organisation(std::string ou, std::string c, std::string l,
                                                     std::string st, std::string o) {
  state_->organisation = {std::move(ou), std::move(c), std::move(l), std::move(st), std::move(o)};
  return *this;
}

CertificateBuilder& CertificateBuilder::serial(std::uint64_t n) { return serial(magnitude_of(n)); }

CertificateBuilder& CertificateBuilder::serial(ByteView magnitude) {
  ENSC_CHECK(!magnitude.empty() && magnitude.size() <= kMaxSerialLen);
  state_->serial = to_bytes(magnitude);
  return *this;
}

CertificateBuilder& CertificateBuilder::validity(Instant not_before, Instant not_after) {
  state_->not_before = not_before;
  state_->not_after = not_after;
  return *this;
}

CertificateBuilder& CertificateBuilder::ca(int path_len, bool crl_sign) {
  // BasicConstraints ::= SEQUENCE { cA BOOLEAN TRUE, pathLenConstraint INTEGER OPTIONAL }
  Bytes constraints{0x01, 0x01, 0xff};
  if (path_len >= 0) {
    constraints =
        concat({constraints, der::write_small_uint(static_cast<std::uint32_t>(path_len))});
  }
  extension("2.5.29.19", der::write_element(der::kSequence, constraints), true);
  // KeyUsage ::= BIT STRING: keyCertSign is bit 5, cRLSign bit 6.
  const Bytes usage = crl_sign ? Bytes{0x01, 0x06} : Bytes{0x02, 0x04};
  return extension("2.5.29.15", der::write_element(kBitStringTag, usage), true);
}

CertificateBuilder& CertificateBuilder::signing_leaf() {
  // KeyUsage ::= BIT STRING: digitalSignature is bit 0, nonRepudiation bit 1.
  extension("2.5.29.15", der::write_element(kBitStringTag, Bytes{0x06, 0xc0}), true);
  // BasicConstraints ::= SEQUENCE { cA BOOLEAN DEFAULT FALSE, … }
  return extension("2.5.29.19", der::write_element(der::kSequence, {}), true);
}

CertificateBuilder& CertificateBuilder::dns_name(std::string name) {
  state_->names.push_back(std::move(name));
  return *this;
}

CertificateBuilder& CertificateBuilder::extension(std::string oid, Bytes extn_value,
                                                  bool critical) {
  state_->extensions.push_back({std::move(oid), std::move(extn_value), critical});
  return *this;
}

CertificateBuilder& CertificateBuilder::key(const EcPublicKey& key) {
  state_->key = ossl::pkey_of(key);
  return *this;
}

CertificateBuilder& CertificateBuilder::key(const RsaPrivateKey& key) {
  ENSC_CHECK(EVP_PKEY_up_ref(key.state_->key.get()) == 1);
  state_->key.reset(key.state_->key.get());
  return *this;
}

namespace {

// make signs what `state` describes. Without an issuer the certificate is self-issued.
template <typename State>
Certificate make(const State& state, EVP_PKEY* subject_key, const X509* issuer,
                 EVP_PKEY* signing_key) {
  ENSC_CHECK(subject_key != nullptr && state.not_before < state.not_after);
  const ossl::X509Ptr x509(X509_new());
  ENSC_CHECK(x509 != nullptr && X509_set_version(x509.get(), X509_VERSION_3) == 1);

  Bytes serial = state.serial;
  if (serial.empty()) {
    serial.resize(sizeof(std::uint64_t));
    ENSC_CHECK(RAND_bytes(serial.data(), static_cast<int>(serial.size())) == 1);
  }
  set_serial(X509_get_serialNumber(x509.get()), serial);
  set_time(X509_getm_notBefore(x509.get()), state.not_before);
  set_time(X509_getm_notAfter(x509.get()), state.not_after);

  const ossl::X509NamePtr name(X509_NAME_new());
  ENSC_CHECK(name != nullptr);
  const auto add = [&](const char* field, const std::string& text) {
    if (!text.empty()) {
      ENSC_CHECK(X509_NAME_add_entry_by_txt(name.get(), field, MBSTRING_UTF8, as_bytes(text).data(),
                                            static_cast<int>(text.size()), -1, 0) == 1);
    }
  };
  constexpr std::array<const char*, 5> kFields = {"OU", "C", "L", "ST", "O"};
  for (std::size_t i = 0; i < kFields.size(); ++i) {
    add(kFields[i], state.organisation[i]);
  }
  add("CN", state.cn);
  ENSC_CHECK(X509_set_subject_name(x509.get(), name.get()) == 1);
  ENSC_CHECK(X509_set_issuer_name(
                 x509.get(), issuer == nullptr ? name.get() : X509_get_subject_name(issuer)) == 1);
  ENSC_CHECK(X509_set_pubkey(x509.get(), subject_key) == 1);

  for (const auto& extension : state.extensions) {
    const auto made = make_extension(extension.oid, extension.value, extension.critical);
    ENSC_CHECK(X509_add_ext(x509.get(), made.get(), -1) == 1);
  }
  if (!state.names.empty()) {
    Bytes names;
    for (const std::string& n : state.names) {
      names = concat({names, general_name(n)});
    }
    const auto made = make_extension("2.5.29.17", der::write_element(der::kSequence, names), false);
    ENSC_CHECK(X509_add_ext(x509.get(), made.get(), -1) == 1);
  }
  const ossl::MdCtx ctx(EVP_MD_CTX_new());
  ENSC_CHECK(ctx != nullptr);
  start_signing(ctx.get(), signing_key);
  ENSC_CHECK(X509_sign_ctx(x509.get(), ctx.get()) > 0);
  return Certificate::from_der(ossl::encode(i2d_X509, x509.get())).value();
}

}  // namespace

Certificate CertificateBuilder::self_sign(const EcPrivateKey& key) const {
  const ossl::Pkey own = ossl::pkey_from_pkcs8(key.pkcs8_der().expose());
  return make(*state_, own.get(), nullptr, own.get());
}
Certificate CertificateBuilder::self_sign(const RsaPrivateKey& key) const {
  return make(*state_, key.state_->key.get(), nullptr, key.state_->key.get());
}
Certificate CertificateBuilder::issue(const Certificate& issuer, const RsaPrivateKey& key) const {
  return make(*state_, state_->key.get(), internal::backend_x509(issuer.der()).get(),
              key.state_->key.get());
}
Certificate CertificateBuilder::issue(const Certificate& issuer, const EcPrivateKey& key) const {
  const ossl::Pkey signing = ossl::pkey_from_pkcs8(key.pkcs8_der().expose());
  return make(*state_, state_->key.get(), internal::backend_x509(issuer.der()).get(),
              signing.get());
}

namespace {

// authority_key_id is RFC 5280 §4.2.1.1 out of the issuer's §4.2.1.2; nothing when it has none.
ossl::X509ExtensionPtr authority_key_id(const X509* issuer) {
  // from_der has made OpenSSL read the extensions, so this changes nothing.
  const ASN1_OCTET_STRING* id = X509_get0_subject_key_id(const_cast<X509*>(issuer));
  if (id == nullptr) {
    return nullptr;
  }
  const Bytes key_id = der::write_element(
      kKeyIdTag, {ASN1_STRING_get0_data(id), static_cast<std::size_t>(ASN1_STRING_length(id))});
  return make_extension("2.5.29.35", der::write_element(der::kSequence, key_id), false);
}

Bytes sign_crl(const X509* issuer, EVP_PKEY* key, Instant this_update, Instant next_update,
               const std::vector<Bytes>& revoked_serials) {
  const ossl::X509CrlPtr crl(X509_CRL_new());
  const ossl::Asn1TimePtr from(ASN1_TIME_new());
  const ossl::Asn1TimePtr until(ASN1_TIME_new());
  const ossl::Asn1IntegerPtr serial(ASN1_INTEGER_new());
  ENSC_CHECK(crl != nullptr && from != nullptr && until != nullptr && serial != nullptr);
  set_time(from.get(), this_update);
  set_time(until.get(), next_update);
  ENSC_CHECK(X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2) == 1);
  ENSC_CHECK(X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(issuer)) == 1);
  ENSC_CHECK(X509_CRL_set1_lastUpdate(crl.get(), from.get()) == 1);
  ENSC_CHECK(X509_CRL_set1_nextUpdate(crl.get(), until.get()) == 1);
  for (const Bytes& n : revoked_serials) {
    ossl::X509RevokedPtr entry(X509_REVOKED_new());
    ENSC_CHECK(entry != nullptr);
    set_serial(serial.get(), n);
    ENSC_CHECK(X509_REVOKED_set_serialNumber(entry.get(), serial.get()) == 1);
    ENSC_CHECK(X509_REVOKED_set_revocationDate(entry.get(), from.get()) == 1);
    ENSC_CHECK(X509_CRL_add0_revoked(crl.get(), entry.get()) == 1);
    (void)entry.release();  // the list owns it now
  }
  // RFC 5280 §5.2.3 wants a number; ours is always the first of its list.
  const auto number = make_extension("2.5.29.20", der::write_small_uint(1), false);
  ENSC_CHECK(X509_CRL_add_ext(crl.get(), number.get(), -1) == 1);
  if (const auto key_id = authority_key_id(issuer); key_id != nullptr) {
    ENSC_CHECK(X509_CRL_add_ext(crl.get(), key_id.get(), -1) == 1);
  }
  ENSC_CHECK(X509_CRL_sort(crl.get()) == 1);
  const ossl::MdCtx ctx(EVP_MD_CTX_new());
  ENSC_CHECK(ctx != nullptr);
  start_signing(ctx.get(), key);
  ENSC_CHECK(X509_CRL_sign_ctx(crl.get(), ctx.get()) > 0);
  return ossl::encode(i2d_X509_CRL, crl.get());
}

}  // namespace

Bytes CertificateBuilder::make_crl(const Certificate& issuer, const RsaPrivateKey& key,
                                   Instant this_update, Instant next_update,
                                   const std::vector<std::uint64_t>& revoked_serials) {
  std::vector<Bytes> serials;
  serials.reserve(revoked_serials.size());
  for (const std::uint64_t n : revoked_serials) {
    serials.push_back(magnitude_of(n));
  }
  return sign_crl(internal::backend_x509(issuer.der()).get(), key.state_->key.get(), this_update,
                  next_update, serials);
}

Bytes CertificateBuilder::make_crl(const Certificate& issuer, const EcPrivateKey& key,
                                   Instant this_update, Instant next_update,
                                   const std::vector<Bytes>& revoked_serials) {
  const ossl::Pkey signing = ossl::pkey_from_pkcs8(key.pkcs8_der().expose());
  return sign_crl(internal::backend_x509(issuer.der()).get(), signing.get(), this_update,
                  next_update, revoked_serials);
}

}  // namespace ensconce
