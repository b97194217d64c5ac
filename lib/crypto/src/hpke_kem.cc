#include "hpke_kem.h"

#include <openssl/core_names.h>
#include <openssl/obj_mac.h>

#include <algorithm>
#include <array>

#include "ensconce/crypto/keys.h"

namespace ensconce::hpke::internal {

namespace {

constexpr std::string_view kVersion = "HPKE-v1";
constexpr std::size_t kDhLen = 32;      // of either group: a coordinate
constexpr std::size_t kSecretLen = 32;  // Nsecret of either
constexpr std::size_t kP256PointLen = 65;

Error bad_key(std::string detail) { return {CryptoError::kBadKey, std::move(detail)}; }

// ---- The groups
// ----------------------------------------------------------------------------------

// Pair is a private key with SerializePublicKey of its other half.
struct Pair {
  ossl::Pkey pkey;
  Bytes public_key;
};

Result<Pair> x25519_private(ByteView bytes) {
  (void)ossl::backend();
  if (bytes.size() != kDhLen) {
    return bad_key("an X25519 private key has 32 bytes");
  }
  ossl::Pkey pkey(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, bytes.data(), bytes.size()));
  Bytes pub(kDhLen);
  std::size_t len = pub.size();
  ENSC_CHECK(pkey != nullptr && EVP_PKEY_get_raw_public_key(pkey.get(), pub.data(), &len) == 1);
  ENSC_CHECK(len == pub.size());
  return Pair{std::move(pkey), std::move(pub)};
}

Result<ossl::Pkey> x25519_public(ByteView bytes) {
  (void)ossl::backend();
  if (bytes.size() != kDhLen) {
    return bad_key("an X25519 public key has 32 bytes");
  }
  ossl::Pkey pkey(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, bytes.data(), bytes.size()));
  ENSC_CHECK(pkey != nullptr);
  return pkey;
}

// Section 7.1.3: one expansion; RFC 7748 takes any 32 bytes for a key.
Result<Pair> x25519_derive(const Labeled& labeled, ByteView prk) {
  SecretArray<kDhLen> key;
  labeled.expand(prk, "sk", {}, key.expose_mutable());
  return x25519_private(key.expose());
}

Bytes p256_public_of(const BIGNUM* scalar) {
  const EC_GROUP* group = ossl::backend().p256;
  const ossl::EcPoint point(EC_POINT_new(group));
  Bytes out(kP256PointLen);
  ENSC_CHECK(point != nullptr &&
             EC_POINT_mul(group, point.get(), scalar, nullptr, nullptr, nullptr) == 1);
  ENSC_CHECK(EC_POINT_point2oct(group, point.get(), POINT_CONVERSION_UNCOMPRESSED, out.data(),
                                out.size(), nullptr) == out.size());
  return out;
}

ossl::Pkey p256_pkey(const BIGNUM* scalar, Bytes& point) {
  SecretArray<kDhLen> native;
  ENSC_CHECK(BN_bn2nativepad(scalar, native.expose_mutable().data(), kDhLen) ==
             static_cast<int>(kDhLen));
  std::string group = SN_X9_62_prime256v1;
  std::array<OSSL_PARAM, 4> params = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group.data(), group.size()),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
      OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, native.expose_mutable().data(), kDhLen),
      OSSL_PARAM_construct_end()};
  const ossl::PkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* key = nullptr;
  ENSC_CHECK(ctx != nullptr && EVP_PKEY_fromdata_init(ctx.get()) == 1);
  ENSC_CHECK(EVP_PKEY_fromdata(ctx.get(), &key, EVP_PKEY_KEYPAIR, params.data()) == 1);
  return ossl::Pkey(key);
}

Result<Pair> p256_private(ByteView bytes) {
  const EC_GROUP* group = ossl::backend().p256;
  if (bytes.size() != kDhLen) {
    return bad_key("a P-256 private key has 32 bytes");
  }
  const ossl::SecretBn scalar(
      BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), BN_secure_new()));
  ENSC_CHECK(scalar != nullptr);
  BN_set_flags(scalar.get(), BN_FLG_CONSTTIME);
  // Section 7.1.2: from 1 to the order less one.
  if (BN_is_zero(scalar.get()) == 1 || BN_cmp(scalar.get(), EC_GROUP_get0_order(group)) >= 0) {
    return bad_key("a P-256 private key out of its range");
  }
  Bytes point = p256_public_of(scalar.get());
  ossl::Pkey pkey = p256_pkey(scalar.get(), point);
  return Pair{std::move(pkey), std::move(point)};
}

Result<ossl::Pkey> p256_public(ByteView bytes) {
  ENSC_TRY_ASSIGN(const EcPublicKey key, EcPublicKey::from_point(Curve::kP256, bytes));
  return ossl::pkey_of(key);
}

// Section 7.1.3: candidates until one is in range.
Result<Pair> p256_derive(const Labeled& labeled, ByteView prk) {
  SecretArray<kDhLen> key;
  for (int counter = 0; counter <= 255; ++counter) {
    const auto byte = static_cast<std::uint8_t>(counter);
    labeled.expand(prk, "candidate", ByteView(&byte, 1), key.expose_mutable());
    if (auto pair = p256_private(key.expose())) {
      return pair;
    }
  }
  return bad_key("no candidate in range");
}

// ---- DHKEM, section 4.1
// --------------------------------------------------------------------------

