#pragma once

#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include "ensconce/base/clock.h"
#include "ensconce/crypto/hash.h"
#include "ensconce/crypto/keys.h"
#include "ensconce/inference/model.h"

namespace ensconce {

// ServedEntry is one model as it is served. The model is shared between the requests in flight and
// the registry, so that taking it off the list ends no request half way.
struct ServedEntry {
  std::string name;
  std::uint64_t version = 0;
  Sha256Digest manifest_digest{};
  Ed25519PublicKey owner;
  Bytes lease;                       // COSE_Sign1; empty where there is no broker (bench)
  std::optional<Millis> lease_ends;  // by the boot clock; absent: no lease is needed
  std::shared_ptr<const Model> model;
};

// ModelRegistry is the list of served models. Safe to use from several threads.
class ModelRegistry {
 public:
  void put(ServedEntry entry);
  // renew_lease replaces the lease of a model that is still the same bundle.
  void renew_lease(const std::string& name, const Sha256Digest& manifest_digest, Bytes lease,
                   Millis lease_ends);
  void remove(const std::string& name);
  [[nodiscard]] std::optional<ServedEntry> find(std::string_view name) const;
  [[nodiscard]] std::vector<ServedEntry> all() const;  // by name
  [[nodiscard]] std::uint64_t sequence() const;        // grows with every change

 private:
  mutable std::shared_mutex mutex_;
  std::map<std::string, ServedEntry, std::less<>> entries_;
  std::uint64_t sequence_ = 0;
};

}  // namespace ensconce
