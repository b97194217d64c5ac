#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ensconce/attestation/policy/policy.h"
#include "ensconce/base/random.h"
#include "ensconce/crypto/aead.h"
#include "ensconce/keybroker/key_broker.h"
#include "ensconce/keybroker/release_log.h"
#include "ensconce/keybroker/store.h"
#include "ensconce/transparency/merkle_tree.h"

namespace ensconce::internal {

// KeyTerms is what a content key is for, and on what conditions it is released. They are sealed
// together with the key: who can write to the store cannot change them.
struct KeyTerms {
  ByteArray<16> id{};
  std::string name;
  std::uint64_t version = 0;
  Sha256Digest manifest{};
  Ed25519PublicKey owner;
  std::string policy;
  std::uint64_t lease_seconds = 0;
  std::optional<std::uint64_t> max_uses;
  std::optional<Instant> not_after;
};
Bytes encode_key_terms(const KeyTerms& terms);
Result<KeyTerms> parse_key_terms(ByteView bytes);

struct KeyState {
  KeyTerms terms;
  Bytes sealed;
  std::uint64_t uses = 0;
  bool revoked = false;
};

// LoadedPolicy is shared by the ledger and the requests that are being appraised by it.
struct LoadedPolicy {
  Ed25519PublicKey owner;
  std::string name;
  std::string toml;
  AppraisalPolicy policy;
};

// Ledger is the broker's memory: policies and sealed keys as they were stored, and everything that
// follows from the log. Each change is one log entry, committed before it takes effect. Not
// thread-safe.
class Ledger {
 public:
  static Result<Ledger> open(Aes256Key root_key, BrokerStore& store, Random& random,
                             DecisionObserver observer, Instant now);

  // record commits an entry, with what it brings about, applies it and tells the observer, to whom
  // `result` explains it.
  Result<void> record(const LogEntry& entry, const AttestationResult* result = nullptr);
  Result<void> record_policy(const LogEntry& entry, LoadedPolicy policy);
  Result<void> record_key(const LogEntry& entry, const KeyTerms& terms, ByteView content_key);

  [[nodiscard]] const std::map<ByteArray<16>, KeyState>& keys() const { return keys_; }
  // key returns nullptr when there is none.
  [[nodiscard]] const KeyState* key(const ByteArray<16>& id) const;
  [[nodiscard]] const LoadedPolicy* policy(const Ed25519PublicKey& owner,
                                           const std::string& name) const;
  [[nodiscard]] std::vector<const LoadedPolicy*> policies() const;
  [[nodiscard]] std::uint64_t minimum_version(const Ed25519PublicKey& owner,
                                              const std::string& model) const;
  // anchors is the union of the roots of all policies.
  [[nodiscard]] std::vector<TrustAnchor> anchors() const;
  // open_key returns a content key in plain; kStore if it was not sealed under this root key with
  // these terms.
  [[nodiscard]] Result<SecretBytes> open_key(const KeyState& key) const;

  // spend_nonce returns kReplayed for an admin nonce seen before. A nonce that comes with a log
  // entry outlives this process in it.
  Result<void> spend_nonce(const ByteArray<16>& nonce, Instant now);

  [[nodiscard]] const MerkleTree& tree() const { return tree_; }
  [[nodiscard]] Result<std::vector<Bytes>> log(std::uint64_t from, std::size_t limit) const {
    return store_->log(from, limit);
  }

 private:
  Ledger(const Aes256Key& root_key, BrokerStore& store, Random& random, DecisionObserver observer)
      : root_key_(KeptSecret::copy_of(root_key.expose())),
        store_(&store),
        random_(&random),
        observer_(std::move(observer)) {}
  Result<void> verify_root_key();
  Result<void> load(Instant now);
  Result<void> commit(const LogEntry& entry, StoreChange change,
                      const AttestationResult* result = nullptr);
  void apply(const LogEntry& entry);
  void remember_nonce(const ByteArray<16>& nonce, Instant at);
  [[nodiscard]] Bytes seal(ByteView aad, ByteView plaintext) const;
  [[nodiscard]] Result<SecretBytes> unseal(ByteView aad, ByteView sealed) const;

  [[nodiscard]] Aes256Gcm aead() const;

  KeptSecret root_key_;
  BrokerStore* store_;
  Random* random_;
  DecisionObserver observer_;
  MerkleTree tree_;
  std::map<ByteArray<16>, KeyState> keys_;
  std::map<std::pair<Ed25519PublicKey, std::string>, LoadedPolicy> policies_;
  std::map<std::pair<Ed25519PublicKey, std::string>, std::uint64_t> minimum_versions_;
  std::map<ByteArray<16>, Instant> nonces_;  // until when each is remembered
};

}  // namespace ensconce::internal
