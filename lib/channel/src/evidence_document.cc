#include "ensconce/channel/evidence_document.h"

#include "ensconce/codec/base64.h"
#include "ensconce/codec/json.h"

namespace ensconce {

namespace {

constexpr std::string_view kFormat = "ensconce-evidence/1";
constexpr std::string_view kFormatWithKey = "ensconce-evidence/2";
constexpr std::size_t kMaxOhttpKey = 4096;
constexpr std::size_t kMaxEvidence = 8;
constexpr std::size_t kMaxEndorsements = 16;

Error bad(std::string detail) { return {ChannelError::kBadDocument, std::move(detail)}; }

template <typename T>
Result<T> in_document(Result<T> result) {
  if (!result) {
    return bad(result.error().to_string());
  }
  return result;
}

json::Value write_item(const std::string& type, const Bytes& data) {
  return json::Object{{"type", type}, {"data", base64_encode(data)}};
}

template <typename Item>
Result<std::vector<Item>> read_items(const json::Value& value, std::string_view what,
                                     std::size_t limit) {
  ENSC_TRY_ASSIGN(const json::Array* array, value.as_array(what));
  if (array->size() > limit) {
    return bad(std::string(what) + ": at most " + std::to_string(limit) + " are allowed, got " +
               std::to_string(array->size()));
  }
  std::vector<Item> out;
  for (const json::Value& element : *array) {
    ENSC_TRY_ASSIGN(json::Fields fields, json::Fields::of(element, what));
    ENSC_TRY_ASSIGN(const json::Value* type, fields.take("type"));
    ENSC_TRY_ASSIGN(const json::Value* data, fields.take("data"));
    ENSC_TRY(fields.finish());
    Item item;
    ENSC_TRY_ASSIGN(item.type, type->as_text("type"));
    ENSC_TRY_ASSIGN(const std::string text, data->as_text("data"));
    ENSC_TRY_ASSIGN(item.data, base64_decode(text));
    out.push_back(std::move(item));
  }
  return out;
}

template <std::size_t N>
Result<ByteArray<N>> read_hex(json::Fields& fields, std::string_view name) {
  ENSC_TRY_ASSIGN(const json::Value* value, fields.take(name));
  ENSC_TRY_ASSIGN(const std::string text, value->as_text(name));
  ENSC_TRY_ASSIGN(const Bytes bytes, from_hex(text));
  return to_array<N>(bytes);
}

Result<SessionProof> read_session(const json::Value& value) {
  ENSC_TRY_ASSIGN(json::Fields fields, json::Fields::of(value, "session"));
  SessionProof proof;
  ENSC_TRY_ASSIGN(const json::Value* kind, fields.take("kind"));
  ENSC_TRY_ASSIGN(const std::uint64_t number, kind->as_uint("kind"));
  if (number < 1 || number > 3) {
    return bad("session.kind: expected 1 to 3, got " + std::to_string(number));
  }
  proof.kind = static_cast<ChannelKind>(number);
  ENSC_TRY_ASSIGN(proof.nonce, read_hex<32>(fields, "nonce"));
  ENSC_TRY_ASSIGN(proof.binding, read_hex<32>(fields, "binding"));
  ENSC_TRY_ASSIGN(proof.statement_digest, read_hex<32>(fields, "statement_digest"));
  ENSC_TRY_ASSIGN(const json::Value* time, fields.take("time_ms"));
  ENSC_TRY_ASSIGN(proof.time.unix_ms, time->as_int("time_ms"));
  if (proof.time.unix_ms < 0) {
    return bad("session.time_ms is negative");
  }
  ENSC_TRY_ASSIGN(proof.signature, read_hex<64>(fields, "signature"));
  ENSC_TRY(fields.finish());
  return proof;
}

Result<EvidenceDocument> read_document(std::string_view text) {
  json::Limits limits;
  limits.max_bytes = kMaxEvidenceDocument;
  limits.max_depth = 8;
  limits.max_values = 1024;
  ENSC_TRY_ASSIGN(const json::Value root, json::parse(text, limits));
  ENSC_TRY_ASSIGN(json::Fields fields, json::Fields::of(root, "evidence document"));
  ENSC_TRY_ASSIGN(const json::Value* format, fields.take("format"));
  ENSC_TRY_ASSIGN(const std::string name, format->as_text("format"));
  if (name != kFormat && name != kFormatWithKey) {
    return bad("format: expected " + std::string(kFormat) + " or " + std::string(kFormatWithKey) +
               ", got another");
  }
  EvidenceDocument out;
  if (name == kFormatWithKey) {
    ENSC_TRY_ASSIGN(const json::Value* key, fields.take("ohttp_key"));
    ENSC_TRY_ASSIGN(const std::string key_text, key->as_text("ohttp_key"));
    ENSC_TRY_ASSIGN(out.ohttp_key, base64_decode(key_text));
    if (out.ohttp_key->empty() || out.ohttp_key->size() > kMaxOhttpKey) {
      return bad("ohttp_key: 1 to 4096 bytes");
    }
  }
  ENSC_TRY_ASSIGN(const json::Value* statement, fields.take("statement"));
  ENSC_TRY_ASSIGN(const std::string statement_text, statement->as_text("statement"));
  ENSC_TRY_ASSIGN(out.statement, base64_decode(statement_text));
  ENSC_TRY_ASSIGN(const json::Value* beacon, fields.take("beacon"));
  if (!beacon->is_null()) {
    ENSC_TRY_ASSIGN(const std::string beacon_text, beacon->as_text("beacon"));
    ENSC_TRY_ASSIGN(out.beacon, base64_decode(beacon_text));
  }
  ENSC_TRY_ASSIGN(const json::Value* evidence, fields.take("evidence"));
  ENSC_TRY_ASSIGN(out.evidence, read_items<EvidenceItem>(*evidence, "evidence", kMaxEvidence));
  ENSC_TRY_ASSIGN(const json::Value* endorsements, fields.take("endorsements"));
  ENSC_TRY_ASSIGN(out.endorsements,
                  read_items<EndorsementItem>(*endorsements, "endorsements", kMaxEndorsements));
  ENSC_TRY_ASSIGN(const json::Value* missing, fields.take("missing"));
  ENSC_TRY_ASSIGN(const json::Array* names, missing->as_array("missing"));
  if (names->size() > kMaxEndorsements) {
    return bad("missing: too many names");
  }
  for (const json::Value& value : *names) {
    ENSC_TRY_ASSIGN(std::string text_value, value.as_text("missing"));
    out.missing.push_back(std::move(text_value));
  }
  ENSC_TRY_ASSIGN(const json::Value* session, fields.take("session"));
  if (!session->is_null()) {
    ENSC_TRY_ASSIGN(out.session, read_session(*session));
  }
  ENSC_TRY(fields.finish());
  return out;
}

}  // namespace

RenderedEvidence::RenderedEvidence(const EvidenceDocument& document) {
  json::Array evidence;
  for (const EvidenceItem& item : document.evidence) {
    evidence.push_back(write_item(item.type, item.data));
  }
  json::Array endorsements;
  for (const EndorsementItem& item : document.endorsements) {
    endorsements.push_back(write_item(item.type, item.data));
  }
  json::Array missing;
  for (const std::string& name : document.missing) {
    missing.emplace_back(name);
  }
  const std::string object = json::write(json::Object{
      {"statement", base64_encode(document.statement)},
      {"beacon", document.beacon ? json::Value(base64_encode(*document.beacon)) : json::Value()},
      {"evidence", std::move(evidence)},
      {"endorsements", std::move(endorsements)},
      {"missing", std::move(missing)}});
  members_ = object.substr(1, object.size() - 2);
}

std::string RenderedEvidence::with(const std::optional<SessionProof>& session,
                                   const std::optional<Bytes>& ohttp_key) const {
  json::Value proof;
  if (session) {
    proof = json::Object{{"kind", static_cast<int>(session->kind)},
                         {"nonce", to_hex(session->nonce)},
                         {"binding", to_hex(session->binding)},
                         {"statement_digest", to_hex(session->statement_digest)},
                         {"time_ms", session->time.unix_ms},
                         {"signature", to_hex(session->signature)}};
  }
  json::Object own{{"format", ohttp_key ? kFormatWithKey : kFormat}, {"session", std::move(proof)}};
  if (ohttp_key) {
    own.emplace_back("ohttp_key", base64_encode(*ohttp_key));
  }
  std::string out = json::write(json::Value(std::move(own)));
  out.back() = ',';
  out.reserve(out.size() + members_.size() + 1);
  out += members_;
  out += '}';
  return out;
}

std::string write_evidence_document(const EvidenceDocument& document) {
  return RenderedEvidence(document).with(document.session, document.ohttp_key);
}

Result<EvidenceDocument> parse_evidence_document(std::string_view text) {
  return in_document(read_document(text));
}

}  // namespace ensconce
