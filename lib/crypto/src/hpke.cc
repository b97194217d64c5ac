#include "ensconce/crypto/hpke.h"

#include <algorithm>

#include "aead_ctx.h"
#include "hpke_kem.h"

namespace ensconce::hpke {

namespace {

using internal::kMaxHashLen;
using internal::Labeled;

constexpr std::size_t kMaxKeyLen = 32;
constexpr std::uint8_t kModeBase = 0;

const EVP_CIPHER* cipher_of(Aead aead) {
  const ossl::Backend& backend = ossl::backend();
  switch (aead) {
    case Aead::kAes128Gcm:
      return backend.aes_128_gcm;
    case Aead::kAes256Gcm:
      return backend.aes_256_gcm;
    case Aead::kChaCha20Poly1305:
      return backend.chacha20_poly1305;
  }
  ENSC_CHECK(false);
}

const internal::KemRow& known_row(Kem kem) {
  const internal::KemRow* row = internal::row_of(static_cast<std::uint16_t>(kem));
  ENSC_CHECK(row != nullptr);
  return *row;
}

Labeled labeled_for(const Suite& suite) {
  ByteWriter suite_id;
  suite_id.raw(as_bytes("HPKE")).u16_be(static_cast<std::uint16_t>(suite.kem));
  suite_id.u16_be(static_cast<std::uint16_t>(suite.kdf));
  suite_id.u16_be(static_cast<std::uint16_t>(suite.aead));
  return {suite.kdf, std::move(suite_id).take()};
}

}  // namespace

const EVP_MD* internal::md_of(Kdf kdf) {
  const ossl::Backend& backend = ossl::backend();
  switch (kdf) {
    case Kdf::kHkdfSha256:
      return backend.sha256;
    case Kdf::kHkdfSha384:
      return backend.sha384;
    case Kdf::kHkdfSha512:
      return backend.sha512;
  }
  ENSC_CHECK(false);
}

std::optional<Kem> kem_from(std::uint16_t id) {
  const internal::KemRow* row = internal::row_of(id);
  return row == nullptr ? std::nullopt : std::optional(row->id);
}

std::optional<Kdf> kdf_from(std::uint16_t id) {
  return id >= 1 && id <= 3 ? std::optional(static_cast<Kdf>(id)) : std::nullopt;
}

std::optional<Aead> aead_from(std::uint16_t id) {
  return id >= 1 && id <= 3 ? std::optional(static_cast<Aead>(id)) : std::nullopt;
}

std::size_t public_key_len(Kem kem) { return known_row(kem).public_key_len; }
std::size_t enc_len(Kem kem) { return known_row(kem).enc_len; }
std::size_t key_len(Aead aead) { return aead == Aead::kAes128Gcm ? 16 : 32; }

// ---- PrivateKey
// ----------------------------------------------------------------------------------

struct PrivateKey::State {
  Kem kem;
  std::unique_ptr<internal::KemKey> key;
};

PrivateKey::PrivateKey(std::unique_ptr<State> state) : state_(std::move(state)) {}
PrivateKey::~PrivateKey() = default;
PrivateKey::PrivateKey(PrivateKey&&) noexcept = default;
PrivateKey& PrivateKey::operator=(PrivateKey&&) noexcept = default;

PrivateKey PrivateKey::generate(Kem kem, Random& random) {
  SecretBytes ikm(known_row(kem).private_key_len);
  random.fill(ikm.expose_mutable());
  return derive(kem, ikm.expose()).value();
}

Result<PrivateKey> PrivateKey::derive(Kem kem, ByteView ikm) {
  const internal::KemRow& row = known_row(kem);
  if (ikm.size() < row.private_key_len) {
    return Error(CryptoError::kBadKey, "too little to derive a key from");
  }
  ENSC_TRY_ASSIGN(auto key, row.derive(ikm));
  return PrivateKey(std::make_unique<State>(State{kem, std::move(key)}));
}

Result<PrivateKey> PrivateKey::from_bytes(Kem kem, ByteView bytes) {
  ENSC_TRY_ASSIGN(auto key, known_row(kem).from_bytes(bytes));
  return PrivateKey(std::make_unique<State>(State{kem, std::move(key)}));
}

Kem PrivateKey::kem() const { return state_->kem; }
const Bytes& PrivateKey::public_key() const { return state_->key->public_key(); }

// ---- AeadKey
// -------------------------------------------------------------------------------------

struct AeadKey::State {
  ossl::CipherCtx sealing;
  ossl::CipherCtx opening;
};

AeadKey::AeadKey(Aead aead, ByteView key)
    : state_(std::make_unique<State>(State{ossl::aead_ctx(cipher_of(aead), key, true),
                                           ossl::aead_ctx(cipher_of(aead), key, false)})) {}
AeadKey::~AeadKey() = default;
AeadKey::AeadKey(AeadKey&&) noexcept = default;
AeadKey& AeadKey::operator=(AeadKey&&) noexcept = default;

void AeadKey::seal(ByteView nonce, ByteView aad, ByteView plaintext, Bytes& out) const {
  const std::size_t before = out.size();
  out.resize(before + plaintext.size() + kTagLen);
  ossl::aead_seal(state_->sealing.get(), nonce, aad, plaintext,
                  MutableByteView(out).subspan(before));
}

Result<void> AeadKey::open(ByteView nonce, ByteView aad, ByteView sealed, Bytes& out) const {
  if (sealed.size() < kTagLen) {
    return Error(CryptoError::kDecryptFailed, "shorter than a tag");
  }
  const std::size_t before = out.size();
  out.resize(before + sealed.size() - kTagLen);
  if (!ossl::aead_open(state_->opening.get(), nonce, aad, sealed,
                       MutableByteView(out).subspan(before))) {
    out.resize(before);
    return Error(CryptoError::kDecryptFailed);
  }
  return ok();
}

ByteArray<kNonceLen> nonce_for(const ByteArray<kNonceLen>& base, std::uint64_t sequence) {
  ByteArray<kNonceLen> out = base;
  for (std::size_t i = 0; i < sizeof(sequence); ++i) {
    out[kNonceLen - 1 - i] ^= static_cast<std::uint8_t>(sequence >> (8 * i));
  }
  return out;
}

// ---- Contexts
// ------------------------------------------------------------------------------------

struct Context::State {
  // of is KeySchedule (section 5.1) in mode Base, whose psk and psk_id are empty.
  static std::unique_ptr<State> of(const Suite& suite, ByteView shared_secret, ByteView info);

