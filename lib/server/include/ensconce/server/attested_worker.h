#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "ensconce/attestation/evidence/statement.h"
#include "ensconce/attester/attested_statement.h"
#include "ensconce/base/random.h"
#include "ensconce/channel/evidence_document.h"
#include "ensconce/channel/peer.h"
#include "ensconce/inference/engine.h"
#include "ensconce/keybroker/client.h"
#include "ensconce/net/server.h"
#include "ensconce/server/model_registry.h"
#include "ensconce/server/ohttp_gateway.h"
#include "ensconce/server/openai_service.h"
#include "ensconce/server/receipt_issuer.h"
#include "ensconce/server/v2_service.h"
#include "ensconce/server/worker_config.h"
#include "ensconce/tee/provider.h"

namespace ensconce {

// WorkerDependencies are handed down from main and must outlive the worker.
struct WorkerDependencies {
  const Clock& clock;
  Random& random;
  EvidenceProvider& provider;
  BrokerConnection& broker;
  EngineFactory& engines;
  std::string sandbox = "none";  // what holds of it in this process, for the statement
};

// kBootKeyLife bounds the keys of one boot (session, release, receipt), by the boot clock.
inline constexpr Millis kBootKeyLife = std::chrono::hours(24);
// kChannelKeyLife is how long a TLS or OHTTP key is the current one; for as long again it is the
// previous one, which still serves who came with it.
inline constexpr Millis kChannelKeyLife = std::chrono::hours(1);

// AttestedWorker is the process in the TEE: it boots without keys, makes its own, attests, gets the
// content keys, opens the bundles and answers requests over the attested channel.
// docs/life-of-a-request.md walks through it.
class AttestedWorker {
 public:
  // boot makes keys, fetches a beacon, gets evidence, then a key and a lease for each bundle, opens
  // it and loads the model. Returns when every model is ready, or the first error.
  static Result<std::unique_ptr<AttestedWorker>> boot(WorkerConfig config,
                                                      const WorkerDependencies& dependencies);
  ~AttestedWorker();
  AttestedWorker(const AttestedWorker&) = delete;
  AttestedWorker& operator=(const AttestedWorker&) = delete;

  // tls_identity is the certificate and key of the attested channel, for the server.
  [[nodiscard]] TlsIdentity tls_identity() const;
  // on_new_identity is called, on the maintenance thread, when new connections are to be shown
  // another certificate. Set it before run_maintenance.
  void on_new_identity(std::function<void(TlsIdentity)> listener);
  // handle answers one request: evidence, served list, the Open Inference Protocol, OpenAI's API
  // (under /v1/), or a sealed request for any of these.
  [[nodiscard]] HttpResponse handle(const HttpRequest& request, const ConnectionInfo& connection);
  // answers_at_once says of a request that its answer waits for nothing: a health check, or
  // evidence that is there already. Whoever connects is not kept waiting by those whose inference
  // runs.
  static bool answers_at_once(const HttpRequest& request);
  // intake is for the server: it opens sealed requests as they arrive.
  [[nodiscard]] std::shared_ptr<BodyIntake> intake(const HttpRequest& head);
  // handle_in_the_open answers on a listener without TLS of our own, behind somebody else's
  // balancer: evidence, sealed requests and health, and a refusal for everything else.
  [[nodiscard]] HttpResponse handle_in_the_open(const HttpRequest& request,
                                                const ConnectionInfo& connection);

  // introduce is this worker's evidence for a peer it connected to: a session proof of kind 3 over
  // the peer's nonce and that connection's exporter.
  Result<EvidenceDocument> introduce(const ByteArray<32>& nonce, const ByteArray<32>& exporter,
                                     bool hardware = false);
  // peer_of is who was admitted on a connection by `peer_policy`. judges_peers says that the server
  // should ask for certificates, and forget_connection is for its on_closed.
  [[nodiscard]] std::optional<Affirmed> peer_of(const ConnectionInfo& connection) const;
  [[nodiscard]] bool judges_peers() const { return peers_ != nullptr; }
  void forget_connection(std::uint64_t id);

  // maintain does what is due (a new epoch, leases) and returns how long until the next is. A
  // broker that is away is not an error: the last beacon ages, and the lease ends service.
  Millis maintain();
  // keys_ended says that this boot's keys have lived for kBootKeyLife: the worker must stop.
  [[nodiscard]] bool keys_ended() const;
  // run_maintenance calls maintain until stopped or the keys have ended, without sleeping past a
  // stop.
  void run_maintenance(const std::stop_token& stop);

