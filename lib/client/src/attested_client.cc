#include "ensconce/client/attested_client.h"

#include <algorithm>
#include <utility>

#include "ensconce/base/printable.h"
#include "ensconce/channel/peer.h"
#include "ensconce/codec/json.h"
#include "ensconce/oip/oip.h"
#include "receipt_exchange.h"

namespace ensconce {

namespace {

constexpr Millis kRenewalPause = std::chrono::seconds(10);

// may_pass says that the same worker may be affirmed again later: it was not reached, or its broker
// was not, and its last beacon has grown old.
bool may_pass(const Error& error) {
  return error.kind() == Kind::kUnavailable || error.kind() == Kind::kExhausted ||
         error.is(AttestationError::kFreshnessAge);
}

Result<ServedList> fetch_served_list(WorkerChannel& channel, const Affirmed& affirmed) {
  HttpRequest request;
  request.method = "GET";
  request.target =
      std::string(kServedListPath) + "?statement=" + to_hex(affirmed.statement_sha256());
  ENSC_TRY_ASSIGN(const HttpResponse response, channel.exchange(request));
  if (response.status != 200) {
    return Error(ChannelError::kUnexpectedAnswer,
                 "expected a served list, got status " + std::to_string(response.status));
  }
  return verify_served_list(affirmed.statement().keys.session, affirmed.statement_sha256(),
                            response.body);
}

// model_of names the model that a request with a body is meant for.
Result<std::string> model_of(const HttpRequest& request) {
  constexpr std::string_view kModels = "/v2/models/";
  std::string_view path = path_of(request.target);
  if (path.starts_with(kModels)) {
    path.remove_prefix(kModels.size());
    return percent_decode(path.substr(0, path.find('/')));
  }
  if (const auto body = json::parse(as_text(request.body)); body && body->is_object()) {
    if (const json::Value* model = body->find("model"); model != nullptr) {
      return model->as_text("model");
    }
  }
  return Error(ChannelError::kModelNotInPolicy,
               "the request carries data and names no model, so none was judged for it")
      .with_remedy("name it in the path (/v2/models/NAME/infer) or as \"model\" in the JSON body");
}

// is_control says that a request asks for a list and carries no input.
bool is_control(const HttpRequest& request) {
  return path_of(request.target) == "/v2/repository/index";
}

// Wipes a message that held inputs or outputs, or the key of a receipt, whichever way the function
// is left.
template <typename Message>
class WipedOnExit {
 public:
  explicit WipedOnExit(Message& message) : message_(message) {}
  ~WipedOnExit() {
    wipe(message_.body.data(), message_.body.size());
    message_.headers.wipe();
  }
  WipedOnExit(const WipedOnExit&) = delete;
  WipedOnExit& operator=(const WipedOnExit&) = delete;

