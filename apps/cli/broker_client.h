#pragma once

#include <optional>
#include <string>

#include "broker_connection.h"
#include "cli.h"
#include "ensconce/base/clock.h"
#include "ensconce/crypto/keys.h"
#include "ensconce/sealed_model/seal.h"

namespace ensconce::cli {

// BrokerTarget is a broker, and what a key is to stand under there.
struct BrokerTarget {
  BrokerDoor door;
  std::string policy;                          // name
  std::optional<std::uint64_t> lease_seconds;  // nothing: the broker's default
  std::optional<std::uint64_t> max_uses;       // nothing: as often as asked
  std::optional<Instant> not_after;            // nothing: until it is revoked
};

// upload_content_key gives a new bundle's content key to the broker, in the owner's name. When it
// returns an error the broker has not taken the key.
Result<void> upload_content_key(const BrokerTarget& target, const Ed25519PrivateKey& owner,
                                const SealedResult& sealed, const Context& context);

}  // namespace ensconce::cli
