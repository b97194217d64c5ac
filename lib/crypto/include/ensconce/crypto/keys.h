#pragma once

#include <memory>
#include <string>

#include "ensconce/base/bytes.h"
#include "ensconce/base/kept_secret.h"
#include "ensconce/base/random.h"
#include "ensconce/base/secret.h"
#include "ensconce/crypto/error.h"
#include "ensconce/crypto/hash.h"

namespace ensconce {

// ---- Ed25519 (RFC 8032) ---------------------------------------------------------------------
struct Ed25519PublicKey {
  ByteArray<32> bytes{};
  friend auto operator<=>(const Ed25519PublicKey&, const Ed25519PublicKey&) = default;
};
using Ed25519Signature = ByteArray<64>;

class Ed25519PrivateKey {
 public:
  static Ed25519PrivateKey generate(Random& random);
  static Result<Ed25519PrivateKey> from_seed(ByteView seed32);
  [[nodiscard]] const Ed25519PublicKey& public_key() const { return public_; }
  [[nodiscard]] Ed25519Signature sign(ByteView message) const;
  [[nodiscard]] const KeptSecret& seed() const { return seed_; }

 private:
  Ed25519PrivateKey(KeptSecret seed, Ed25519PublicKey pub) : seed_(std::move(seed)), public_(pub) {}
  KeptSecret seed_;  // 32 bytes
  Ed25519PublicKey public_;
};
// ed25519_verify returns CryptoError::kBadSignature unless the signature holds.
Result<void> ed25519_verify(const Ed25519PublicKey& key, ByteView message, ByteView signature);

// ---- ECDSA on P-256 and P-384 (FIPS 186-5), raw signatures r ‖ s, big-endian ----------------
enum class Curve : std::uint8_t { kP256, kP384 };

// EcPublicKey is a checked point, uncompressed: 04 ‖ x ‖ y (65 or 97 bytes).
class EcPublicKey {
 public:
  static Result<EcPublicKey> from_point(Curve curve, ByteView uncompressed);
  [[nodiscard]] Curve curve() const { return curve_; }
  [[nodiscard]] const Bytes& point() const { return point_; }
  // spki_der is the DER SubjectPublicKeyInfo (RFC 5480).
  [[nodiscard]] Bytes spki_der() const;
  friend bool operator==(const EcPublicKey&, const EcPublicKey&) = default;

 private:
  EcPublicKey(Curve curve, Bytes point) : curve_(curve), point_(std::move(point)) {}
  Curve curve_;
  Bytes point_;
};

// EcPrivateKey is for ECDSA, ECDH and TLS identities. The key never leaves but as PKCS#8.
class EcPrivateKey {
 public:
  static EcPrivateKey generate(Curve curve);
  static Result<EcPrivateKey> from_pkcs8_der(ByteView der);
  ~EcPrivateKey();
  EcPrivateKey(EcPrivateKey&&) noexcept;
  EcPrivateKey& operator=(EcPrivateKey&&) noexcept;
  EcPrivateKey(const EcPrivateKey&) = delete;
  EcPrivateKey& operator=(const EcPrivateKey&) = delete;

  [[nodiscard]] Curve curve() const;
  [[nodiscard]] EcPublicKey public_key() const;
  // sign hashes with SHA-256 (P-256) or SHA-384 (P-384) and returns r ‖ s (64 or 96 bytes).
  [[nodiscard]] Bytes sign(ByteView message) const;
  // agree is the x coordinate of the shared point (SEC 1 §3.3.1).
  [[nodiscard]] Result<SecretBytes> agree(const EcPublicKey& peer) const;
  [[nodiscard]] SecretBytes pkcs8_der() const;

 private:
  struct State;
  explicit EcPrivateKey(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
  friend class CertificateBuilder;
};
// ecdsa_verify hashes as sign does; CryptoError::kBadSignature unless r ‖ s holds.
Result<void> ecdsa_verify(const EcPublicKey& key, ByteView message, ByteView raw_signature);

// ---- RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 §8.2), to verify alone ------------------------
// RsaPublicKey is an odd modulus of 2048 to 4096 bits and an odd exponent from 3 to 64 bits.
class RsaPublicKey {
 public:
  // from_modulus takes both as big-endian magnitudes without leading zeros (RFC 7518 §6.3.1);
  // CryptoError::kBadKey for any other.
  static Result<RsaPublicKey> from_modulus(ByteView modulus_be, ByteView exponent_be);
  [[nodiscard]] const Bytes& modulus() const { return modulus_; }
  [[nodiscard]] const Bytes& exponent() const { return exponent_; }
  friend bool operator==(const RsaPublicKey&, const RsaPublicKey&) = default;

 private:
  RsaPublicKey(Bytes modulus, Bytes exponent)
      : modulus_(std::move(modulus)), exponent_(std::move(exponent)) {}
  Bytes modulus_;
  Bytes exponent_;
};
// rsa_pkcs1_sha256_verify returns CryptoError::kBadSignature unless the signature, of exactly the
// modulus's length, holds.
Result<void> rsa_pkcs1_sha256_verify(const RsaPublicKey& key, ByteView message, ByteView signature);

}  // namespace ensconce
