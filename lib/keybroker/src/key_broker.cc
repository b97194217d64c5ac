#include "ensconce/keybroker/key_broker.h"

#include <algorithm>
#include <deque>
#include <mutex>

#include "admin_api.h"
#include "ensconce/attestation/appraise/appraise.h"
#include "ensconce/attestation/evidence/beacon.h"
#include "ensconce/attestation/evidence/evidence_kind.h"
#include "ensconce/attestation/evidence/rcar.h"
#include "ensconce/attestation/result/render.h"
#include "ensconce/attestation/verify/evidence_verifier.h"
#include "ensconce/base/log.h"
#include "ensconce/channel/lease.h"
#include "ensconce/codec/base64.h"
#include "ensconce/crypto/jose.h"
#include "ledger.h"
#include "messages.h"
#include "sessions.h"

namespace ensconce {

namespace {

using internal::AttestMessage;
using internal::Dialect;
using internal::KeyState;
using internal::LoadedPolicy;
using internal::SharedEvidence;

constexpr std::size_t kMaxVerdict = std::size_t{96} * 1024;

// Allowance bounds what strangers may ask for: so many at once, so many a second. It is one for all
// of them; who can flood it can also flood the network.
class Allowance {
 public:
  Allowance(std::int64_t burst, std::int64_t per_second)
      : burst_(burst * 1000), per_second_(per_second), left_(burst_) {}
  bool take(Millis now) {
    left_ = std::min(burst_, left_ + (now - last_).count() * per_second_);
    last_ = now;
    if (left_ < 1000) {
      return false;
    }
    left_ -= 1000;
    return true;
  }

 private:
  std::int64_t burst_;  // in thousandths
  std::int64_t per_second_;
  std::int64_t left_;
  Millis last_{0};
};

// RefusalAllowance bounds what strangers may have written down for good: one entry a second, and so
// many a day.
class RefusalAllowance {
 public:
  bool take(Millis now) {
    constexpr std::int64_t kPerDay = 10'000;
    const auto day = std::chrono::floor<std::chrono::hours>(now).count() / 24;
    if (day != day_) {
      day_ = day;
      today_ = 0;
    }
    if (today_ >= kPerDay || !rate_.take(now)) {
      return false;
    }
    ++today_;
    return true;
  }

 private:
  Allowance rate_{10, 1};
  std::int64_t day_ = 0;
  std::int64_t today_ = 0;
};

// Which of our codes an attestation error travels as.
KeyBrokerError code_of(const Error& error) {
  if (error.is(AttestationError::kRcarNonce)) {
    return KeyBrokerError::kNonce;
  }
  if (error.is(AttestationError::kRcarTeePubkey)) {
    return KeyBrokerError::kReleaseKey;
  }
  if (error.is(AttestationError::kReportData) || error.is(AttestationError::kRcarBinding)) {
    return KeyBrokerError::kReportData;
  }
  return KeyBrokerError::kEvidence;
}

std::optional<std::string> verdict_of(const AttestationResult& result) {
  std::string text = json::write(result_to_json(result));
  if (text.size() > kMaxVerdict) {
    return std::nullopt;
  }
  return text;
}

// MessageVerification is what was made of one attest message.
struct MessageVerification {
  std::vector<Check> checks;
  Result<Verified<Attested>> attested;
  std::optional<AttestationResult> result;  // before any policy
};

MessageVerification verify_message(const AttestMessage& message, const std::string& nonce,
                                   std::vector<TrustAnchor> anchors, SignatureMemo& memo,
                                   Instant now) {
  const Result<std::string> runtime_data =
      rcar_runtime_data(message.additional_evidence, message.nonce, message.tee_pubkey);
  if (!runtime_data) {
    return {{}, Error(EvidenceError::kRcar, runtime_data.error().to_string()), {}};
  }
  const Verification hardware =
      EvidenceVerifier(std::move(anchors), &memo)
          .verify(message.evidence, message.endorsements, rcar_report_data(*runtime_data), now);
  if (!hardware.claims) {
    return {hardware.checks, hardware.claims.error(), {}};
  }
  BindingVerification binding = StatementBinder::bind_rcar(*hardware.claims, *runtime_data, nonce);
  return {std::move(binding.checks), std::move(binding.attested),
          AttestationResult::not_appraised(*hardware.claims)};
}

LogEntry entry_for(const Attested& attested, Instant now) {
  LogEntry entry;
  entry.time = now;
  entry.measurement = attested.evidence.measurement();
  entry.origin = std::string(name_of(attested.evidence.anchor.origin));
  entry.statement = attested.statement_sha256;
  entry.session = attested.statement.keys.session;
  return entry;
}

}  // namespace

class KeyBroker::Impl {
 public:
  Impl(KeyBrokerOptions options, Ed25519PrivateKey signing_key, internal::Ledger ledger,
       const Clock& clock, Random& random)
      : options_(std::move(options)),
        signing_key_(std::move(signing_key)),
        ledger_(std::move(ledger)),
        clock_(clock),
        random_(random) {}

