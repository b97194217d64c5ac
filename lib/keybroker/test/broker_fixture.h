#pragma once

#include <memory>

#include "ensconce/attestation/evidence/statement.h"
#include "ensconce/codec/json.h"
#include "ensconce/keybroker/admin.h"
#include "ensconce/keybroker/client.h"
#include "ensconce/keybroker/key_broker.h"
#include "ensconce/sim/snp_pki.h"
#include "memory_store.h"

// A broker in memory, an owner, and a worker whose evidence a simulated processor signs.
namespace ensconce::made {

inline constexpr Instant kNow{1'790'000'000'000};  // 2026-09-21

// shared_pki is one simulated chip under a marked root; other_pki another vendor's.
const SnpPki& shared_pki();
const SnpPki& other_pki();

Ed25519PrivateKey broker_key();
Ed25519PrivateKey owner();
Ed25519PrivateKey other_owner();
ByteArray<48> measurement();
// policy affirms evidence of worker() under the root of `pki`.
std::string policy(const SnpPki& pki = shared_pki());
// replaced returns the text with one part exchanged; it must occur.
std::string replaced(std::string text, std::string_view from, std::string_view to);

// Worker is an attester with its keys.
struct Worker {
  EcPrivateKey release = EcPrivateKey::generate(Curve::kP256);
  Ed25519PrivateKey session = Ed25519PrivateKey::from_seed(Bytes(32, 0x50)).value();
  const SnpPki* pki = &shared_pki();
  SnpReport report;  // what the processor says, but for report data
  ByteArray<16> boot_id{0x33};

  Worker();
  [[nodiscard]] Bytes statement() const;
  [[nodiscard]] AttestFunction attest() const;
};

// BrokerHouse is the broker, and the connection to it; `on_request` and `on_response` let a test
// stand in between.
struct BrokerHouse final : BrokerConnection {
  explicit BrokerHouse(BrokerStore* other_store = nullptr);
  Result<WireResponse> exchange(const WireRequest& request) override;

  // reopen starts another broker on the same store.
  Result<void> reopen(std::uint8_t root_byte = 0x77);
  WireRequest signed_by(const Ed25519PrivateKey& key, std::string method, std::string path,
                        const json::Value& body = {});
  WireResponse ask(const Ed25519PrivateKey& key, std::string method, std::string path,
                   const json::Value& body = {});
  void set_policy(const std::string& name = "line-reader", const std::string& toml = policy());
  void add_key(const json::Object& changes = {});
  [[nodiscard]] json::Object key_body(const json::Object& changes = {}) const;
  [[nodiscard]] ReleaseRequest request_of(const Worker& worker) const;
  Result<Grant> obtain(const Worker& worker);
  std::vector<LogEntry> entries();

  static constexpr const char* kKeyId = "000102030405060708090a0b0c0d0e0f";
  SecretBytes content_key = SecretBytes::copy_of(Bytes(32, 0xc7));
  Sha256Digest manifest{0x4d};
  Sha256Digest audience{0x99};
  ManualClock clock{kNow, std::chrono::hours(1)};
  SeededRandom random{11};
  MemoryStore memory;
  BrokerStore* store;
  std::unique_ptr<KeyBroker> broker;
  std::vector<LogEntry> observed;
  std::function<void(WireRequest&)> on_request;
  std::function<void(const WireRequest&, WireResponse&)> on_response;
};

// code_of returns the code a refusal travels as, read back as a client does.
Error refusal(const WireResponse& response);

}  // namespace ensconce::made
