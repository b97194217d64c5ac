#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ensconce/attestation/appraise/appraise.h"
#include "ensconce/base/random.h"
#include "ensconce/channel/appraise_document.h"
#include "ensconce/channel/receipt.h"
#include "ensconce/channel/served_list.h"
#include "ensconce/client/appraisal_cache.h"
#include "ensconce/client/channel.h"
#include "ensconce/inference/tensor.h"

namespace ensconce {

class AttestedClient;
class AskedReceipt;

// ConnectOutcome is a client, or why there is none; the appraisal explains either, when it came to
// one.
struct ConnectOutcome {
  std::optional<AttestationResult> appraisal;
  Result<std::unique_ptr<AttestedClient>> client;
};

// AttestedClient is one channel to a worker that was verified before anything was sent: it exists
// only with an Affirmed result for this very channel. Used by one thread at a time.
class AttestedClient {
 public:
  // connect opens the channel, fetches the evidence with a nonce of its own, appraises it, and
  // checks that the statement names this channel's key and that the session proof belongs to this
  // session; then it reads the served list. No input is involved. Clock and randomness are
  // borrowed, the cache until this returns: with one, a document that was affirmed before is not
  // judged again, while all that belongs to the channel is checked as ever.
  static ConnectOutcome connect(const Url& url, const AppraisalPolicy& policy,
                                const ClientOptions& options, const Clock& clock, Random& random,
                                ChannelChoice choice = ChannelChoice::kAttestedTls,
                                AppraisalCache* cache = nullptr);

  // renew does all of that again on the same channel (an oblivious one connects anew where its
  // connection was closed), with the worker's evidence of now and no
  // cache, and forgets what it judged before. The other calls renew by themselves when the
  // affirmation is about to end. A worker that is refused now is refused for good; one that cannot
  // be reached is an error, and what was affirmed lasts until it ends.
  Result<void> renew();

  // infer appraises the served model against the policy, then sends the inputs, naming the bundle
  // they are meant for, and takes the answer only with a receipt for it. Errors: ChannelError,
  // NetError, and what the worker answered.
  struct Answer {
    std::vector<Tensor> outputs;
    std::string model_version;
    Sha256Digest manifest_digest{};
    Bytes receipt;           // COSE_Sign1, verified
    ReceiptKey receipt_key;  // of its digests
  };
  Result<Answer> infer(std::string_view model, std::vector<Tensor> inputs,
                       std::span<const std::string> outputs);

  // keep_warm renews when it is time to.
  Result<void> keep_warm() { return keep_affirmed(); }
  // forward sends somebody else's request, for a proxy. One that carries a body must name a model,
  // by its path (/v2/models/NAME/…) or by the member "model" of its JSON: that model is appraised
  // as infer does, and the answer must be of the same bundle. Answers of any status come back.
  Result<HttpResponse> forward(HttpRequest request);
  // forward_streamed does the same and, over a channel that streams, returns as soon as the head of
  // a long answer is known: the body is then the answer's `stream`, which borrows this client and
  // fails unless the answer came to its authenticated end and has its receipt. The last piece
  // of content, whatever padding follows it, is kept back until then. Short answers, and those
  // whose receipt the caller wants (it brings a key), come whole.
  Result<HttpResponse> forward_streamed(HttpRequest request);

  // introduce shows the other side evidence of our own, where it judges who connects (PeerGate);
  // `ours` makes the document for its nonce and this connection's exporter. It needs attested TLS,
  // opened with the TLS identity our statement names (ClientOptions::identity).
  using Introduction = std::function<Result<EvidenceDocument>(const ByteArray<32>& nonce,
                                                              const ByteArray<32>& exporter)>;
  Result<void> introduce(const Introduction& ours);

