#include "admin_api.h"

#include <algorithm>
#include <charconv>

#include "ensconce/codec/base64.h"
#include "messages.h"

namespace ensconce::internal {

namespace {

constexpr std::size_t kMaxNameLen = 128;
constexpr std::size_t kMaxPolicyText = std::size_t{128} * 1024;
constexpr std::size_t kContentKeyLen = 32;
constexpr std::uint64_t kMaxLogPage = 1000;
constexpr std::uint64_t kDefaultLogPage = 100;
constexpr std::size_t kMaxLogPageBytes = std::size_t{1} << 20;

// The same rule as a sealed bundle's name.
bool is_name(std::string_view name) {
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= kMaxNameLen && alphanumeric(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return alphanumeric(c) || c == '.' || c == '_' || c == '-'; });
}

Result<std::string> take_text(json::Fields& fields, std::string_view name) {
  ENSC_TRY_ASSIGN(const json::Value* value, fields.take(name));
  return value->as_text(name);
}

Result<std::string> take_name(json::Fields& fields, std::string_view name) {
  ENSC_TRY_ASSIGN(std::string text, take_text(fields, name));
  if (!is_name(text)) {
    return Error(KeyBrokerError::kMalformed,
                 std::string(name) + ": 1 to 128 of [a-z0-9._-], a letter or digit first");
  }
  return text;
}

template <std::size_t N>
Result<ByteArray<N>> take_hex(json::Fields& fields, std::string_view name) {
  ENSC_TRY_ASSIGN(const std::string text, take_text(fields, name));
  ENSC_TRY_ASSIGN(const Bytes bytes, from_hex(text));
  return to_array<N>(bytes);
}

LogEntry entry_by(const AdminCaller& caller, LogDecision decision, Instant now) {
  LogEntry entry;
  entry.time = now;
  entry.decision = decision;
  entry.owner = caller.key;
  entry.admin_nonce = caller.nonce;
  return entry;
}

WireResponse done(const Ledger& ledger) {
  return json_answer(200, json::Object{{"index", ledger.tree().size() - 1}});
}

// ---- Policies ---------------------------------------------------------------------------------

Result<WireResponse> set_policy(const WireRequest& request, const AdminCaller& caller,
                                Ledger& ledger, Instant now) {
  ENSC_TRY_ASSIGN(const json::Value body, parse_json(request.body, kMaxBrokerBody));
  ENSC_TRY_ASSIGN(json::Fields fields, json::Fields::of(body, "policy"));
  ENSC_TRY_ASSIGN(const std::string name, take_name(fields, "name"));
  ENSC_TRY_ASSIGN(std::string toml, take_text(fields, "toml"));
  ENSC_TRY(fields.finish());
  if (toml.size() > kMaxPolicyText) {
    return Error(KeyBrokerError::kMalformed, "a policy of more than 128 KiB");
  }
  ENSC_TRY_ASSIGN(AppraisalPolicy policy, AppraisalPolicy::parse(toml, name));
  if (policy.role() != PolicyRole::kBroker) {
    return Error(KeyBrokerError::kMalformed, "the policy's role is not \"broker\"");
  }
  LogEntry entry = entry_by(caller, LogDecision::kPolicy, now);
  entry.policy = name;
  entry.policy_sha256 = policy.sha256();
  ENSC_TRY(ledger.record_policy(entry, {caller.key, name, std::move(toml), std::move(policy)}));
  return done(ledger);
}

WireResponse list_policies(const AdminCaller& caller, const Ledger& ledger) {
  json::Array out;
  for (const LoadedPolicy* policy : ledger.policies()) {
    if (policy->owner == caller.key) {
      out.push_back(json::Object{{"name", policy->name},
                                 {"sha256", to_hex(policy->policy.sha256())},
                                 {"toml", policy->toml}});
    }
  }
  return json_answer(200, json::Object{{"policies", std::move(out)}});
}

// ---- Keys -------------------------------------------------------------------------------------

Result<SecretBytes> take_content_key(json::Fields& fields) {
  ENSC_TRY_ASSIGN(std::string text, take_text(fields, "key"));
  Result<Bytes> bytes = base64_decode(text);
  wipe(text.data(), text.size());
  if (!bytes) {
    return Error(KeyBrokerError::kMalformed, "key: not base64");
  }
  SecretBytes key = SecretBytes::copy_of(*bytes);
  wipe(bytes->data(), bytes->size());
  if (key.size() != kContentKeyLen) {
    return Error(KeyBrokerError::kMalformed, "key: not 32 bytes");
  }
  return key;
}

Result<void> take_conditions(json::Fields& fields, const KeyBrokerOptions& options,
                             KeyTerms& terms) {
  ENSC_TRY_ASSIGN(const json::Value* lease, fields.take("lease_seconds"));
  terms.lease_seconds = options.lease_seconds;
  if (!lease->is_null()) {
    ENSC_TRY_ASSIGN(terms.lease_seconds, lease->as_uint("lease_seconds"));
  }
  if (terms.lease_seconds == 0 || terms.lease_seconds > kMaxLeaseSeconds) {
    return Error(KeyBrokerError::kMalformed, "lease_seconds: 1 to 86400");
  }
  ENSC_TRY_ASSIGN(const json::Value* uses, fields.take("max_uses"));
  if (!uses->is_null()) {
    ENSC_TRY_ASSIGN(terms.max_uses, uses->as_uint("max_uses"));
  }
  ENSC_TRY_ASSIGN(const json::Value* not_after, fields.take("not_after"));
  if (!not_after->is_null()) {
    ENSC_TRY_ASSIGN(const std::string text, not_after->as_text("not_after"));
    ENSC_TRY_ASSIGN(terms.not_after, from_rfc3339(text));
  }
  return ok();
}

struct KeyRegistration {
  KeyTerms terms;
  SecretBytes key;
};

Result<KeyRegistration> read_registration(const json::Value& body,
                                          const KeyBrokerOptions& options) {
  ENSC_TRY_ASSIGN(json::Fields fields, json::Fields::of(body, "key"));
  KeyRegistration out;
  ENSC_TRY_ASSIGN(const std::string id, take_text(fields, "key_id"));
  ENSC_TRY_ASSIGN(out.terms.id, parse_key_id(id));
  ENSC_TRY_ASSIGN(out.key, take_content_key(fields));
  ENSC_TRY_ASSIGN(out.terms.name, take_name(fields, "name"));
  ENSC_TRY_ASSIGN(const json::Value* version, fields.take("version"));
  ENSC_TRY_ASSIGN(out.terms.version, version->as_uint("version"));
  ENSC_TRY_ASSIGN(out.terms.manifest, take_hex<32>(fields, "manifest"));
  ENSC_TRY_ASSIGN(out.terms.owner.bytes, take_hex<32>(fields, "owner"));
  ENSC_TRY_ASSIGN(out.terms.policy, take_name(fields, "policy"));
  ENSC_TRY(take_conditions(fields, options, out.terms));
  ENSC_TRY(fields.finish());
  return out;
}

Result<WireResponse> add_key(const WireRequest& request, const AdminCaller& caller,
                             const KeyBrokerOptions& options, Ledger& ledger, Instant now) {
  ENSC_TRY_ASSIGN(json::Value body, parse_json(request.body, kMaxSmallBody));
  Result<KeyRegistration> registration = read_registration(body, options);
  if (auto* members = std::get_if<json::Object>(&body.variant())) {
    for (auto& [name, value] : *members) {
      if (auto* text = std::get_if<std::string>(&value.variant()); text && name == "key") {
        wipe(text->data(), text->size());
      }
    }
  }
  if (!registration) {
    return registration.error();
  }
  const KeyTerms& terms = registration->terms;
  if (terms.owner != caller.key) {
    return Error(KeyBrokerError::kUnauthorised, "the bundle is sealed by another owner");
  }
  const LoadedPolicy* policy = ledger.policy(terms.owner, terms.policy);
  if (policy == nullptr) {
    return Error(KeyBrokerError::kNoSuchPolicy, "no policy of that name");
  }
  LogEntry entry = entry_by(caller, LogDecision::kKey, now);
  entry.key_id = terms.id;
  entry.manifest = terms.manifest;
  entry.name = terms.name;
  entry.version = terms.version;
  entry.policy = terms.policy;
  entry.policy_sha256 = policy->policy.sha256();
  ENSC_TRY(ledger.record_key(entry, terms, registration->key.expose()));
  return done(ledger);
}

Result<WireResponse> revoke_key(std::string_view id_text, const AdminCaller& caller, Ledger& ledger,
                                Instant now) {
  ENSC_TRY_ASSIGN(const ByteArray<16> id, parse_key_id(id_text));
  const KeyState* key = ledger.key(id);
  // Another owner's key does not exist for this one.
  if (key == nullptr || key->terms.owner != caller.key) {
    return Error(KeyBrokerError::kNoSuchKey, "no key of that id");
  }
  LogEntry entry = entry_by(caller, LogDecision::kRevocation, now);
  entry.key_id = id;
  entry.manifest = key->terms.manifest;
  entry.name = key->terms.name;
  entry.version = key->terms.version;
  ENSC_TRY(ledger.record(entry));
  return done(ledger);
}

WireResponse list_keys(const AdminCaller& caller, const Ledger& ledger) {
  json::Array out;
  for (const auto& [id, key] : ledger.keys()) {
    const KeyTerms& terms = key.terms;
    if (terms.owner != caller.key) {
      continue;
    }
    out.push_back(json::Object{
        {"key_id", to_hex(id)},
        {"name", terms.name},
        {"version", terms.version},
        {"manifest", to_hex(terms.manifest)},
        {"policy", terms.policy},
        {"lease_seconds", terms.lease_seconds},
        {"max_uses", terms.max_uses ? json::Value(*terms.max_uses) : json::Value()},
        {"not_after", terms.not_after ? json::Value(to_rfc3339(*terms.not_after)) : json::Value()},
        {"uses", key.uses},
        {"revoked", key.revoked},
        {"minimum_version", ledger.minimum_version(terms.owner, terms.name)}});
  }
  return json_answer(200, json::Object{{"keys", std::move(out)}});
}

Result<WireResponse> raise_minimum(std::string_view model, const WireRequest& request,
                                   const AdminCaller& caller, Ledger& ledger, Instant now) {
  ENSC_TRY_ASSIGN(const json::Value body, parse_json(request.body, kMaxSmallBody));
  ENSC_TRY_ASSIGN(json::Fields fields, json::Fields::of(body, "minimum version"));
  ENSC_TRY_ASSIGN(const json::Value* value, fields.take("version"));
  ENSC_TRY_ASSIGN(const std::uint64_t version, value->as_uint("version"));
  ENSC_TRY(fields.finish());
  const std::string name(model);
  if (!is_name(name)) {
    return Error(KeyBrokerError::kMalformed, "not the name of a model");
  }
  if (version < ledger.minimum_version(caller.key, name)) {
    return Error(KeyBrokerError::kConflict, "the minimum version only rises");
  }
  LogEntry entry = entry_by(caller, LogDecision::kMinimumVersion, now);
  entry.name = name;
  entry.version = version;
  ENSC_TRY(ledger.record(entry));
  return done(ledger);
}

// ---- Log --------------------------------------------------------------------------------------

Result<std::uint64_t> number(std::string_view text) {
  std::uint64_t out = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), out);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    return Error(KeyBrokerError::kMalformed, "not a number");
  }
  return out;
}

