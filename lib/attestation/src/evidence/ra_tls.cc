#include "ensconce/attestation/evidence/ra_tls.h"

#include "ensconce/attestation/evidence/evidence_kind.h"
#include "ensconce/attestation/evidence/intel_quote.h"
#include "ensconce/attestation/evidence/snp_report.h"
#include "ensconce/codec/cbor.h"

namespace ensconce {
namespace {

// The extension that RA-TLS had before the one of DICE.
constexpr std::string_view kLegacyOid = "1.2.840.113741.1337.6";

// IANA CBOR tags: an Intel TEE quote, SGX or TDX. 60001 and 60002 are reports for the local
// machine.
constexpr std::uint64_t kQuoteTag = 60000;
// The indicator of a CMW record: bit 2 says evidence (RFC 9999, "CMW record").
constexpr std::uint64_t kCmwEvidence = 4;
constexpr std::size_t kMaxClaimsBuffer = 16384;
constexpr cbor::Limits kLimits{.max_depth = 4, .max_items = 256};

Error bad(std::string detail) { return Error(EvidenceError::kRaTls, std::move(detail)); }

template <typename T>
Result<T> in_extension(Result<T> result, std::string_view what) {
  if (!result) {
    return bad(std::string(what) + ": " + result.error().detail());
  }
  return result;
}

// A claim that a claims-buffer may lack; nullptr then.
const cbor::Value* claim(const cbor::Map& claims, std::string_view name) {
  for (const auto& [key, value] : claims) {
    if (key == cbor::Value(name)) {
      return &value;
    }
  }
  return nullptr;
}

std::size_t len_of(KeyHashAlgorithm algorithm) {
  return algorithm == KeyHashAlgorithm::kSha256 ? 32 : 48;
}

// pubkey-hash is the encoding of [hash-alg-id, hash], as a byte string.
Result<void> read_pubkey_hash(ByteView bytes, RaTlsClaims& out) {
  constexpr std::string_view kName = "pubkey-hash";
  ENSC_TRY_ASSIGN(const cbor::Value value, in_extension(cbor::decode(bytes, kLimits), kName));
  ENSC_TRY_ASSIGN(const cbor::Array* pair, in_extension(value.as_array(kName), kName));
  if (pair->size() != 2) {
    return bad("pubkey-hash is not [algorithm, hash]");
  }
  ENSC_TRY_ASSIGN(const std::uint64_t id, in_extension((*pair)[0].as_uint("algorithm"), kName));
  ENSC_TRY_ASSIGN(out.pubkey_hash, in_extension((*pair)[1].as_bytes("hash"), kName));
  if (id != static_cast<std::uint64_t>(KeyHashAlgorithm::kSha256) &&
      id != static_cast<std::uint64_t>(KeyHashAlgorithm::kSha384)) {
    return bad("pubkey-hash has algorithm " + std::to_string(id) +
               "; this code knows 1 (SHA-256) and 7 (SHA-384)");
  }
  out.pubkey_hash_algorithm = static_cast<KeyHashAlgorithm>(id);
  if (out.pubkey_hash.size() != len_of(out.pubkey_hash_algorithm)) {
    return bad("pubkey-hash has " + std::to_string(out.pubkey_hash.size()) + " bytes; " +
               std::string(name_of(out.pubkey_hash_algorithm)) + " gives " +
               std::to_string(len_of(out.pubkey_hash_algorithm)));
  }
  return ok();
}

// claims-buffer = { text => bytes }, in whatever order its maker wrote.
Result<RaTlsClaims> read_claims(Bytes buffer) {
  constexpr std::string_view kName = "claims-buffer";
  RaTlsClaims out;
  out.buffer = std::move(buffer);
  ENSC_TRY_ASSIGN(const cbor::Value value,
                  in_extension(cbor::decode_unsorted(out.buffer, kLimits), kName));
  ENSC_TRY_ASSIGN(const cbor::Map* claims, in_extension(value.as_map(kName), kName));
  const cbor::Value* hash = claim(*claims, "pubkey-hash");
  if (hash == nullptr) {
    return bad("the claims-buffer has no pubkey-hash");
  }
  ENSC_TRY_ASSIGN(const Bytes encoded, in_extension(hash->as_bytes("pubkey-hash"), kName));
  ENSC_TRY(read_pubkey_hash(encoded, out));
  if (const cbor::Value* nonce = claim(*claims, "nonce")) {
    ENSC_TRY_ASSIGN(out.nonce, in_extension(nonce->as_bytes("nonce"), kName));
  }
  return out;
}

// [evidence, claims-buffer], the same inside either form.
Result<TaggedEvidence> read_pair(const cbor::Value& value, TaggedForm form) {
  constexpr std::string_view kName = "tagged evidence";
  ENSC_TRY_ASSIGN(const cbor::Array* pair, in_extension(value.as_array(kName), kName));
  if (pair->size() != 2) {
    return bad("tagged evidence is not [evidence, claims-buffer]");
  }
  TaggedEvidence out;
  out.form = form;
  ENSC_TRY_ASSIGN(out.evidence, in_extension((*pair)[0].as_bytes("evidence"), kName));
  ENSC_TRY_ASSIGN(Bytes buffer, in_extension((*pair)[1].as_bytes("claims-buffer"), kName));
  if (buffer.size() > kMaxClaimsBuffer) {
    return bad("a claims-buffer has at most 16384 bytes");
  }
  ENSC_TRY_ASSIGN(out.claims, read_claims(std::move(buffer)));
  return out;
}

// CMW record: [media type, value, indicator].
Result<TaggedEvidence> read_record(const cbor::Array& record) {
  constexpr std::string_view kName = "CMW record";
  if (record.size() != 3) {
    return bad("a CMW record is not [type, value, indicator]");
  }
  ENSC_TRY_ASSIGN(const std::string type, in_extension(record[0].as_text("type"), kName));
  if (type != kSnpRecordType) {
    return bad("a CMW record of a type other than " + std::string(kSnpRecordType));
  }
  ENSC_TRY_ASSIGN(const std::uint64_t indicator,
                  in_extension(record[2].as_uint("indicator"), kName));
  if (indicator != kCmwEvidence) {
    return bad("a CMW record with indicator " + std::to_string(indicator) +
               "; evidence alone, 4, is read");
  }
  ENSC_TRY_ASSIGN(const Bytes inner, in_extension(record[1].as_bytes("value"), kName));
  ENSC_TRY_ASSIGN(const cbor::Value value, in_extension(cbor::decode(inner, kLimits), kName));
  return read_pair(value, TaggedForm::kSnpRecord);
}

}  // namespace

std::string_view name_of(KeyHashAlgorithm algorithm) {
  return algorithm == KeyHashAlgorithm::kSha256 ? "sha-256" : "sha-384";
}

Result<TaggedEvidence> parse_tagged_evidence(ByteView extension) {
  constexpr std::string_view kName = "tagged evidence";
  ENSC_TRY_ASSIGN(const cbor::Value value, in_extension(cbor::decode(extension, kLimits), kName));
  if (const auto* record = std::get_if<cbor::Array>(&value.variant())) {
    return read_record(*record);
  }
  ENSC_TRY_ASSIGN(const cbor::Value* tagged,
                  in_extension(value.as_tagged(kQuoteTag, "tag 60000 (an Intel quote)"), kName));
  return read_pair(*tagged, TaggedForm::kIntelQuote);
}

Bytes write_tagged_evidence(const TaggedEvidence& evidence) {
  cbor::Array pair{evidence.evidence, evidence.claims.buffer};
  if (evidence.form == TaggedForm::kSnpRecord) {
    return cbor::encode(
        cbor::Array{kSnpRecordType, cbor::encode(cbor::Value(std::move(pair))), kCmwEvidence});
  }
  return cbor::encode(cbor::Value::tagged(kQuoteTag, std::move(pair)));
}

std::optional<Bytes> ra_tls_extension_of(const EvidenceItem& evidence, ByteView statement) {
  const std::optional<EvidenceKind> kind = evidence_kind_from_name(evidence.type);
  if (!kind || *kind == EvidenceKind::kAzureSnp || *kind == EvidenceKind::kAzureTdx) {
    return std::nullopt;
  }
  TaggedEvidence out;
  out.form = *kind == EvidenceKind::kSnp ? TaggedForm::kSnpRecord : TaggedForm::kIntelQuote;
  out.evidence = evidence.data;
  out.claims.buffer = to_bytes(statement);
  return write_tagged_evidence(out);
}

bool carries_ra_tls(const Certificate& certificate) {
  return certificate.extension(kTaggedEvidenceOid).has_value() ||
         certificate.extension(kLegacyOid).has_value();
}

Result<RaTlsCertificate> parse_ra_tls(const Certificate& certificate) {
  RaTlsCertificate out{certificate, {}, std::nullopt};
  if (const auto extension = certificate.extension(kTaggedEvidenceOid)) {
    // Copied: GCC 12 takes a move of the nonce for a read of uninitialised memory.
    ENSC_TRY_ASSIGN(const TaggedEvidence tagged, parse_tagged_evidence(*extension));
    out.evidence.data = tagged.evidence;
    out.claims.emplace(tagged.claims);
    if (tagged.form == TaggedForm::kSnpRecord) {
      ENSC_TRY(parse_snp_report(out.evidence.data));
      out.evidence.type = name_of(EvidenceKind::kSnp);
      return out;
    }
  } else if (auto legacy = certificate.extension(kLegacyOid)) {
    out.evidence.data = *std::move(legacy);
  } else {
    return bad("a certificate without evidence in it");
  }
  ENSC_TRY_ASSIGN(const IntelQuote quote, parse_intel_quote(out.evidence.data));
  out.evidence.type = name_of(quote.is_tdx() ? EvidenceKind::kTdx : EvidenceKind::kSgx);
  return out;
}

}  // namespace ensconce
