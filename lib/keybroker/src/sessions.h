#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "ensconce/attestation/verify/binding.h"
#include "ensconce/base/clock.h"
#include "ensconce/base/random.h"
#include "ensconce/keybroker/error.h"

namespace ensconce::internal {

// Shared: a request in flight keeps its evidence when the session ends meanwhile.
using SharedEvidence = std::shared_ptr<const Verified<Attested>>;

// SessionTable holds RCAR sessions: at most kMaxBrokerSessions, each for kBrokerSessionLife by the
// boot clock; the oldest goes first. Not thread-safe.
class SessionTable {
 public:
  struct Opened {
    std::string id;     // 32 hex digits
    std::string nonce;  // base64 of 32 random bytes
  };
  Opened open(Random& random, Millis now);
  // spend_nonce gives the nonce of a session once; kNoSession, and kNonce the second time.
  Result<std::string> spend_nonce(const std::string& id, Millis now);
  // attest keeps what was verified under that nonce. A session that ended meanwhile is kNoSession.
  Result<void> attest(const std::string& id, SharedEvidence evidence, Millis now);
  // evidence is kNoSession for a session that did not attest, or asked too often.
  Result<SharedEvidence> evidence(const std::string& id, Millis now);

 private:
  struct Session {
    std::string nonce;
    Millis opened{};
    bool nonce_spent = false;
    SharedEvidence evidence;
    int requests = 0;
  };
  Result<Session*> find(const std::string& id, Millis now);
  std::map<std::string, Session> sessions_;
  std::deque<std::string> by_age_;
};

}  // namespace ensconce::internal