 private:
  Message& message_;
};

Result<void> check_bundle_of(const HttpResponse& response, const ServedModel& model) {
  if (response.headers.get(kBundleHeader) != to_hex(model.manifest_digest)) {
    return Error(ChannelError::kUnexpectedAnswer, "the answer names another bundle than was asked");
  }
  return ok();
}

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

AttestedClient::AttestedClient(std::unique_ptr<WorkerChannel> channel,
                               const AppraisalPolicy& policy, const Clock& clock, Random& random)
    : channel_(std::move(channel)), policy_(policy), clock_(clock), random_(random) {}

ConnectOutcome AttestedClient::connect(const Url& url, const AppraisalPolicy& policy,
                                       const ClientOptions& options, const Clock& clock,
                                       Random& random, ChannelChoice choice,
                                       AppraisalCache* cache) {
  Result<std::unique_ptr<WorkerChannel>> channel = open_channel(url, choice, options, random);
  if (!channel) {
    return {std::nullopt, channel.error()};
  }
  std::unique_ptr<AttestedClient> client(
      new AttestedClient(*std::move(channel), policy, clock, random));
  AffirmOutcome outcome = client->affirm(cache);
  if (!outcome.affirmation) {
    return {std::move(outcome.appraisal), outcome.affirmation.error()};
  }
  client->affirmation_.emplace(*std::move(outcome.affirmation));
  return {std::move(outcome.appraisal), std::move(client)};
}

// Evidence for a nonce of our own is of this exchange alone, so it is not asked about.
AttestationResult AttestedClient::judge(const EvidenceDocument& document,
                                        const std::optional<ByteArray<32>>& own_nonce, Instant now,
                                        AppraisalCache* cache) const {
  if (cache == nullptr) {
    return appraise_document(document, policy_, own_nonce, now).result;
  }
  if (own_nonce) {
    return appraise_document(document, policy_, own_nonce, now, &cache->signatures()).result;
  }
  const Sha256Digest question = AppraisalCache::question(document, policy_);
  if (const auto known = cache->find(question, now)) {
    return *known;
  }
  AttestationResult result =
      appraise_document(document, policy_, std::nullopt, now, &cache->signatures()).result;
  cache->learn(question, result, now);
  return result;
}

// Nothing has been sent that matters when this runs; afterwards only the appraisal lets go on.
AttestedClient::AffirmOutcome AttestedClient::affirm(AppraisalCache* cache) {
  bound_anew_ = false;
  const auto nonce = random_.array<32>();
  const bool hardware = asks_hardware(policy_);
  Bytes raw;
  const Result<EvidenceDocument> document = channel_->fetch_document(nonce, hardware, raw);
  if (!document) {
    return {std::nullopt, document.error()};
  }
  const Instant now = clock_.now();
  AttestationResult result =
      judge(*document, hardware ? std::optional(nonce) : std::nullopt, now, cache);
  if (!result.affirmed()) {
    Error why = why_not_affirmed(result, "an input leave");
    return {std::move(result), std::move(why)};
  }
  const Affirmed affirmed = *result.affirmed();
  if (const Result<void> bound = channel_->bind(*document, affirmed, nonce); !bound) {
    return {std::move(result), bound.error()};
  }
  // From here on the channel seals to this worker: what was affirmed before holds of it no longer.
  bound_anew_ = true;
  Result<ServedList> served = fetch_served_list(*channel_, affirmed);
  if (!served) {
    return {std::move(result), served.error()};
  }
  const Instant renew_at = now + (affirmed.expires() - now) * 3 / 4;
  return {std::move(result), Affirmation{affirmed, *std::move(served), std::move(raw), renew_at}};
}

Result<void> AttestedClient::renew() {
  if (refused_) {
    return *refused_;
  }
  AffirmOutcome outcome = affirm(nullptr);
  if (!outcome.affirmation) {
    const Error& why = outcome.affirmation.error();
    if (bound_anew_ || !may_pass(why)) {
      refused_ = why;
    }
    return why;
  }
  if (outcome.affirmation->affirmed.statement().boot_id != affirmed().statement().boot_id) {
    last_receipt_ = 0;
  }
  affirmation_.emplace(*std::move(outcome.affirmation));
  appraised_.clear();
  return ok();
}

Result<void> AttestedClient::introduce(const Introduction& ours) {
  const auto exporter = channel_->exporter();
  if (!exporter) {
    return Error(ChannelError::kPeerCertificate,
                 "only attested TLS has two ends that can show evidence to each other");
  }
  ENSC_TRY(keep_affirmed());
  ENSC_TRY_ASSIGN(const HttpResponse asked,
                  channel_->exchange({"GET", std::string(kPeerPath), {}, {}}));
  const auto body = json::parse(as_text(asked.body));
  const json::Value* text = asked.status == 200 && body ? body->find("nonce") : nullptr;
  const auto hex = text != nullptr ? text->as_text("nonce") : Result<std::string>("");
  const auto bytes = hex ? from_hex(*hex) : Result<Bytes>(hex.error());
  const auto nonce = bytes ? to_array<32>(*bytes) : Result<ByteArray<32>>(bytes.error());
  if (!nonce) {
    return Error(ChannelError::kUnexpectedAnswer,
                 "expected a nonce for our evidence, got status " + std::to_string(asked.status))
        .with_remedy("does the other side judge who connects (peer_policy)?");
  }
  ENSC_TRY_ASSIGN(const EvidenceDocument document, ours(*nonce, *exporter));
  HttpRequest request{"POST", std::string(kPeerPath), {}, {}};
  request.headers.set("Content-Type", "application/json");
  request.body = to_bytes(write_evidence_document(document));
  ENSC_TRY_ASSIGN(const HttpResponse judged, channel_->exchange(request));
  return judged.status == 200 ? ok() : Result<void>(answered(judged));
}

bool AttestedClient::open() const { return !refused_ && channel_->open(); }

// A worker that cannot be asked just now keeps what it was affirmed for; one that is refused loses
// it at once.
Result<void> AttestedClient::keep_affirmed() {
  if (refused_) {
    return *refused_;
  }
  const Instant now = clock_.now();
  if (now < affirmation_->renew_at) {
    return ok();
  }
  Result<void> renewed = renew();
  if (renewed || refused_) {
    return renewed;
  }
  if (clock_.now() <= affirmed().expires() && channel_->open()) {
    affirmation_->renew_at = now + kRenewalPause;
    return ok();
  }
  return Error(ChannelError::kNotAffirmed,
               "the affirmation ended at " + to_rfc3339(affirmed().expires()) +
                   " and was not renewed: " + renewed.error().to_string())
      .with_remedy("connect again; the worker renews its evidence every epoch");
}

Result<HttpResponse> AttestedClient::send(const HttpRequest& request) {
  unsent_ = false;
  Result<HttpResponse> answer = channel_->exchange(request);
  unsent_ = !answer && (answer.error().is(ChannelError::kKeyGone) || !channel_->sent_whole());
  return answer;
}

// Another worker behind the same address, or the same one with newer keys: it is verified like the
// first. That the first did not open the request is said outside the envelope, where anybody
// between can say it who passed it on: this is the one repetition that such a lie brings about.
template <typename Again>
auto AttestedClient::once_more(Again again) -> decltype(again()) {
  const bool left = channel_->sent_whole();
  unsent_ = true;
  auto answer = again();
  unsent_ = unsent_ && !left && !answer && !answer.error().is(ChannelError::kKeyGone);
  return answer;
}

Result<HttpResponse> AttestedClient::exchange(const HttpRequest& request) {
  Result<HttpResponse> answer = send(request);
  if (answer || !answer.error().is(ChannelError::kKeyGone)) {
    return answer;
  }
  return once_more([&]() -> Result<HttpResponse> {
    ENSC_TRY(renew());
    return send(request);
  });
}

// A worker renews its leases while the client still has the list of before.
Result<const AppraisedModel*> AttestedClient::appraised_with_lease(std::string_view model) {
  const Instant now = clock_.now();
  Result<const AppraisedModel*> judged = appraised(model, now);
  if (judged || !judged.error().is(ChannelError::kLeaseExpired) || now < next_lease_) {
    return judged;
  }
  next_lease_ = now + kRenewalPause;  // where there is no new lease, not every request asks for it
  ENSC_TRY(renew());
  return appraised(model, clock_.now());
}

Result<const AppraisedModel*> AttestedClient::appraised(std::string_view model, Instant now) {
  auto found = appraised_.find(model);
  if (found == appraised_.end()) {
    const ModelPolicy* wanted = policy_.model(model);
    if (wanted == nullptr) {
      return Error(ChannelError::kModelNotInPolicy,
                   "the policy has no [[model]] named " + printable(model, 128))
          .with_remedy("add one with its name, owner_key and minimum_version");
    }
    ENSC_TRY_ASSIGN(
        AppraisedModel judged,
        appraise_served_model(served(), {wanted->name, wanted->owner_keys, wanted->minimum_version},
                              affirmed().statement().security.broker_key,
                              affirmed().statement().keys.session, now));
    found = appraised_.emplace(std::string(model), std::move(judged)).first;
  }
  if (now > found->second.lease_not_after()) {
    return Error(ChannelError::kLeaseExpired,
                 "the lease ended at " + to_rfc3339(found->second.lease_not_after()) + ", it is " +
                     to_rfc3339(now) + " by this machine's clock")
        .with_remedy(
            "the worker renews its leases at a third of their life, while its broker answers");
  }
  return &found->second;
}

template <typename Try>
auto AttestedClient::about(std::string_view model, HttpRequest request, Try attempt)
    -> decltype(attempt(std::declval<const ServedModel&>(), request)) {
  const WipedOnExit sent(request);
  unsent_ = true;
  ENSC_TRY(keep_affirmed());
  ENSC_TRY_ASSIGN(const AppraisedModel* judged, appraised_with_lease(model));
  auto answer = attempt(judged->model(), request);
  if (answer || !answer.error().is(ChannelError::kKeyGone)) {
    return answer;
  }
  // As in exchange; and the model is judged anew, by what this worker serves.
  return once_more([&]() -> decltype(answer) {
    ENSC_TRY(renew());
    ENSC_TRY_ASSIGN(judged, appraised_with_lease(model));
    return attempt(judged->model(), request);
  });
}

Result<AttestedClient::ModelAnswer> AttestedClient::exchange_about(std::string_view model,
                                                                   HttpRequest request) {
  return about(model, std::move(request), [this](const ServedModel& served, HttpRequest& sent) {
    return try_about(served, sent);
  });
}

Result<AskedReceipt> AttestedClient::ask_about(const ServedModel& model, HttpRequest& request) {
  request.headers.set(std::string(kBundleHeader), to_hex(model.manifest_digest));
  return ask_for_receipt(request, random_);
}

Result<Bytes> AttestedClient::judge_answer(HttpResponse& response, const HttpRequest& request,
                                           AskedReceipt& asked, const ServedModel& model) {
  const auto judge = [&]() -> Result<TakenReceipt> {
    ENSC_TRY(check_bundle_of(response, model));
    return take_receipt(response.headers.get(kReceiptHeader), asked.digest_of(request),
                        response_digest(asked.key(), receipted_response(response), response.body),
                        affirmed(), model, last_receipt_);
  };
  Result<TakenReceipt> taken = judge();
  if (!taken) {
    wipe(response.body.data(), response.body.size());
    return taken.error();
  }
  last_receipt_ = taken->receipt.sequence;
  return std::move(taken->message);
}

Result<AttestedClient::ModelAnswer> AttestedClient::try_about(const ServedModel& model,
                                                              HttpRequest& request) {
  ENSC_TRY_ASSIGN(AskedReceipt asked, ask_about(model, request));
  request.on_sent = [&] { asked.digest_of(request); };
  Result<HttpResponse> response = send(request);
  request.on_sent = nullptr;
  ENSC_TRY(response);
  ModelAnswer out{*std::move(response), model, {}, {}};
  if (out.response.status == 200) {
    ENSC_TRY_ASSIGN(out.receipt, judge_answer(out.response, request, asked, model));
  }
  out.receipt_key = asked.take_key();
  return out;
}

Result<HttpResponse> AttestedClient::forward(HttpRequest request) {
  if ((request.body.empty() && request.method != "POST") || is_control(request)) {
    const WipedOnExit sent(request);
    unsent_ = true;
    ENSC_TRY(keep_affirmed());
    return exchange(request);
  }
  const Result<std::string> name = model_of(request);
  if (!name) {
    const WipedOnExit unsent(request);
    unsent_ = true;
    return name.error();
  }
  ENSC_TRY_ASSIGN(ModelAnswer answer, exchange_about(*name, std::move(request)));
  return std::move(answer.response);
}

// ---- Streamed ----------------------------------------------------------------------------------

// ReceiptedBody passes an answer on as it comes, one piece behind: of what was passed on something
// is always missing until the receipt was judged. Which piece is the last is not known when it
// comes, as padding may follow it.
class AttestedClient::ReceiptedBody final : public BodySource {
 public:
  ReceiptedBody(AttestedClient& client, StreamedAnswer& answer, const ReceiptKey& key,
                const Sha256Digest& request, const ServedModel& model)
      : client_(client),
        rest_(std::move(answer.rest)),
        digest_(key, receipted_response(answer.head)),
        request_(request),
        affirmed_(client.affirmed()),
        model_(model) {}

