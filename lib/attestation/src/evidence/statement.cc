#include "ensconce/attestation/evidence/statement.h"

#include <algorithm>

#include "ensconce/attestation/evidence/error.h"
#include "ensconce/codec/cbor.h"

namespace ensconce {
namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::uint64_t kHashSha384 = 7;  // IANA "Named Information Hash Algorithm"
constexpr std::size_t kMaxText = 128;
constexpr std::size_t kMaxTlsKeys = 2;
constexpr std::size_t kMaxOhttpKeys = 2;
constexpr std::size_t kMaxOwnerKeys = 16;
constexpr std::size_t kP256PointLen = 65;
constexpr cbor::Limits kLimits{.max_depth = 4, .max_items = 128};

template <std::size_t N>
cbor::Array write_all(const std::vector<ByteArray<N>>& items) {
  return {items.begin(), items.end()};
}

Error bad(std::string detail) { return Error(EvidenceError::kStatement, std::move(detail)); }

Result<std::string> read_text(cbor::Fields& fields, std::string_view name) {
  ENSC_TRY_ASSIGN(const cbor::Value* value, fields.take(name));
  ENSC_TRY_ASSIGN(std::string text, value->as_text(name));
  if (text.empty() || text.size() > kMaxText ||
      !std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7e; })) {
    return bad(std::string(name) + " is not 1 to 128 printable ASCII characters");
  }
  return text;
}

template <std::size_t N>
Result<ByteArray<N>> read_fixed(cbor::Fields& fields, std::string_view name) {
  ENSC_TRY_ASSIGN(const cbor::Value* value, fields.take(name));
  return value->as_fixed<N>(name);
}

template <std::size_t N>
Result<std::vector<ByteArray<N>>> read_list(cbor::Fields& fields, std::string_view name,
                                            std::size_t min, std::size_t max) {
  ENSC_TRY_ASSIGN(const cbor::Value* value, fields.take(name));
  ENSC_TRY_ASSIGN(const cbor::Array* items, value->as_array(name));
  if (items->size() < min || items->size() > max) {
    return bad(std::string(name) + " has " + std::to_string(items->size()) + " items");
  }
  std::vector<ByteArray<N>> out;
  out.reserve(items->size());
  for (const cbor::Value& item : *items) {
    ENSC_TRY_ASSIGN(out.emplace_back(), item.as_fixed<N>(name));
  }
  return out;
}

Result<WorkerKeys> read_keys(const cbor::Value& value) {
  ENSC_TRY_ASSIGN(auto fields, cbor::Fields::of(value, "keys"));
  WorkerKeys keys;
  ENSC_TRY_ASSIGN(keys.tls, read_list<48>(fields, "tls", 1, kMaxTlsKeys));
  ENSC_TRY_ASSIGN(keys.ohttp, read_list<32>(fields, "ohttp", 0, kMaxOhttpKeys));
  ENSC_TRY_ASSIGN(keys.session.bytes, read_fixed<32>(fields, "session"));
  ENSC_TRY_ASSIGN(const auto release, read_fixed<kP256PointLen>(fields, "release"));
  keys.release = to_bytes(ByteView(release));
  ENSC_TRY_ASSIGN(keys.receipt.bytes, read_fixed<32>(fields, "receipt"));
  ENSC_TRY(fields.finish());
  return keys;
}

Result<SecurityConfiguration> read_security(const cbor::Value& value) {
  ENSC_TRY_ASSIGN(auto fields, cbor::Fields::of(value, "security"));
  SecurityConfiguration security;
  ENSC_TRY_ASSIGN(security.padding, read_text(fields, "padding"));
  ENSC_TRY_ASSIGN(security.tenancy, read_text(fields, "tenancy"));
  ENSC_TRY_ASSIGN(security.sandbox, read_text(fields, "sandbox"));
  ENSC_TRY_ASSIGN(const auto owners, read_list<32>(fields, "owner_keys", 1, kMaxOwnerKeys));
  for (const ByteArray<32>& owner : owners) {
    security.owner_keys.push_back({owner});
  }
  ENSC_TRY_ASSIGN(security.broker_key.bytes, read_fixed<32>(fields, "broker_key"));
  ENSC_TRY(fields.finish());
  return security;
}

Result<void> read_ours(ByteView bytes, Statement& statement) {
  ENSC_TRY_ASSIGN(const cbor::Value value, cbor::decode(bytes, kLimits));
  ENSC_TRY_ASSIGN(auto fields, cbor::Fields::of(value, "ensconce"));
  ENSC_TRY_ASSIGN(const cbor::Value* version, fields.take("v"));
  ENSC_TRY_ASSIGN(const std::uint64_t v, version->as_uint("v"));
  if (v != kVersion) {
    return bad("version " + std::to_string(v) + "; this code knows 1");
  }
  ENSC_TRY_ASSIGN(statement.boot_id, read_fixed<16>(fields, "boot"));
  ENSC_TRY_ASSIGN(const cbor::Value* epoch, fields.take("epoch"));
  ENSC_TRY_ASSIGN(statement.epoch, epoch->as_uint("epoch"));
  ENSC_TRY_ASSIGN(const cbor::Value* keys, fields.take("keys"));
  ENSC_TRY_ASSIGN(statement.keys, read_keys(*keys));
  ENSC_TRY_ASSIGN(statement.software, read_text(fields, "software"));
  ENSC_TRY_ASSIGN(const cbor::Value* security, fields.take("security"));
  ENSC_TRY_ASSIGN(statement.security, read_security(*security));
  ENSC_TRY_ASSIGN(statement.deployment_digest, read_fixed<32>(fields, "deployment"));
  return fields.finish();
}

