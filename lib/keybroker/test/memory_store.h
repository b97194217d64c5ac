#pragma once

#include "ensconce/keybroker/store.h"

namespace ensconce {

// MemoryStore behaves like a store, and fails when told to.
class MemoryStore final : public BrokerStore {
 public:
  Result<std::optional<Bytes>> root_check() override { return root_check_; }
  Result<void> set_root_check(ByteView value) override {
    root_check_ = to_bytes(value);
    return ok();
  }
  Result<std::vector<StoredPolicy>> policies() override { return policies_; }
  Result<std::vector<StoredKey>> keys() override { return keys_; }
  Result<std::vector<Bytes>> log(std::uint64_t from, std::size_t limit) override {
    std::vector<Bytes> out;
    for (std::size_t i = from; i < log_.size() && out.size() < limit; ++i) {
      out.push_back(log_[i]);
    }
    return out;
  }
  Result<void> commit(const StoreChange& change) override {
    if (fails || change.index != log_.size()) {
      return Error(KeyBrokerError::kStore, "told to fail");
    }
    log_.push_back(change.entry);
    if (change.policy) {
      std::erase_if(policies_, [&](const StoredPolicy& p) {
        return p.owner == change.policy->owner && p.name == change.policy->name;
      });
      policies_.push_back(*change.policy);
    }
    if (change.key) {
      keys_.push_back(*change.key);
    }
    return ok();
  }

  bool fails = false;
  std::optional<Bytes> root_check_;
  std::vector<StoredPolicy> policies_;
  std::vector<StoredKey> keys_;
  std::vector<Bytes> log_;
};

}  // namespace ensconce