  ~ReceiptedBody() override { wipe(held_.data(), held_.size()); }

  Result<bool> next(Bytes& out) override {
    for (;;) {
      Bytes piece;
      ENSC_TRY_ASSIGN(const bool more, rest_->next(piece));
      digest_.update(piece);
      if (!piece.empty()) {
        give(out);
        held_ = std::move(piece);
      }
      if (!more) {
        return end(out);
      }
      if (!out.empty()) {
        return true;
      }
    }
  }

 private:
  // give appends what was held back.
  void give(Bytes& out) {
    if (out.empty()) {
      out = std::exchange(held_, {});
      return;
    }
    Bytes both;
    both.reserve(out.size() + held_.size());
    both.assign(out.begin(), out.end());
    both.insert(both.end(), held_.begin(), held_.end());
    wipe(out.data(), out.size());
    wipe(held_.data(), held_.size());
    held_.clear();
    out = std::move(both);
  }

  Result<bool> end(Bytes& out) {
    const Result<TakenReceipt> taken =
        take_receipt(rest_->trailers().get(kReceiptHeader), request_, digest_.finish(), affirmed_,
                     model_, client_.last_receipt_);
    if (!taken) {
      wipe(out.data(), out.size());
      out.clear();
      return taken.error();
    }
    client_.last_receipt_ = taken->receipt.sequence;
    give(out);
    return false;
  }