  WireResponse handle(const WireRequest& request) {
    const bool rcar = request.target.starts_with("/kbs/");
    {
      const std::lock_guard lock(mutex_);
      write_strangers();
    }
    Result<WireResponse> answer = request.body.size() > kMaxBrokerBody
                                      ? Error(KeyBrokerError::kMalformed, "the body is too large")
                                      : route(request);
    if (!answer) {
      say_failure(answer.error());
      return internal::error_answer(answer.error(), rcar ? Dialect::kRcar : Dialect::kOurs);
    }
    return *std::move(answer);
  }

  LogHead log_head() const {
    const std::lock_guard lock(mutex_);
    return {ledger_.tree().size(), ledger_.tree().root(), clock_.now()};
  }

 private:
  enum class Wanted : std::uint8_t { kKeyAndLease, kLease };

  // Anybody can fail; what is wrong with us is always said.
  void say_failure(const Error& error) {
    if (error.kind() != Kind::kInternal) {
      const std::lock_guard lock(mutex_);
      if (!failure_allowance_.take(clock_.since_boot())) {
        return;
      }
    }
    log_failure("refused a request", error);
  }

  Result<WireResponse> route(const WireRequest& request) {
    const std::string_view target = request.target;
    const bool get = request.method == "GET";
    const bool post = request.method == "POST";
    if (post && target == internal::kAuthPath) {
      return answer_auth(request);
    }
    if (post && target == internal::kAttestPath) {
      return answer_attest(request);
    }
    if (get && target.starts_with(internal::kModelKeyPath)) {
      return answer_resource(request, internal::kModelKeyPath, Wanted::kKeyAndLease);
    }
    if (get && target.starts_with(internal::kLeasePath)) {
      return answer_resource(request, internal::kLeasePath, Wanted::kLease);
    }
    if (post && target == internal::kBeaconPath) {
      return answer_beacon(request);
    }
    if (get && target == internal::kLogHeadPath) {
      return WireResponse{
          200, {{"content-type", "application/cose"}}, sign_log_head(signing_key_, log_head())};
    }
    if (get && target == internal::kIdentityPath) {
      return internal::json_answer(200,
                                   json::Object{{"key", to_hex(signing_key_.public_key().bytes)}});
    }
    if (target.starts_with(internal::kAdminPath)) {
      return answer_admin(request);
    }
    return Error(KeyBrokerError::kNoSuchPath, "no such path");
  }

  Result<WireResponse> answer_auth(const WireRequest& request) {
    ENSC_TRY_ASSIGN(const json::Value body,
                    internal::parse_json(request.body, internal::kMaxSmallBody));
    ENSC_TRY_ASSIGN(const std::string version, internal::text_member(body, "version"));
    if (version != internal::kRcarVersion) {
      return Error(KeyBrokerError::kVersion, "only RCAR 0.4.0 is spoken here");
    }
    ENSC_TRY_ASSIGN(const std::string tee, internal::text_member(body, "tee"));
    // RCAR's names of what is judged here; the evidence says for itself what it is.
    constexpr std::string_view kTees[] = {"snp", "tdx", "sgx", "az-snp-vtpm", "az-tdx-vtpm"};
    if (std::find(std::begin(kTees), std::end(kTees), tee) == std::end(kTees)) {
      return Error(KeyBrokerError::kEvidence,
                   "evidence of snp, tdx, sgx, az-snp-vtpm and az-tdx-vtpm is judged here");
    }
    const std::lock_guard lock(mutex_);
    const Millis now = clock_.since_boot();
    if (!auth_allowance_.take(now)) {
      return Error(KeyBrokerError::kUnavailable, "too many sessions a second");
    }
    const internal::SessionTable::Opened session = sessions_.open(random_, now);
    WireResponse response = internal::json_answer(
        200, json::Object{{"nonce", session.nonce}, {"extra-params", json::Object{}}});
    response.headers["set-cookie"] =
        std::string(internal::kCookieName) + "=" + session.id + "; Path=/kbs/v0; Max-Age=" +
        std::to_string(
            std::chrono::duration_cast<std::chrono::seconds>(kBrokerSessionLife).count()) +
        "; Secure; HttpOnly; SameSite=Strict";
    return response;
  }

