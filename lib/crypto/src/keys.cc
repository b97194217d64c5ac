#include "ensconce/crypto/keys.h"

#include <openssl/core_names.h>

#include <algorithm>
#include <array>

#include "openssl.h"
#include "spki.h"

namespace ensconce {

namespace {

std::size_t field_len(Curve curve) { return curve == Curve::kP256 ? 32 : 48; }
const char* group_name(Curve curve) {
  return curve == Curve::kP256 ? SN_X9_62_prime256v1 : SN_secp384r1;
}
const EVP_MD* md_of(Curve curve) {
  return curve == Curve::kP256 ? ossl::backend().sha256 : ossl::backend().sha384;
}

Error bad_key(std::string detail) { return {CryptoError::kBadKey, std::move(detail)}; }

}  // namespace

namespace ossl {
Pkey pkey_of(const EcPublicKey& key) {
  Pkey out(EVP_PKEY_dup(key.curve() == Curve::kP256 ? backend().p256_key : backend().p384_key));
  ENSC_CHECK(out != nullptr);
  ENSC_CHECK(EVP_PKEY_set1_encoded_public_key(out.get(), key.point().data(), key.point().size()) ==
             1);
  return out;
}
}  // namespace ossl

// ---- Ed25519 --------------------------------------------------------------------------------

Result<Ed25519PrivateKey> Ed25519PrivateKey::from_seed(ByteView seed32) {
  if (seed32.size() != 32) {
    return bad_key("an Ed25519 seed has 32 bytes");
  }
  KeptSecret seed = KeptSecret::copy_of(seed32);
  (void)ossl::backend();
  const ossl::Pkey key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.expose().data(),
                                                    seed.expose().size()));
  ENSC_CHECK(key != nullptr);
  Ed25519PublicKey pub;
  std::size_t len = pub.bytes.size();
  ENSC_CHECK(EVP_PKEY_get_raw_public_key(key.get(), pub.bytes.data(), &len) == 1);
  ENSC_CHECK(len == pub.bytes.size());
  return Ed25519PrivateKey(std::move(seed), pub);
}

Ed25519PrivateKey Ed25519PrivateKey::generate(Random& random) {
  SecretArray<32> seed;
  random.fill(seed.expose_mutable());
  return from_seed(seed.expose()).value();
}

namespace {

// The public half is ours, derived from this very seed; given the seed alone, OpenSSL would derive
// it again for each signature, which takes as long as to sign.
ossl::Pkey ed25519_pair(const KeptSecret& seed, Ed25519PublicKey pub) {
  (void)ossl::backend();
  const ossl::PkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, "ED25519", nullptr));
  ENSC_CHECK(ctx != nullptr && EVP_PKEY_fromdata_init(ctx.get()) == 1);
  // OpenSSL only reads what it takes as not const.
  auto* seed_bytes = const_cast<std::uint8_t*>(seed.expose().data());
  std::array<OSSL_PARAM, 3> params{
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, seed_bytes, 32),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, pub.bytes.data(),
                                        pub.bytes.size()),
      OSSL_PARAM_construct_end()};
  EVP_PKEY* key = nullptr;
  ENSC_CHECK(EVP_PKEY_fromdata(ctx.get(), &key, EVP_PKEY_KEYPAIR, params.data()) == 1);
  return ossl::Pkey(key);
}

}  // namespace

Ed25519Signature Ed25519PrivateKey::sign(ByteView message) const {
  const ossl::Pkey key = ed25519_pair(seed_, public_);
  const ossl::MdCtx ctx(EVP_MD_CTX_new());
  ENSC_CHECK(ctx != nullptr);
  Ed25519Signature out{};
  std::size_t len = out.size();
  ENSC_CHECK(EVP_DigestSignInit(ctx.get(), nullptr, nullptr, nullptr, key.get()) == 1);
  ENSC_CHECK(EVP_DigestSign(ctx.get(), out.data(), &len, ossl::non_null(message), message.size()) ==
             1);
  ENSC_CHECK(len == out.size());
  return out;
}