// Group is all that DHKEM needs of one: functions and numbers.
struct Group {
  Kem kem;
  Kdf kdf;
  Result<Pair> (*private_key)(ByteView bytes);
  Result<ossl::Pkey> (*public_key)(ByteView bytes);
  Result<Pair> (*derive)(const Labeled& labeled, ByteView prk);
};
constexpr Group kX25519Group = {Kem::kX25519, Kdf::kHkdfSha256, x25519_private, x25519_public,
                                x25519_derive};
constexpr Group kP256Group = {Kem::kP256, Kdf::kHkdfSha256, p256_private, p256_public, p256_derive};

Labeled labeled_for(const Group& group) {
  ByteWriter suite_id;
  suite_id.raw(as_bytes("KEM")).u16_be(static_cast<std::uint16_t>(group.kem));
  return {group.kdf, std::move(suite_id).take()};
}

Result<SecretArray<kDhLen>> agree(EVP_PKEY* ours, EVP_PKEY* theirs) {
  const ossl::QuietErrors quiet;
  const ossl::PkeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, ours, nullptr));
  ENSC_CHECK(ctx != nullptr && EVP_PKEY_derive_init(ctx.get()) == 1);
  SecretArray<kDhLen> out;
  std::size_t len = kDhLen;
  // The peer is not validated again: public_key() of its group did. Section 7.1.4: an all-zero
  // result means a point of small order, whose sender knows the secret whoever the recipient is.
  if (EVP_PKEY_derive_set_peer_ex(ctx.get(), theirs, 0) != 1 ||
      EVP_PKEY_derive(ctx.get(), out.expose_mutable().data(), &len) != 1 || len != kDhLen ||
      equal_in_constant_time(out.expose(), ByteArray<kDhLen>{})) {
    return bad_key("no shared secret with this public key");
  }
  return out;
}

class DhKey final : public KemKey {
 public:
  DhKey(const Group& group, Pair pair) : group_(group), pair_(std::move(pair)) {}
  [[nodiscard]] const Bytes& public_key() const override { return pair_.public_key; }
  [[nodiscard]] Result<SecretBytes> decapsulate(ByteView enc) const override {
    return shared_secret(enc, enc, pair_.public_key);
  }
  [[nodiscard]] Result<Encapsulated> encapsulate(ByteView recipient) const override {
    ENSC_TRY_ASSIGN(SecretBytes secret, shared_secret(recipient, pair_.public_key, recipient));
    return Encapsulated{std::move(secret), pair_.public_key};
  }

 private:
  // shared_secret is DH with `peer`, then ExtractAndExpand with kem_context = enc ‖ recipient.
  [[nodiscard]] Result<SecretBytes> shared_secret(ByteView peer, ByteView enc,
                                                  ByteView recipient) const {
    ENSC_TRY_ASSIGN(const ossl::Pkey theirs, group_.public_key(peer));
    ENSC_TRY_ASSIGN(const SecretArray<kDhLen> dh, agree(pair_.pkey.get(), theirs.get()));
    const Labeled labeled = labeled_for(group_);
    SecretArray<kMaxHashLen> room;
    const MutableByteView prk = room.expose_mutable().first(labeled.hash_len());
    labeled.extract({}, "eae_prk", dh.expose(), prk);
    SecretBytes out(kSecretLen);
    labeled.expand(prk, "shared_secret", concat({enc, recipient}), out.expose_mutable());
    return out;
  }

  const Group& group_;
  Pair pair_;
};

template <const Group& kGroup>
Result<std::unique_ptr<KemKey>> dh_from_bytes(ByteView bytes) {
  ENSC_TRY_ASSIGN(Pair pair, kGroup.private_key(bytes));
  return std::make_unique<DhKey>(kGroup, std::move(pair));
}

template <const Group& kGroup>
Result<std::unique_ptr<KemKey>> dh_derive(ByteView ikm) {
  const Labeled labeled = labeled_for(kGroup);
  SecretArray<kMaxHashLen> room;
  const MutableByteView prk = room.expose_mutable().first(labeled.hash_len());
  labeled.extract({}, "dkp_prk", ikm, prk);
  ENSC_TRY_ASSIGN(Pair pair, kGroup.derive(labeled, prk));
  return std::make_unique<DhKey>(kGroup, std::move(pair));
}

// ---- The table
// -----------------------------------------------------------------------------------

constexpr std::array<KemRow, 2> kKems = {
    KemRow{Kem::kP256, kP256PointLen, kP256PointLen, kDhLen, dh_from_bytes<kP256Group>,
           dh_derive<kP256Group>},
    KemRow{Kem::kX25519, kDhLen, kDhLen, kDhLen, dh_from_bytes<kX25519Group>,
           dh_derive<kX25519Group>},
};

}  // namespace

const KemRow* row_of(std::uint16_t id) {
  const auto* const row = std::find_if(kKems.begin(), kKems.end(), [id](const KemRow& r) {
    return static_cast<std::uint16_t>(r.id) == id;
  });
  return row == kKems.end() ? nullptr : row;
}

void Labeled::extract(ByteView salt, std::string_view label, ByteView ikm,
                      MutableByteView prk) const {
  ensconce::internal::hkdf_extract(md_, salt, {as_bytes(kVersion), suite_id_, as_bytes(label), ikm},
                                   prk);
}

void Labeled::expand(ByteView prk, std::string_view label, ByteView info,
                     MutableByteView out) const {
  ByteWriter labeled;
  labeled.u16_be(static_cast<std::uint16_t>(out.size())).raw(as_bytes(kVersion));
  labeled.raw(suite_id_).raw(as_bytes(label)).raw(info);
  ensconce::internal::hkdf_expand(md_, prk, labeled.bytes(), out);
}

}  // namespace ensconce::hpke::internal