// Refusals that name no owner say no more than a code, but an older broker wrote more. Whose worker
// that was nobody knows, so it is shown to none.
bool tells_of_a_worker(const LogEntry& entry) {
  return entry.verdict || entry.measurement || entry.session;
}

Result<WireResponse> show_log(std::string_view query, const AdminCaller& caller,
                              const Ledger& ledger) {
  std::uint64_t from = 0;
  std::uint64_t limit = kDefaultLogPage;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.starts_with("from=")) {
      ENSC_TRY_ASSIGN(from, number(pair.substr(5)));
    } else if (pair.starts_with("limit=")) {
      ENSC_TRY_ASSIGN(limit, number(pair.substr(6)));
    } else {
      return Error(KeyBrokerError::kMalformed, "an unknown query parameter");
    }
  }
  ENSC_TRY_ASSIGN(const std::vector<Bytes> page,
                  ledger.log(from, std::clamp<std::uint64_t>(limit, 1, kMaxLogPage)));
  json::Array out;
  std::size_t size = 0;
  for (const Bytes& bytes : page) {
    ENSC_TRY_ASSIGN(const LogEntry entry, parse_log_entry(bytes));
    // What concerns another owner is a hash here: enough to recompute the root.
    const bool visible = entry.owner ? *entry.owner == caller.key : !tells_of_a_worker(entry);
    out.push_back(
        json::Object{{"index", from + out.size()},
                     {"leaf", to_hex(leaf_hash(bytes))},
                     {"entry", visible ? json::Value(base64_encode(bytes)) : json::Value()}});
    size += bytes.size();
    if (size > kMaxLogPageBytes) {
      break;
    }
  }
  return json_answer(200, json::Object{{"entries", std::move(out)}});
}

}  // namespace

