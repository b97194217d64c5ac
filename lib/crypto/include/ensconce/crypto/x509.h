#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ensconce/base/clock.h"
#include "ensconce/crypto/hash.h"
#include "ensconce/crypto/keys.h"

namespace ensconce {

// Certificate is a parsed X.509 certificate (RFC 5280): form, no trust. Cheap to copy (shared,
// immutable).
class Certificate {
 public:
  static Result<Certificate> from_der(ByteView der);  // exactly one, nothing after it
  // many_from_pem reads every CERTIFICATE block, at most 16.
  static Result<std::vector<Certificate>> many_from_pem(std::string_view pem);

  [[nodiscard]] const Bytes& der() const;
  [[nodiscard]] std::string subject_cn() const;  // "" when there is none, or two
  [[nodiscard]] std::string issuer_cn() const;
  // issued_by_name: our issuer name is the other's subject name, byte for byte.
  [[nodiscard]] bool issued_by_name(const Certificate& issuer) const;
  [[nodiscard]] bool self_issued() const;
  [[nodiscard]] Instant not_before() const;
  [[nodiscard]] Instant not_after() const;
  [[nodiscard]] Bytes serial() const;  // big-endian magnitude
  [[nodiscard]] Bytes spki_der() const;
  [[nodiscard]] Sha256Digest spki_sha256() const;
  [[nodiscard]] bool is_ca() const;                  // basicConstraints cA
  [[nodiscard]] bool may_sign_certificates() const;  // keyUsage keyCertSign, or no keyUsage
  [[nodiscard]] bool may_sign_crls() const;
  // ec_public_key returns CryptoError::kBadKey when the key is not on P-256 or P-384.
  [[nodiscard]] Result<EcPublicKey> ec_public_key() const;
  // extension returns extnValue's contents for a dotted OID, nothing when absent; two of one OID
  // are CryptoError::kBadCertificate at from_der.
  [[nodiscard]] std::optional<Bytes> extension(std::string_view oid) const;
  [[nodiscard]] std::vector<std::string> critical_extensions() const;  // dotted OIDs

  // verify_signed_by checks the signature alone, with the issuer's key. `kRsaPssSha384` asks for
  // exactly RSASSA-PSS, SHA-384, MGF1 SHA-384, salt 48 (AMD 57230). Another algorithm is
  // CryptoError::kBadCertificate; an issuer's key that did not sign this is CryptoError::kChain.
  enum class Scheme : std::uint8_t { kRsaPssSha384, kEcdsaSha256, kEcdsaSha384 };
  [[nodiscard]] Result<void> verify_signed_by(const Certificate& issuer, Scheme scheme) const;

  friend bool operator==(const Certificate& a, const Certificate& b) { return a.der() == b.der(); }

 private:
  struct State;
  explicit Certificate(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
  friend class RevocationList;
  friend class CertificateBuilder;
};

// RevocationList is a parsed CRL (RFC 5280 §5). One with a critical extension (a delta list, a list
// for some certificates only) is CryptoError::kBadCertificate.
class RevocationList {
 public:
  static Result<RevocationList> from_der(ByteView der);
  [[nodiscard]] const Bytes& der() const;
  [[nodiscard]] std::string issuer_cn() const;              // as Certificate's
  [[nodiscard]] const std::vector<Bytes>& serials() const;  // of what it lists, sorted magnitudes
  [[nodiscard]] Instant this_update() const;
  [[nodiscard]] std::optional<Instant> next_update() const;
  [[nodiscard]] bool issued_by_name(const Certificate& issuer) const;
  [[nodiscard]] bool lists(const Certificate& certificate) const;  // by serial
  [[nodiscard]] Result<void> verify_signed_by(const Certificate& issuer,
                                              Certificate::Scheme scheme) const;

 private:
  struct State;
  explicit RevocationList(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

// RsaPrivateKey exists to play a vendor's root or a TPM in simulated PKIs and tests.
class RsaPrivateKey {
 public:
  static RsaPrivateKey generate(int bits);
  static Result<RsaPrivateKey> from_pkcs8_der(ByteView der);
  ~RsaPrivateKey();
  RsaPrivateKey(RsaPrivateKey&&) noexcept;
  RsaPrivateKey& operator=(RsaPrivateKey&&) noexcept;
  RsaPrivateKey(const RsaPrivateKey&) = delete;
  RsaPrivateKey& operator=(const RsaPrivateKey&) = delete;
  [[nodiscard]] SecretBytes pkcs8_der() const;
  // modulus and exponent are big-endian magnitudes, as RsaPublicKey takes them.
  [[nodiscard]] Bytes modulus() const;
  [[nodiscard]] Bytes exponent() const;
  // sign_pkcs1_sha256 is RSASSA-PKCS1-v1_5 with SHA-256; what certificates are signed with is not.
  [[nodiscard]] Bytes sign_pkcs1_sha256(ByteView message) const;

 private:
  struct State;
  explicit RsaPrivateKey(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
  friend class CertificateBuilder;
};

// CertificateBuilder makes certificates and CRLs: for our own TLS identities, and for simulated
// PKIs. Setters return *this.
class CertificateBuilder {
 public:
  CertificateBuilder();
  ~CertificateBuilder();
  CertificateBuilder(const CertificateBuilder&) = delete;
  CertificateBuilder& operator=(const CertificateBuilder&) = delete;

  CertificateBuilder& subject_cn(std::string cn);
  // organisation adds OU, C, L, ST, O after the fashion of a vendor; empty ones are left out.
  CertificateBuilder& organisation(std::string ou, std::string c, std::string l, std::string st,
                                   std::string o);
  CertificateBuilder& serial(std::uint64_t n);
  CertificateBuilder& serial(ByteView magnitude);  // big-endian, 1 to 20 bytes
  CertificateBuilder& validity(Instant not_before, Instant not_after);
  CertificateBuilder& ca(int path_len, bool crl_sign);  // path_len < 0: none
  // signing_leaf marks an end entity that signs: keyUsage digitalSignature and nonRepudiation, and
  // basicConstraints without cA, both critical.
  CertificateBuilder& signing_leaf();
  CertificateBuilder& dns_name(std::string name);  // subjectAltName; IP literals as iPAddress
  CertificateBuilder& extension(std::string oid, Bytes extn_value, bool critical = false);
  CertificateBuilder& key(const EcPublicKey& key);
  CertificateBuilder& key(const RsaPrivateKey& key);

  // self_sign and issue: RSA signs RSASSA-PSS SHA-384 salt 48; EC signs ECDSA with its curve's
  // hash. A self-signed certificate carries its signing key, whatever key() said.
  Certificate self_sign(const EcPrivateKey& key) const;
  Certificate self_sign(const RsaPrivateKey& key) const;
  Certificate issue(const Certificate& issuer, const RsaPrivateKey& key) const;
  Certificate issue(const Certificate& issuer, const EcPrivateKey& key) const;

  // make_crl lists serial numbers; those of an EC issuer are big-endian magnitudes, 1 to 20 bytes.
  // The list names its issuer's key (authorityKeyIdentifier) if the issuer's certificate does.
  static Bytes make_crl(const Certificate& issuer, const RsaPrivateKey& key, Instant this_update,
                        Instant next_update, const std::vector<std::uint64_t>& revoked_serials);
  static Bytes make_crl(const Certificate& issuer, const EcPrivateKey& key, Instant this_update,
                        Instant next_update, const std::vector<Bytes>& revoked_serials);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ensconce
