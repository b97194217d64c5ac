#pragma once

#include <optional>
#include <string_view>

#include "ensconce/attestation/evidence/error.h"
#include "ensconce/attestation/evidence/evidence_item.h"
#include "ensconce/crypto/x509.h"

namespace ensconce {

// KeyHashAlgorithm is an id of IANA's Named Information Hash Algorithm registry.
enum class KeyHashAlgorithm : std::uint8_t { kSha256 = 1, kSha384 = 7 };
std::string_view name_of(KeyHashAlgorithm algorithm);  // "sha-256", "sha-384"

// RaTlsClaims is the claims-buffer that a quote vouches for: a CBOR map of text to bytes. What else
// is in it is vouched for as well, and not ours to read.
struct RaTlsClaims {
  Bytes buffer;  // as it came: REPORTDATA is its SHA-256
  KeyHashAlgorithm pubkey_hash_algorithm = KeyHashAlgorithm::kSha256;
  Bytes pubkey_hash;
  std::optional<Bytes> nonce;
  friend bool operator==(const RaTlsClaims&, const RaTlsClaims&) = default;
};

// TaggedEvidence is the value of the extension 2.23.133.5.4.9 (TCG DICE, "TaggedEvidence", in the
// form of CCC's interoperable RA-TLS): CBOR tag 60000 (an Intel quote) of [quote, claims-buffer].
struct TaggedEvidence {
  Bytes quote;
  RaTlsClaims claims;
  friend bool operator==(const TaggedEvidence&, const TaggedEvidence&) = default;
};
Result<TaggedEvidence> parse_tagged_evidence(ByteView extension);  // EvidenceError::kRaTls
// write_tagged_evidence takes of the claims their buffer alone.
Bytes write_tagged_evidence(const TaggedEvidence& evidence);

// RaTlsCertificate is an X.509 certificate with an Intel quote in it: form, no trust. We read such
// certificates to explain them, and never open a channel on one.
struct RaTlsCertificate {
  Certificate certificate;
  EvidenceItem evidence;  // "sgx" or "tdx"
  // Nothing in the legacy form (extension 1.2.840.113741.1337.6, the quote's bytes): its report
  // data is the hash of the key itself.
  std::optional<RaTlsClaims> claims;
};

// carries_ra_tls tells whether a certificate has one of the two extensions.
bool carries_ra_tls(const Certificate& certificate);
// parse_ra_tls reads the tagged form, or else the legacy one. Errors are EvidenceError::kRaTls, and
// EvidenceError::kIntel… of the quote inside.
Result<RaTlsCertificate> parse_ra_tls(const Certificate& certificate);

}  // namespace ensconce