  Suite suite;
  AeadKey key;
  ByteArray<kNonceLen> base_nonce{};
  SecretBytes exporter_secret;
  internal::Sequence sequence;
};

std::unique_ptr<Context::State> Context::State::of(const Suite& suite, ByteView shared_secret,
                                                   ByteView info) {
  const Labeled labeled = labeled_for(suite);
  const std::size_t hash_len = labeled.hash_len();
  Bytes context(1 + 2 * hash_len, kModeBase);
  labeled.extract({}, "psk_id_hash", {}, MutableByteView(context).subspan(1, hash_len));
  labeled.extract({}, "info_hash", info, MutableByteView(context).subspan(1 + hash_len));

  SecretArray<kMaxHashLen> room;
  const MutableByteView secret = room.expose_mutable().first(hash_len);
  labeled.extract(shared_secret, "secret", {}, secret);

  SecretArray<kMaxKeyLen> key_room;
  const MutableByteView key = key_room.expose_mutable().first(key_len(suite.aead));
  labeled.expand(secret, "key", context, key);
  auto out = std::make_unique<State>(
      State{suite, AeadKey(suite.aead, key), {}, SecretBytes(hash_len), internal::Sequence()});
  labeled.expand(secret, "base_nonce", context, out->base_nonce);
  labeled.expand(secret, "exp", context, out->exporter_secret.expose_mutable());
  return out;
}

Context::Context(std::unique_ptr<State> state) : state_(std::move(state)) {}
Context::~Context() = default;
Context::Context(Context&&) noexcept = default;
Context& Context::operator=(Context&&) noexcept = default;

const Suite& Context::suite() const { return state_->suite; }

SecretBytes Context::export_secret(ByteView exporter_context, std::size_t len) const {
  SecretBytes out(len);
  labeled_for(state_->suite)
      .expand(state_->exporter_secret.expose(), "sec", exporter_context, out.expose_mutable());
  return out;
}

Sender::Sender(std::unique_ptr<State> state, Bytes enc)
    : Context(std::move(state)), enc_(std::move(enc)) {}

Result<Sender> Sender::start(const Suite& suite, ByteView public_key, ByteView info,
                             Random& random) {
  return start_with(suite, public_key, info, PrivateKey::generate(suite.kem, random));
}

Result<Sender> Sender::start_with(const Suite& suite, ByteView public_key, ByteView info,
                                  const PrivateKey& ephemeral) {
  if (ephemeral.kem() != suite.kem) {
    return Error(CryptoError::kBadKey, "the ephemeral key is of another KEM");
  }
  ENSC_TRY_ASSIGN(internal::Encapsulated made, ephemeral.state_->key->encapsulate(public_key));
  return Sender(State::of(suite, made.shared_secret.expose(), info), std::move(made.enc));
}

void Sender::seal(ByteView aad, ByteView plaintext, Bytes& out) {
  internal::Sequence& sequence = state_->sequence;
  ENSC_CHECK(!sequence.at_end());
  state_->key.seal(nonce_for(state_->base_nonce, sequence.current()), aad, plaintext, out);
  sequence.advance();
}

Receiver::Receiver(std::unique_ptr<State> state) : Context(std::move(state)) {}

Result<Receiver> Receiver::start(const Suite& suite, const PrivateKey& key, ByteView enc,
                                 ByteView info) {
  if (key.kem() != suite.kem) {
    return Error(CryptoError::kBadKey, "the key is of another KEM");
  }
  ENSC_TRY_ASSIGN(const SecretBytes secret, key.state_->key->decapsulate(enc));
  return Receiver(State::of(suite, secret.expose(), info));
}

Result<void> Receiver::open(ByteView aad, ByteView sealed, Bytes& out) {
  internal::Sequence& sequence = state_->sequence;
  if (sequence.at_end()) {
    return Error(CryptoError::kDecryptFailed, "the context has opened all it may");
  }
  // What does not open does not count (section 5.2): the same number is tried again.
  ENSC_TRY(state_->key.open(nonce_for(state_->base_nonce, sequence.current()), aad, sealed, out));
  sequence.advance();
  return ok();
}

// ---- HKDF
// ----------------------------------------------------------------------------------------

SecretBytes hkdf_extract(Kdf kdf, ByteView salt, ByteView ikm) {
  const EVP_MD* md = internal::md_of(kdf);
  SecretBytes out(ensconce::internal::hash_len(md));
  ensconce::internal::hkdf_extract(md, salt, {ikm}, out.expose_mutable());
  return out;
}

SecretBytes hkdf_expand(Kdf kdf, ByteView prk, ByteView info, std::size_t len) {
  SecretBytes out(len);
  ensconce::internal::hkdf_expand(internal::md_of(kdf), prk, info, out.expose_mutable());
  return out;
}

}  // namespace ensconce::hpke
