#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "ensconce/base/clock.h"
#include "ensconce/crypto/hpke.h"
#include "ensconce/crypto/keys.h"
#include "ensconce/net/http.h"
#include "ensconce/ohttp/binary_http.h"
#include "ensconce/sandbox/mode.h"
#include "ensconce/tee/settings.h"

namespace ensconce {

struct ListenAddress {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
};

struct WorkerModelConfig {
  std::filesystem::path bundle;
  std::uint64_t minimum_version = 0;
};

// WorkerConfig is worker.toml ("ensconce-worker/1"); every key is in docs/config.md.
struct WorkerConfig {
  ListenAddress listen;
  std::optional<ListenAddress> listen_sealed;  // no TLS; evidence and sealed requests alone
  Padding padding = Padding::none();
  hpke::Kem ohttp_kem = hpke::Kem::kX25519;
  AttesterSettings attester;
  Url broker_url;
  Ed25519PublicKey broker_key;
  ByteArray<32> broker_tls_pin{};
  std::vector<Ed25519PublicKey> owner_keys;
  Millis epoch = std::chrono::minutes(10);
  int intra_op_threads = 1;
  unsigned handler_threads = 2;
  std::filesystem::path peer_policy;    // of role "peer"; empty: peers are not judged
  std::filesystem::path broker_policy;  // of role "peer"; empty: the broker's pin is enough
  std::vector<WorkerModelConfig> models;
  std::size_t max_sealed_requests = std::size_t{1} << 20;  // of one gateway key; no key of the file
  SandboxMode sandbox = SandboxMode::kAuto;
  Sha256Digest deployment_digest{};  // of what nobody pins: address, paths, threads
};

// parse_worker_config refuses unknown and missing keys with ServerError::kConfig, naming them.
Result<WorkerConfig> parse_worker_config(std::string_view text, std::string_view source_name);

}  // namespace ensconce
