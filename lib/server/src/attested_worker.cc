#include "ensconce/server/attested_worker.h"

#include <algorithm>

#include "ensconce/attestation/evidence/beacon.h"
#include "ensconce/attestation/evidence/measurement.h"
#include "ensconce/base/file.h"
#include "ensconce/base/log.h"
#include "ensconce/base/printable.h"
#include "ensconce/channel/lease.h"
#include "ensconce/channel/served_list.h"
#include "ensconce/sealed_model/open.h"
#include "ensconce/server/bundle_files.h"
#include "ensconce/server/error.h"
#include "worker_certificate.h"

namespace ensconce {

namespace {

constexpr Millis kRetry = std::chrono::seconds(5);
constexpr Millis kLook = std::chrono::seconds(1);
constexpr Millis kHardwarePause = std::chrono::seconds(2);
constexpr std::size_t kEpochStatements = 4;
constexpr std::size_t kHardwareStatements = 64;
constexpr std::string_view kHealthPrefix = "/v2/health/";
constexpr std::string_view kLivePath = "/v2/health/live";
constexpr std::string_view kReadyPath = "/v2/health/ready";

// Asks the broker for the key of the bundle at hand and keeps the lease that came with it.
class BrokerKeySource final : public KeySource {
 public:
  using Ask = std::function<Result<Grant>(const BundleHeader&, const Sha256Digest&)>;
  explicit BrokerKeySource(Ask ask) : ask_(std::move(ask)) {}
  Result<ContentKey> key_for(const BundleHeader& header,
                             const Sha256Digest& manifest_digest) override {
    ENSC_TRY_ASSIGN(const Grant grant, ask_(header, manifest_digest));
    lease_ = grant.lease;
    return ContentKey::from(grant.key.expose());
  }
  [[nodiscard]] const Bytes& lease() const { return lease_; }

