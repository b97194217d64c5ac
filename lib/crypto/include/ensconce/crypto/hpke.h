#pragma once

#include <memory>
#include <optional>

#include "ensconce/base/bytes.h"
#include "ensconce/base/random.h"
#include "ensconce/base/secret.h"
#include "ensconce/crypto/error.h"

// Hybrid public key encryption, RFC 9180, mode Base. Numbers are those of the IANA HPKE registry.
namespace ensconce::hpke {

// Kem is how a key is agreed on. A hybrid with a post-quantum KEM is one more enumerator and one
// more row of the table in hpke_kem.cc: nothing outside it knows a length.
enum class Kem : std::uint16_t { kP256 = 0x0010, kX25519 = 0x0020 };
enum class Kdf : std::uint16_t { kHkdfSha256 = 1, kHkdfSha384 = 2, kHkdfSha512 = 3 };
enum class Aead : std::uint16_t { kAes128Gcm = 1, kAes256Gcm = 2, kChaCha20Poly1305 = 3 };

struct Suite {
  Kem kem = Kem::kX25519;
  Kdf kdf = Kdf::kHkdfSha256;
  Aead aead = Aead::kAes128Gcm;
  friend bool operator==(const Suite&, const Suite&) = default;
};

// Numbers nobody here knows give nothing.
std::optional<Kem> kem_from(std::uint16_t id);
std::optional<Kdf> kdf_from(std::uint16_t id);
std::optional<Aead> aead_from(std::uint16_t id);

// Lengths in bytes: Npk = Nenc of a KEM here, Nk and Nn of an AEAD, the tag.
std::size_t public_key_len(Kem kem);
std::size_t enc_len(Kem kem);
std::size_t key_len(Aead aead);
inline constexpr std::size_t kNonceLen = 12;
inline constexpr std::size_t kTagLen = 16;

// PrivateKey is a recipient's. It moves and does not copy.
class PrivateKey {
 public:
  static PrivateKey generate(Kem kem, Random& random);
  // derive is DeriveKeyPair (section 7.1.3); the input has at least Nsk bytes of entropy.
  static Result<PrivateKey> derive(Kem kem, ByteView ikm);
  // from_bytes is DeserializePrivateKey: CryptoError::kBadKey for another length or range.
  static Result<PrivateKey> from_bytes(Kem kem, ByteView bytes);
  ~PrivateKey();
  PrivateKey(PrivateKey&&) noexcept;
  PrivateKey& operator=(PrivateKey&&) noexcept;
  PrivateKey(const PrivateKey&) = delete;
  PrivateKey& operator=(const PrivateKey&) = delete;

  [[nodiscard]] Kem kem() const;
  [[nodiscard]] const Bytes& public_key() const;  // SerializePublicKey

 private:
  struct State;
  explicit PrivateKey(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
  friend class Receiver;
  friend class Sender;
};

// AeadKey is one key of an AEAD with the schedule made once; the nonce is the caller's to keep
// unique. One object serves one thread.
class AeadKey {
 public:
  // The key has key_len(aead) bytes.
  AeadKey(Aead aead, ByteView key);
  ~AeadKey();
  AeadKey(AeadKey&&) noexcept;
  AeadKey& operator=(AeadKey&&) noexcept;
  AeadKey(const AeadKey&) = delete;
  AeadKey& operator=(const AeadKey&) = delete;
  // seal appends ciphertext and tag to `out`.
  void seal(ByteView nonce, ByteView aad, ByteView plaintext, Bytes& out) const;
  // open appends the plaintext to `out`; on any failure nothing is appended, what was written is
  // wiped, and the error is CryptoError::kDecryptFailed.
  Result<void> open(ByteView nonce, ByteView aad, ByteView sealed, Bytes& out) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// nonce_for is base_nonce XOR I2OSP(sequence, Nn) (section 5.2).
ByteArray<kNonceLen> nonce_for(const ByteArray<kNonceLen>& base, std::uint64_t sequence);

// Context is what both ends share after the key schedule. Sequence numbers count its calls.
class Context {
 public:
  ~Context();
  Context(Context&&) noexcept;
  Context& operator=(Context&&) noexcept;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  [[nodiscard]] const Suite& suite() const;
  // export_secret is section 5.3; `len` at most 255 * Nh.
  [[nodiscard]] SecretBytes export_secret(ByteView exporter_context, std::size_t len) const;

 protected:
  struct State;
  explicit Context(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class Sender final : public Context {
 public:
  // start is SetupBaseS. CryptoError::kBadKey where the public key is no point of the group or of
  // small order.
  static Result<Sender> start(const Suite& suite, ByteView public_key, ByteView info,
                              Random& random);
  // start_with takes the ephemeral key of a test vector.
  static Result<Sender> start_with(const Suite& suite, ByteView public_key, ByteView info,
                                   const PrivateKey& ephemeral);
  [[nodiscard]] const Bytes& enc() const { return enc_; }
  void seal(ByteView aad, ByteView plaintext, Bytes& out);

 private:
  Sender(std::unique_ptr<State> state, Bytes enc);
  Bytes enc_;
};

class Receiver final : public Context {
 public:
  // start is SetupBaseR.
  static Result<Receiver> start(const Suite& suite, const PrivateKey& key, ByteView enc,
                                ByteView info);
  Result<void> open(ByteView aad, ByteView sealed, Bytes& out);

 private:
  explicit Receiver(std::unique_ptr<State> state);
};

// extract and expand are HKDF (RFC 5869) with the hash of `kdf` and no labels: Oblivious HTTP
// derives the key of an answer with them.
SecretBytes hkdf_extract(Kdf kdf, ByteView salt, ByteView ikm);
SecretBytes hkdf_expand(Kdf kdf, ByteView prk, ByteView info, std::size_t len);

}  // namespace ensconce::hpke
