#include "ledger.h"

#include <algorithm>

#include "ensconce/codec/cbor.h"
#include "ensconce/keybroker/admin.h"
#include "ensconce/keybroker/key_broker.h"

namespace ensconce::internal {

namespace {

constexpr std::string_view kRootCheckAad = "ensconce-broker-root/1";
constexpr std::string_view kKeyAad = "ensconce-broker-key/1";
constexpr std::size_t kPage = 1000;
constexpr std::size_t kMaxNonces = 65536;
// A request may be signed kAdminWindow ahead of our clock and sent kAdminWindow behind it.
constexpr Millis kNonceLife = 2 * kAdminWindow;

Bytes key_aad(ByteView terms) {
  const std::uint8_t zero[] = {0};
  return concat({as_bytes(kKeyAad), zero, terms});
}

cbor::Value optional_value(const auto& value, const auto& convert) {
  return value ? cbor::Value(convert(*value)) : cbor::Value();
}

Error store_error(std::string_view what, const Error& cause) {
  return Error(KeyBrokerError::kStore, cause.to_string()).with_context(what);
}

Result<KeyTerms> read_terms(ByteView bytes) {
  ENSC_TRY_ASSIGN(const cbor::Value root, cbor::decode(bytes));
  ENSC_TRY_ASSIGN(cbor::Fields fields, cbor::Fields::of(root, "key terms"));
  KeyTerms out;
  ENSC_TRY_ASSIGN(const cbor::Value* id, fields.take("key_id"));
  ENSC_TRY_ASSIGN(out.id, id->as_fixed<16>("key_id"));
  ENSC_TRY_ASSIGN(const cbor::Value* name, fields.take("name"));
  ENSC_TRY_ASSIGN(out.name, name->as_text("name"));
  ENSC_TRY_ASSIGN(const cbor::Value* version, fields.take("version"));
  ENSC_TRY_ASSIGN(out.version, version->as_uint("version"));
  ENSC_TRY_ASSIGN(const cbor::Value* manifest, fields.take("manifest"));
  ENSC_TRY_ASSIGN(out.manifest, manifest->as_fixed<32>("manifest"));
  ENSC_TRY_ASSIGN(const cbor::Value* owner, fields.take("owner"));
  ENSC_TRY_ASSIGN(out.owner.bytes, owner->as_fixed<32>("owner"));
  ENSC_TRY_ASSIGN(const cbor::Value* policy, fields.take("policy"));
  ENSC_TRY_ASSIGN(out.policy, policy->as_text("policy"));
  ENSC_TRY_ASSIGN(const cbor::Value* lease, fields.take("lease_seconds"));
  ENSC_TRY_ASSIGN(out.lease_seconds, lease->as_uint("lease_seconds"));
  ENSC_TRY_ASSIGN(const cbor::Value* uses, fields.take("max_uses"));
  if (!uses->is_null()) {
    ENSC_TRY_ASSIGN(out.max_uses, uses->as_uint("max_uses"));
  }
  ENSC_TRY_ASSIGN(const cbor::Value* not_after, fields.take("not_after"));
  if (!not_after->is_null()) {
    ENSC_TRY_ASSIGN(const std::int64_t ms, not_after->as_int("not_after"));
    out.not_after = Instant{ms};
  }
  ENSC_TRY(fields.finish());
  return out;
}

}  // namespace

Bytes encode_key_terms(const KeyTerms& terms) {
  return cbor::encode(cbor::Map{
      {"key_id", terms.id},
      {"name", terms.name},
      {"version", terms.version},
      {"manifest", terms.manifest},
      {"owner", terms.owner.bytes},
      {"policy", terms.policy},
      {"lease_seconds", terms.lease_seconds},
      {"max_uses", optional_value(terms.max_uses, [](std::uint64_t n) { return n; })},
      {"not_after", optional_value(terms.not_after, [](Instant t) { return t.unix_ms; })}});
}

Result<KeyTerms> parse_key_terms(ByteView bytes) {
  Result<KeyTerms> terms = read_terms(bytes);
  if (!terms) {
    return store_error("key terms", terms.error());
  }
  return terms;
}

Result<Ledger> Ledger::open(Aes256Key root_key, BrokerStore& store, Random& random,
                            DecisionObserver observer, Instant now) {
  Ledger ledger(root_key, store, random, std::move(observer));
  ENSC_TRY(ledger.verify_root_key());
  ENSC_TRY(ledger.load(now));
  return ledger;
}

Result<void> Ledger::verify_root_key() {
  ENSC_TRY_ASSIGN(const std::optional<Bytes> check, store_->root_check());
  if (!check) {
    return store_->set_root_check(seal(as_bytes(kRootCheckAad), {}));
  }
  if (!unseal(as_bytes(kRootCheckAad), *check)) {
    return Error(KeyBrokerError::kStore, "the root key is not the one this store was made with")
        .with_remedy("restore root.key from where it was backed up; without it the keys are lost");
  }
  return ok();
}

Result<void> Ledger::load(Instant now) {
  ENSC_TRY_ASSIGN(const std::vector<StoredPolicy> policies, store_->policies());
  for (const StoredPolicy& stored : policies) {
    Result<AppraisalPolicy> policy = AppraisalPolicy::parse(stored.toml, stored.name);
    if (!policy) {
      return store_error("policy " + stored.name, policy.error());
    }
    policies_.insert_or_assign(
        {stored.owner, stored.name},
        LoadedPolicy{stored.owner, stored.name, stored.toml, *std::move(policy)});
  }
  ENSC_TRY_ASSIGN(std::vector<StoredKey> keys, store_->keys());
  for (StoredKey& stored : keys) {
    ENSC_TRY_ASSIGN(KeyTerms terms, parse_key_terms(stored.terms));
    if (terms.id != stored.id) {
      return Error(KeyBrokerError::kStore, "a key stands under another key's id");
    }
    keys_.insert_or_assign(stored.id, KeyState{std::move(terms), std::move(stored.sealed)});
  }
  for (;;) {
    ENSC_TRY_ASSIGN(const std::vector<Bytes> page, store_->log(tree_.size(), kPage));
    for (const Bytes& bytes : page) {
      const Result<LogEntry> entry = parse_log_entry(bytes);
      if (!entry) {
        return store_error("log entry " + std::to_string(tree_.size()), entry.error());
      }
      tree_.append(leaf_hash(bytes));
      apply(*entry);
      if (entry->admin_nonce && entry->time + kNonceLife >= now) {
        remember_nonce(*entry->admin_nonce, entry->time);
      }
    }
    if (page.size() < kPage) {
      return ok();
    }
  }
}

Result<void> Ledger::commit(const LogEntry& entry, StoreChange change,
                            const AttestationResult* result) {
  change.index = tree_.size();
  change.entry = encode_log_entry(entry);
  ENSC_CHECK(change.entry.size() <= kMaxLogEntry);
  ENSC_TRY(store_->commit(change));
  tree_.append(leaf_hash(change.entry));
  apply(entry);
  if (observer_) {
    observer_(entry, result);
  }
  return ok();
}

void Ledger::apply(const LogEntry& entry) {
  if (entry.decision == LogDecision::kRelease || entry.decision == LogDecision::kRevocation) {
    const auto found = entry.key_id ? keys_.find(*entry.key_id) : keys_.end();
    if (found != keys_.end()) {
      found->second.uses += entry.decision == LogDecision::kRelease ? 1 : 0;
      found->second.revoked |= entry.decision == LogDecision::kRevocation;
    }
  }
  if (entry.decision == LogDecision::kMinimumVersion && entry.owner && entry.name &&
      entry.version) {
    std::uint64_t& minimum = minimum_versions_[{*entry.owner, *entry.name}];
    minimum = std::max(minimum, *entry.version);
  }
}

Result<void> Ledger::record(const LogEntry& entry, const AttestationResult* result) {
  return commit(entry, {}, result);
}

Result<void> Ledger::record_policy(const LogEntry& entry, LoadedPolicy policy) {
  const bool is_new = !policies_.contains({policy.owner, policy.name});
  if (is_new && policies_.size() >= kMaxBrokerPolicies) {
    return Error(KeyBrokerError::kFull, "the broker keeps no more policies");
  }
  StoreChange change;
  change.policy = StoredPolicy{policy.owner, policy.name, policy.toml};
  ENSC_TRY(commit(entry, std::move(change)));
  policies_.insert_or_assign({policy.owner, policy.name}, std::move(policy));
  return ok();
}

Result<void> Ledger::record_key(const LogEntry& entry, const KeyTerms& terms,
                                ByteView content_key) {
  if (keys_.contains(terms.id)) {
    return Error(KeyBrokerError::kConflict, "a key of this id is registered already");
  }
  if (keys_.size() >= kMaxBrokerKeys) {
    return Error(KeyBrokerError::kFull, "the broker keeps no more keys");
  }
  StoreChange change;
  Bytes encoded = encode_key_terms(terms);
  Bytes sealed = seal(key_aad(encoded), content_key);
  change.key = StoredKey{terms.id, std::move(encoded), sealed};
  ENSC_TRY(commit(entry, std::move(change)));
  keys_.insert_or_assign(terms.id, KeyState{terms, std::move(sealed)});
  return ok();
}

const KeyState* Ledger::key(const ByteArray<16>& id) const {
  const auto found = keys_.find(id);
  return found == keys_.end() ? nullptr : &found->second;
}

const LoadedPolicy* Ledger::policy(const Ed25519PublicKey& owner, const std::string& name) const {
  const auto found = policies_.find({owner, name});
  return found == policies_.end() ? nullptr : &found->second;
}

std::vector<const LoadedPolicy*> Ledger::policies() const {
  std::vector<const LoadedPolicy*> out;
  for (const auto& [key, policy] : policies_) {
    out.push_back(&policy);
  }
  return out;
}

std::uint64_t Ledger::minimum_version(const Ed25519PublicKey& owner,
                                      const std::string& model) const {
  const auto found = minimum_versions_.find({owner, model});
  return found == minimum_versions_.end() ? 0 : found->second;
}

std::vector<TrustAnchor> Ledger::anchors() const {
  std::vector<TrustAnchor> out;
  for (const auto& [key, loaded] : policies_) {
    for (TrustAnchor& anchor : loaded.policy.anchors()) {
      if (std::find(out.begin(), out.end(), anchor) == out.end()) {
        out.push_back(std::move(anchor));
      }
    }
  }
  return out;
}

Result<SecretBytes> Ledger::open_key(const KeyState& key) const {
  return unseal(key_aad(encode_key_terms(key.terms)), key.sealed);
}

Result<void> Ledger::spend_nonce(const ByteArray<16>& nonce, Instant now) {
  std::erase_if(nonces_, [now](const auto& entry) { return entry.second < now; });
  if (nonces_.contains(nonce)) {
    return Error(KeyBrokerError::kReplayed, "this request was seen before");
  }
  if (nonces_.size() >= kMaxNonces) {
    return Error(KeyBrokerError::kUnavailable, "too many requests of owners; try again later");
  }
  remember_nonce(nonce, now);
  return ok();
}

void Ledger::remember_nonce(const ByteArray<16>& nonce, Instant at) {
  nonces_.insert_or_assign(nonce, at + kNonceLife);
}

Aes256Gcm Ledger::aead() const { return Aes256Gcm(Aes256Key::from(root_key_.expose()).value()); }

Bytes Ledger::seal(ByteView aad, ByteView plaintext) const {
  Bytes out(Aes256Gcm::kNonceLen + plaintext.size() + Aes256Gcm::kTagLen);
  const MutableByteView view(out);
  random_->fill(view.first(Aes256Gcm::kNonceLen));
  aead().seal(view.first(Aes256Gcm::kNonceLen), aad, plaintext, view.subspan(Aes256Gcm::kNonceLen));
  return out;
}

Result<SecretBytes> Ledger::unseal(ByteView aad, ByteView sealed) const {
  if (sealed.size() < Aes256Gcm::kNonceLen + Aes256Gcm::kTagLen) {
    return Error(KeyBrokerError::kStore, "a sealed value is too short");
  }
  SecretBytes out(sealed.size() - Aes256Gcm::kNonceLen - Aes256Gcm::kTagLen);
  if (!aead().open(sealed.first(Aes256Gcm::kNonceLen), aad, sealed.subspan(Aes256Gcm::kNonceLen),
                   out.expose_mutable())) {
    return Error(KeyBrokerError::kStore, "a sealed value does not open under the root key");
  }
  return out;
}

}  // namespace ensconce::internal
