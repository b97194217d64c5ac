#include "ensconce/attestation/verify/ra_tls_verifier.h"

#include "ensconce/attestation/verify/evidence_verifier.h"
#include "ensconce/codec/der.h"

namespace ensconce {
namespace {

// Report data that is one SHA-256 and 32 zero bytes.
ByteArray<64> padded(const Sha256Digest& digest) {
  ByteArray<64> out{};
  std::copy(digest.begin(), digest.end(), out.begin());
  return out;
}

// rsa_public_key is the PKCS#1 RSAPublicKey inside a SubjectPublicKeyInfo (RFC 8017 appendix A.1.1;
// RFC 5280 section 4.1), or nothing where the key is another.
std::optional<Bytes> rsa_public_key(ByteView spki) {
  constexpr std::uint8_t kBitString = 0x03;
  constexpr ByteArray<11> kRsaEncryption{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                         0xf7, 0x0d, 0x01, 0x01, 0x01};
  ByteReader outer(spki);
  const auto sequence = der::read_element(outer);
  if (!sequence) {
    return std::nullopt;
  }
  ByteReader inner(sequence->content);
  const auto algorithm = der::read_element(inner);
  const auto key = der::read_element(inner);
  if (!algorithm || !key || key->tag != kBitString || key->content.empty() ||
      algorithm->content.size() < kRsaEncryption.size() ||
      !equal(algorithm->content.first(kRsaEncryption.size()), kRsaEncryption)) {
    return std::nullopt;
  }
  return to_bytes(key->content.subspan(1));
}

void bind_claims(CheckLog& log, const RaTlsCertificate& ra_tls, const RaTlsClaims& claims,
                 const ByteArray<64>& got) {
  const ByteArray<64> expected = padded(sha256(claims.buffer));
  ENSC_REQUIRE(log, AttestationError::kRaTlsBinding, expected == got, to_hex(expected),
               to_hex(got));
  const Bytes spki = ra_tls.certificate.spki_der();
  const Bytes hash = claims.pubkey_hash_algorithm == KeyHashAlgorithm::kSha256
                         ? to_bytes(ByteView(sha256(spki)))
                         : to_bytes(ByteView(sha384(spki)));
  ENSC_REQUIRE(log, AttestationError::kRaTlsPubkeyHash, hash == claims.pubkey_hash, to_hex(hash),
               to_hex(claims.pubkey_hash));
}

// The legacy form has two readings of "the key", told apart by the hash alone.
void bind_key(CheckLog& log, const RaTlsCertificate& ra_tls, const ByteArray<64>& got) {
  const Bytes spki = ra_tls.certificate.spki_der();
  const ByteArray<64> of_spki = padded(sha256(spki));
  const auto rsa = rsa_public_key(spki);
  const bool holds = got == of_spki || (rsa.has_value() && got == padded(sha256(*rsa)));
  ENSC_REQUIRE(
      log, AttestationError::kRaTlsBinding, holds,
      to_hex(of_spki) + (rsa.has_value() ? " or " + to_hex(padded(sha256(*rsa))) : std::string()),
      to_hex(got));
  log.not_applied(AttestationError::kRaTlsPubkeyHash, "a claims-buffer with pubkey-hash",
                  "a certificate of the legacy form has none");
}

}  // namespace

Verification RaTlsVerifier::verify(const RaTlsCertificate& certificate,
                                   std::span<const EndorsementItem> pool,
                                   const ExpectedReportData& expected, Instant now) const {
  Verification quote = EvidenceVerifier(anchors_).verify(certificate.evidence, pool, expected, now);
  if (!quote.claims) {
    return quote;
  }
  CheckLog log;
  EvidenceClaims claims = **quote.claims;
  if (certificate.claims.has_value()) {
    bind_claims(log, certificate, *certificate.claims, claims.report_data);
  } else {
    bind_key(log, certificate, claims.report_data);
  }
  claims.checks.insert(claims.checks.end(), log.checks().begin(), log.checks().end());
  const Result<void> verdict = log.verdict();
  if (!verdict) {
    return {claims.checks, verdict.error()};
  }
  return {claims.checks, Verified<EvidenceClaims>(claims)};
}

}  // namespace ensconce