  Result<WireResponse> answer_attest(const WireRequest& request) {
    ENSC_TRY_ASSIGN(const AttestMessage message, internal::read_attest_message(request.body));
    const std::string id = internal::session_cookie(request);
    std::string nonce;
    std::vector<TrustAnchor> anchors;
    {
      const std::lock_guard lock(mutex_);
      ENSC_TRY_ASSIGN(nonce, sessions_.spend_nonce(id, clock_.since_boot()));
      // The roots any policy lists. Which of them count is for the policy of the key asked for.
      anchors = ledger_.anchors();
    }
    const Instant now = clock_.now();
    MessageVerification verification =
        verify_message(message, nonce, std::move(anchors), memo_, now);
    const std::lock_guard lock(mutex_);
    if (!verification.attested) {
      return refuse_evidence(message, verification);
    }
    auto attested = std::make_shared<const Verified<Attested>>(*std::move(verification.attested));
    ENSC_TRY(sessions_.attest(id, std::move(attested), clock_.since_boot()));
    // No policy was applied yet: the result says "none", whatever the evidence.
    const std::string ear = json::write(result_to_ear(*verification.result, now));
    return internal::json_answer(
        200, json::Object{{"token", jws_sign(signing_key_, "JWT", as_bytes(ear))}});
  }

  // Whoever reaches the port can send evidence that does not hold. What is written of it says only
  // which check refused, and how often.
  WireResponse refuse_evidence(const AttestMessage& message,
                               const MessageVerification& verification) {
    const auto kind = evidence_kind_from_name(message.evidence.type);
    const Error& error = verification.attested.error();
    const AttestationResult result = AttestationResult::refused(
        std::string(kind ? name_of(*kind) : "unknown"), verification.checks, error);
    refuse_stranger(error.id(), &result);
    return internal::error_answer(code_of(error), error.id(), Dialect::kRcar);
  }

  void refuse_stranger(std::string_view code, const AttestationResult* result) {
    const auto known = std::find_if(strangers_.begin(), strangers_.end(),
                                    [&](const Strangers& s) { return s.code == code; });
    if (known == strangers_.end()) {
      strangers_.push_back({code, 1});
    } else {
      ++known->count;
    }
    write_strangers(code, result);
  }

  // write_strangers writes what the allowance allows of the refusals that are counted, oldest code
  // first; `result` explains the last one, which was refused by `code`.
  void write_strangers(std::string_view code = {}, const AttestationResult* result = nullptr) {
    while (!strangers_.empty() && refusal_allowance_.take(clock_.since_boot())) {
      const Strangers& oldest = strangers_.front();
      LogEntry entry;
      entry.time = clock_.now();
      entry.decision = LogDecision::kRefusal;
      entry.code = oldest.code;
      if (oldest.count > 1) {
        entry.count = oldest.count;
      }
      const Result<void> written = ledger_.record(entry, oldest.code == code ? result : nullptr);
      if (!written) {
        log_failure("a refusal cannot be written down", written.error());
        return;
      }
      strangers_.pop_front();
    }
  }

  // refuse writes the entry of a "no" and answers with it.
  Result<WireResponse> refuse(LogEntry entry, KeyBrokerError code, std::string_view id,
                              const AttestationResult* result) {
    entry.decision = LogDecision::kRefusal;
    entry.code = id;
    if (result != nullptr) {
      entry.verdict = verdict_of(*result);
    }
    ENSC_TRY(ledger_.record(entry, result));
    return internal::error_answer(code, id, Dialect::kRcar);
  }

  Result<WireResponse> refuse(LogEntry entry, KeyBrokerError code) {
    return refuse(std::move(entry), code, error_info(code).id, nullptr);
  }

