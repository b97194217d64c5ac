#include "ensconce/keybroker/release_log.h"

#include <array>

#include "ensconce/codec/cbor.h"
#include "ensconce/crypto/cose.h"

namespace ensconce {

namespace {

constexpr std::string_view kHeadContext = "ensconce-log-head/1";
constexpr std::uint64_t kVersion = 1;
constexpr std::array<std::string_view, 7> kDecisions = {
    "release", "renewal", "refusal", "policy", "key", "revocation", "minimum-version"};

Result<LogDecision> decision_from(std::string_view text) {
  for (std::size_t i = 0; i < kDecisions.size(); ++i) {
    if (kDecisions[i] == text) {
      return static_cast<LogDecision>(i);
    }
  }
  return Error(KeyBrokerError::kMalformed, "an unknown decision");
}

template <std::size_t N>
Result<std::optional<ByteArray<N>>> optional_fixed(cbor::Fields& fields, std::string_view name) {
  const cbor::Value* value = fields.take_optional(name);
  if (value == nullptr) {
    return std::optional<ByteArray<N>>();
  }
  ENSC_TRY_ASSIGN(const ByteArray<N> bytes, value->as_fixed<N>(name));
  return std::optional<ByteArray<N>>(bytes);
}

Result<std::optional<Ed25519PublicKey>> optional_key(cbor::Fields& fields, std::string_view name) {
  ENSC_TRY_ASSIGN(const std::optional<ByteArray<32>> bytes, optional_fixed<32>(fields, name));
  return bytes ? std::optional<Ed25519PublicKey>(Ed25519PublicKey{*bytes}) : std::nullopt;
}

Result<std::optional<std::string>> optional_text(cbor::Fields& fields, std::string_view name) {
  const cbor::Value* value = fields.take_optional(name);
  if (value == nullptr) {
    return std::optional<std::string>();
  }
  ENSC_TRY_ASSIGN(std::string text, value->as_text(name));
  return std::optional<std::string>(std::move(text));
}

Result<LogEntry> read_entry(ByteView bytes) {
  ENSC_TRY_ASSIGN(const cbor::Value root, cbor::decode(bytes));
  ENSC_TRY_ASSIGN(cbor::Fields fields, cbor::Fields::of(root, "log entry"));
  ENSC_TRY_ASSIGN(const cbor::Value* v, fields.take("v"));
  ENSC_TRY_ASSIGN(const std::uint64_t format, v->as_uint("v"));
  if (format != kVersion) {
    return Error(KeyBrokerError::kMalformed, "a log entry of another version");
  }
  LogEntry out;
  ENSC_TRY_ASSIGN(const cbor::Value* time, fields.take("time"));
  ENSC_TRY_ASSIGN(out.time.unix_ms, time->as_int("time"));
  ENSC_TRY_ASSIGN(const cbor::Value* decision, fields.take("decision"));
  ENSC_TRY_ASSIGN(const std::string decision_text, decision->as_text("decision"));
  ENSC_TRY_ASSIGN(out.decision, decision_from(decision_text));
  ENSC_TRY_ASSIGN(const cbor::Value* code, fields.take("code"));
  ENSC_TRY_ASSIGN(out.code, code->as_text("code"));
  ENSC_TRY_ASSIGN(out.key_id, optional_fixed<16>(fields, "key_id"));
  ENSC_TRY_ASSIGN(out.manifest, optional_fixed<32>(fields, "manifest"));
  ENSC_TRY_ASSIGN(out.name, optional_text(fields, "name"));
  if (const cbor::Value* version = fields.take_optional("version")) {
    ENSC_TRY_ASSIGN(out.version, version->as_uint("version"));
  }
  ENSC_TRY_ASSIGN(out.owner, optional_key(fields, "owner"));
  ENSC_TRY_ASSIGN(out.policy, optional_text(fields, "policy"));
  ENSC_TRY_ASSIGN(out.policy_sha256, optional_fixed<32>(fields, "policy_sha256"));
  if (const cbor::Value* measurement = fields.take_optional("measurement")) {
    ENSC_TRY_ASSIGN(out.measurement, measurement->as_bytes("measurement"));
  }
  ENSC_TRY_ASSIGN(out.origin, optional_text(fields, "origin"));
  ENSC_TRY_ASSIGN(out.statement, optional_fixed<32>(fields, "statement"));
  ENSC_TRY_ASSIGN(out.session, optional_key(fields, "session"));
  ENSC_TRY_ASSIGN(out.lease_id, optional_fixed<16>(fields, "lease_id"));
  ENSC_TRY_ASSIGN(out.admin_nonce, optional_fixed<16>(fields, "admin_nonce"));
  ENSC_TRY_ASSIGN(out.verdict, optional_text(fields, "verdict"));
  if (const cbor::Value* count = fields.take_optional("count")) {
    ENSC_TRY_ASSIGN(out.count, count->as_uint("count"));
  }
  ENSC_TRY(fields.finish());
  return out;
}

Result<LogHead> read_head(ByteView payload) {
  ENSC_TRY_ASSIGN(const cbor::Value root, cbor::decode(payload));
  ENSC_TRY_ASSIGN(cbor::Fields fields, cbor::Fields::of(root, "log head"));
  LogHead out;
  ENSC_TRY_ASSIGN(const cbor::Value* size, fields.take("size"));
  ENSC_TRY_ASSIGN(out.size, size->as_uint("size"));
  ENSC_TRY_ASSIGN(const cbor::Value* hash, fields.take("root"));
  ENSC_TRY_ASSIGN(out.root, hash->as_fixed<32>("root"));
  ENSC_TRY_ASSIGN(const cbor::Value* time, fields.take("time"));
  ENSC_TRY_ASSIGN(out.time.unix_ms, time->as_int("time"));
  ENSC_TRY(fields.finish());
  return out;
}

}  // namespace

std::string_view name_of(LogDecision decision) {
  return kDecisions[static_cast<std::size_t>(decision)];
}

Bytes encode_log_entry(const LogEntry& entry) {
  cbor::Map map{{"v", kVersion},
                {"time", entry.time.unix_ms},
                {"decision", name_of(entry.decision)},
                {"code", entry.code}};
  const auto put = [&map](std::string_view name, const auto& value) {
    if (value) {
      map.emplace_back(name, *value);
    }
  };
  const auto put_key = [&map](std::string_view name, const std::optional<Ed25519PublicKey>& key) {
    if (key) {
      map.emplace_back(name, key->bytes);
    }
  };
  put("key_id", entry.key_id);
  put("manifest", entry.manifest);
  put("name", entry.name);
  put("version", entry.version);
  put_key("owner", entry.owner);
  put("policy", entry.policy);
  put("policy_sha256", entry.policy_sha256);
  put("measurement", entry.measurement);
  put("origin", entry.origin);
  put("statement", entry.statement);
  put_key("session", entry.session);
  put("lease_id", entry.lease_id);
  put("admin_nonce", entry.admin_nonce);
  put("verdict", entry.verdict);
  put("count", entry.count);
  return cbor::encode(map);
}

Result<LogEntry> parse_log_entry(ByteView bytes) {
  Result<LogEntry> entry = read_entry(bytes);
  if (!entry) {
    return Error(KeyBrokerError::kMalformed, entry.error().to_string());
  }
  return entry;
}

Bytes sign_log_head(const Ed25519PrivateKey& broker_key, const LogHead& head) {
  return cose_sign1(broker_key, kHeadContext,
                    cbor::encode(cbor::Map{
                        {"size", head.size}, {"root", head.root}, {"time", head.time.unix_ms}}));
}

Result<LogHead> verify_log_head(const Ed25519PublicKey& broker_key, ByteView message) {
  const Result<Bytes> payload = cose_verify1(broker_key, kHeadContext, message);
  if (!payload) {
    return Error(payload.error().is(CryptoError::kBadSignature) ? KeyBrokerError::kUntrustedAnswer
                                                                : KeyBrokerError::kMalformed,
                 "log head: " + payload.error().to_string());
  }
  Result<LogHead> head = read_head(*payload);
  if (!head) {
    return Error(KeyBrokerError::kMalformed, head.error().to_string());
  }
  return head;
}

}  // namespace ensconce
