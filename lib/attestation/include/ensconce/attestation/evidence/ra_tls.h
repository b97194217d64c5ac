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

// RaTlsClaims is the claims-buffer that evidence vouches for: a CBOR map of text to bytes. What
// else is in it is vouched for as well, and not ours to read.
struct RaTlsClaims {
  Bytes buffer;  // as it came: REPORTDATA is its SHA-256
  KeyHashAlgorithm pubkey_hash_algorithm = KeyHashAlgorithm::kSha256;
  Bytes pubkey_hash;
  std::optional<Bytes> nonce;
  friend bool operator==(const RaTlsClaims&, const RaTlsClaims&) = default;
};

// The extension with evidence in it: TCG DICE Attestation Architecture 1.2, "TaggedEvidence" and
// conceptual message wrapper.
inline constexpr std::string_view kTaggedEvidenceOid = "2.23.133.5.4.9";
// An SNP report has no CBOR tag of its own, so it travels as a CMW record of this type
// (docs/protocols/ra-tls-certificate.md).
inline constexpr std::string_view kSnpRecordType = "application/vnd.ensconce.snp-evidence+cbor";

enum class TaggedForm : std::uint8_t {
  kIntelQuote,  // CBOR tag 60000 of [quote, claims-buffer]: CCC's interoperable RA-TLS
  kSnpRecord,   // CMW record [kSnpRecordType, CBOR of [report, claims-buffer], 4 (evidence)]
};

// TaggedEvidence is the value of that extension.
struct TaggedEvidence {
  TaggedForm form = TaggedForm::kIntelQuote;
  Bytes evidence;  // quote or report
  RaTlsClaims claims;
  friend bool operator==(const TaggedEvidence&, const TaggedEvidence&) = default;
};
Result<TaggedEvidence> parse_tagged_evidence(ByteView extension);  // EvidenceError::kRaTls
// write_tagged_evidence takes of the claims their buffer alone.
Bytes write_tagged_evidence(const TaggedEvidence& evidence);

// ra_tls_extension_of is the extension's value for a worker's evidence, whose claims-buffer is its
// statement. Nothing for evidence that this scheme has no form for: Azure's.
std::optional<Bytes> ra_tls_extension_of(const EvidenceItem& evidence, ByteView statement);

// RaTlsCertificate is an X.509 certificate with evidence in it: form, no trust. We read such
// certificates to explain them, and never open a channel on one.
struct RaTlsCertificate {
  Certificate certificate;
  EvidenceItem evidence;  // "snp", "sgx" or "tdx"
  // Nothing in the legacy form (extension 1.2.840.113741.1337.6, the quote's bytes): its report
  // data is the hash of the key itself.
  std::optional<RaTlsClaims> claims;
};

// carries_ra_tls tells whether a certificate has one of the two extensions.
bool carries_ra_tls(const Certificate& certificate);
// parse_ra_tls reads the tagged form, or else the legacy one. Errors are EvidenceError::kRaTls, and
// EvidenceError::kIntel… or kSnp… of the evidence inside.
Result<RaTlsCertificate> parse_ra_tls(const Certificate& certificate);

}  // namespace ensconce
