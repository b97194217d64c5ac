#include "ensconce/server/worker_config.h"

#include <charconv>

#include "ensconce/codec/toml.h"
#include "ensconce/crypto/hash.h"
#include "ensconce/server/error.h"

namespace ensconce {

namespace {

template <std::size_t N>
Result<ByteArray<N>> read_hex(json::Fields& fields, std::string_view name) {
  ENSC_TRY_ASSIGN(const json::Value* value, fields.take(name));
  ENSC_TRY_ASSIGN(const std::string text, value->as_text(name));
  const Result<Bytes> bytes = from_hex(text);
  if (!bytes || bytes->size() != N) {
    return Error(ServerError::kConfig,
                 std::string(name) + ": expected " + std::to_string(2 * N) + " hex digits");
  }
  return to_array<N>(*bytes);
}

Result<ListenAddress> read_listen(const json::Value& value, std::string_view name) {
  ENSC_TRY_ASSIGN(const std::string text, value.as_text(name));
  const std::size_t colon = text.rfind(':');
  unsigned port = 0;
  const char* end = text.data() + text.size();
  std::from_chars_result read{};
  if (colon != std::string::npos) {
    read = std::from_chars(text.data() + colon + 1, end, port);
  }
  if (colon == std::string::npos || colon + 1 == text.size() || read.ec != std::errc() ||
      read.ptr != end || port > 65535) {
    return Error(ServerError::kConfig,
                 std::string(name) + ": expected ADDRESS:PORT, such as 127.0.0.1:8443");
  }
  return ListenAddress{text.substr(0, colon), static_cast<std::uint16_t>(port)};
}

Result<void> read_listeners(json::Fields& fields, WorkerConfig& out) {
  ENSC_TRY_ASSIGN(const json::Value* listen, fields.take("listen"));
  ENSC_TRY_ASSIGN(out.listen, read_listen(*listen, "listen"));
  if (const json::Value* sealed = fields.take_optional("listen_sealed"); sealed != nullptr) {
    ENSC_TRY_ASSIGN(out.listen_sealed, read_listen(*sealed, "listen_sealed"));
  }
  return ok();
}

Result<void> read_oblivious(json::Fields& fields, WorkerConfig& out) {
  if (const json::Value* value = fields.take_optional("padding"); value != nullptr) {
    ENSC_TRY_ASSIGN(const std::string text, value->as_text("padding"));
    const auto padding = Padding::parse(text);
    if (!padding) {
      return Error(ServerError::kConfig,
                   "padding: expected \"none\", \"padme\" or \"bucket:N\" with N bytes");
    }
    out.padding = *padding;
  }
  if (const json::Value* value = fields.take_optional("ohttp_kem"); value != nullptr) {
    ENSC_TRY_ASSIGN(const std::string text, value->as_text("ohttp_kem"));
    if (text != "x25519" && text != "p256") {
      return Error(ServerError::kConfig, "ohttp_kem: expected \"x25519\" or \"p256\"");
    }
    out.ohttp_kem = text == "p256" ? hpke::Kem::kP256 : hpke::Kem::kX25519;
  }
  return ok();
}

Result<void> read_sandbox(json::Fields& fields, WorkerConfig& out) {
  const json::Value* value = fields.take_optional("sandbox");
  if (value == nullptr) {
    return ok();
  }
  ENSC_TRY_ASSIGN(const std::string text, value->as_text("sandbox"));
  const std::optional<SandboxMode> mode = sandbox_mode_of(text);
  if (!mode) {
    return Error(ServerError::kConfig, "sandbox: expected \"auto\" or \"required\"");
  }
  out.sandbox = *mode;
  return ok();
}

Result<std::uint64_t> read_optional_uint(json::Fields& fields, std::string_view name,
                                         std::uint64_t otherwise, std::uint64_t low,
                                         std::uint64_t high) {
  const json::Value* value = fields.take_optional(name);
  if (value == nullptr) {
    return otherwise;
  }
  ENSC_TRY_ASSIGN(const std::uint64_t n, value->as_uint(name));
  if (n < low || n > high) {
    return Error(ServerError::kConfig, std::string(name) + ": expected " + std::to_string(low) +
                                           " to " + std::to_string(high) + ", got " +
                                           std::to_string(n));
  }
  return n;
}

// An empty path would switch off what it is there to demand.
Result<std::filesystem::path> read_optional_path(json::Fields& fields, std::string_view name) {
  const json::Value* value = fields.take_optional(name);
  if (value == nullptr) {
    return std::filesystem::path();
  }
  ENSC_TRY_ASSIGN(const std::string path, value->as_text(name));
  if (path.empty()) {
    return Error(ServerError::kConfig, std::string(name) + ": expected a path, got an empty text");
  }
  return std::filesystem::path(path);
}

Result<void> read_broker(const json::Value& value, WorkerConfig& out) {
  ENSC_TRY_ASSIGN(json::Fields fields, json::Fields::of(value, "broker"));
  ENSC_TRY_ASSIGN(const json::Value* url, fields.take("url"));
  ENSC_TRY_ASSIGN(const std::string text, url->as_text("broker.url"));
  ENSC_TRY_ASSIGN(out.broker_url, parse_url(text));
  ENSC_TRY_ASSIGN(out.broker_key.bytes, read_hex<32>(fields, "key"));
  ENSC_TRY_ASSIGN(out.broker_tls_pin, read_hex<32>(fields, "tls_pin"));
  return fields.finish();
}

Result<void> read_models(const json::Value& value, WorkerConfig& out) {
  ENSC_TRY_ASSIGN(const json::Array* items, value.as_array("model"));
  if (items->empty() || items->size() > 64) {
    return Error(ServerError::kConfig, "model: expected 1 to 64 of them");
  }
  for (const json::Value& item : *items) {
    ENSC_TRY_ASSIGN(json::Fields fields, json::Fields::of(item, "model"));
    WorkerModelConfig model;
    ENSC_TRY_ASSIGN(const json::Value* bundle, fields.take("bundle"));
    ENSC_TRY_ASSIGN(const std::string path, bundle->as_text("model.bundle"));
    model.bundle = path;
    ENSC_TRY_ASSIGN(model.minimum_version,
                    read_optional_uint(fields, "minimum_version", 1, 1, UINT64_MAX));
    ENSC_TRY(fields.finish());
    out.models.push_back(std::move(model));
  }
  return ok();
}

Result<WorkerConfig> read_config(const json::Value& root) {
  WorkerConfig out;
  ENSC_TRY_ASSIGN(json::Fields fields, json::Fields::of(root, "worker configuration"));
  ENSC_TRY_ASSIGN(const json::Value* format, fields.take("format"));
  ENSC_TRY_ASSIGN(const std::string format_name, format->as_text("format"));
  if (format_name != "ensconce-worker/1") {
    return Error(ServerError::kConfig, "format: expected \"ensconce-worker/1\"");
  }
  ENSC_TRY(read_listeners(fields, out));
  ENSC_TRY(read_oblivious(fields, out));
  ENSC_TRY_ASSIGN(out.attester, read_attester_settings(fields));
  ENSC_TRY_ASSIGN(const json::Value* broker, fields.take("broker"));
  ENSC_TRY(read_broker(*broker, out));
  ENSC_TRY_ASSIGN(const json::Value* owners, fields.take("owner_keys"));
  ENSC_TRY_ASSIGN(const json::Array* owner_list, owners->as_array("owner_keys"));
  if (owner_list->empty() || owner_list->size() > 16) {
    return Error(ServerError::kConfig, "owner_keys: expected 1 to 16 keys");
  }
  for (const json::Value& owner : *owner_list) {
    ENSC_TRY_ASSIGN(const std::string text, owner.as_text("owner_keys"));
    const Result<Bytes> bytes = from_hex(text);
    if (!bytes || bytes->size() != 32) {
      return Error(ServerError::kConfig, "owner_keys: expected 64 hex digits each");
    }
    Ed25519PublicKey key;
    std::copy(bytes->begin(), bytes->end(), key.bytes.begin());
    out.owner_keys.push_back(key);
  }
  ENSC_TRY_ASSIGN(const std::uint64_t epoch,
                  read_optional_uint(fields, "epoch_seconds", 600, 1, 86400));
  out.epoch = std::chrono::seconds(epoch);
  ENSC_TRY_ASSIGN(const std::uint64_t intra,
                  read_optional_uint(fields, "intra_op_threads", 1, 1, 256));
  out.intra_op_threads = static_cast<int>(intra);
  ENSC_TRY_ASSIGN(const std::uint64_t handlers,
                  read_optional_uint(fields, "handler_threads", 2, 1, 256));
  out.handler_threads = static_cast<unsigned>(handlers);
  ENSC_TRY_ASSIGN(out.peer_policy, read_optional_path(fields, "peer_policy"));
  ENSC_TRY_ASSIGN(out.broker_policy, read_optional_path(fields, "broker_policy"));
  ENSC_TRY(read_sandbox(fields, out));
  ENSC_TRY_ASSIGN(const json::Value* models, fields.take("model"));
  ENSC_TRY(read_models(*models, out));
  ENSC_TRY(fields.finish());
  return out;
}

Sha256Digest digest_of_deployment(const WorkerConfig& c) {
  json::Array bundles;
  for (const WorkerModelConfig& model : c.models) {
    bundles.emplace_back(model.bundle.string());
  }
  json::Object described{{"address", c.listen.address},
                         {"bundles", std::move(bundles)},
                         {"handler_threads", static_cast<int>(c.handler_threads)},
                         {"intra_op_threads", c.intra_op_threads},
                         {"port", static_cast<int>(c.listen.port)}};
  if (c.listen_sealed) {
    described.emplace_back("sealed_address", c.listen_sealed->address);
    described.emplace_back("sealed_port", static_cast<int>(c.listen_sealed->port));
  }
  return sha256(as_bytes(json::write(json::Value(std::move(described)))));
}

}  // namespace

Result<WorkerConfig> parse_worker_config(std::string_view text, std::string_view source_name) {
  ENSC_TRY_ASSIGN(const json::Value root, toml::parse(text, source_name));
  Result<WorkerConfig> config = read_config(root);
  if (!config) {
    if (config.error().is(ServerError::kConfig)) {
      return config.error().with_context(source_name);
    }
    return Error(ServerError::kConfig, config.error().to_string()).with_context(source_name);
  }
  config->deployment_digest = digest_of_deployment(*config);
  return config;
}

}  // namespace ensconce
