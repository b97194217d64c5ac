#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ensconce/crypto/keys.h"
#include "ensconce/keybroker/error.h"

namespace ensconce {

struct StoredPolicy {
  Ed25519PublicKey owner;
  std::string name;
  std::string toml;
};

// StoredKey is a content key at rest. A store never sees it in plain.
struct StoredKey {
  ByteArray<16> id{};
  Bytes terms;   // deterministic CBOR: what the key is for, and on what conditions
  Bytes sealed;  // AES-256-GCM under the root key, the terms authenticated with it
};

// StoreChange is one log entry and what it brings about.
struct StoreChange {
  std::uint64_t index = 0;  // of the entry: the size of the log before it
  Bytes entry;
  std::optional<StoredPolicy> policy;  // replaces one of that owner and name
  std::optional<StoredKey> key;
};

// BrokerStore keeps what a broker must not forget. One thread at a time uses it. Every failure is
// kStore.
class BrokerStore {
 public:
  BrokerStore() = default;
  virtual ~BrokerStore() = default;
  BrokerStore(const BrokerStore&) = delete;
  BrokerStore& operator=(const BrokerStore&) = delete;

  // root_check is how a broker tells that its root key belongs to this store.
  virtual Result<std::optional<Bytes>> root_check() = 0;
  virtual Result<void> set_root_check(ByteView value) = 0;
  virtual Result<std::vector<StoredPolicy>> policies() = 0;
  virtual Result<std::vector<StoredKey>> keys() = 0;
  // log returns at most `limit` entries from `from` on, in order and without gaps.
  virtual Result<std::vector<Bytes>> log(std::uint64_t from, std::size_t limit) = 0;
  // commit does all of a change or nothing, and returns when it will survive a crash. An index that
  // is not the next, or a key id that exists, fails.
  virtual Result<void> commit(const StoreChange& change) = 0;
};

}  // namespace ensconce
