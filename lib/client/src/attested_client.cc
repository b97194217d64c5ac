#include "ensconce/client/attested_client.h"

#include <algorithm>

#include "ensconce/attestation/verify/binding.h"
#include "ensconce/attestation/verify/evidence_verifier.h"
#include "ensconce/codec/json.h"
#include "ensconce/crypto/x509.h"
#include "ensconce/oip/oip.h"
#include "receipt_exchange.h"

namespace ensconce {

namespace {

DocumentAppraisal refused(const std::string& kind, std::vector<Check> checks, const Error& error,
                          const Sha256Digest& digest) {
  return {AttestationResult::refused(kind, std::move(checks), error), digest};
}

// Nothing has been sent that matters when this runs; afterwards only the appraisal lets go on.
Result<std::string> fetch_document(HttpClient& http, const ByteArray<32>& nonce, bool hardware) {
  HttpRequest request;
  request.method = "GET";
  request.target = std::string(kEvidencePath) + "?nonce=" + to_hex(nonce);
  if (hardware) {
    request.target += "&freshness=hardware";
  }
  ENSC_TRY_ASSIGN(const HttpResponse response, http.request(request));
  if (response.status == 429 || response.status == 503) {
    return Error(ChannelError::kUnexpectedAnswer, "the worker's secure processor is busy (status " +
                                                      std::to_string(response.status) + ")")
        .with_remedy("try again in a few seconds, or let the policy take a beacon");
  }
  if (response.status != 200) {
    return Error(ChannelError::kNoEvidence, "expected an evidence document at " +
                                                std::string(kEvidencePath) + ", got status " +
                                                std::to_string(response.status))
        .with_remedy("is this an Ensconce worker? A certificate alone proves no TEE");
  }
  return std::string(as_text(response.body));
}

Result<void> check_channel(const ConnectionInfo& info, const EvidenceDocument& document,
                           const Statement& statement, const Sha256Digest& statement_digest,
                           const ByteArray<32>& nonce) {
  // Ours takes nothing from the certificate but its key.
  ENSC_TRY_ASSIGN(const Certificate certificate, Certificate::from_der(info.peer_certificate_der));
  const Sha384Digest key = sha384(certificate.spki_der());
  if (std::find(statement.keys.tls.begin(), statement.keys.tls.end(), key) ==
      statement.keys.tls.end()) {
    return Error(ChannelError::kForeignTlsKey, "this connection's key has SHA-384 " + to_hex(key) +
                                                   ", the attested statement names " +
                                                   to_hex(statement.keys.tls.front()))
        .with_remedy(
            "somebody else than the attested worker ends this connection: a proxy, or an "
            "attacker with a certificate; reach the worker itself");
  }
  if (!document.session) {
    return Error(ChannelError::kNoSessionProof, "the evidence document carries no session proof");
  }
  return verify_session(*document.session, {ChannelKind::kTlsExporter, nonce, info.exporter,
                                            statement_digest, statement.keys.session});
}

Result<ServedList> fetch_served_list(HttpClient& http, const Statement& statement,
                                     const Sha256Digest& statement_digest) {
  HttpRequest request;
  request.method = "GET";
  request.target = std::string(kServedListPath) + "?statement=" + to_hex(statement_digest);
  ENSC_TRY_ASSIGN(const HttpResponse response, http.request(request));
  if (response.status != 200) {
    return Error(ChannelError::kUnexpectedAnswer,
                 "expected a served list, got status " + std::to_string(response.status));
  }
  return verify_served_list(statement.keys.session, statement_digest, response.body);
}

// Wipes a body that held inputs or outputs, whichever way the function is left.
class WipedOnExit {
 public:
  explicit WipedOnExit(Bytes& bytes) : bytes_(bytes) {}
  ~WipedOnExit() { wipe(bytes_.data(), bytes_.size()); }
  WipedOnExit(const WipedOnExit&) = delete;
  WipedOnExit& operator=(const WipedOnExit&) = delete;