  Result<WireResponse> answer_resource(const WireRequest& request, std::string_view path,
                                       Wanted wanted) {
    ENSC_TRY_ASSIGN(const ByteArray<16> id,
                    internal::parse_key_id(std::string_view(request.target).substr(path.size())));
    const std::lock_guard lock(mutex_);
    ENSC_TRY_ASSIGN(const SharedEvidence evidence,
                    sessions_.evidence(internal::session_cookie(request), clock_.since_boot()));
    return decide(*evidence, id, wanted);
  }

  Result<WireResponse> decide(const Verified<Attested>& attested, const ByteArray<16>& id,
                              Wanted wanted) {
    const Instant now = clock_.now();
    LogEntry entry = entry_for(*attested, now);
    entry.key_id = id;
    const KeyState* key = ledger_.key(id);
    if (key == nullptr) {
      const KeyBrokerError code = KeyBrokerError::kNoSuchKey;
      refuse_stranger(error_info(code).id, nullptr);
      return internal::error_answer(code, error_info(code).id, Dialect::kRcar);
    }
    entry.manifest = key->terms.manifest;
    entry.name = key->terms.name;
    entry.version = key->terms.version;
    entry.owner = key->terms.owner;
    entry.policy = key->terms.policy;
    const LoadedPolicy* policy = ledger_.policy(key->terms.owner, key->terms.policy);
    if (policy == nullptr) {
      return refuse(std::move(entry), KeyBrokerError::kNoSuchPolicy);
    }
    entry.policy_sha256 = policy->policy.sha256();
    const AttestationResult result = appraise(attested, FreshByRcarNonce{}, policy->policy, now);
    if (!result.affirmed()) {
      const std::string_view check =
          result.error() ? result.error()->id() : error_info(KeyBrokerError::kDenied).id;
      return refuse(std::move(entry), KeyBrokerError::kDenied, check, &result);
    }
    if (const std::optional<KeyBrokerError> no = forbidden(*key, wanted, now)) {
      return refuse(std::move(entry), *no);
    }
    return release(std::move(entry), *key, *result.affirmed(), wanted, result);
  }

  // What the owner set, beside the policy.
  std::optional<KeyBrokerError> forbidden(const KeyState& key, Wanted wanted, Instant now) const {
    if (key.revoked) {
      return KeyBrokerError::kRevoked;
    }
    if (key.terms.not_after && now >= *key.terms.not_after) {
      return KeyBrokerError::kExpired;
    }
    if (key.terms.version < ledger_.minimum_version(key.terms.owner, key.terms.name)) {
      return KeyBrokerError::kRolledBack;
    }
    if (wanted == Wanted::kKeyAndLease && key.terms.max_uses && key.uses >= *key.terms.max_uses) {
      return KeyBrokerError::kUsesExhausted;
    }
    return std::nullopt;
  }

  Result<WireResponse> release(LogEntry entry, const KeyState& key, const Affirmed& affirmed,
                               Wanted wanted, const AttestationResult& result) {
    const Result<EcPublicKey> release_key =
        EcPublicKey::from_point(Curve::kP256, affirmed.statement().keys.release);
    if (!release_key) {
      return refuse(std::move(entry), KeyBrokerError::kReleaseKey);
    }
    const Result<SecretBytes> content_key =
        wanted == Wanted::kKeyAndLease ? ledger_.open_key(key) : Result<SecretBytes>(SecretBytes());
    if (!content_key) {
      log_failure("a content key cannot be opened", content_key.error());
      return refuse(std::move(entry), KeyBrokerError::kStore);
    }
    Lease lease;
    lease.id = random_.array<16>();
    lease.manifest_digest = key.terms.manifest;
    lease.session_key = affirmed.statement().keys.session;
    lease.not_before = entry.time;
    lease.not_after = entry.time + std::chrono::seconds(key.terms.lease_seconds);
    if (key.terms.not_after) {
      lease.not_after = std::min(lease.not_after, *key.terms.not_after);
    }
    lease.minimum_version = ledger_.minimum_version(key.terms.owner, key.terms.name);
    entry.decision = wanted == Wanted::kKeyAndLease ? LogDecision::kRelease : LogDecision::kRenewal;
    entry.lease_id = lease.id;
    // The log first: what is not written down does not leave.
    ENSC_TRY(ledger_.record(entry, &result));
    json::Object body;
    if (wanted == Wanted::kKeyAndLease) {
      json::Value jwe = jwe_seal(*release_key, content_key->expose(), random_);
      body = std::get<json::Object>(std::move(jwe.variant()));
    }
    body.emplace_back("lease", base64_encode(sign_lease(signing_key_, lease)));
    return internal::json_answer(200, json::Value(std::move(body)));
  }

