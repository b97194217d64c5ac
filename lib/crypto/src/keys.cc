#include "ensconce/crypto/keys.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

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

// make_pkey fails on a point that is not on the curve: the provider checks when it imports.
ossl::Pkey make_pkey(Curve curve, ByteView point) {
  (void)ossl::backend();
  std::array<char, 16> group{};
  const std::string_view name = group_name(curve);
  std::copy(name.begin(), name.end(), group.begin());
  Bytes copy = to_bytes(point);
  std::array<OSSL_PARAM, 3> params = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group.data(), name.size()),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, copy.data(), copy.size()),
      OSSL_PARAM_construct_end()};
  const ossl::PkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  ENSC_CHECK(ctx != nullptr && EVP_PKEY_fromdata_init(ctx.get()) == 1);
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_fromdata(ctx.get(), &key, EVP_PKEY_PUBLIC_KEY, params.data()) != 1) {
    return nullptr;
  }
  return ossl::Pkey(key);
}

Error bad_key(std::string detail) { return {CryptoError::kBadKey, std::move(detail)}; }

}  // namespace

namespace ossl {
Pkey pkey_of(const EcPublicKey& key) {
  Pkey out = make_pkey(key.curve(), key.point());
  ENSC_CHECK(out != nullptr);
  return out;
}
}  // namespace ossl

// ---- Ed25519 --------------------------------------------------------------------------------

Result<Ed25519PrivateKey> Ed25519PrivateKey::from_seed(ByteView seed32) {
  auto seed = SecretArray<32>::from(seed32);
  if (!seed) {
    return bad_key("an Ed25519 seed has 32 bytes");
  }
  (void)ossl::backend();
  const ossl::Pkey key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr,
                                                    seed->expose().data(), seed->expose().size()));
  ENSC_CHECK(key != nullptr);
  Ed25519PublicKey pub;
  std::size_t len = pub.bytes.size();
  ENSC_CHECK(EVP_PKEY_get_raw_public_key(key.get(), pub.bytes.data(), &len) == 1);
  ENSC_CHECK(len == pub.bytes.size());
  return Ed25519PrivateKey(*std::move(seed), pub);
}

Ed25519PrivateKey Ed25519PrivateKey::generate(Random& random) {
  SecretArray<32> seed;
  random.fill(seed.expose_mutable());
  return from_seed(seed.expose()).value();
}

Ed25519Signature Ed25519PrivateKey::sign(ByteView message) const {
  (void)ossl::backend();
  const ossl::Pkey key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr,
                                                    seed_.expose().data(), seed_.expose().size()));
  const ossl::MdCtx ctx(EVP_MD_CTX_new());
  ENSC_CHECK(key != nullptr && ctx != nullptr);
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
  if (make_pkey(curve, uncompressed) == nullptr) {
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

}  // namespace ensconce
