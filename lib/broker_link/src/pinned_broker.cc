#include "ensconce/broker_link/pinned_broker.h"

#include "ensconce/base/file.h"
#include "ensconce/base/log.h"
#include "ensconce/base/printable.h"
#include "ensconce/channel/appraise_document.h"
#include "ensconce/channel/error.h"
#include "ensconce/channel/tls_binding.h"
#include "ensconce/net/error.h"

namespace ensconce {

namespace {

// A request to a broker may carry a content key.
class WipedOnExit {
 public:
  explicit WipedOnExit(Bytes& bytes) : bytes_(bytes) {}
  ~WipedOnExit() { wipe(bytes_.data(), bytes_.size()); }
  WipedOnExit(const WipedOnExit&) = delete;
  WipedOnExit& operator=(const WipedOnExit&) = delete;

 private:
  Bytes& bytes_;
};

WireResponse to_wire(HttpResponse response) {
  WireResponse out;
  out.status = response.status;
  for (const HttpHeader& header : response.headers.all()) {
    out.headers[lower_name(header.name)] = header.value;
  }
  out.body = std::move(response.body);
  return out;
}

}  // namespace

Result<AppraisalPolicy> read_broker_policy(const std::filesystem::path& path) {
  ENSC_TRY_ASSIGN(const std::string text, read_text_file(path));
  ENSC_TRY_ASSIGN(AppraisalPolicy policy, AppraisalPolicy::parse(text, path.string()));
  if (policy.role() != PolicyRole::kPeer) {
    return Error(PolicyError::kFormat, path.string() + ": expected role = \"peer\", got role = \"" +
                                           std::string(name_of(policy.role())) + "\"")
        .with_remedy("a broker's evidence is judged by a policy of role \"peer\": docs/policy.md");
  }
  if (!asks_hardware(policy)) {
    return Error(PolicyError::kBadValue,
                 path.string() +
                     ": freshness: nobody gives a broker a beacon, so its evidence has "
                     "no age")
        .with_remedy("write [freshness] hardware = true");
  }
  return policy;
}

PinnedBroker::PinnedBroker(ExpectedBroker expected, const Clock& clock, Random& random)
    : expected_(std::move(expected)), clock_(clock), random_(random) {
  options_.pinned_spki_sha256 = expected_.tls_pin;
}

bool PinnedBroker::stands() const {
  if (client_ == nullptr || !client_->open()) {
    return false;
  }
  return !expected_.policy || (affirmed_ && clock_.now() <= affirmed_->expires() &&
                               clock_.since_boot() < affirmed_at_ + kBrokerAffirmationLife);
}

Result<void> PinnedBroker::connect() {
  if (stands()) {
    return ok();
  }
  affirmed_.reset();
  client_.reset();
  if (expected_.url.scheme != "https") {
    return Error(NetError::kBadUrl, "a broker is reached by https only");
  }
  ENSC_TRY_ASSIGN(client_, HttpClient::connect(expected_.url, options_));
  if (!expected_.policy) {
    return ok();
  }
  if (const Result<void> held = affirm(); !held) {
    client_.reset();
    affirmed_.reset();
    return held.error().with_context("the broker was not affirmed, and nothing was sent to it");
  }
  return ok();
}

// On this connection nothing was sent before this.
Result<void> PinnedBroker::affirm() {
  const Millis asked_at = clock_.since_boot();
  const auto nonce = random_.array<32>();
  ENSC_TRY_ASSIGN(const HttpResponse response,
                  client_->request({"GET", evidence_target(nonce, true), {}, {}}));
  const Result<EvidenceDocument> document = read_evidence_answer(response.status, response.body);
  if (!document) {
    const Error& why = document.error();
    return why.is(ChannelError::kNoEvidence)
               ? why.with_remedy(
                     "run the broker in a secure processor and set tsm_root in its broker.toml, or "
                     "ask no evidence of it")
               : why;
  }
  const AttestationResult result =
      appraise_document(*document, *expected_.policy, nonce, clock_.now()).result;
  if (!result.affirmed()) {
    return why_not_affirmed(result, "anything reach the broker");
  }
  const Affirmed& affirmed = *result.affirmed();
  const ConnectionInfo& info = client_->info();
  ENSC_TRY(bind_to_tls(*document, affirmed, ChannelKind::kTlsExporter, nonce,
                       {info.peer_certificate_der, info.exporter}));
  ENSC_TRY(require_broker_key(affirmed.statement(), expected_.key));
  log_info("broker affirmed: " + printable(affirmed.statement().software) + ", measurement " +
           to_hex(affirmed.measurement()));
  affirmed_ = affirmed;
  affirmed_at_ = asked_at;
  return ok();
}

Result<WireResponse> PinnedBroker::exchange(const WireRequest& request) {
  const bool reused = stands();
  Result<WireResponse> answer = try_exchange(request);
  const bool begins = request.target == "/kbs/v0/auth" || request.target == "/ensconce/v1/beacon";
  if (!answer && reused && begins) {
    client_.reset();
    answer = try_exchange(request);
  }
  if (!answer) {
    client_.reset();
    affirmed_.reset();
  }
  return answer;
}

Result<WireResponse> PinnedBroker::try_exchange(const WireRequest& request) {
  ENSC_TRY(connect());
  HttpRequest out{request.method, request.target, {}, request.body};
  const WipedOnExit wiped(out.body);
  for (const auto& [name, value] : request.headers) {
    out.headers.set(name, value);
  }
  ENSC_TRY_ASSIGN(HttpResponse response, client_->request(out));
  return to_wire(std::move(response));
}

}  // namespace ensconce