Result<void> ed25519_verify(const Ed25519PublicKey& key, ByteView message, ByteView signature) {
  (void)ossl::backend();
  const ossl::QuietErrors quiet;
  if (signature.size() != Ed25519Signature().size()) {
    return Error(CryptoError::kBadSignature, "an Ed25519 signature has 64 bytes");
  }
  const ossl::Pkey pkey(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.bytes.data(), key.bytes.size()));
  const ossl::MdCtx ctx(EVP_MD_CTX_new());
  ENSC_CHECK(ctx != nullptr);
  if (pkey == nullptr ||
      EVP_DigestVerifyInit(ctx.get(), nullptr, nullptr, nullptr, pkey.get()) != 1 ||
      EVP_DigestVerify(ctx.get(), signature.data(), signature.size(), ossl::non_null(message),
                       message.size()) != 1) {
    return Error(CryptoError::kBadSignature, "Ed25519");
  }
  return ok();
}

// ---- EC -------------------------------------------------------------------------------------

Result<EcPublicKey> EcPublicKey::from_point(Curve curve, ByteView uncompressed) {
  const ossl::QuietErrors quiet;
  if (uncompressed.size() != 1 + 2 * field_len(curve) || uncompressed[0] != 0x04) {
    return bad_key("not an uncompressed point of this curve");
  }
  // Reading a point checks that it is on the curve; making a key of it is for who uses it.
  const ossl::Backend& backend = ossl::backend();
  const EC_GROUP* group = curve == Curve::kP256 ? backend.p256 : backend.p384;
  const ossl::EcPoint point(EC_POINT_new(group));
  ENSC_CHECK(point != nullptr);
  if (EC_POINT_oct2point(group, point.get(), uncompressed.data(), uncompressed.size(), nullptr) !=
      1) {
    return bad_key("the point is not on the curve");
  }
  return EcPublicKey(curve, to_bytes(uncompressed));
}

Bytes EcPublicKey::spki_der() const { return concat({spki_prefix(curve_), point_}); }

struct EcPrivateKey::State {
  ossl::Pkey key;
  EcPublicKey pub;
};

EcPrivateKey::EcPrivateKey(std::unique_ptr<State> state) : state_(std::move(state)) {}
EcPrivateKey::~EcPrivateKey() = default;
EcPrivateKey::EcPrivateKey(EcPrivateKey&&) noexcept = default;
EcPrivateKey& EcPrivateKey::operator=(EcPrivateKey&&) noexcept = default;

namespace {

// public_of reads the public point of a key that may be on any curve.
Result<EcPublicKey> public_of(EVP_PKEY* key) {
  std::array<char, 32> group{};
  std::array<unsigned char, 97> point{};
  std::size_t len = 0;
  if (EVP_PKEY_is_a(key, "EC") != 1 ||
      EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group.data(), group.size(),
                                     nullptr) != 1) {
    return bad_key("not an EC key on a named curve");
  }
  const std::string_view name(group.data());
  Curve curve{};
  if (name == SN_X9_62_prime256v1) {
    curve = Curve::kP256;
  } else if (name == SN_secp384r1) {
    curve = Curve::kP384;
  } else {
    return bad_key("neither P-256 nor P-384");
  }
  if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size(),
                                      &len) != 1) {
    return bad_key("no public key");
  }
  return EcPublicKey::from_point(curve, ByteView(point).first(len));
}

}  // namespace

EcPrivateKey EcPrivateKey::generate(Curve curve) {
  (void)ossl::backend();
  ossl::Pkey key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", group_name(curve)));
  ENSC_CHECK(key != nullptr);
  EcPublicKey pub = public_of(key.get()).value();
  return EcPrivateKey(std::make_unique<State>(State{std::move(key), std::move(pub)}));
}

