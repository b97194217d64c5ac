#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ensconce/attestation/appraise/appraise.h"
#include "ensconce/base/random.h"
#include "ensconce/channel/evidence_document.h"
#include "ensconce/channel/receipt.h"
#include "ensconce/channel/served_list.h"
#include "ensconce/inference/tensor.h"
#include "ensconce/net/client.h"

namespace ensconce {

// DocumentAppraisal is the judgement of an evidence document by itself: no channel yet.
struct DocumentAppraisal {
  AttestationResult result;
  Sha256Digest statement_digest{};
};

// appraise_document verifies the hardware evidence of a document, binds its statement, verifies its
// beacon and appraises all of it. `own_nonce` is the verifier's nonce when it asked for hardware
// freshness. Offline: endorsements travel in the document.
DocumentAppraisal appraise_document(const EvidenceDocument& document, const AppraisalPolicy& policy,
                                    const std::optional<ByteArray<32>>& own_nonce, Instant now);

class AttestedClient;

// ConnectOutcome is a client, or why there is none; the appraisal explains either, when it came to
// one.
struct ConnectOutcome {
  std::optional<AttestationResult> appraisal;
  Result<std::unique_ptr<AttestedClient>> client;
};

// AttestedClient is one connection to a worker that was verified before anything was sent: it
// exists only with an Affirmed result for this very channel. Used by one thread at a time.
class AttestedClient {
 public:
  // connect opens TLS 1.3, fetches the evidence with a nonce of its own, appraises it, and checks
  // that the statement names this connection's key and that the session proof belongs to this
  // session; then it reads the served list. No input is involved. Clock and randomness are
  // borrowed.
  static ConnectOutcome connect(const Url& url, const AppraisalPolicy& policy,
                                const ClientOptions& options, const Clock& clock, Random& random);

  // infer appraises the served model against the policy, then sends the inputs, naming the bundle
  // they are meant for, and takes the answer only with a receipt for it. Errors: ChannelError,
  // NetError, and what the worker answered.
  struct Answer {
    std::vector<Tensor> outputs;
    std::string model_version;
    Sha256Digest manifest_digest{};
    Bytes receipt;           // COSE_Sign1, judged: docs/protocols/receipt.md
    ReceiptKey receipt_key;  // of its digests; made for this request
  };
  Result<Answer> infer(std::string_view model, std::vector<Tensor> inputs,
                       std::span<const std::string> outputs);

  [[nodiscard]] const Affirmed& affirmed() const { return affirmed_; }
  [[nodiscard]] const ServedList& served() const { return served_; }
  // evidence_document is the one that was appraised, byte for byte as it came: it goes with the
  // receipts.
  [[nodiscard]] const std::string& evidence_document() const { return evidence_document_; }

 private:
  AttestedClient(std::unique_ptr<HttpClient> http, const AppraisalPolicy& policy, Affirmed affirmed,
                 ServedList served, std::string evidence_document, const Clock& clock,
                 Random& random);
  // appraised returns what the policy says of a served model, judged once; its lease is held
  // against the clock for every request.
  Result<const AppraisedModel*> appraised(std::string_view model, Instant now);

  std::unique_ptr<HttpClient> http_;
  AppraisalPolicy policy_;
  Affirmed affirmed_;
  ServedList served_;
  std::map<std::string, AppraisedModel, std::less<>> appraised_;
  std::string evidence_document_;
  std::uint64_t last_receipt_ = 0;  // its sequence
  const Clock& clock_;
  Random& random_;
};

}  // namespace ensconce