  AttestedClient& client_;
  const std::unique_ptr<AnswerBody> rest_;
  ResponseDigest digest_;
  const Sha256Digest request_;
  const Affirmed affirmed_;
  const ServedModel model_;
  Bytes held_;  // the last piece that came
};

Result<HttpResponse> AttestedClient::try_streamed(const ServedModel& model, HttpRequest& request) {
  ENSC_TRY_ASSIGN(AskedReceipt asked, ask_about(model, request));
  unsent_ = false;
  request.on_sent = [&] { asked.digest_of(request); };
  Result<StreamedAnswer> answer = channel_->begin(request);
  request.on_sent = nullptr;
  unsent_ = !answer && (answer.error().is(ChannelError::kKeyGone) || !channel_->sent_whole());
  ENSC_TRY(answer);
  HttpResponse& head = answer->head;
  if (answer->rest == nullptr) {
    if (head.status == 200) {
      ENSC_TRY(judge_answer(head, request, asked, model));
    }
    return std::move(head);
  }
  if (head.status != 200) {  // short, and no model's; its end is authenticated all the same
    for (bool more = true; more;) {
      ENSC_TRY_ASSIGN(more, answer->rest->next(head.body));
    }
    return std::move(head);
  }
  ENSC_TRY(check_bundle_of(head, model));
  head.stream =
      std::make_shared<ReceiptedBody>(*this, *answer, asked.key(), asked.digest_of(request), model);
  return std::move(head);
}

Result<HttpResponse> AttestedClient::forward_streamed(HttpRequest request) {
  // Whoever brings a key of his own wants the receipt, which is a field of a whole answer.
  if (request.body.empty() || is_control(request) || request.headers.get(kReceiptKeyHeader)) {
    return forward(std::move(request));
  }
  const Result<std::string> name = model_of(request);
  if (!name) {
    return forward(std::move(request));
  }
  return about(*name, std::move(request), [this](const ServedModel& served, HttpRequest& sent) {
    return try_streamed(served, sent);
  });
}

Result<AttestedClient::Answer> AttestedClient::infer(std::string_view model,
                                                     std::vector<Tensor> inputs,
                                                     std::span<const std::string> outputs) {
  oip::InferRequest body;
  body.inputs = std::move(inputs);
  for (const std::string& name : outputs) {
    body.outputs.push_back({name, true});
  }
  oip::Message message = oip::write_infer_request(body);
  HttpRequest request;
  request.method = "POST";
  request.target = "/v2/models/" + std::string(model) + "/infer";
  request.headers.set("Content-Type", "application/octet-stream");
  request.headers.set(std::string(oip::kHeaderLengthName), std::to_string(*message.header_length));
  request.body = std::move(message.body);
  ENSC_TRY_ASSIGN(ModelAnswer answer, exchange_about(model, std::move(request)));
  HttpResponse& response = answer.response;
  const WipedOnExit received(response);
  if (response.status != 200) {
    return answered(response);
  }
  std::optional<std::size_t> header_length;
  if (const auto text = response.headers.get(oip::kHeaderLengthName)) {
    ENSC_TRY_ASSIGN(header_length, oip::parse_header_length(*text));
  }
  ENSC_TRY_ASSIGN(oip::InferResponse parsed,
                  oip::parse_infer_response(response.body, header_length));
  if (parsed.model_name != answer.model.name) {
    return Error(ChannelError::kUnexpectedAnswer, "the answer is of another model");
  }
  // The outputs borrow the body that ends here: give them memory of their own.
  Answer out;
  out.model_version = parsed.model_version;
  out.manifest_digest = answer.model.manifest_digest;
  out.receipt = std::move(answer.receipt);
  out.receipt_key = std::move(answer.receipt_key);
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
