#include "ensconce/attestation/evidence/rcar.h"

#include <algorithm>

#include "ensconce/attestation/evidence/statement.h"
#include "ensconce/codec/base64.h"
#include "ensconce/crypto/jose.h"

namespace ensconce {
namespace {

// Statement and key, in base64 and JSON, with room to spare.
constexpr std::size_t kMaxRuntimeData = 32768;

Result<Bytes> statement_of(std::string_view additional_evidence) {
  ENSC_TRY_ASSIGN(const json::Value value,
                  json::parse(additional_evidence,
                              {.max_bytes = kMaxRuntimeData, .max_depth = 4, .max_values = 16}));
  ENSC_TRY_ASSIGN(auto outer, json::Fields::of(value, "additional-evidence"));
  ENSC_TRY_ASSIGN(const json::Value* ours, outer.take("ensconce"));
  ENSC_TRY(outer.finish());
  ENSC_TRY_ASSIGN(auto inner, json::Fields::of(*ours, "ensconce"));
  ENSC_TRY_ASSIGN(const json::Value* text, inner.take("statement"));
  ENSC_TRY(inner.finish());
  ENSC_TRY_ASSIGN(const std::string base64, text->as_text("statement"));
  ENSC_TRY_ASSIGN(Bytes statement, base64_decode(base64));
  if (statement.size() > kMaxStatement) {
    return Error(EvidenceError::kRcar, "the statement is longer than a statement may be");
  }
  return statement;
}

Result<RcarRequest> read(std::string_view runtime_data) {
  ENSC_TRY_ASSIGN(
      const json::Value value,
      json::parse(runtime_data, {.max_bytes = kMaxRuntimeData, .max_depth = 4, .max_values = 64}));
  // The hash is over these bytes; another spelling of the same JSON is no runtime data.
  ENSC_TRY_ASSIGN(const std::string canonical, json::write_canonical(value));
  if (canonical != runtime_data) {
    return Error(EvidenceError::kRcar, "runtime data is not in its canonical form (RFC 8785)");
  }
  ENSC_TRY_ASSIGN(auto fields, json::Fields::of(value, "runtime data"));
  ENSC_TRY_ASSIGN(const json::Value* additional, fields.take("additional-evidence"));
  ENSC_TRY_ASSIGN(const json::Value* nonce_value, fields.take("nonce"));
  ENSC_TRY_ASSIGN(const json::Value* jwk, fields.take("tee-pubkey"));
  ENSC_TRY(fields.finish());
  ENSC_TRY_ASSIGN(const std::string text, additional->as_text("additional-evidence"));
  ENSC_TRY_ASSIGN(Bytes statement, statement_of(text));
  ENSC_TRY_ASSIGN(std::string nonce, nonce_value->as_text("nonce"));
  ENSC_TRY_ASSIGN(EcPublicKey key, ec_key_from_jwk(*jwk));
  return RcarRequest{std::move(statement), std::move(nonce), std::move(key)};
}

}  // namespace

std::string rcar_additional_evidence(ByteView statement) {
  return json::write(json::Object{
      {"ensconce", json::Object{{"statement", base64_encode(statement)}}},
  });
}

Result<std::string> rcar_runtime_data(std::string_view additional_evidence, std::string_view nonce,
                                      const json::Value& tee_pubkey) {
  return json::write_canonical(json::Object{
      {"additional-evidence", additional_evidence},
      {"nonce", nonce},
      {"tee-pubkey", tee_pubkey},
  });
}

ByteArray<64> rcar_report_data(std::string_view runtime_data) {
  const Sha384Digest digest = sha384(as_bytes(runtime_data));
  ByteArray<64> out{};
  std::copy(digest.begin(), digest.end(), out.begin());
  return out;
}

Result<RcarRequest> parse_rcar_runtime_data(std::string_view runtime_data) {
  Result<RcarRequest> request = read(runtime_data);
  if (!request) {
    return Error(EvidenceError::kRcar, request.error().to_string());
  }
  return request;
}

}  // namespace ensconce