 private:
  Ask ask_;
  Bytes lease_;
};

void push_bounded(std::deque<Sha256Digest>& list, const Sha256Digest& digest, std::size_t limit) {
  list.push_back(digest);
  if (list.size() > limit) {
    list.pop_front();
  }
}

Result<ByteArray<32>> nonce_from(const Query& query, std::string_view name) {
  const auto found = query.find(name);
  if (found == query.end() || found->second.size() != 64) {
    return Error(ServerError::kBadNonce, std::string(name) + ": expected 64 hex digits");
  }
  const Result<Bytes> bytes = from_hex(found->second);
  if (!bytes) {
    return Error(ServerError::kBadNonce, std::string(name) + ": expected 64 hex digits");
  }
  return to_array<32>(*bytes);
}

}  // namespace

AttestedWorker::AttestedWorker(WorkerConfig config, const WorkerDependencies& dependencies)
    : config_(std::move(config)),
      deps_(dependencies),
      boot_id_(deps_.random.array<16>()),
      booted_at_(deps_.clock.since_boot()),
      release_key_(EcPrivateKey::generate(Curve::kP256)),
      session_key_(Ed25519PrivateKey::generate(deps_.random)),
      receipt_key_(Ed25519PrivateKey::generate(deps_.random)),
      v2_(registry_, deps_.clock, BundleRule::kRequired),
      openai_(registry_, deps_.clock),
      receipts_(receipt_key_, boot_id_, registry_, deps_.clock),
      gateway_(deps_.clock, deps_.random, config_.padding, [this](const HttpRequest& request) {
        return handle_inside(request, ConnectionInfo{}, true);
      }) {
  keys_.tls = make_tls_key();
  replace_ohttp_key(keys_);
  keys_.made_at = deps_.clock.since_boot();
  gateway_.install(keys_.ohttp, nullptr);
}

AttestedWorker::~AttestedWorker() = default;

Result<std::unique_ptr<AttestedWorker>> AttestedWorker::boot(
    WorkerConfig config, const WorkerDependencies& dependencies) {
  std::unique_ptr<AttestedWorker> worker(new AttestedWorker(std::move(config), dependencies));
  ENSC_TRY(worker->read_peer_policy());
  ENSC_TRY(worker->start_epoch());
  for (const WorkerModelConfig& model : worker->config_.models) {
    ENSC_TRY(worker->load(model));
  }
  return worker;
}

Result<void> AttestedWorker::read_peer_policy() {
  if (config_.peer_policy.empty()) {
    return ok();
  }
  ENSC_TRY_ASSIGN(const std::string text, read_text_file(config_.peer_policy));
  ENSC_TRY_ASSIGN(AppraisalPolicy policy,
                  AppraisalPolicy::parse(text, config_.peer_policy.string()));
  if (policy.role() != PolicyRole::kPeer) {
    return Error(ServerError::kConfig, "peer_policy: expected a policy of role \"peer\"");
  }
  peers_ = std::make_unique<PeerGate>(std::move(policy), deps_.clock, deps_.random);
  return ok();
}

TlsIdentity AttestedWorker::tls_identity() const {
  const std::shared_lock lock(attested_mutex_);
  return {certificate_, keys_.tls->key.pkcs8_der()};
}

void AttestedWorker::on_new_identity(std::function<void(TlsIdentity)> listener) {
  identity_listener_ = std::move(listener);
}

std::shared_ptr<const AttestedWorker::TlsKey> AttestedWorker::make_tls_key() const {
  auto out = std::make_shared<TlsKey>(TlsKey{EcPrivateKey::generate(Curve::kP256), {}});
  out->hash = sha384(out->key.public_key().spki_der());
  return out;
}

AttestedWorker::ChannelKeys AttestedWorker::channel_keys() const {
  const std::shared_lock lock(attested_mutex_);
  return keys_;
}

void AttestedWorker::replace_ohttp_key(ChannelKeys& keys) const {
  keys.previous_ohttp = keys.ohttp;
  keys.ohttp = std::make_shared<GatewayKey>(config_.ohttp_kem, deps_.random,
                                            config_.max_sealed_requests, keys.previous_ohttp.get());
}

AttestedWorker::ChannelKeys AttestedWorker::next_keys() const {
  ChannelKeys keys = channel_keys();
  const Millis now = deps_.clock.since_boot();
  if (now >= keys.made_at + kChannelKeyLife) {
    keys.previous_tls = std::exchange(keys.tls, make_tls_key());
    replace_ohttp_key(keys);
    keys.made_at = now;
  } else if (gateway_.wants_key()) {
    replace_ohttp_key(keys);
  }
  return keys;
}

Statement AttestedWorker::describe(const ByteArray<32>& challenge, const ChannelKeys& keys) const {
  Statement out;
  out.tls_key_hash = keys.tls->hash;
  out.challenge = challenge;
  out.boot_id = boot_id_;
  out.epoch = epoch_;
  out.keys.tls = {keys.tls->hash};
  out.keys.ohttp = {keys.ohttp->digest()};
  if (keys.previous_tls != nullptr) {
    out.keys.tls.push_back(keys.previous_tls->hash);
  }
  if (keys.previous_ohttp != nullptr) {
    out.keys.ohttp.push_back(keys.previous_ohttp->digest());
  }
  out.keys.session = session_key_.public_key();
  out.keys.release = release_key_.public_key().point();
  out.keys.receipt = receipt_key_.public_key();
  out.software = std::string("ensconce-worker ") + ENSC_VERSION;
  out.security.padding = config_.padding.to_string();
  out.security.tenancy = "shared";
  out.security.sandbox = deps_.sandbox;
  out.security.owner_keys = config_.owner_keys;
  out.security.broker_key = config_.broker_key;
  out.deployment_digest = config_.deployment_digest;
  return out;
}

Result<std::shared_ptr<const AttestedWorker::Attested>> AttestedWorker::attest(
    const ByteArray<32>& challenge, const ChannelKeys& keys, std::optional<Bytes> beacon) {
  auto out = std::make_shared<Attested>();
  const std::lock_guard lock(device_mutex_);
  ENSC_TRY_ASSIGN(static_cast<AttestedStatement&>(*out),
                  attest_statement(deps_.provider, describe(challenge, keys), std::move(beacon)));
  ENSC_TRY_ASSIGN(out->measurement, measurement_of(out->hardware.evidence));
  out->rendered = RenderedEvidence(document_of(*out));
  return std::shared_ptr<const Attested>(std::move(out));
}

Result<void> AttestedWorker::start_epoch() {
  Bytes beacon;
  {
    const std::lock_guard lock(broker_mutex_);
    ENSC_TRY_ASSIGN(beacon, fetch_beacon(deps_.broker, config_.broker_key, boot_id_));
  }
  const ByteArray<32> challenge = beacon_challenge(beacon);
  ++epoch_;
  const ChannelKeys keys = next_keys();
  ENSC_TRY_ASSIGN(std::shared_ptr<const Attested> attested,
                  attest(challenge, keys, std::move(beacon)));
  bool rotated = false;
  {
    const std::unique_lock lock(attested_mutex_);
    push_bounded(epoch_statements_, attested->digest, kEpochStatements);
    certificate_ = make_worker_certificate(keys.tls->key, deps_.clock, attested->hardware.evidence,
                                           attested->statement);
    current_ = std::move(attested);
    rotated = keys.ohttp != keys_.ohttp;
    keys_ = keys;
    next_epoch_ = deps_.clock.since_boot() + config_.epoch;
  }
  // New keys are shown only now that there is evidence which names them.
  if (rotated) {
    gateway_.install(keys.ohttp, keys.previous_ohttp);
    log_info("new keys for the channels");
  }
  // The certificate carries the evidence of its epoch, for verifiers of others.
  if (identity_listener_) {
    identity_listener_(tls_identity());
  }
  return ok();
}

Result<void> AttestedWorker::replace_gateway_key() {
  ChannelKeys keys = channel_keys();
  replace_ohttp_key(keys);
  Bytes beacon;
  {
    const std::shared_lock lock(attested_mutex_);
    beacon = *current_->beacon;  // evidence of an epoch has one
  }
  const ByteArray<32> challenge = beacon_challenge(beacon);
  ENSC_TRY_ASSIGN(std::shared_ptr<const Attested> attested,
                  attest(challenge, keys, std::move(beacon)));
  {
    const std::unique_lock lock(attested_mutex_);
    push_bounded(epoch_statements_, attested->digest, kEpochStatements);
    current_ = std::move(attested);
    keys_ = keys;
  }
  gateway_.install(keys.ohttp, keys.previous_ohttp);
  log_info("a new key for the oblivious channel, as the last one filled");
  return ok();
}

ReceiptSubject AttestedWorker::receipt_subject() const {
  const std::shared_lock lock(attested_mutex_);
  return {current_->digest, current_->measurement};
}

bool AttestedWorker::knows(const Sha256Digest& statement_digest) const {
  const std::shared_lock lock(attested_mutex_);
  const auto in = [&](const std::deque<Sha256Digest>& list) {
    return std::find(list.begin(), list.end(), statement_digest) != list.end();
  };
  return in(epoch_statements_) || in(hardware_statements_);
}

Result<Grant> AttestedWorker::ask_broker(const std::string& key_id,
                                         const Sha256Digest& manifest_digest, std::uint64_t version,
                                         bool lease_only) {
  Bytes statement;
  {
    const std::shared_lock lock(attested_mutex_);
    statement = current_->statement;
  }
  const ReleaseRequest request{key_id,       manifest_digest,   version, std::move(statement),
                               release_key_, config_.broker_key};
  const AttestFunction attest_now =
      [this](const ByteArray<64>& report_data) -> Result<ReleaseEvidence> {
    const std::lock_guard lock(device_mutex_);
    ENSC_TRY_ASSIGN(HardwareEvidence evidence, deps_.provider.attest(report_data));
    return ReleaseEvidence{std::move(evidence.evidence), std::move(evidence.endorsements)};
  };
  const std::lock_guard lock(broker_mutex_);
  return lease_only ? renew_lease(deps_.broker, request, attest_now)
                    : obtain_key(deps_.broker, request, attest_now);
}

Result<Millis> AttestedWorker::lease_end_of(const Bytes& lease, Millis asked_at) const {
  ENSC_TRY_ASSIGN(const Lease parsed, verify_lease(config_.broker_key, lease));
  // The host sets the wall clock, so the worker counts the lease's length by its boot clock, from
  // before it asked.
  return asked_at + (parsed.not_after - parsed.not_before);
}

Result<void> AttestedWorker::load(const WorkerModelConfig& model) {
  BrokerKeySource keys([this](const BundleHeader& header, const Sha256Digest& digest) {
    return ask_broker(to_hex(header.key_id), digest, header.version, false);
  });
  OpenOptions options;
  options.accepted_owners = config_.owner_keys;
  options.minimum_version = model.minimum_version;
  const Millis asked_at = deps_.clock.since_boot();
  ENSC_TRY_ASSIGN(OpeningBundle opening, start_opening_bundle(model.bundle, keys, options));
  EngineOptions engine_options;
  engine_options.intra_op_threads = config_.intra_op_threads;
  ENSC_TRY_ASSIGN(std::unique_ptr<Model> loaded,
                  load_model(BundleFiles(opening), deps_.engines, engine_options));
  // Ready only when the engine is built and every file digest holds.
  ENSC_TRY_ASSIGN(const OpenedBundle bundle, std::move(opening).finish());
  const BundleHeader& header = bundle.header();
  ENSC_TRY_ASSIGN(const Millis lease_ends, lease_end_of(keys.lease(), asked_at));
  if (registry_.find(header.name)) {
    return Error(ServerError::kConfig, "two bundles carry the model name " + header.name);
  }
  registry_.put({header.name, header.version, bundle.manifest_digest(), header.owner_key,
                 keys.lease(), lease_ends, std::shared_ptr<const Model>(std::move(loaded))});
  duties_.push_back({header.name, to_hex(header.key_id), bundle.manifest_digest(), header.version,
                     asked_at + (lease_ends - asked_at) / 3});
  log_info("serving " + header.name + " version " + std::to_string(header.version) + " bundle " +
           to_hex(bundle.manifest_digest()));
  return ok();
}

void AttestedWorker::renew_leases() {
  const Millis now = deps_.clock.since_boot();
  for (LeaseDuty& duty : duties_) {
    if (now < duty.renew_at) {
      continue;
    }
    const Result<Grant> grant = ask_broker(duty.key_id, duty.manifest_digest, duty.version, true);
    const Result<Millis> ends =
        grant ? lease_end_of(grant->lease, now) : Result<Millis>(grant.error());
    if (!ends) {
      log_failure("the lease of " + duty.name + " was not renewed", ends.error());
      duty.renew_at = now + kRetry;
      continue;
    }
    registry_.renew_lease(duty.name, duty.manifest_digest, grant->lease, *ends);
    duty.renew_at = now + (*ends - now) / 3;
  }
}

Millis AttestedWorker::maintain() {
  renew_leases();
  const Millis now = deps_.clock.since_boot();
  if (now >= next_epoch_) {
    if (const Result<void> started = start_epoch(); !started) {
      log_failure("no new epoch; the last beacon ages", started.error());
      next_epoch_ = deps_.clock.since_boot() + kRetry;
    }
  }
  if (gateway_.wants_key() && now >= next_key_) {
    next_key_ = now + kRetry;
    if (const Result<void> replaced = replace_gateway_key(); !replaced) {
      log_failure("no new key for the oblivious channel", replaced.error());
    }
  }
  Millis next = std::min(next_epoch_, booted_at_ + kBootKeyLife);
  for (const LeaseDuty& duty : duties_) {
    next = std::min(next, duty.renew_at);
  }
  return std::max(next - deps_.clock.since_boot(), Millis(10));
}

bool AttestedWorker::keys_ended() const {
  return deps_.clock.since_boot() >= booted_at_ + kBootKeyLife;
}

void AttestedWorker::run_maintenance(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  while (!stop.stop_requested() && !keys_ended()) {
    // A gateway's key may fill at any time; a look at it costs nothing.
    const Millis due = deps_.clock.since_boot() + maintain();
    const auto is_due = [&] {
      const Millis now = deps_.clock.since_boot();
      return now >= due || (gateway_.wants_key() && now >= next_key_);
    };
    while (!stop.stop_requested() && !is_due()) {
      const Millis pause = std::min(due - deps_.clock.since_boot(), kLook);
      wake.wait_for(lock, stop, std::max(pause, Millis(1)), [] { return false; });
    }
  }
}

std::shared_ptr<BodyIntake> AttestedWorker::intake(const HttpRequest& head) {
  return path_of(head.target) == kGatewayPath ? gateway_.intake(head) : nullptr;
}

HttpResponse AttestedWorker::handle(const HttpRequest& request, const ConnectionInfo& connection) {
  if (path_of(request.target) == kGatewayPath) {
    return gateway_.handle(request);
  }
  if (path_of(request.target) == kPeerPath && peers_ != nullptr && connection.tls) {
    Result<HttpResponse> answer = answer_peer(request, connection);
    return answer ? std::move(*answer) : response_of(answer.error());
  }
  return handle_inside(request, connection, !config_.padding.hides());
}

// GET gives this connection's nonce, POST takes the peer's evidence for it.
Result<HttpResponse> AttestedWorker::answer_peer(const HttpRequest& request,
                                                 const ConnectionInfo& connection) {
  if (request.method == "GET") {
    return json_response(
        200, json::write(json::Object{{"nonce", to_hex(peers_->challenge(connection.id))}}));
  }
  if (request.method != "POST") {
    return Error(ServerError::kMethod, "this path takes GET and POST");
  }
  ENSC_TRY_ASSIGN(const EvidenceDocument document, parse_evidence_document(as_text(request.body)));
  ENSC_TRY_ASSIGN(
      const Affirmed peer,
      peers_->admit({connection.id, connection.peer_certificate_der, connection.exporter},
                    document));
  log_info("peer affirmed: " + printable(peer.statement().software) + ", measurement " +
           to_hex(peer.measurement()));
  return json_response(200,
                       json::write(json::Object{{"affirmed_until", to_rfc3339(peer.expires())}}));
}

Result<EvidenceDocument> AttestedWorker::introduce(const ByteArray<32>& nonce,
                                                   const ByteArray<32>& exporter, bool hardware) {
  std::shared_ptr<const Attested> attested;
  if (hardware) {
    ENSC_TRY_ASSIGN(attested, fresh_hardware_evidence(nonce, channel_keys()));
  } else {
    const std::shared_lock lock(attested_mutex_);
    attested = current_;
  }
  EvidenceDocument document = document_of(*attested);
  document.session = prove_session(session_key_, ChannelKind::kTlsPeer, nonce, exporter,
                                   attested->digest, deps_.clock.now());
  return document;
}

std::optional<Affirmed> AttestedWorker::peer_of(const ConnectionInfo& connection) const {
  return peers_ != nullptr ? peers_->peer_of(connection.id) : std::nullopt;
}

void AttestedWorker::forget_connection(std::uint64_t id) {
  if (peers_ != nullptr) {
    peers_->forget(id);
  }
}

bool AttestedWorker::answers_at_once(const HttpRequest& request) {
  if (request.method != "GET") {
    return false;
  }
  const std::string_view path = path_of(request.target);
  // A report of the processor's own is waited for.
  return path.starts_with(kHealthPrefix) ||
         (path == kEvidencePath && request.target.find("freshness") == std::string::npos);
}

HttpResponse AttestedWorker::handle_in_the_open(const HttpRequest& request,
                                                const ConnectionInfo& connection) {
  const std::string_view path = path_of(request.target);
  if (path == kGatewayPath) {
    return gateway_.handle(request);
  }
  if (path != kEvidencePath && path != kLivePath && path != kReadyPath) {
    return response_to(request, Error(ServerError::kSealedOnly,
                                      "this listener takes evidence and sealed requests alone"));
  }
  return handle_inside(request, connection, true);
}

HttpResponse AttestedWorker::handle_inside(const HttpRequest& request,
                                           const ConnectionInfo& connection, bool lengths_hidden) {
  const std::string_view path = path_of(request.target);
  if (path != kEvidencePath && path != kServedListPath) {
    if (!lengths_hidden && request.method == "POST") {
      return response_to(
          request, Error(ServerError::kLengthsShown,
                         "this worker hides lengths (padding = " + config_.padding.to_string() +
                             "), which a TLS record does not: use the oblivious channel"));
    }
    return receipts_.answer(
        request,
        [&] { return is_openai_path(path) ? openai_.handle(request) : v2_.handle(request); },
        [this] { return receipt_subject(); });
  }
  if (request.method != "GET") {
    return response_of(Error(ServerError::kMethod, "this path takes GET"));
  }
  Result<HttpResponse> answer =
      path == kEvidencePath ? answer_evidence(request, connection) : answer_served_list(request);
  return answer ? std::move(*answer) : response_of(answer.error());
}

Result<HttpResponse> AttestedWorker::answer_evidence(const HttpRequest& request,
                                                     const ConnectionInfo& connection) {
  ENSC_TRY_ASSIGN(const Query query, query_of(request.target));
  ENSC_TRY_ASSIGN(const ByteArray<32> nonce, nonce_from(query, "nonce"));
  const auto channel = query.find("channel");
  const bool ohttp = channel != query.end();
  if (ohttp && channel->second != "ohttp") {
    return Error(ServerError::kBadNonce, "channel: expected ohttp, or none for TLS");
  }
  std::shared_ptr<const Attested> attested;
  std::shared_ptr<GatewayKey> key;
  const auto freshness = query.find("freshness");
  if (freshness != query.end() && freshness->second == "hardware") {
    const ChannelKeys keys = channel_keys();  // those the statement will name
    ENSC_TRY_ASSIGN(attested, fresh_hardware_evidence(nonce, keys));
    key = keys.ohttp;
  } else {
    const std::shared_lock lock(attested_mutex_);
    attested = current_;
    key = keys_.ohttp;
  }
  std::optional<SessionProof> proof;
  std::optional<Bytes> ohttp_key;
  if (ohttp) {
    ohttp_key = key->key().config.encoded;
    proof = prove_session(session_key_, ChannelKind::kOhttpKey, nonce, key->digest(),
                          attested->digest, deps_.clock.now());
  } else if (connection.tls) {
    proof = prove_session(session_key_, ChannelKind::kTlsExporter, nonce, connection.exporter,
                          attested->digest, deps_.clock.now());
  }
  HttpResponse out = json_response(200, attested->rendered.with(proof, ohttp_key));
  if (ohttp) {
    out.headers.set(std::string(kWorkerHeader), key->worker_name());
  }
  return out;
}

Result<std::shared_ptr<const AttestedWorker::Attested>> AttestedWorker::fresh_hardware_evidence(
    const ByteArray<32>& nonce, const ChannelKeys& keys) {
  {
    const std::unique_lock lock(attested_mutex_);
    const Millis now = deps_.clock.since_boot();
    if (last_hardware_ && now - *last_hardware_ < kHardwarePause) {
      return Error(ServerError::kThrottled,
                   "the secure processor makes few reports a second; try again in 2 s");
    }
    last_hardware_ = now;
  }
  ENSC_TRY_ASSIGN(std::shared_ptr<const Attested> attested, attest(nonce, keys, std::nullopt));
  const std::unique_lock lock(attested_mutex_);
  push_bounded(hardware_statements_, attested->digest, kHardwareStatements);
  return attested;
}

Result<HttpResponse> AttestedWorker::answer_served_list(const HttpRequest& request) {
  ENSC_TRY_ASSIGN(const Query query, query_of(request.target));
  ENSC_TRY_ASSIGN(const Sha256Digest digest, nonce_from(query, "statement"));
  if (!knows(digest)) {
    return Error(ServerError::kUnknownStatement,
                 "this statement is not one of this worker's recent ones; fetch the evidence "
                 "again");
  }
  ServedList list;
  list.statement_digest = digest;
  list.sequence = registry_.sequence();
  for (const ServedEntry& entry : registry_.all()) {
    list.models.push_back(
        {entry.name, entry.version, entry.manifest_digest, entry.owner, entry.lease});
  }
  HttpResponse out;
  out.headers.set("Content-Type", "application/cose");
  out.body = sign_served_list(session_key_, list);
  return out;
}

}  // namespace ensconce
