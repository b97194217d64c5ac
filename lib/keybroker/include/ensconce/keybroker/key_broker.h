#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "ensconce/attestation/appraise/attestation_result.h"
#include "ensconce/base/clock.h"
#include "ensconce/base/random.h"
#include "ensconce/crypto/aead.h"
#include "ensconce/keybroker/release_log.h"
#include "ensconce/keybroker/store.h"
#include "ensconce/keybroker/wire.h"

namespace ensconce {

inline constexpr std::size_t kMaxBrokerBody = std::size_t{256} * 1024;
inline constexpr std::size_t kMaxBrokerSessions = 4096;
inline constexpr Millis kBrokerSessionLife = std::chrono::minutes(5);
inline constexpr std::size_t kMaxBrokerKeys = 65536;
inline constexpr std::size_t kMaxBrokerPolicies = 1024;
inline constexpr std::uint64_t kMaxLeaseSeconds = 86400;

struct KeyBrokerOptions {
  std::vector<Ed25519PublicKey> owners;  // who may use the admin API
  Sha256Digest tls_spki_sha256{};        // what admin requests are addressed to
  std::uint64_t lease_seconds = 3600;    // where a key does not say
};

// DecisionObserver is told of every entry of the log as it is made, with the appraisal behind it
// where there was one. It is called under the broker's lock.
using DecisionObserver = std::function<void(const LogEntry&, const AttestationResult*)>;

// KeyBroker keeps content keys and releases them to attested workers: RCAR, beacons, leases, the
// release log and its owners' admin API (docs/protocols/key-release.md). It does no I/O but through
// its store, and trusts the clock it is given. Thread-safe.
class KeyBroker {
 public:
  // open reads the store and rebuilds the log's tree and counters. A root key that is not the
  // store's, or a store that contradicts itself, is kStore. `store`, `clock` and `random` must
  // outlive the broker.
  static Result<std::unique_ptr<KeyBroker>> open(KeyBrokerOptions options,
                                                 Ed25519PrivateKey signing_key, Aes256Key root_key,
                                                 BrokerStore& store, const Clock& clock,
                                                 Random& random, DecisionObserver observer);
  ~KeyBroker();
  KeyBroker(const KeyBroker&) = delete;
  KeyBroker& operator=(const KeyBroker&) = delete;

  // handle answers one request, whatever it is.
  WireResponse handle(const WireRequest& request);
  // log_head is the head as it stands.
  [[nodiscard]] LogHead log_head() const;

 private:
  class Impl;
  explicit KeyBroker(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ensconce