Result<EcPrivateKey> EcPrivateKey::from_pkcs8_der(ByteView der) {
  (void)ossl::backend();
  const ossl::QuietErrors quiet;
  ossl::Pkey key = ossl::pkey_from_pkcs8(der);
  if (key == nullptr) {
    return bad_key("not one PKCS#8 private key");
  }
  ENSC_TRY_ASSIGN(EcPublicKey pub, public_of(key.get()));
  // The encoding carries both halves; a stored key whose halves differ signs what nobody verifies.
  const ossl::PkeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
  ENSC_CHECK(ctx != nullptr);
  if (EVP_PKEY_pairwise_check(ctx.get()) != 1) {
    return bad_key("public and private half do not belong together");
  }
  return EcPrivateKey(std::make_unique<State>(State{std::move(key), std::move(pub)}));
}

Curve EcPrivateKey::curve() const { return state_->pub.curve(); }
EcPublicKey EcPrivateKey::public_key() const { return state_->pub; }
SecretBytes EcPrivateKey::pkcs8_der() const { return ossl::pkcs8_of(state_->key.get()); }

Bytes EcPrivateKey::sign(ByteView message) const {
  const ossl::MdCtx ctx(EVP_MD_CTX_new());
  ENSC_CHECK(ctx != nullptr);
  ENSC_CHECK(EVP_DigestSignInit(ctx.get(), nullptr, md_of(curve()), nullptr, state_->key.get()) ==
             1);
  std::array<unsigned char, 128> der{};
  std::size_t len = der.size();
  ENSC_CHECK(EVP_DigestSign(ctx.get(), der.data(), &len, ossl::non_null(message), message.size()) ==
             1);
  const unsigned char* p = der.data();
  const ossl::EcdsaSig sig(d2i_ECDSA_SIG(nullptr, &p, static_cast<long>(len)));
  ENSC_CHECK(sig != nullptr);
  const std::size_t width = field_len(curve());
  Bytes out(2 * width);
  const int n = static_cast<int>(width);
  ENSC_CHECK(BN_bn2binpad(ECDSA_SIG_get0_r(sig.get()), out.data(), n) == n);
  ENSC_CHECK(BN_bn2binpad(ECDSA_SIG_get0_s(sig.get()), out.data() + width, n) == n);
  return out;
}

Result<SecretBytes> EcPrivateKey::agree(const EcPublicKey& peer) const {
  const ossl::QuietErrors quiet;
  if (peer.curve() != curve()) {
    return bad_key("the peer's key is on another curve");
  }
  const ossl::Pkey peer_key = ossl::pkey_of(peer);
  const ossl::PkeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, state_->key.get(), nullptr));
  ENSC_CHECK(ctx != nullptr && EVP_PKEY_derive_init(ctx.get()) == 1);
  SecretBytes out(field_len(curve()));
  std::size_t len = out.size();
  if (EVP_PKEY_derive_set_peer(ctx.get(), peer_key.get()) != 1 ||
      EVP_PKEY_derive(ctx.get(), out.expose_mutable().data(), &len) != 1 || len != out.size()) {
    return bad_key("ECDH failed");
  }
  return out;
}

Result<void> ecdsa_verify(const EcPublicKey& key, ByteView message, ByteView raw_signature) {
  const ossl::QuietErrors quiet;
  const std::size_t width = field_len(key.curve());
  if (raw_signature.size() != 2 * width) {
    return Error(CryptoError::kBadSignature, "r and s are not of the curve's width");
  }
  const ossl::EcdsaSig sig(ECDSA_SIG_new());
  ossl::Bn r(BN_bin2bn(raw_signature.data(), static_cast<int>(width), nullptr));
  ossl::Bn s(BN_bin2bn(raw_signature.data() + width, static_cast<int>(width), nullptr));
  ENSC_CHECK(sig != nullptr && r != nullptr && s != nullptr);
  ENSC_CHECK(ECDSA_SIG_set0(sig.get(), r.release(), s.release()) == 1);
  const Bytes der = ossl::encode(i2d_ECDSA_SIG, sig.get());
  const ossl::Pkey pkey = ossl::pkey_of(key);
  const ossl::MdCtx ctx(EVP_MD_CTX_new());
  ENSC_CHECK(ctx != nullptr);
  if (EVP_DigestVerifyInit(ctx.get(), nullptr, md_of(key.curve()), nullptr, pkey.get()) != 1 ||
      EVP_DigestVerify(ctx.get(), der.data(), der.size(), ossl::non_null(message),
                       message.size()) != 1) {
    return Error(CryptoError::kBadSignature, "ECDSA");
  }
  return ok();
}

