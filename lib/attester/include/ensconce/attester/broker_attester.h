#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "ensconce/attester/attested_statement.h"
#include "ensconce/base/clock.h"
#include "ensconce/base/random.h"
#include "ensconce/crypto/keys.h"
#include "ensconce/net/http.h"

namespace ensconce {

// Who asks for a report of their own is a stranger, and a secure processor makes few a second: so
// many at once, and one more after each pause, for all of them together.
inline constexpr std::int64_t kBrokerReportBurst = 8;
inline constexpr Millis kBrokerReportPause = std::chrono::seconds(2);
// How long one report serves those who do not ask for their own; it is made anew when asked for.
inline constexpr Millis kBrokerEpoch = std::chrono::minutes(10);
// kBrokerSessionKeyLife is when the key of session proofs is replaced, by the boot clock.
inline constexpr Millis kBrokerSessionKeyLife = std::chrono::hours(24);

// BrokerSelf is what a broker says of itself in its statement (docs/protocols/statement.md,
// section 6).
struct BrokerSelf {
  Sha384Digest tls_key_hash{};               // SHA-384 of the DER SubjectPublicKeyInfo
  Ed25519PublicKey signing_key;              // of beacons and leases
  std::vector<Ed25519PublicKey> owner_keys;  // of its admin API, 1 to 16
  Sha256Digest deployment_digest{};
  std::string sandbox = "none";  // what holds of it in this process
};

// BrokerAttester shows the evidence of a broker that runs in a secure processor: it answers
// kEvidencePath on the broker's own TLS. Nobody gives a broker a beacon, and one of its own would
// date its evidence by the clock that its host sets, so evidence is fresh when it is made for the
// verifier's nonce (freshness=hardware). Safe to use from several threads.
class BrokerAttester {
 public:
  // start makes the first report, so that a broker that cannot attest does not come up as one that
  // can. Provider, clock and randomness are borrowed. Errors: TeeError.
  static Result<std::unique_ptr<BrokerAttester>> start(BrokerSelf self, EvidenceProvider& provider,
                                                       const Clock& clock, Random& random);
  ~BrokerAttester() = default;
  BrokerAttester(const BrokerAttester&) = delete;
  BrokerAttester& operator=(const BrokerAttester&) = delete;

  // answer answers a request for kEvidencePath. A refusal is {"error": "<id>…"} with status 400
  // (AttesterError::kQuestion), 405, 429, or a 5xx of the device.
  [[nodiscard]] HttpResponse answer(const HttpRequest& request, const ConnectionInfo& connection);

 private:
  // A statement, its evidence, and the key it names for session proofs.
  struct Shown {
    AttestedStatement attested;
    std::shared_ptr<const Ed25519PrivateKey> session;
  };
  BrokerAttester(BrokerSelf self, EvidenceProvider& provider, const Clock& clock, Random& random);
  Result<std::shared_ptr<const Shown>> attest(const ByteArray<32>& challenge);
  Result<std::shared_ptr<const Shown>> for_nonce(const ByteArray<32>& nonce);
  std::shared_ptr<const Shown> of_this_epoch();
  Result<HttpResponse> try_answer(const HttpRequest& request, const ConnectionInfo& connection);

  const BrokerSelf self_;
  EvidenceProvider& provider_;
  const Clock& clock_;
  Random& random_;
  const ByteArray<16> boot_id_;
  const Bytes release_point_;

  std::mutex device_mutex_;  // one report at a time; guards what a statement is made of
  std::uint64_t epoch_ = 0;
  std::shared_ptr<const Ed25519PrivateKey> session_;
  Millis session_made_{};

  std::mutex mutex_;
  std::shared_ptr<const Shown> current_;
  Millis next_epoch_{};
  Millis reports_owed_until_{};
};

}  // namespace ensconce