  [[nodiscard]] const ModelRegistry& registry() const { return registry_; }

 private:
  // Evidence that vouches for one statement.
  struct Attested : AttestedStatement {
    Bytes measurement;  // as the evidence says
    RenderedEvidence rendered;
  };

  struct TlsKey {
    EcPrivateKey key;
    Sha384Digest hash{};
  };
  // ChannelKeys are those of both channels. Previous ones are nullptr until the first rotation.
  struct ChannelKeys {
    std::shared_ptr<const TlsKey> tls;
    std::shared_ptr<const TlsKey> previous_tls;
    std::shared_ptr<GatewayKey> ohttp;
    std::shared_ptr<GatewayKey> previous_ohttp;
    Millis made_at{};  // both current ones, or the TLS one alone; by the boot clock
  };

  AttestedWorker(WorkerConfig config, const WorkerDependencies& dependencies);
  [[nodiscard]] std::shared_ptr<const TlsKey> make_tls_key() const;
  [[nodiscard]] ChannelKeys channel_keys() const;
  void replace_ohttp_key(ChannelKeys& keys) const;
  // next_keys are those of a new epoch: the present ones, or new ones when their time has come.
  [[nodiscard]] ChannelKeys next_keys() const;
  [[nodiscard]] Statement describe(const ByteArray<32>& challenge, const ChannelKeys& keys) const;
  Result<std::shared_ptr<const Attested>> attest(const ByteArray<32>& challenge,
                                                 const ChannelKeys& keys,
                                                 std::optional<Bytes> beacon);
  [[nodiscard]] HttpResponse handle_inside(const HttpRequest& request,
                                           const ConnectionInfo& connection, bool lengths_hidden);
  Result<void> read_peer_policy();
  Result<void> start_epoch();
  // replace_gateway_key is for a key that fills before its time: new evidence names the next one,
  // over the beacon of this epoch, so that the broker need not be there; TLS stays as it is.
  Result<void> replace_gateway_key();
  Result<void> load(const WorkerModelConfig& model);
  Result<Grant> ask_broker(const std::string& key_id, const Sha256Digest& manifest_digest,
                           std::uint64_t version, bool lease_only);
  void renew_leases();
  [[nodiscard]] Result<Millis> lease_end_of(const Bytes& lease, Millis asked_at) const;

  Result<HttpResponse> answer_evidence(const HttpRequest& request,
                                       const ConnectionInfo& connection);
  Result<HttpResponse> answer_served_list(const HttpRequest& request);
  Result<HttpResponse> answer_peer(const HttpRequest& request, const ConnectionInfo& connection);
  Result<std::shared_ptr<const Attested>> fresh_hardware_evidence(const ByteArray<32>& nonce,
                                                                  const ChannelKeys& keys);
  [[nodiscard]] ReceiptSubject receipt_subject() const;
  [[nodiscard]] bool knows(const Sha256Digest& statement_digest) const;

  struct LeaseDuty {
    std::string name;
    std::string key_id;
    Sha256Digest manifest_digest{};
    std::uint64_t version = 0;
    Millis renew_at{};  // by the boot clock
  };

  const WorkerConfig config_;
  const WorkerDependencies deps_;
  const ByteArray<16> boot_id_;
  const Millis booted_at_;  // by the boot clock
  EcPrivateKey release_key_;
  Ed25519PrivateKey session_key_;
  Ed25519PrivateKey receipt_key_;

  ModelRegistry registry_;
  V2Service v2_;
  OpenAiService openai_;
  ReceiptIssuer receipts_;
  OhttpGateway gateway_;
  std::function<void(TlsIdentity)> identity_listener_;
  std::unique_ptr<PeerGate> peers_;  // absent: peers are not judged

  std::mutex device_mutex_;  // one report at a time
  std::mutex broker_mutex_;  // one exchange at a time
  mutable std::shared_mutex attested_mutex_;
  std::shared_ptr<const Attested> current_;
  Bytes certificate_;  // of the current TLS key, with the current evidence
  ChannelKeys keys_;
  // Statements a served list may be asked for: the last few, of this epoch and before, and, apart
  // from them so that nobody can push them out, those made for clients' own nonces.
  std::deque<Sha256Digest> epoch_statements_;
  std::deque<Sha256Digest> hardware_statements_;
  std::atomic<std::uint64_t> epoch_ = 0;
  Millis next_epoch_{};
  Millis next_key_{};  // no earlier, for a key that fills
  std::optional<Millis> last_hardware_;
  std::vector<LeaseDuty> duties_;
};

}  // namespace ensconce