  [[nodiscard]] const Affirmed& affirmed() const { return affirmation_->affirmed; }
  [[nodiscard]] const ServedList& served() const { return affirmation_->served; }
  // evidence_document is the one that was appraised last, byte for byte as it came: it goes with
  // the receipts.
  [[nodiscard]] std::string_view evidence_document() const {
    return as_text(affirmation_->document);
  }
  // open says whether the channel still stands; if not, connect anew.
  [[nodiscard]] bool open() const;
  // unsent says of the last infer or forward, which failed, that the worker cannot have acted on
  // it: it left not whole or not at all. Only such a one may be sent again. One that was answered
  // with the word that its key is gone is sent again once by the client itself, and is not unsent
  // after that: who ends TLS outside can pass it on and say that word all the same, and so cause
  // this one repetition.
  [[nodiscard]] bool unsent() const { return unsent_; }

 private:
  // What was affirmed, and when it should be again.
  struct Affirmation {
    Affirmed affirmed;
    ServedList served;
    Bytes document;
    Instant renew_at;
  };
  struct AffirmOutcome {
    std::optional<AttestationResult> appraisal;
    Result<Affirmation> affirmation;
  };
  AttestedClient(std::unique_ptr<WorkerChannel> channel, const AppraisalPolicy& policy,
                 const Clock& clock, Random& random);
  AffirmOutcome affirm(AppraisalCache* cache);
  [[nodiscard]] AttestationResult judge(const EvidenceDocument& document,
                                        const std::optional<ByteArray<32>>& own_nonce, Instant now,
                                        AppraisalCache* cache) const;
  Result<void> keep_affirmed();
  // send sends one and notes whether it left; exchange sends a request in the channel, once more
  // after the worker's key has gone.
  Result<HttpResponse> send(const HttpRequest& request);
  Result<HttpResponse> exchange(const HttpRequest& request);
  // once_more lets `again` renew and send what was answered with kKeyGone.
  template <typename Again>
  auto once_more(Again again) -> decltype(again());
  // exchange_about sends a request that a model is to answer: it judges the model first, names its
  // bundle, and takes an answer of status 200 only from that bundle and with its receipt.
  struct ModelAnswer {
    HttpResponse response;
    ServedModel model;
    Bytes receipt;
    ReceiptKey receipt_key;
  };
  Result<ModelAnswer> exchange_about(std::string_view model, HttpRequest request);
  Result<ModelAnswer> try_about(const ServedModel& model, HttpRequest& request);
  Result<HttpResponse> try_streamed(const ServedModel& model, HttpRequest& request);
  // about judges the model, then lets `attempt` ask, once more after the worker's key has gone.
  template <typename Try>
  auto about(std::string_view model, HttpRequest request, Try attempt)
      -> decltype(attempt(std::declval<const ServedModel&>(), request));
  Result<AskedReceipt> ask_about(const ServedModel& model, HttpRequest& request);
  // judge_answer returns the receipt of a whole answer of status 200; without one that holds the
  // answer is wiped.
  Result<Bytes> judge_answer(HttpResponse& response, const HttpRequest& request,
                             AskedReceipt& asked, const ServedModel& model);
  class ReceiptedBody;
  // appraised returns what the policy says of a served model, judged once; its lease is held
  // against the clock for every request.
  Result<const AppraisedModel*> appraised(std::string_view model, Instant now);
  // appraised_with_lease renews once where the lease that is known has ended.
  Result<const AppraisedModel*> appraised_with_lease(std::string_view model);

  std::unique_ptr<WorkerChannel> channel_;
  AppraisalPolicy policy_;
  std::optional<Affirmation> affirmation_;
  std::optional<Error> refused_;  // for good
  Instant next_lease_;            // no earlier is one asked for again
  bool unsent_ = false;           // of the last request
  bool bound_anew_ = false;       // the channel was bound since the last affirm() began
  std::map<std::string, AppraisedModel, std::less<>> appraised_;
  std::uint64_t last_receipt_ = 0;  // its sequence, of the affirmed boot
  const Clock& clock_;
  Random& random_;
};

}  // namespace ensconce
