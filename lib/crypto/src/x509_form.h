#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ensconce/base/bytes.h"
#include "ensconce/base/clock.h"
#include "ensconce/crypto/error.h"

// Certificates and revocation lists as DER (RFC 5280 sections 4.1 and 5.1): form, no trust. Read
// here and not by the backend's parser, which decodes keys and extensions nobody asked about: on
// four certificates that took as long as every signature of a quote. A fuzz target holds the two
// against each other: what is taken here the backend takes, and understands alike.
namespace ensconce::internal {

inline constexpr std::size_t kMaxCertificateLen = std::size_t{64} * 1024;
inline constexpr std::size_t kMaxCrlLen = std::size_t{4} * 1024 * 1024;

// SignedForm is what certificates and CRLs share (RFC 5280 sections 4.1.1, 5.1.1):
//   SEQUENCE { tbs, signatureAlgorithm AlgorithmIdentifier, signature BIT STRING }
// cut out of the DER itself, so that what is verified is what was signed, byte for byte.
struct SignedForm {
  Bytes tbs;
  Bytes algorithm;        // the outer one, whole
  Bytes inner_algorithm;  // tbs.signature, whole
  Bytes signature;
};

struct ExtensionForm {
  std::string oid;  // dotted
  Bytes value;
  bool critical = false;
};

struct CertificateForm {
  SignedForm form;
  Bytes serial;  // big-endian magnitude
  Bytes issuer;  // Name, DER
  Bytes subject;
  Instant not_before;
  Instant not_after;
  Bytes spki;  // SubjectPublicKeyInfo, DER
  std::vector<ExtensionForm> extensions;
  bool ca = false;                        // basicConstraints cA
  std::optional<std::uint8_t> key_usage;  // the first octet of the bit string
};
inline constexpr std::uint8_t kKeyCertSign = 0x04;
inline constexpr std::uint8_t kCrlSign = 0x02;

Result<CertificateForm> read_certificate(ByteView der);

struct CrlForm {
  SignedForm form;
  Bytes issuer;
  Instant this_update;
  std::optional<Instant> next_update;
  std::vector<Bytes> serials;  // magnitudes, sorted
};
Result<CrlForm> read_crl(ByteView der);

// common_name returns the one CN of a Name that read_certificate took; a name with two has none
// that a policy could mean.
std::string common_name(ByteView name);

// read_rsa_key reads the modulus and exponent (magnitudes) of a SubjectPublicKeyInfo with an
// rsaEncryption key (RFC 3279 section 2.3.1); nothing for keys of another kind or form.
struct RsaKeyForm {
  Bytes modulus;
  Bytes exponent;
};
std::optional<RsaKeyForm> read_rsa_key(ByteView spki);

}  // namespace ensconce::internal