Result<Sha384Digest> read_key_hash(ByteView bytes) {
  ENSC_TRY_ASSIGN(const cbor::Value value, cbor::decode(bytes, kLimits));
  ENSC_TRY_ASSIGN(const cbor::Array* items, value.as_array("pubkey-hash"));
  if (items->size() != 2) {
    return bad("pubkey-hash is not [algorithm, digest]");
  }
  ENSC_TRY_ASSIGN(const std::uint64_t algorithm, (*items)[0].as_uint("pubkey-hash algorithm"));
  if (algorithm != kHashSha384) {
    return bad("pubkey-hash algorithm " + std::to_string(algorithm) + "; 7 (SHA-384) is expected");
  }
  return (*items)[1].as_fixed<48>("pubkey-hash digest");
}

Result<Statement> read(ByteView bytes) {
  ENSC_TRY_ASSIGN(const cbor::Value value, cbor::decode(bytes, kLimits));
  ENSC_TRY_ASSIGN(auto fields, cbor::Fields::of(value, "statement"));
  Statement statement;
  ENSC_TRY_ASSIGN(const cbor::Value* nonce, fields.take("nonce"));
  ENSC_TRY_ASSIGN(statement.challenge, nonce->as_fixed<32>("nonce"));
  ENSC_TRY_ASSIGN(const cbor::Value* ours, fields.take("ensconce"));
  ENSC_TRY_ASSIGN(const Bytes inner, ours->as_bytes("ensconce"));
  ENSC_TRY_ASSIGN(const cbor::Value* key_hash, fields.take("pubkey-hash"));
  ENSC_TRY_ASSIGN(const Bytes key_hash_bytes, key_hash->as_bytes("pubkey-hash"));
  ENSC_TRY(fields.finish());
  ENSC_TRY_ASSIGN(statement.tls_key_hash, read_key_hash(key_hash_bytes));
  ENSC_TRY(read_ours(inner, statement));
  return statement;
}

}  // namespace

Bytes encode_statement(const Statement& statement) {
  const WorkerKeys& keys = statement.keys;
  const SecurityConfiguration& security = statement.security;
  ENSC_CHECK(!keys.tls.empty() && keys.tls.front() == statement.tls_key_hash);
  cbor::Array owners;
  for (const Ed25519PublicKey& owner : security.owner_keys) {
    owners.emplace_back(owner.bytes);
  }
  const cbor::Map ours{
      {"v", kVersion},
      {"boot", statement.boot_id},
      {"epoch", statement.epoch},
      {"keys",
       cbor::Map{
           {"tls", write_all(keys.tls)},
           {"ohttp", write_all(keys.ohttp)},
           {"session", keys.session.bytes},
           {"release", keys.release},
           {"receipt", keys.receipt.bytes},
       }},
      {"software", statement.software},
      {"security",
       cbor::Map{
           {"padding", security.padding},
           {"tenancy", security.tenancy},
           {"sandbox", security.sandbox},
           {"owner_keys", std::move(owners)},
           {"broker_key", security.broker_key.bytes},
       }},
      {"deployment", statement.deployment_digest},
  };
  const cbor::Array key_hash{kHashSha384, statement.tls_key_hash};
  return cbor::encode(cbor::Map{
      {"nonce", statement.challenge},
      {"ensconce", cbor::encode(ours)},
      {"pubkey-hash", cbor::encode(key_hash)},
  });
}

Result<Statement> parse_statement(ByteView bytes) {
  if (bytes.size() > kMaxStatement) {
    return bad("a statement has at most 16384 bytes, this has " + std::to_string(bytes.size()));
  }
  Result<Statement> statement = read(bytes);
  if (!statement) {
    return statement.error().is(EvidenceError::kStatement) ? statement.error()
                                                           : bad(statement.error().to_string());
  }
  // What RA-TLS verifiers compare with the certificate and what ours compare must be one key.
  if (statement->keys.tls.front() != statement->tls_key_hash) {
    return Error(EvidenceError::kStatementKeyHash, "pubkey-hash is not the first of keys.tls");
  }
  return statement;
}

bool is_of_broker(const Statement& statement) {
  return statement.keys.receipt == statement.security.broker_key;
}

ByteArray<64> report_data_for(ByteView statement) {
  const Sha256Digest digest = sha256(statement);
  ByteArray<64> out{};
  std::copy(digest.begin(), digest.end(), out.begin());
  return out;
}

}  // namespace ensconce