  Result<WireResponse> answer_beacon(const WireRequest& request) {
    ENSC_TRY_ASSIGN(const json::Value body,
                    internal::parse_json(request.body, internal::kMaxSmallBody));
    const Result<ByteArray<16>> boot_id = read_boot_id(body);
    if (!boot_id) {
      return internal::malformed(boot_id.error());
    }
    const std::lock_guard lock(mutex_);
    if (!beacon_allowance_.take(clock_.since_boot())) {
      return Error(KeyBrokerError::kUnavailable, "too many beacons a second");
    }
    const Beacon beacon{random_.array<32>(), clock_.now(), *boot_id};
    return internal::json_answer(
        200, json::Object{{"beacon", base64_encode(sign_beacon(beacon, signing_key_))}});
  }

  static Result<ByteArray<16>> read_boot_id(const json::Value& body) {
    ENSC_TRY_ASSIGN(json::Fields fields, json::Fields::of(body, "beacon"));
    ENSC_TRY_ASSIGN(const json::Value* value, fields.take("boot_id"));
    ENSC_TRY_ASSIGN(const std::string text, value->as_text("boot_id"));
    ENSC_TRY(fields.finish());
    ENSC_TRY_ASSIGN(const Bytes bytes, from_hex(text));
    return to_array<16>(bytes);
  }

  Result<WireResponse> answer_admin(const WireRequest& request) {
    const Instant now = clock_.now();
    ENSC_TRY_ASSIGN(const AdminCaller caller,
                    verify_admin_signature(request, options_.tls_spki_sha256, now));
    if (std::find(options_.owners.begin(), options_.owners.end(), caller.key) ==
        options_.owners.end()) {
      return Error(KeyBrokerError::kUnauthorised,
                   "not an owner of this broker: " + to_hex(caller.key.bytes));
    }
    const std::lock_guard lock(mutex_);
    ENSC_TRY(ledger_.spend_nonce(caller.nonce, now));
    Result<WireResponse> answer = internal::answer_admin(request, caller, options_, ledger_, now);
    if (!answer && answer.error().id().substr(0, 10) != "keybroker.") {
      return internal::malformed(answer.error());
    }
    return answer;
  }

  const KeyBrokerOptions options_;
  const Ed25519PrivateKey signing_key_;
  mutable std::mutex mutex_;  // guards what follows
  internal::Ledger ledger_;
  internal::SessionTable sessions_;
  Allowance auth_allowance_{1000, 200};
  Allowance beacon_allowance_{1000, 200};
  Allowance failure_allowance_{100, 10};  // lines of the log of people
  RefusalAllowance refusal_allowance_;
  struct Strangers {
    std::string_view code;  // of our own tables
    std::uint64_t count;
  };
  std::deque<Strangers> strangers_;  // refusals not written yet, each code once
  const Clock& clock_;
  SignatureMemo memo_;  // workers of one vendor come with one chain
  Random& random_;
};

KeyBroker::KeyBroker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KeyBroker::~KeyBroker() = default;

Result<std::unique_ptr<KeyBroker>> KeyBroker::open(KeyBrokerOptions options,
                                                   Ed25519PrivateKey signing_key,
                                                   Aes256Key root_key, BrokerStore& store,
                                                   const Clock& clock, Random& random,
                                                   DecisionObserver observer) {
  ENSC_TRY_ASSIGN(
      internal::Ledger ledger,
      internal::Ledger::open(std::move(root_key), store, random, std::move(observer), clock.now()));
  return std::unique_ptr<KeyBroker>(new KeyBroker(std::make_unique<Impl>(
      std::move(options), std::move(signing_key), std::move(ledger), clock, random)));
}

WireResponse KeyBroker::handle(const WireRequest& request) { return impl_->handle(request); }
LogHead KeyBroker::log_head() const { return impl_->log_head(); }

}  // namespace ensconce