// ---- RSA ------------------------------------------------------------------------------------

namespace {

constexpr std::size_t kMinModulusLen = 256;
constexpr std::size_t kMaxModulusLen = 512;
// OpenSSL itself takes no more with a modulus of over 3072 bits.
constexpr std::size_t kMaxExponentLen = 8;

}  // namespace

ossl::Pkey ossl::pkey_of(const RsaPublicKey& key) {
  const auto number = [](const Bytes& bytes) {
    return ossl::Bn(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
  };
  (void)ossl::backend();
  const ossl::Bn modulus = number(key.modulus());
  const ossl::Bn exponent = number(key.exponent());
  const ossl::ParamBuilder builder(OSSL_PARAM_BLD_new());
  ENSC_CHECK(modulus != nullptr && exponent != nullptr && builder != nullptr);
  ENSC_CHECK(OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) == 1);
  ENSC_CHECK(OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) == 1);
  const ossl::Params params(OSSL_PARAM_BLD_to_param(builder.get()));
  const ossl::PkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  ENSC_CHECK(params != nullptr && ctx != nullptr && EVP_PKEY_fromdata_init(ctx.get()) == 1);
  EVP_PKEY* out = nullptr;
  ENSC_CHECK(EVP_PKEY_fromdata(ctx.get(), &out, EVP_PKEY_PUBLIC_KEY, params.get()) == 1);
  return ossl::Pkey(out);
}

Result<RsaPublicKey> RsaPublicKey::from_modulus(ByteView modulus_be, ByteView exponent_be) {
  // A leading byte of 0x80 or more makes the bits of a modulus eight for each byte.
  if (modulus_be.size() < kMinModulusLen || modulus_be.size() > kMaxModulusLen ||
      (modulus_be.front() & 0x80) == 0 || (modulus_be.back() & 1) == 0) {
    return bad_key("not an odd RSA modulus of 2048 to 4096 bits in whole bytes");
  }
  if (exponent_be.empty() || exponent_be.size() > kMaxExponentLen || exponent_be.front() == 0 ||
      (exponent_be.back() & 1) == 0 || (exponent_be.size() == 1 && exponent_be.front() < 3)) {
    return bad_key("not an odd RSA exponent from 3 to 64 bits");
  }
  return RsaPublicKey(to_bytes(modulus_be), to_bytes(exponent_be));
}

Result<void> rsa_pkcs1_sha256_verify(const RsaPublicKey& key, ByteView message,
                                     ByteView signature) {
  const ossl::QuietErrors quiet;
  if (signature.size() != key.modulus().size()) {
    return Error(CryptoError::kBadSignature, "an RSA signature has the length of the modulus");
  }
  const ossl::Pkey pkey = ossl::pkey_of(key);
  const ossl::MdCtx ctx(EVP_MD_CTX_new());
  ENSC_CHECK(ctx != nullptr);
  EVP_PKEY_CTX* pctx = nullptr;  // owned by ctx
  if (EVP_DigestVerifyInit(ctx.get(), &pctx, ossl::backend().sha256, nullptr, pkey.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PADDING) != 1 ||
      EVP_DigestVerify(ctx.get(), signature.data(), signature.size(), ossl::non_null(message),
                       message.size()) != 1) {
    return Error(CryptoError::kBadSignature, "RSASSA-PKCS1-v1_5");
  }
  return ok();
}

}  // namespace ensconce
