#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ensconce/crypto/keys.h"
#include "ensconce/keybroker/error.h"
#include "ensconce/sandbox/mode.h"
#include "ensconce/tee/settings.h"

namespace ensconce {

// BrokerConfig is broker.toml (docs/config-broker.md).
struct BrokerConfig {
  std::string address = "127.0.0.1";
  std::uint16_t port = 7443;
  std::string state;  // directory; empty: named on the command line
  std::vector<Ed25519PublicKey> owner_keys;
  std::uint64_t lease_seconds = 3600;
  std::optional<AttesterSettings> attester;  // nothing: the broker shows no evidence
  SandboxMode sandbox = SandboxMode::kAuto;
  Sha256Digest deployment_digest{};  // of what nobody pins, for the statement
};

// parse_broker_config reads "ensconce-broker/1". Errors: kConfig, naming the field.
Result<BrokerConfig> parse_broker_config(std::string_view toml, std::string_view source_name);

}  // namespace ensconce
