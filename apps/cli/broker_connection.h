#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cli.h"
#include "ensconce/attestation/policy/policy.h"
#include "ensconce/crypto/keys.h"
#include "ensconce/keybroker/wire.h"

namespace ensconce::cli {

// BrokerDoor is where a broker is, and what it must show before anything is said to it.
struct BrokerDoor {
  std::string url;
  std::string pin;                        // hex: SHA-256 of its SubjectPublicKeyInfo
  std::optional<Ed25519PublicKey> key;    // that it signs by, where the owner says it
  std::optional<AppraisalPolicy> policy;  // for its evidence; absent: the pin is enough
};

// policy_for_broker reads --broker-policy; an empty path is none.
Result<std::optional<AppraisalPolicy>> policy_for_broker(const std::string& path);

// OwnerConnection is an owner's connection to a broker whose TLS key is pinned and, with a policy,
// whose evidence was affirmed on this very connection.
class OwnerConnection {
 public:
  static Result<std::unique_ptr<OwnerConnection>> open(const BrokerDoor& door,
                                                       const Context& context);
  virtual ~OwnerConnection() = default;
  OwnerConnection(const OwnerConnection&) = delete;
  OwnerConnection& operator=(const OwnerConnection&) = delete;

  // ask signs a request with the owner's key and returns the answer; a refusal is the broker's own
  // error. `body` is wiped.
  virtual Result<Bytes> ask(const Ed25519PrivateKey& owner, const std::string& method,
                            const std::string& target, Bytes body) = 0;
  // get asks for what anybody may know.
  virtual Result<Bytes> get(const std::string& target) = 0;
  // attested_key is the key that an affirmed broker signs by; nothing without a policy.
  [[nodiscard]] virtual std::optional<Ed25519PublicKey> attested_key() const = 0;

 protected:
  OwnerConnection() = default;
};

}  // namespace ensconce::cli
