#include "messages.h"

#include <algorithm>
#include <array>

#include "ensconce/codec/base64.h"
#include "ensconce/keybroker/key_broker.h"

namespace ensconce::internal {

namespace {

constexpr std::size_t kMaxEndorsements = 16;
constexpr std::size_t kMaxId = 64;

struct NamedCode {
  KeyBrokerError code;
  std::string_view name;
  std::string_view words;  // ours, for the people at the other end
};
// What a peer is told: the name. kUntrustedAnswer and kConfig never travel.
constexpr std::array<NamedCode, 21> kNames = {{
    {KeyBrokerError::kMalformed, "Malformed", "the broker cannot read the request"},
    {KeyBrokerError::kVersion, "ProtocolVersion",
     "the broker speaks another version of the protocol"},
    {KeyBrokerError::kNoSession, "Session", "the broker knows no such session"},
    {KeyBrokerError::kNonce, "Nonce", "the evidence answers another challenge"},
    {KeyBrokerError::kReleaseKey, "ReleaseKey",
     "the key to wrap to is not the attested release key"},
    {KeyBrokerError::kReportData, "ReportData", "the report does not cover what was sent"},
    {KeyBrokerError::kEvidence, "Evidence", "the evidence does not verify"},
    {KeyBrokerError::kDenied, "PolicyDeny", "the owner's release policy says no"},
    {KeyBrokerError::kNoSuchKey, "KeyNotFound", "the broker has no such key"},
    {KeyBrokerError::kNoSuchPolicy, "PolicyNotFound", "the broker has no policy of that name"},
    {KeyBrokerError::kNoSuchPath, "InvalidRequestPath", "the broker has no such path"},
    {KeyBrokerError::kRevoked, "Revoked", "the owner revoked the key"},
    {KeyBrokerError::kExpired, "Expired", "the key is past its time"},
    {KeyBrokerError::kRolledBack, "RolledBack", "older than the model's minimum version"},
    {KeyBrokerError::kUsesExhausted, "UsesExhausted",
     "the key was released as often as its owner allows"},
    {KeyBrokerError::kUnauthorised, "Unauthorised", "the broker does not take this from this key"},
    {KeyBrokerError::kReplayed, "Replayed",
     "the broker saw this request before, or its clock and ours differ"},
    {KeyBrokerError::kConflict, "Conflict",
     "the broker has that key already, or a higher minimum version"},
    {KeyBrokerError::kFull, "Full", "the broker keeps no more of these"},
    {KeyBrokerError::kStore, "Store", "the broker's store failed"},
    {KeyBrokerError::kUnavailable, "Unavailable", "the broker is busy"},
}};
constexpr std::string_view kTypePrefix = "/kbs/v0/errors/";

int status_of(KeyBrokerError code, Dialect dialect) {
  switch (code) {
    case KeyBrokerError::kNoSuchPath:
    case KeyBrokerError::kNoSuchKey:
      return 404;
    case KeyBrokerError::kUnauthorised:
    case KeyBrokerError::kReplayed:
      return 401;
    case KeyBrokerError::kConflict:
      return 409;
    default:
      break;
  }
  const Kind kind = error_info(code).kind;
  if (dialect == Dialect::kRcar && kind != Kind::kInternal && kind != Kind::kUnavailable) {
    return 401;
  }
  return http_status_of(kind);
}

Result<std::vector<EndorsementItem>> read_endorsements(const json::Value& value) {
  ENSC_TRY_ASSIGN(const json::Array* array, value.as_array("endorsements"));
  if (array->size() > kMaxEndorsements) {
    return Error(KeyBrokerError::kMalformed, "too many endorsements");
  }
  std::vector<EndorsementItem> out;
  for (const json::Value& element : *array) {
    ENSC_TRY_ASSIGN(json::Fields fields, json::Fields::of(element, "endorsement"));
    ENSC_TRY_ASSIGN(const json::Value* type, fields.take("type"));
    ENSC_TRY_ASSIGN(const json::Value* data, fields.take("data"));
    ENSC_TRY(fields.finish());
    EndorsementItem item;
    ENSC_TRY_ASSIGN(item.type, type->as_text("type"));
    ENSC_TRY_ASSIGN(const std::string text, data->as_text("data"));
    ENSC_TRY_ASSIGN(item.data, base64_decode(text));
    out.push_back(std::move(item));
  }
  return out;
}

// Where RCAR defines the members, others are let pass; what nobody judges must not be there.
Result<const json::Value*> member(const json::Value& object, std::string_view name) {
  const json::Value* value = object.find(name);
  if (value == nullptr) {
    return Error(KeyBrokerError::kMalformed, "no member " + std::string(name));
  }
  return value;
}

Result<AttestMessage> read(const json::Value& root) {
  const json::Value* init_data = root.find("init-data");
  if (init_data != nullptr && !init_data->is_null()) {
    return Error(KeyBrokerError::kMalformed, "init-data is not supported");
  }
  AttestMessage out;
  ENSC_TRY_ASSIGN(const json::Value* runtime, member(root, "runtime-data"));
  ENSC_TRY_ASSIGN(out.nonce, text_member(*runtime, "nonce"));
  ENSC_TRY_ASSIGN(const json::Value* jwk, member(*runtime, "tee-pubkey"));
  out.tee_pubkey = *jwk;
  ENSC_TRY_ASSIGN(const json::Value* evidence, member(root, "tee-evidence"));
  ENSC_TRY_ASSIGN(out.additional_evidence, text_member(*evidence, "additional_evidence"));
  ENSC_TRY_ASSIGN(const json::Value* primary, member(*evidence, "primary_evidence"));
  ENSC_TRY_ASSIGN(json::Fields fields, json::Fields::of(*primary, "primary_evidence"));
  ENSC_TRY_ASSIGN(const json::Value* type, fields.take("type"));
  ENSC_TRY_ASSIGN(out.evidence.type, type->as_text("type"));
  ENSC_TRY(fields.take("data"));
  ENSC_TRY_ASSIGN(out.evidence.data, base64_member(*primary, "data"));
  ENSC_TRY_ASSIGN(const json::Value* endorsements, fields.take("endorsements"));
  ENSC_TRY_ASSIGN(out.endorsements, read_endorsements(*endorsements));
  ENSC_TRY(fields.finish());
  return out;
}

}  // namespace

Error malformed(const Error& cause) { return {KeyBrokerError::kMalformed, cause.to_string()}; }

Result<json::Value> parse_json(ByteView body, std::size_t max_bytes) {
  return in_message(
      json::parse(as_text(body), {.max_bytes = max_bytes, .max_depth = 8, .max_values = 4096}));
}

Result<std::string> text_member(const json::Value& object, std::string_view name) {
  ENSC_TRY_ASSIGN(const json::Value* value, member(object, name));
  return in_message(value->as_text(name));
}

Result<Bytes> base64_member(const json::Value& object, std::string_view name) {
  ENSC_TRY_ASSIGN(const std::string text, text_member(object, name));
  return in_message(base64_decode(text));
}

Bytes write_attest_message(const AttestMessage& message) {
  json::Array endorsements;
  for (const EndorsementItem& item : message.endorsements) {
    endorsements.push_back(json::Object{{"type", item.type}, {"data", base64_encode(item.data)}});
  }
  return to_bytes(json::write(json::Object{
      {"runtime-data", json::Object{{"nonce", message.nonce}, {"tee-pubkey", message.tee_pubkey}}},
      {"tee-evidence", json::Object{{"primary_evidence",
                                     json::Object{{"type", message.evidence.type},
                                                  {"data", base64_encode(message.evidence.data)},
                                                  {"endorsements", std::move(endorsements)}}},
                                    {"additional_evidence", message.additional_evidence}}}}));
}

Result<AttestMessage> read_attest_message(ByteView body) {
  ENSC_TRY_ASSIGN(const json::Value root, parse_json(body, kMaxBrokerBody));
  return in_message(read(root));
}

std::string session_cookie(const WireRequest& request) {
  const auto found = request.headers.find("cookie");
  if (found == request.headers.end()) {
    return {};
  }
  std::string_view rest = found->second;
  while (!rest.empty()) {
    std::string_view pair = rest.substr(0, rest.find(';'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    while (!pair.empty() && pair.front() == ' ') {
      pair.remove_prefix(1);
    }
    if (pair.size() > kCookieName.size() && pair.starts_with(kCookieName) &&
        pair[kCookieName.size()] == '=') {
      return std::string(pair.substr(kCookieName.size() + 1));
    }
  }
  return {};
}

WireResponse json_answer(int status, const json::Value& value) {
  return {status, {{"content-type", "application/json"}}, to_bytes(json::write(value))};
}

WireResponse error_answer(KeyBrokerError code, std::string_view id, Dialect dialect) {
  const auto found = std::find_if(kNames.begin(), kNames.end(),
                                  [&](const NamedCode& named) { return named.code == code; });
  const std::string_view name = found == kNames.end() ? "Store" : found->name;
  return json_answer(
      status_of(code, dialect),
      json::Object{{"type", std::string(kTypePrefix) + std::string(name)}, {"detail", id}});
}

WireResponse error_answer(const Error& error, Dialect dialect) {
  for (const NamedCode& named : kNames) {
    if (error.is(named.code)) {
      return error_answer(named.code, error.id(), dialect);
    }
  }
  return error_answer(KeyBrokerError::kStore, error_info(KeyBrokerError::kStore).id, dialect);
}

Error error_of(const WireResponse& response) {
  const std::string status = "the broker answered " + std::to_string(response.status);
  const Result<json::Value> body = parse_json(response.body, kMaxSmallBody);
  const Result<std::string> type = body ? text_member(*body, "type") : body.error();
  if (!type) {
    return {KeyBrokerError::kUnavailable, status};
  }
  std::string detail = text_member(*body, "detail").has_value()
                           ? text_member(*body, "detail").value()
                           : std::string();
  // A peer's text is shown only if it can be one of our ids.
  if (detail.size() > kMaxId ||
      detail.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._-") != std::string::npos) {
    detail.clear();
  }
  const std::string_view name = std::string_view(*type).substr(type->rfind('/') + 1);
  for (const NamedCode& named : kNames) {
    if (named.name == name) {
      std::string words(named.words);
      if (!detail.empty() && detail != error_info(named.code).id) {
        words += " (" + detail + ")";
      }
      return {named.code, std::move(words)};
    }
  }
  return {KeyBrokerError::kUnavailable, status};
}

}  // namespace ensconce::internal
