#include "ensconce/attester/broker_attester.h"

#include <algorithm>

#include "ensconce/attester/error.h"
#include "ensconce/base/log.h"
#include "ensconce/codec/json.h"

namespace ensconce {

namespace {

constexpr Millis kEpochRetry = std::chrono::minutes(1);

struct Question {
  ByteArray<32> nonce{};
  bool hardware = false;
};

Error bad_question(std::string detail) { return {AttesterError::kQuestion, std::move(detail)}; }

Result<Question> read_question(const std::string& target) {
  ENSC_TRY_ASSIGN(const Query query, query_of(target));
  const auto nonce = query.find("nonce");
  const auto bytes = nonce == query.end() ? Result<Bytes>(Bytes()) : from_hex(nonce->second);
  if (!bytes || bytes->size() != 32) {
    return bad_question("nonce: expected 64 hex digits");
  }
  if (query.contains("channel")) {
    return bad_question("channel: a broker is reached over attested TLS alone");
  }
  const auto freshness = query.find("freshness");
  if (freshness != query.end() && freshness->second != "hardware") {
    return bad_question("freshness: expected hardware, or none");
  }
  return Question{to_array<32>(*bytes).value(), freshness != query.end()};
}

HttpResponse json_response(int status, std::string_view body) {
  HttpResponse out;
  out.status = status;
  out.headers.set("Content-Type", "application/json");
  out.headers.set("Cache-Control", "no-store");
  out.body = to_bytes(body);
  return out;
}

HttpResponse refusal(const Error& error) {
  int status = http_status_of(error.kind());
  for (const AttesterError code : {AttesterError::kMethod, AttesterError::kThrottled}) {
    status = error.is(code) ? http_status_of(code) : status;
  }
  std::string text(error.id());
  if (error.kind() == Kind::kInvalidInput) {
    text += ": " + error.detail();
  }
  return json_response(status, json::write(json::Object{{"error", text}}));
}

}  // namespace

BrokerAttester::BrokerAttester(BrokerSelf self, EvidenceProvider& provider, const Clock& clock,
                               Random& random)
    : self_(std::move(self)),
      provider_(provider),
      clock_(clock),
      random_(random),
      boot_id_(random_.array<16>()),
      // The statement's form has a key that others wrap keys to. Nothing is ever wrapped to a
      // broker, so nobody keeps the private half.
      release_point_(EcPrivateKey::generate(Curve::kP256).public_key().point()) {}

Result<std::unique_ptr<BrokerAttester>> BrokerAttester::start(BrokerSelf self,
                                                              EvidenceProvider& provider,
                                                              const Clock& clock, Random& random) {
  std::unique_ptr<BrokerAttester> out(new BrokerAttester(std::move(self), provider, clock, random));
  ENSC_TRY_ASSIGN(out->current_, out->attest(random.array<32>()));
  out->next_epoch_ = clock.since_boot() + kBrokerEpoch;
  return out;
}

Result<std::shared_ptr<const BrokerAttester::Shown>> BrokerAttester::attest(
    const ByteArray<32>& challenge) {
  const std::lock_guard lock(device_mutex_);
  const Millis now = clock_.since_boot();
  if (session_ == nullptr || now >= session_made_ + kBrokerSessionKeyLife) {
    session_ = std::make_shared<const Ed25519PrivateKey>(Ed25519PrivateKey::generate(random_));
    session_made_ = now;
  }
  Statement statement;
  statement.tls_key_hash = self_.tls_key_hash;
  statement.challenge = challenge;
  statement.boot_id = boot_id_;
  statement.epoch = ++epoch_;
  statement.keys.tls = {self_.tls_key_hash};
  statement.keys.session = session_->public_key();
  statement.keys.release = release_point_;
  statement.keys.receipt = self_.signing_key;
  statement.software = std::string("ensconce-broker ") + ENSC_VERSION;
  statement.security = {"none", "shared", self_.sandbox, self_.owner_keys, self_.signing_key};
  statement.deployment_digest = self_.deployment_digest;
  auto out = std::make_shared<Shown>();
  ENSC_TRY_ASSIGN(out->attested, attest_statement(provider_, statement, std::nullopt));
  out->session = session_;
  return std::shared_ptr<const Shown>(std::move(out));
}

Result<std::shared_ptr<const BrokerAttester::Shown>> BrokerAttester::for_nonce(
    const ByteArray<32>& nonce) {
  {
    const std::lock_guard lock(mutex_);
    const Millis now = clock_.since_boot();
    reports_owed_until_ = std::max(reports_owed_until_, now);
    if (reports_owed_until_ - now > (kBrokerReportBurst - 1) * kBrokerReportPause) {
      return Error(AttesterError::kThrottled,
                   "the secure processor makes few reports a second; try again in 2 s");
    }
    reports_owed_until_ += kBrokerReportPause;
  }
  auto made = attest(nonce);
  if (!made) {
    log_failure("no report for who asked", made.error());
    return Error(AttesterError::kDevice, "the secure processor made no report");
  }
  return made;
}

std::shared_ptr<const BrokerAttester::Shown> BrokerAttester::of_this_epoch() {
  {
    const std::lock_guard lock(mutex_);
    if (clock_.since_boot() < next_epoch_) {
      return current_;
    }
    next_epoch_ = clock_.since_boot() + kEpochRetry;  // whoever else comes meanwhile gets the old
  }
  auto made = attest(random_.array<32>());
  const std::lock_guard lock(mutex_);
  if (made) {
    current_ = *std::move(made);
    next_epoch_ = clock_.since_boot() + kBrokerEpoch;
  } else {
    log_failure("no new evidence; the last is shown on", made.error());
  }
  return current_;
}

HttpResponse BrokerAttester::answer(const HttpRequest& request, const ConnectionInfo& connection) {
  Result<HttpResponse> answer = try_answer(request, connection);
  return answer ? *std::move(answer) : refusal(answer.error());
}

Result<HttpResponse> BrokerAttester::try_answer(const HttpRequest& request,
                                                const ConnectionInfo& connection) {
  if (request.method != "GET") {
    return Error(AttesterError::kMethod, "this path takes GET");
  }
  ENSC_TRY_ASSIGN(const Question question, read_question(request.target));
  std::shared_ptr<const Shown> shown;
  if (question.hardware) {
    ENSC_TRY_ASSIGN(shown, for_nonce(question.nonce));
  } else {
    shown = of_this_epoch();
  }
  EvidenceDocument document = document_of(shown->attested);
  if (connection.tls) {
    document.session = prove_session(*shown->session, ChannelKind::kTlsExporter, question.nonce,
                                     connection.exporter, shown->attested.digest, clock_.now());
  }
  return json_response(200, write_evidence_document(document));
}

}  // namespace ensconce