 private:
  Bytes& bytes_;
};

Error answered(const HttpResponse& response) {
  std::string words;
  if (const auto body = json::parse(as_text(response.body)); body && body->find("error")) {
    if (const auto text = body->find("error")->as_text("error")) {
      words = ": " + text->substr(0, 512);
    }
  }
  return {ChannelError::kUnexpectedAnswer,
          "the worker answered status " + std::to_string(response.status) + words};
}

}  // namespace

DocumentAppraisal appraise_document(const EvidenceDocument& document, const AppraisalPolicy& policy,
                                    const std::optional<ByteArray<32>>& own_nonce, Instant now) {
  const Sha256Digest digest = sha256(document.statement);
  const EvidenceItem* evidence = choose_evidence(document.evidence);
  if (evidence == nullptr) {
    return refused("unknown", {},
                   Error(ChannelError::kNoEvidence, "the document holds no evidence we know"),
                   digest);
  }
  const Verification verification =
      EvidenceVerifier(policy.anchors())
          .verify(*evidence, document.endorsements, report_data_for(document.statement), now);
  if (!verification.claims) {
    return refused(evidence->type, verification.checks, verification.claims.error(), digest);
  }
  const BindingVerification bound =
      StatementBinder::bind_statement(*verification.claims, document.statement);
  if (!bound.attested) {
    return refused(evidence->type, bound.checks, bound.attested.error(), digest);
  }
  if (own_nonce) {
    return {appraise(*bound.attested, FreshByOwnNonce{*own_nonce}, policy, now), digest};
  }
  const auto* by_beacon =
      policy.freshness() ? std::get_if<BeaconFreshness>(&*policy.freshness()) : nullptr;
  if (!document.beacon || by_beacon == nullptr) {
    return {appraise(*bound.attested, FreshnessUnknown{}, policy, now), digest};
  }
  const BeaconVerification beacon =
      BeaconVerifier::verify(*document.beacon, by_beacon->broker_keys);
  if (!beacon.claims) {
    std::vector<Check> checks = bound.checks;
    checks.insert(checks.end(), beacon.checks.begin(), beacon.checks.end());
    return refused(evidence->type, std::move(checks), beacon.claims.error(), digest);
  }
  return {appraise(*bound.attested, FreshByBeacon{*beacon.claims}, policy, now), digest};
}

AttestedClient::AttestedClient(std::unique_ptr<HttpClient> http, const AppraisalPolicy& policy,
                               Affirmed affirmed, ServedList served, std::string evidence_document,
                               const Clock& clock, Random& random)
    : http_(std::move(http)),
      policy_(policy),
      affirmed_(std::move(affirmed)),
      served_(std::move(served)),
      evidence_document_(std::move(evidence_document)),
      clock_(clock),
      random_(random) {}

ConnectOutcome AttestedClient::connect(const Url& url, const AppraisalPolicy& policy,
                                       const ClientOptions& options, const Clock& clock,
                                       Random& random) {
  if (url.scheme != "https") {
    return {std::nullopt, Error(NetError::kBadUrl, "an attested worker is reached by https only")};
  }
  Result<std::unique_ptr<HttpClient>> http = HttpClient::connect(url, options);
  if (!http) {
    return {std::nullopt, http.error()};
  }
  const auto nonce = random.array<32>();
  const bool hardware =
      policy.freshness() && std::holds_alternative<HardwareFreshness>(*policy.freshness());
  Result<std::string> text = fetch_document(**http, nonce, hardware);
  if (!text) {
    return {std::nullopt, text.error()};
  }
  const Result<EvidenceDocument> document = parse_evidence_document(*text);
  if (!document) {
    return {std::nullopt, document.error()};
  }
  DocumentAppraisal appraisal = appraise_document(
      *document, policy, hardware ? std::optional(nonce) : std::nullopt, clock.now());
  if (!appraisal.result.affirmed()) {
    Error why =
        appraisal.result.error()
            ? *appraisal.result.error()
            : Error(ChannelError::kNotAffirmed,
                    "the appraisal ended with " + std::string(name_of(appraisal.result.outcome())) +
                        ", and only affirming lets an input leave");
    return {std::move(appraisal.result), std::move(why)};
  }
  const Affirmed affirmed = *appraisal.result.affirmed();
  const Result<void> channel = check_channel((*http)->info(), *document, affirmed.statement(),
                                             appraisal.statement_digest, nonce);
  if (!channel) {
    return {std::move(appraisal.result), channel.error()};
  }
  Result<ServedList> served =
      fetch_served_list(**http, affirmed.statement(), appraisal.statement_digest);
  if (!served) {
    return {std::move(appraisal.result), served.error()};
  }
  return {std::move(appraisal.result), std::unique_ptr<AttestedClient>(new AttestedClient(
                                           std::move(*http), policy, affirmed, std::move(*served),
                                           *std::move(text), clock, random))};
}

Result<const AppraisedModel*> AttestedClient::appraised(std::string_view model, Instant now) {
  auto found = appraised_.find(model);
  if (found == appraised_.end()) {
    const ModelPolicy* wanted = policy_.model(model);
    if (wanted == nullptr) {
      return Error(ChannelError::kModelNotInPolicy,
                   "the policy has no [[model]] named " + std::string(model))
          .with_remedy("add one with its name, owner_key and minimum_version");
    }
    ENSC_TRY_ASSIGN(
        AppraisedModel judged,
        appraise_served_model(served_, {wanted->name, wanted->owner_keys, wanted->minimum_version},
                              affirmed_.statement().security.broker_key,
                              affirmed_.statement().keys.session, now));
    found = appraised_.emplace(std::string(model), std::move(judged)).first;
  }
  if (now > found->second.lease_not_after()) {
    return Error(ChannelError::kLeaseExpired,
                 "the lease ended at " + to_rfc3339(found->second.lease_not_after()) + ", it is " +
                     to_rfc3339(now) + " by this machine's clock")
        .with_remedy("connect again; the worker renews its leases at a third of their life");
  }
  return &found->second;
}

Result<AttestedClient::Answer> AttestedClient::infer(std::string_view model,
                                                     std::vector<Tensor> inputs,
                                                     std::span<const std::string> outputs) {
  const Instant now = clock_.now();
  if (now > affirmed_.expires()) {
    return Error(ChannelError::kNotAffirmed,
                 "the affirmation ended at " + to_rfc3339(affirmed_.expires()))
        .with_remedy("connect again; the worker renews its evidence every epoch");
  }
  ENSC_TRY_ASSIGN(const AppraisedModel* appraised_model, appraised(model, now));
  const ServedModel& served = appraised_model->model();
  oip::InferRequest body;
  body.inputs = std::move(inputs);
  for (const std::string& name : outputs) {
    body.outputs.push_back({name, true});
  }
  oip::Message message = oip::write_infer_request(body);
  HttpRequest request;
  request.method = "POST";
  request.target = "/v2/models/" + served.name + "/infer";
  request.headers.set("Content-Type", "application/octet-stream");
  request.headers.set(std::string(oip::kHeaderLengthName), std::to_string(*message.header_length));
  const std::string bundle = to_hex(served.manifest_digest);
  request.headers.set(std::string(kBundleHeader), bundle);
  request.body = std::move(message.body);
  AskedReceipt asked = ask_for_receipt(request, random_);
  Result<HttpResponse> response = http_->request(request);
  const WipedOnExit sent(request.body);
  if (!response) {
    return response.error();
  }
  const WipedOnExit received(response->body);
  if (response->status != 200) {
    return answered(*response);
  }
  if (response->headers.get(kBundleHeader) != bundle) {
    return Error(ChannelError::kUnexpectedAnswer, "the answer names another bundle than was asked");
  }
  ENSC_TRY_ASSIGN(
      TakenReceipt taken,
      take_receipt(response->headers.get(kReceiptHeader), asked,
                   response_digest(asked.key, receipted_response(*response), response->body),
                   affirmed_, served, last_receipt_));
  last_receipt_ = taken.receipt.sequence;
  std::optional<std::size_t> header_length;
  if (const auto text = response->headers.get(oip::kHeaderLengthName)) {
    ENSC_TRY_ASSIGN(header_length, oip::parse_header_length(*text));
  }
  ENSC_TRY_ASSIGN(oip::InferResponse parsed,
                  oip::parse_infer_response(response->body, header_length));
  if (parsed.model_name != served.name) {
    return Error(ChannelError::kUnexpectedAnswer, "the answer is of another model");
  }
  // The outputs borrow the body that ends here: give them memory of their own.
  Answer out;
  out.model_version = parsed.model_version;
  out.manifest_digest = served.manifest_digest;
  out.receipt = std::move(taken.message);
  out.receipt_key = std::move(asked.key);
  for (const Tensor& tensor : parsed.outputs) {
    if (tensor.type() == DataType::kBytes) {
      std::vector<ByteView> elements;
      for (std::size_t i = 0; i < tensor.num_elements(); ++i) {
        elements.push_back(tensor.element(i));
      }
      ENSC_TRY_ASSIGN(Tensor copy, Tensor::strings(tensor.name(), tensor.shape(), elements));
      out.outputs.push_back(std::move(copy));
    } else {
      ENSC_TRY_ASSIGN(Tensor copy, Tensor::make(tensor.name(), tensor.type(), tensor.shape(),
                                                SecretBytes::copy_of(tensor.data())));
      out.outputs.push_back(std::move(copy));
    }
  }
  return out;
}

}  // namespace ensconce
