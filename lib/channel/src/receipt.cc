#include "ensconce/channel/receipt.h"

#include <algorithm>

#include "ensconce/base/check.h"
#include "ensconce/base/printable.h"
#include "ensconce/crypto/cose.h"

namespace ensconce {

namespace {

constexpr std::string_view kContext = "ensconce-receipt/1";
constexpr std::string_view kRequestContext = "ensconce-request/1";
constexpr std::string_view kResponseContext = "ensconce-response/1";
constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kMaxMembers = 32;  // data items; a receipt has 23

Error bad(std::string detail) { return {ChannelError::kBadReceipt, std::move(detail)}; }

bool is_measurement(ByteView bytes) { return bytes.size() == 32 || bytes.size() == 48; }

bool is_model_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxReceiptModelName &&
         std::all_of(name.begin(), name.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

Result<Receipt> read_payload(ByteView payload) {
  ENSC_TRY_ASSIGN(const cbor::Value root, cbor::decode(payload, {2, kMaxMembers}));
  ENSC_TRY_ASSIGN(cbor::Fields fields, cbor::Fields::of(root, "receipt"));
  Receipt out;
  ENSC_TRY_ASSIGN(const cbor::Value* v, fields.take("v"));
  ENSC_TRY_ASSIGN(const std::uint64_t version, v->as_uint("v"));
  if (version != kVersion) {
    return bad("v: expected 1, got " + std::to_string(version));
  }
  ENSC_TRY_ASSIGN(const cbor::Value* manifest, fields.take("manifest"));
  ENSC_TRY_ASSIGN(out.manifest_digest, manifest->as_fixed<32>("manifest"));
  ENSC_TRY_ASSIGN(const cbor::Value* statement, fields.take("statement"));
  ENSC_TRY_ASSIGN(out.statement_digest, statement->as_fixed<32>("statement"));
  ENSC_TRY_ASSIGN(const cbor::Value* measurement, fields.take("measurement"));
  ENSC_TRY_ASSIGN(out.measurement, measurement->as_bytes("measurement"));
  ENSC_TRY_ASSIGN(const cbor::Value* model, fields.take("model"));
  ENSC_TRY_ASSIGN(out.model_name, model->as_text("model"));
  ENSC_TRY_ASSIGN(const cbor::Value* model_version, fields.take("model_version"));
  ENSC_TRY_ASSIGN(out.model_version, model_version->as_uint("model_version"));
  ENSC_TRY_ASSIGN(const cbor::Value* request, fields.take("request"));
  ENSC_TRY_ASSIGN(out.request_digest, request->as_fixed<32>("request"));
  ENSC_TRY_ASSIGN(const cbor::Value* response, fields.take("response"));
  ENSC_TRY_ASSIGN(out.response_digest, response->as_fixed<32>("response"));
  ENSC_TRY_ASSIGN(const cbor::Value* time, fields.take("time"));
  ENSC_TRY_ASSIGN(out.time.unix_ms, time->as_int("time"));
  ENSC_TRY_ASSIGN(const cbor::Value* sequence, fields.take("sequence"));
  ENSC_TRY_ASSIGN(out.sequence, sequence->as_uint("sequence"));
  ENSC_TRY_ASSIGN(const cbor::Value* boot, fields.take("boot"));
  ENSC_TRY_ASSIGN(out.boot_id, boot->as_fixed<16>("boot"));
  ENSC_TRY(fields.finish());
  if (!is_measurement(out.measurement)) {
    return bad("measurement: expected 32 or 48 bytes, got " +
               std::to_string(out.measurement.size()));
  }
  if (!is_model_name(out.model_name)) {
    return bad("model: expected 1 to 128 printable characters");
  }
  if (out.time.unix_ms < 0) {
    return bad("time is negative");
  }
  return out;
}

Result<Receipt> read_receipt(const Result<Bytes>& payload) {
  if (!payload) {
    return bad(payload.error().to_string());
  }
  Result<Receipt> receipt = read_payload(*payload);
  if (!receipt && !receipt.error().is(ChannelError::kBadReceipt)) {
    return bad(receipt.error().to_string());
  }
  return receipt;
}

Result<void> of_length(ByteView message) {
  if (message.size() > kMaxReceipt) {
    return bad("a receipt has at most 1024 bytes, got " + std::to_string(message.size()));
  }
  return ok();
}

Error differs(ChannelError code, std::string_view what, ByteView expected, ByteView got) {
  return {code, std::string(what) + ": expected " + to_hex(expected) + ", got " + to_hex(got)};
}

// Each part with its length before it, so that no bytes can move from one part to the next. The
// body comes last and is all the rest.
HmacSha256 begin(const ReceiptKey& key, std::string_view context,
                 std::initializer_list<std::string_view> parts) {
  HmacSha256 mac(key.expose());
  ByteWriter head;
  head.raw(as_bytes(context)).u8(0);
  for (const std::string_view part : parts) {
    head.u32_be(static_cast<std::uint32_t>(part.size())).raw(as_bytes(part));
  }
  mac.update(head.bytes());
  return mac;
}

}  // namespace

Bytes sign_receipt(const Ed25519PrivateKey& receipt_key, const Receipt& receipt) {
  ENSC_CHECK(is_measurement(receipt.measurement) && is_model_name(receipt.model_name) &&
             receipt.time.unix_ms >= 0);
  return cose_sign1(receipt_key, kContext,
                    cbor::encode(cbor::Map{{"v", kVersion},
                                           {"manifest", receipt.manifest_digest},
                                           {"statement", receipt.statement_digest},
                                           {"measurement", receipt.measurement},
                                           {"model", receipt.model_name},
                                           {"model_version", receipt.model_version},
                                           {"request", receipt.request_digest},
                                           {"response", receipt.response_digest},
                                           {"time", receipt.time.unix_ms},
                                           {"sequence", receipt.sequence},
                                           {"boot", receipt.boot_id}}));
}

Result<Receipt> verify_receipt(const Ed25519PublicKey& receipt_key, ByteView message) {
  ENSC_TRY(of_length(message));
  const Result<Bytes> payload = cose_verify1(receipt_key, kContext, message);
  if (!payload && payload.error().is(CryptoError::kBadSignature)) {
    return Error(
        ChannelError::kReceiptSignature,
        "the receipt is not signed by the statement's receipt key " + to_hex(receipt_key.bytes));
  }
  return read_receipt(payload);
}

Result<Receipt> read_receipt_unverified(ByteView message) {
  ENSC_TRY(of_length(message));
  return read_receipt(cose_payload_unverified(message));
}

Result<void> match_receipt_statement(const Receipt& receipt, const ByteArray<16>& boot_id) {
  if (!equal(receipt.boot_id, boot_id)) {
    return differs(ChannelError::kReceiptStatement, "boot of the statement", boot_id,
                   receipt.boot_id);
  }
  return ok();
}

Result<void> match_receipt_measurement(const Receipt& receipt, ByteView measurement) {
  if (!equal(receipt.measurement, measurement)) {
    return differs(ChannelError::kReceiptMeasurement, "measurement", measurement,
                   receipt.measurement);
  }
  return ok();
}

Result<void> match_receipt_request(const Receipt& receipt, const Sha256Digest& request_digest) {
  if (!equal(receipt.request_digest, request_digest)) {
    return differs(ChannelError::kReceiptRequest, "digest of the request", request_digest,
                   receipt.request_digest);
  }
  return ok();
}

Result<void> match_receipt_response(const Receipt& receipt, const Sha256Digest& response_digest) {
  if (!equal(receipt.response_digest, response_digest)) {
    return differs(ChannelError::kReceiptResponse, "digest of the response", response_digest,
                   receipt.response_digest);
  }
  return ok();
}

Result<void> match_receipt(const Receipt& receipt, const ReceiptExpectation& expected) {
  ENSC_TRY(match_receipt_statement(receipt, expected.boot_id));
  ENSC_TRY(match_receipt_measurement(receipt, expected.measurement));
  if (!equal(receipt.manifest_digest, expected.manifest_digest)) {
    return differs(ChannelError::kReceiptManifest, "bundle", expected.manifest_digest,
                   receipt.manifest_digest);
  }
  if (receipt.model_name != expected.model_name ||
      receipt.model_version != expected.model_version) {
    return Error(ChannelError::kReceiptModel,
                 "model: expected " + expected.model_name + " version " +
                     std::to_string(expected.model_version) + ", got " +
                     printable(receipt.model_name) + " version " +
                     std::to_string(receipt.model_version));
  }
  ENSC_TRY(match_receipt_request(receipt, expected.request_digest));
  return match_receipt_response(receipt, expected.response_digest);
}

RequestDigest::RequestDigest(const ReceiptKey& key, const ReceiptedRequest& head)
    : mac_(begin(key, kRequestContext,
                 {head.method, head.target, head.header_length, head.content_type, head.bundle})) {}

ResponseDigest::ResponseDigest(const ReceiptKey& key, const ReceiptedResponse& head)
    : mac_(begin(
          key, kResponseContext,
          {std::to_string(head.status), head.header_length, head.content_type, head.bundle})) {}

Sha256Digest request_digest(const ReceiptKey& key, const ReceiptedRequest& head, ByteView body) {
  RequestDigest digest(key, head);
  digest.update(body);
  return digest.finish();
}

Sha256Digest response_digest(const ReceiptKey& key, const ReceiptedResponse& head, ByteView body) {
  ResponseDigest digest(key, head);
  digest.update(body);
  return digest.finish();
}

}  // namespace ensconce
