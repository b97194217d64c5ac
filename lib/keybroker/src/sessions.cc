#include "sessions.h"

#include "ensconce/codec/base64.h"
#include "ensconce/keybroker/key_broker.h"

namespace ensconce::internal {

namespace {
// A worker asks for a key and a lease or two in one session.
constexpr int kMaxRequests = 16;
}  // namespace

SessionTable::Opened SessionTable::open(Random& random, Millis now) {
  while (!by_age_.empty() && (by_age_.size() >= kMaxBrokerSessions ||
                              now - sessions_[by_age_.front()].opened >= kBrokerSessionLife)) {
    sessions_.erase(by_age_.front());
    by_age_.pop_front();
  }
  Opened opened{to_hex(random.array<16>()), base64_encode(random.array<32>())};
  sessions_.insert_or_assign(opened.id, Session{opened.nonce, now, false, nullptr, 0});
  by_age_.push_back(opened.id);
  return opened;
}

Result<SessionTable::Session*> SessionTable::find(const std::string& id, Millis now) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || now - found->second.opened >= kBrokerSessionLife) {
    return Error(KeyBrokerError::kNoSession, "no such session");
  }
  return &found->second;
}

Result<std::string> SessionTable::spend_nonce(const std::string& id, Millis now) {
  ENSC_TRY_ASSIGN(Session* const session, find(id, now));
  if (session->nonce_spent) {
    return Error(KeyBrokerError::kNonce, "the nonce of this session is spent");
  }
  session->nonce_spent = true;
  return session->nonce;
}

Result<void> SessionTable::attest(const std::string& id, SharedEvidence evidence, Millis now) {
  ENSC_TRY_ASSIGN(Session* const session, find(id, now));
  session->evidence = std::move(evidence);
  return ok();
}

Result<SharedEvidence> SessionTable::evidence(const std::string& id, Millis now) {
  ENSC_TRY_ASSIGN(Session* const session, find(id, now));
  if (session->evidence == nullptr || ++session->requests > kMaxRequests) {
    return Error(KeyBrokerError::kNoSession, "this session did not attest, or asked too often");
  }
  return session->evidence;
}

}  // namespace ensconce::internal
