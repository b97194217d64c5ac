#include "ensconce/keybroker/config.h"

#include <charconv>

#include "ensconce/codec/toml.h"
#include "ensconce/keybroker/key_broker.h"

namespace ensconce {

namespace {

constexpr std::string_view kFormat = "ensconce-broker/1";
constexpr std::size_t kMaxOwners = 256;
constexpr std::size_t kMaxStatedOwners = 16;  // docs/protocols/statement.md

Error bad(std::string detail) { return {KeyBrokerError::kConfig, std::move(detail)}; }

Result<void> read_listen(const std::string& text, BrokerConfig& out) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) {
    return bad("listen: expected \"address:port\"");
  }
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + colon + 1, end, out.port);
  if (parsed.ec != std::errc() || parsed.ptr != end) {
    return bad("listen: the port is a number from 0 to 65535; 0 lets the kernel choose");
  }
  out.address = text.substr(0, colon);
  return ok();
}

Result<std::vector<Ed25519PublicKey>> read_owners(const json::Value& value) {
  ENSC_TRY_ASSIGN(const json::Array* array, value.as_array("owner_keys"));
  if (array->empty() || array->size() > kMaxOwners) {
    return bad("owner_keys: 1 to 256 keys, 64 hex digits each");
  }
  std::vector<Ed25519PublicKey> out;
  for (const json::Value& element : *array) {
    ENSC_TRY_ASSIGN(const std::string text, element.as_text("owner_keys"));
    const Result<Bytes> bytes = from_hex(text);
    if (!bytes || bytes->size() != 32) {
      return bad("owner_keys: 64 hex digits each; `ensconce key show FILE` prints them");
    }
    out.push_back({to_array<32>(*bytes).value()});
  }
  return out;
}

Result<BrokerConfig> read(const json::Value& root) {
  ENSC_TRY_ASSIGN(json::Fields fields, json::Fields::of(root, "broker.toml"));
  ENSC_TRY_ASSIGN(const json::Value* format, fields.take("format"));
  ENSC_TRY_ASSIGN(const std::string format_text, format->as_text("format"));
  if (format_text != kFormat) {
    return bad("format: expected \"" + std::string(kFormat) + "\"");
  }
  BrokerConfig out;
  if (const json::Value* listen = fields.take_optional("listen")) {
    ENSC_TRY_ASSIGN(const std::string text, listen->as_text("listen"));
    ENSC_TRY(read_listen(text, out));
  }
  if (const json::Value* state = fields.take_optional("state")) {
    ENSC_TRY_ASSIGN(out.state, state->as_text("state"));
  }
  ENSC_TRY_ASSIGN(const json::Value* owners, fields.take("owner_keys"));
  ENSC_TRY_ASSIGN(out.owner_keys, read_owners(*owners));
  if (const json::Value* lease = fields.take_optional("lease_seconds")) {
    ENSC_TRY_ASSIGN(out.lease_seconds, lease->as_uint("lease_seconds"));
    if (out.lease_seconds == 0 || out.lease_seconds > kMaxLeaseSeconds) {
      return bad("lease_seconds: 1 to 86400");
    }
  }
  auto attester = read_optional_attester(fields);
  if (!attester) {
    return bad(attester.error().detail());
  }
  out.attester = *std::move(attester);
  if (out.attester && out.owner_keys.size() > kMaxStatedOwners) {
    return bad("owner_keys: at most 16 where evidence is shown, as a statement names no more");
  }
  if (const json::Value* sandbox = fields.take_optional("sandbox")) {
    ENSC_TRY_ASSIGN(const std::string text, sandbox->as_text("sandbox"));
    const std::optional<SandboxMode> mode = sandbox_mode_of(text);
    if (!mode) {
      return bad("sandbox: expected \"auto\" or \"required\"");
    }
    out.sandbox = *mode;
  }
  ENSC_TRY(fields.finish());
  out.deployment_digest =
      sha256(as_bytes(json::write(json::Object{{"address", out.address},
                                               {"lease_seconds", out.lease_seconds},
                                               {"port", static_cast<int>(out.port)}})));
  return out;
}

}  // namespace

Result<BrokerConfig> parse_broker_config(std::string_view text, std::string_view source_name) {
  const Result<json::Value> root = toml::parse(text, source_name);
  if (!root) {
    return bad(root.error().detail());
  }
  Result<BrokerConfig> config = read(*root);
  if (!config) {
    return bad(config.error().is(KeyBrokerError::kConfig) ? config.error().detail()
                                                          : config.error().to_string())
        .with_context(source_name)
        .with_remedy("docs/config-broker.md lists every key");
  }
  return config;
}

}  // namespace ensconce
