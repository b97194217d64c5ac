#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ensconce/attestation/evidence/beacon.h"
#include "ensconce/client/attested_client.h"
#include "ensconce/codec/json.h"
#include "ensconce/keybroker/key_broker.h"
#include "ensconce/sealed_model/seal.h"
#include "ensconce/server/attested_worker.h"
#include "ensconce/sim/snp_pki.h"

// The whole in one process: a simulated processor, a broker in memory, a bundle sealed in a
// temporary folder, a worker with the real engine behind real TLS, and clients.
namespace ensconce::whole {

inline constexpr Instant kNow{1'790'000'000'000};  // 2026-09-21
inline const Instant kChipCertificateEnds = kNow + std::chrono::days(20);
inline constexpr std::string_view kModel = "mixer";

// SharedClock is a ManualClock that handler threads may read while a test sets it.
class SharedClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return {now_.load()}; }
  [[nodiscard]] Millis since_boot() const override { return Millis(since_boot_.load()); }
  void advance(Millis by) {
    now_ += by.count();
    since_boot_ += by.count();
  }
  void set(Instant now) { now_ = now.unix_ms; }

 private:
  std::atomic<std::int64_t> now_ = kNow.unix_ms;
  std::atomic<std::int64_t> since_boot_ = 3'600'000;
};

// pki is the chip of the worker, under a root marked as simulated; other_pki is another's.
const SnpPki& pki();
const SnpPki& other_pki();
ByteArray<48> measurement();
Ed25519PrivateKey key_of(std::uint8_t seed);
inline Ed25519PrivateKey owner() { return key_of(1); }
inline Ed25519PrivateKey other_owner() { return key_of(2); }
inline Ed25519PrivateKey broker_key() { return key_of(3); }
EngineFactory& engines();

// graph is y = x·W + b, FP32 [-1, 4] to [-1, 3].
std::string graph();
Tensor input();
std::vector<Tensor> inputs();

// A path in the folder that goes with the process.
std::filesystem::path scratch(const std::string& name);

// A sealed bundle of four segments.
struct Sealed {
  std::filesystem::path path;
  SealedResult result;
};
Sealed seal(const std::string& file, const Ed25519PrivateKey& by, std::uint64_t version = 1,
            const ContentKey* key = nullptr);
// genuine is the owner's bundle, version 1, sealed once.
const Sealed& genuine();

// Processor answers with signed reports that say what `report` says.
class Processor final : public EvidenceProvider {
 public:
  explicit Processor(const SnpPki& chip = pki(), Instant crl_from = kNow);
  Result<HardwareEvidence> attest(const ByteArray<64>& report_data) override;
  [[nodiscard]] std::string name() const override { return "fake"; }
  SnpReport report;

 private:
  const SnpPki& chip_;
  const Instant crl_from_;
};

// Broker is a key broker and the connection to it.
class Broker final : public BrokerConnection {
 public:
  // `audience` is what its owners' requests are addressed to: its TLS pin, where it has TLS.
  Broker(const Clock& clock, Random& random, std::uint64_t lease_seconds,
         const Sha256Digest& audience = {0x99});
  ~Broker() override;
  Result<WireResponse> exchange(const WireRequest& request) override;

  // ask sends an owner's request; it must be granted.
  void ask(const Ed25519PrivateKey& by, const std::string& path, const json::Value& body);
  void add_policy(const Ed25519PrivateKey& by);
  void add_key(const Ed25519PrivateKey& by, const SealedResult& bundle,
               const ContentKey* instead = nullptr);

  std::atomic<bool> available = true;
  std::vector<std::string> targets;  // of what was asked, in order

 private:
  class Store;
  const Clock& clock_;
  Random& random_;
  const Sha256Digest audience_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<KeyBroker> broker_;
};

// What a client's policy says; the defaults affirm the worker.
struct PolicySays {
  Sha256Digest root = pki().ark().spki_sha256();
  ByteArray<48> measurement = whole::measurement();
  Ed25519PublicKey broker = broker_key().public_key();
  Ed25519PublicKey beacon_broker = broker_key().public_key();
  std::string freshness = {};  // empty: a beacon of at most 20 minutes
  std::string model{kModel};
  Ed25519PublicKey owner = whole::owner().public_key();
  std::uint64_t minimum_version = 1;
  std::string padding = "none";
};
std::string client_policy(const PolicySays& says = {});
// peer_policy says the same of a worker or a broker that another one meets.
std::string peer_policy(const PolicySays& says = {});

// Whole is the fixture. After each test the worker must still answer a good request.
class Whole : public ::testing::Test {
 protected:
  explicit Whole(std::uint64_t lease_seconds = 3600);
  void TearDown() override;

  [[nodiscard]] WorkerConfig config() const;
  // start boots the worker and its server, in place of those that are there.
  void start(const WorkerConfig& config);
  Result<std::unique_ptr<AttestedWorker>> boot(const WorkerConfig& config);
  // serve starts a server; of tests that play somebody in the middle.
  using Intake = std::function<std::shared_ptr<BodyIntake>(const HttpRequest& head)>;
  static std::unique_ptr<HttpServer> serve(TlsIdentity identity, HttpHandler handler,
                                           Intake intake = {});

  ConnectOutcome connect(std::uint16_t port, const PolicySays& says = {});
  ConnectOutcome connect(const PolicySays& says = {}) { return connect(server_->port(), says); }
  static Result<AttestedClient::Answer> infer(AttestedClient& client,
                                              const std::string& model = std::string(kModel));
  // exchange sends one request to the worker on a connection of its own.
  HttpResponse exchange(const HttpRequest& request);
  static HttpRequest get(std::string target) { return {"GET", std::move(target), {}, {}}; }
  // infer_request is a good request, in JSON.
  [[nodiscard]] static HttpRequest infer_request(std::string_view body = good_body());
  [[nodiscard]] static std::string_view good_body();
  EvidenceDocument fetch_document(const ByteArray<32>& nonce);
  void expect_good_answer();

  SharedClock clock_;         // of the worker and the broker
  SharedClock client_clock_;  // of the client
  SystemRandom random_;
  Processor processor_;
  Broker broker_;
  std::unique_ptr<AttestedWorker> worker_;
  std::unique_ptr<HttpServer> server_;
};

template <typename T, typename Code>
::testing::AssertionResult refused_with(const Result<T>& result, Code code) {
  if (result) {
    return ::testing::AssertionFailure() << "not refused, expected " << error_info(code).id;
  }
  if (!result.error().is(code)) {
    return ::testing::AssertionFailure()
           << "expected " << error_info(code).id << ", got " << result.error().to_string();
  }
  return ::testing::AssertionSuccess();
}
template <typename Code>
::testing::AssertionResult refused_with(const ConnectOutcome& outcome, Code code) {
  return refused_with(outcome.client, code);
}

// answered holds when a response has the status, and the id at the front of its error.
::testing::AssertionResult answered(const HttpResponse& response, int status, std::string_view id);

}  // namespace ensconce::whole
