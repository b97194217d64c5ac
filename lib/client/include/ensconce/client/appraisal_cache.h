#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <mutex>

#include "ensconce/attestation/appraise/attestation_result.h"
#include "ensconce/attestation/policy/policy.h"
#include "ensconce/attestation/verify/signature_memo.h"
#include "ensconce/channel/evidence_document.h"

namespace ensconce {

// AppraisalCache remembers documents that were affirmed, so that a further connection to the same
// worker within its epoch does not verify the same bytes again. It is asked about everything an
// appraisal reads: statement, beacon, evidence, endorsements, and the policy. What belongs to a
// connection (session proof, channel key) is no part of the question and is never remembered: the
// channel checks it each time. Neither is evidence made for a verifier's own nonce, nor a document
// that was not affirmed. Bounded (the oldest goes first) and thread-safe.
class AppraisalCache {
 public:
  explicit AppraisalCache(std::size_t capacity = 64) : capacity_(capacity) {}
  AppraisalCache(const AppraisalCache&) = delete;
  AppraisalCache& operator=(const AppraisalCache&) = delete;

  // question names what is judged, and by which policy.
  static Sha256Digest question(const EvidenceDocument& document, const AppraisalPolicy& policy);
  // find returns the affirming result of that very question, from when it was judged until the
  // affirmation expires; otherwise nullptr.
  [[nodiscard]] std::shared_ptr<const AttestationResult> find(const Sha256Digest& question,
                                                              Instant now) const;
  // learn keeps a result that affirms, and passes over others.
  void learn(const Sha256Digest& question, const AttestationResult& result, Instant now);
  // signatures is for the verification of what is not remembered: a worker's next epoch comes with
  // the endorsements of the last one.
  [[nodiscard]] SignatureMemo& signatures() { return signatures_; }

 private:
  struct Entry {
    std::shared_ptr<const AttestationResult> result;
    Instant judged;
  };
  const std::size_t capacity_;
  SignatureMemo signatures_;
  mutable std::mutex mutex_;
  std::map<Sha256Digest, Entry> entries_;
  std::deque<Sha256Digest> in_order_;
};

}  // namespace ensconce
