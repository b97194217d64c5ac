#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "ensconce/attestation/appraise/appraise.h"
#include "ensconce/base/random.h"
#include "ensconce/keybroker/wire.h"
#include "ensconce/net/client.h"

namespace ensconce {

// kBrokerAffirmationLife bounds how long a connection counts as affirmed, by the caller's boot
// clock, whatever the wall clock says.
inline constexpr Millis kBrokerAffirmationLife = std::chrono::minutes(10);

// ExpectedBroker is what a caller knows of a broker before it connects.
struct ExpectedBroker {
  Url url;                                // https
  ByteArray<32> tls_pin{};                // SHA-256 of the SubjectPublicKeyInfo its TLS shows
  std::optional<Ed25519PublicKey> key;    // that signs beacons and leases; absent: not known
  std::optional<AppraisalPolicy> policy;  // absent: nothing but the pin is asked of it
};

// read_broker_policy reads a policy for a broker's evidence: of role "peer", with hardware
// freshness, because nobody gives a broker a beacon. Errors: PolicyError, and those of reading.
Result<AppraisalPolicy> read_broker_policy(const std::filesystem::path& path);

// PinnedBroker is a connection to a broker whose TLS key is pinned. With a policy, each connection
// carries nothing but one question for evidence before the broker is affirmed on it: its evidence
// made for our nonce, its TLS key in the attested statement, its session proof over this
// connection's exporter, its signing key in the statement (docs/protocols/mutual-attestation.md).
// Used by one thread at a time.
class PinnedBroker final : public BrokerConnection {
 public:
  // Clock and randomness are borrowed.
  PinnedBroker(ExpectedBroker expected, const Clock& clock, Random& random);

  // connect opens the connection and affirms the broker, where that is not so already. Errors:
  // NetError, and with a policy those of an appraisal and ChannelError; then there is no
  // connection, and nothing of the caller's was sent.
  Result<void> connect();
  // exchange connects, then sends one request. A connection that failed is opened, and the broker
  // affirmed, anew; only what begins an exchange is sent again (the broker may have closed an idle
  // connection): a key asked for twice would count as two uses.
  Result<WireResponse> exchange(const WireRequest& request) override;
  // affirmed is who was affirmed on the present connection; nullptr without a policy.
  [[nodiscard]] const Affirmed* affirmed() const { return affirmed_ ? &*affirmed_ : nullptr; }

 private:
  [[nodiscard]] bool stands() const;
  Result<void> affirm();
  Result<WireResponse> try_exchange(const WireRequest& request);

  const ExpectedBroker expected_;
  const Clock& clock_;
  Random& random_;
  ClientOptions options_;
  std::unique_ptr<HttpClient> client_;
  std::optional<Affirmed> affirmed_;
  Millis affirmed_at_{};  // by the boot clock
};

}  // namespace ensconce
