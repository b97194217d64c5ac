#include "ensconce/server/model_registry.h"

#include <mutex>

namespace ensconce {

void ModelRegistry::put(ServedEntry entry) {
  const std::unique_lock lock(mutex_);
  ++sequence_;
  std::string name = entry.name;
  entries_.insert_or_assign(std::move(name), std::move(entry));
}

void ModelRegistry::renew_lease(const std::string& name, const Sha256Digest& manifest_digest,
                                Bytes lease, Millis lease_ends) {
  const std::unique_lock lock(mutex_);
  const auto found = entries_.find(name);
  if (found == entries_.end() || !equal(found->second.manifest_digest, manifest_digest)) {
    return;
  }
  ++sequence_;
  found->second.lease = std::move(lease);
  found->second.lease_ends = lease_ends;
}

void ModelRegistry::remove(const std::string& name) {
  const std::unique_lock lock(mutex_);
  sequence_ += entries_.erase(name);
}

std::optional<ServedEntry> ModelRegistry::find(std::string_view name) const {
  const std::shared_lock lock(mutex_);
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    return std::nullopt;
  }
  return found->second;
}

std::vector<ServedEntry> ModelRegistry::all() const {
  const std::shared_lock lock(mutex_);
  std::vector<ServedEntry> out;
  for (const auto& [name, entry] : entries_) {
    out.push_back(entry);
  }
  return out;
}

std::uint64_t ModelRegistry::sequence() const {
  const std::shared_lock lock(mutex_);
  return sequence_;
}

}  // namespace ensconce
