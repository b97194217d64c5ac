#include "ensconce/client/appraisal_cache.h"

#include "ensconce/base/bytes.h"

namespace ensconce {

namespace {

// Every piece goes in behind its length, so that no two documents are the same question.
class Question {
 public:
  void add(ByteView bytes) {
    count(bytes.size());
    hasher_.update(bytes);
  }
  void count(std::uint64_t n) {
    ByteWriter w;
    w.u64_be(n);
    hasher_.update(std::move(w).take());
  }
  template <typename Items>
  void add_items(const Items& items) {
    count(items.size());
    for (const auto& item : items) {
      add(as_bytes(item.type));
      add(item.data);
    }
  }
  Sha256Digest finish() { return hasher_.finish(); }

 private:
  Sha256 hasher_;
};

}  // namespace

Sha256Digest AppraisalCache::question(const EvidenceDocument& document,
                                      const AppraisalPolicy& policy) {
  Question q;
  q.add(policy.sha256());
  q.add(document.statement);
  q.count(document.beacon ? 1 : 0);
  q.add(document.beacon ? ByteView(*document.beacon) : ByteView());
  q.add_items(document.evidence);
  q.add_items(document.endorsements);
  return q.finish();
}

std::shared_ptr<const AttestationResult> AppraisalCache::find(const Sha256Digest& question,
                                                              Instant now) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(question);
  if (found == entries_.end() || now < found->second.judged ||
      now > found->second.result->affirmed()->expires()) {
    return nullptr;
  }
  return found->second.result;
}

void AppraisalCache::learn(const Sha256Digest& question, const AttestationResult& result,
                           Instant now) {
  if (!result.affirmed() || capacity_ == 0) {
    return;
  }
  Entry entry{std::make_shared<const AttestationResult>(result), now};
  const std::lock_guard lock(mutex_);
  if (!entries_.insert_or_assign(question, std::move(entry)).second) {
    return;
  }
  in_order_.push_back(question);
  if (in_order_.size() > capacity_) {
    entries_.erase(in_order_.front());
    in_order_.pop_front();
  }
}

}  // namespace ensconce
