#include "ensconce/attestation/evidence/azure_evidence.h"

#include <algorithm>

#include "ensconce/base/check.h"
#include "ensconce/codec/base64.h"
#include "ensconce/codec/json.h"
#include "ensconce/crypto/x509.h"

namespace ensconce {
namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kNumPcrs = 24;
constexpr std::size_t kSignatureLen = 256;  // the vTPM's attestation key is RSA of 2048 bits
constexpr json::Limits kLimits{.max_bytes = kMaxAzureEvidence, .max_depth = 4, .max_values = 128};

Error bad(std::string detail) { return Error(EvidenceError::kAzureForm, std::move(detail)); }

Result<std::string> text_of(json::Fields& fields, std::string_view name) {
  ENSC_TRY_ASSIGN(const json::Value* value, fields.take(name));
  return value->as_text(name);
}

// CoCo's guests pad their base64url, other clients do not.
Result<Bytes> decode_padded_or_not(std::string_view text, std::string_view name) {
  if (text.size() % 4 == 0) {
    for (int i = 0; i < 2 && text.ends_with('='); ++i) {
      text.remove_suffix(1);
    }
  }
  auto bytes = base64url_decode(text);
  if (!bytes) {
    return bad(std::string(name) + " is not base64url: " + bytes.error().detail());
  }
  return *std::move(bytes);
}

std::string encode_padded(ByteView bytes) {
  std::string out = base64url_encode(bytes);
  out.append((4 - out.size() % 4) % 4, '=');
  return out;
}

Result<void> read_pcrs(const json::Value& value, AzureEvidence& evidence) {
  ENSC_TRY_ASSIGN(const json::Array* items, value.as_array("pcrs"));
  if (items->size() != kNumPcrs) {
    return bad("pcrs has " + std::to_string(items->size()) + " values; 24 are expected");
  }
  for (const json::Value& item : *items) {
    ENSC_TRY_ASSIGN(const std::string hex, item.as_text("pcrs"));
    ENSC_TRY_ASSIGN(const Bytes bytes, from_hex(hex));
    ENSC_TRY_ASSIGN(evidence.pcrs.emplace_back(), to_array<32>(bytes));
  }
  return ok();
}

Result<void> read_tpm_quote(const json::Value& value, AzureEvidence& evidence) {
  ENSC_TRY_ASSIGN(auto fields, json::Fields::of(value, "tpm_quote"));
  ENSC_TRY_ASSIGN(const std::string message, text_of(fields, "message"));
  ENSC_TRY_ASSIGN(const std::string signature, text_of(fields, "signature"));
  ENSC_TRY_ASSIGN(const json::Value* pcrs, fields.take("pcrs"));
  ENSC_TRY(fields.finish());
  ENSC_TRY_ASSIGN(evidence.tpm_message, from_hex(message));
  ENSC_TRY_ASSIGN(evidence.tpm_signature, from_hex(signature));
  if (evidence.tpm_signature.size() != kSignatureLen) {
    return bad("the TPM's signature has " + std::to_string(evidence.tpm_signature.size()) +
               " bytes; 256 are expected");
  }
  return read_pcrs(*pcrs, evidence);
}

// read_hardware reads what depends on the processor: one of the two must be there.
Result<void> read_hardware(json::Fields& fields, AzureEvidence& evidence) {
  const json::Value* vcek = fields.take_optional("vcek");
  const json::Value* td_quote = fields.take_optional("td_quote");
  if ((vcek == nullptr) == (td_quote == nullptr)) {
    return bad("either vcek or td_quote is expected");
  }
  if (td_quote != nullptr) {
    ENSC_TRY_ASSIGN(const std::string text, td_quote->as_text("td_quote"));
    ENSC_TRY_ASSIGN(evidence.td_quote, decode_padded_or_not(text, "td_quote"));
    return ok();
  }
  ENSC_TRY_ASSIGN(const std::string text, vcek->as_text("vcek"));
  ENSC_TRY_ASSIGN(evidence.vcek, decode_padded_or_not(text, "vcek"));
  if (!Certificate::from_der(*evidence.vcek)) {
    return bad("vcek is not one certificate in DER");
  }
  return ok();
}

Result<AzureEvidence> read(ByteView bytes) {
  ENSC_TRY_ASSIGN(const json::Value value, json::parse(as_text(bytes), kLimits));
  ENSC_TRY_ASSIGN(auto fields, json::Fields::of(value, "evidence"));
  ENSC_TRY_ASSIGN(const json::Value* version, fields.take("version"));
  ENSC_TRY_ASSIGN(const std::uint64_t number, version->as_uint("version"));
  if (number != kVersion) {
    return bad("version " + std::to_string(number) + "; this code knows 1");
  }
  AzureEvidence evidence;
  ENSC_TRY_ASSIGN(const std::string report, text_of(fields, "hcl_report"));
  ENSC_TRY_ASSIGN(evidence.hcl_report, decode_padded_or_not(report, "hcl_report"));
  ENSC_TRY_ASSIGN(const json::Value* tpm_quote, fields.take("tpm_quote"));
  ENSC_TRY(read_tpm_quote(*tpm_quote, evidence));
  ENSC_TRY(read_hardware(fields, evidence));
  ENSC_TRY(fields.finish());
  return evidence;
}

}  // namespace

bool looks_like_azure_evidence(ByteView bytes) {
  const auto value = json::parse(as_text(bytes), kLimits);
  return value && value->find("hcl_report") != nullptr && value->find("tpm_quote") != nullptr;
}

Result<AzureEvidence> parse_azure_evidence(ByteView json) {
  Result<AzureEvidence> evidence = read(json);
  if (!evidence && !evidence.error().is(EvidenceError::kAzureForm)) {
    return bad(evidence.error().detail());
  }
  return evidence;
}

Bytes write_azure_evidence(const AzureEvidence& evidence) {
  ENSC_CHECK(evidence.pcrs.size() == kNumPcrs);
  ENSC_CHECK(evidence.vcek.has_value() != evidence.td_quote.has_value());
  json::Array pcrs;
  for (const ByteArray<32>& pcr : evidence.pcrs) {
    pcrs.emplace_back(to_hex(pcr));
  }
  return to_bytes(json::write(json::Object{
      {"version", kVersion},
      {"hcl_report", encode_padded(evidence.hcl_report)},
      {"tpm_quote",
       json::Object{
           {"message", to_hex(evidence.tpm_message)},
           {"pcrs", std::move(pcrs)},
           {"signature", to_hex(evidence.tpm_signature)},
       }},
      evidence.vcek
          ? std::pair{std::string("vcek"), json::Value(encode_padded(*evidence.vcek))}
          : std::pair{std::string("td_quote"), json::Value(encode_padded(*evidence.td_quote))},
  }));
}

Result<void> expect_hardware(const AzureEvidence& evidence, bool tdx) {
  if (evidence.is_tdx() != tdx) {
    return Error(EvidenceError::kAzureForm,
                 std::string("the evidence is said to be of ") + (tdx ? "TDX" : "SEV-SNP") +
                     " and is of " + (tdx ? "SEV-SNP" : "TDX"));
  }
  return ok();
}

}  // namespace ensconce