Result<ByteArray<16>> parse_key_id(std::string_view text) {
  const Result<Bytes> bytes = from_hex(text);
  if (!bytes || bytes->size() != 16 || to_hex(*bytes) != text) {
    return Error(KeyBrokerError::kMalformed, "a key id is 32 lower-case hex digits");
  }
  return to_array<16>(*bytes);
}

Result<WireResponse> answer_admin(const WireRequest& request, const AdminCaller& caller,
                                  const KeyBrokerOptions& options, Ledger& ledger, Instant now) {
  std::string_view path = request.target;
  const std::string_view query =
      path.find('?') == std::string_view::npos ? "" : path.substr(path.find('?') + 1);
  path = path.substr(0, path.find('?'));
  path.remove_prefix(std::string_view(kAdminPath).size());
  const bool get = request.method == "GET";
  const bool post = request.method == "POST";
  // between returns what stands between a prefix and a suffix of the path.
  const auto between = [path](std::string_view prefix,
                              std::string_view suffix) -> std::optional<std::string_view> {
    if (path.size() <= prefix.size() + suffix.size() || !path.starts_with(prefix) ||
        !path.ends_with(suffix)) {
      return std::nullopt;
    }
    return path.substr(prefix.size(), path.size() - prefix.size() - suffix.size());
  };
  if (get && path == "policies") {
    return list_policies(caller, ledger);
  }
  if (post && path == "policies") {
    return set_policy(request, caller, ledger, now);
  }
  if (get && path == "keys") {
    return list_keys(caller, ledger);
  }
  if (post && path == "keys") {
    return add_key(request, caller, options, ledger, now);
  }
  if (const auto id = between("keys/", "/revoke"); post && id) {
    return revoke_key(*id, caller, ledger, now);
  }
  if (const auto model = between("models/", "/minimum-version"); post && model) {
    return raise_minimum(*model, request, caller, ledger, now);
  }
  if (get && path == "log") {
    return show_log(query, caller, ledger);
  }
  return Error(KeyBrokerError::kNoSuchPath, "no such path");
}

}  // namespace ensconce::internal
