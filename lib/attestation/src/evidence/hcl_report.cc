#include <algorithm>
#include <string>

#include "ensconce/attestation/evidence/azure_evidence.h"
#include "ensconce/base/check.h"
#include "ensconce/codec/base64.h"
#include "ensconce/codec/json.h"
#include "ensconce/crypto/keys.h"

namespace ensconce {
namespace {

// Microsoft, "Confidential VM guest attestation design", as NV index 0x01400001 holds it:
//   { "HCLA", version u32, report size u32, request type u32, status u32, reserved [12],
//     hardware report [1184],
//     { size u32, version u32, report type u32, hash type u32, JSON size u32, JSON } }
constexpr std::string_view kMagic = "HCLA";
constexpr std::uint32_t kMaxVersion = 2;
constexpr std::uint32_t kRequestType = 2;  // a report for the vTPM's attestation key
constexpr std::size_t kStatusAndReserved = 16;
constexpr std::size_t kHardwareOffset = 32;
constexpr std::size_t kHardwareLen = 1184;
constexpr std::size_t kTdReportLen = 1024;
constexpr std::size_t kRuntimeHeader = 20;
constexpr std::uint32_t kRuntimeVersion = 1;
constexpr std::uint32_t kHashSha256 = 1;
// The index has 2600 bytes today.
constexpr std::size_t kMaxHclReport = 16384;
constexpr std::size_t kMaxRuntimeData =
    kMaxHclReport - kHardwareOffset - kHardwareLen - kRuntimeHeader;

constexpr std::size_t kMaxKeys = 16;
constexpr std::size_t kMaxText = 128;
constexpr std::size_t kUserDataLen = 64;

Error bad_hcl(std::string detail) { return Error(EvidenceError::kAzureHcl, std::move(detail)); }
Error bad_claims(std::string detail) {
  return Error(EvidenceError::kAzureRuntimeClaims, std::move(detail));
}

// ---- HCL report ------------------------------------------------------------------------------

Result<void> take_number(ByteReader& reader, std::uint32_t expected, const char* name) {
  ENSC_TRY_ASSIGN(const std::uint32_t got, reader.u32_le());
  if (got != expected) {
    return bad_hcl(std::string(name) + " is " + std::to_string(got) + "; " +
                   std::to_string(expected) + " is expected");
  }
  return ok();
}

// read_head reads up to the hardware report and returns the size the report says it has.
Result<std::uint32_t> read_head(ByteReader& reader, HclReport& report) {
  ENSC_TRY_ASSIGN(const ByteView magic, reader.take(kMagic.size()));
  if (as_text(magic) != kMagic) {
    return bad_hcl("it does not begin with \"HCLA\"");
  }
  ENSC_TRY_ASSIGN(report.version, reader.u32_le());
  if (report.version < 1 || report.version > kMaxVersion) {
    return bad_hcl("version " + std::to_string(report.version) + "; this code knows 1 and 2");
  }
  ENSC_TRY_ASSIGN(const std::uint32_t size, reader.u32_le());
  ENSC_TRY(take_number(reader, kRequestType, "request type"));
  ENSC_TRY_ASSIGN(const ByteView rest, reader.take(kStatusAndReserved));
  if (!all_zero(rest)) {
    return bad_hcl("status or reserved bytes are not zero");
  }
  return size;
}

Result<void> read_runtime(ByteReader& reader, std::uint32_t report_size, HclReport& report) {
  ENSC_TRY_ASSIGN(const std::uint32_t size, reader.u32_le());
  ENSC_TRY(take_number(reader, kRuntimeVersion, "version of the runtime data"));
  ENSC_TRY_ASSIGN(const std::uint32_t type, reader.u32_le());
  if (type != static_cast<std::uint32_t>(HclReport::Hardware::kSnp) &&
      type != static_cast<std::uint32_t>(HclReport::Hardware::kTdx)) {
    return bad_hcl("report type " + std::to_string(type) + "; this code knows 2 and 4");
  }
  report.hardware = static_cast<HclReport::Hardware>(type);
  ENSC_TRY(take_number(reader, kHashSha256, "hash type"));
  ENSC_TRY_ASSIGN(const std::uint32_t json_size, reader.u32_le());
  if (json_size == 0 || json_size > kMaxRuntimeData || size != kRuntimeHeader + json_size ||
      report_size != kHardwareOffset + kHardwareLen + size) {
    return bad_hcl("sizes of report, runtime data and JSON do not fit each other");
  }
  ENSC_TRY_ASSIGN(const ByteView json, reader.take(json_size));
  report.runtime_data = as_text(json);
  return ok();
}

Result<HclReport> read_hcl(ByteView bytes) {
  if (bytes.size() > kMaxHclReport) {
    return bad_hcl("at most 16384 bytes are expected, it has " + std::to_string(bytes.size()));
  }
  ByteReader reader(bytes);
  HclReport report;
  ENSC_TRY_ASSIGN(const std::uint32_t size, read_head(reader, report));
  ENSC_TRY_ASSIGN(const ByteView hardware, reader.take(kHardwareLen));
  report.hardware_report = to_bytes(hardware);
  ENSC_TRY(read_runtime(reader, size, report));
  if (report.hardware == HclReport::Hardware::kTdx && !all_zero(hardware.subspan(kTdReportLen))) {
    return bad_hcl("bytes after the TDREPORT are not zero");
  }
  // The index is larger than what it holds.
  ENSC_TRY_ASSIGN(const ByteView rest, reader.take(reader.remaining()));
  if (!all_zero(rest)) {
    return bad_hcl("bytes after the report are not zero");
  }
  return report;
}

// ---- Runtime claims --------------------------------------------------------------------------

Result<std::string> text_member(const json::Value& object, std::string_view name) {
  const json::Value* member = object.find(name);
  if (member == nullptr) {
    return bad_claims("no member " + std::string(name));
  }
  return member->as_text(name);
}

Result<bool> may_sign(const json::Value& key) {
  const json::Value* member = key.find("key_ops");
  if (member == nullptr) {
    return false;
  }
  ENSC_TRY_ASSIGN(const json::Array* operations, member->as_array("key_ops"));
  return std::any_of(operations->begin(), operations->end(),
                     [](const json::Value& operation) { return operation == json::Value("sign"); });
}

// RFC 7517 and 7518 section 6.3.1: numbers are base64url of their shortest big-endian form.
Result<void> read_ak(const json::Value& key, RuntimeClaims& claims) {
  ENSC_TRY_ASSIGN(const std::string type, text_member(key, "kty"));
  ENSC_TRY_ASSIGN(const bool signs, may_sign(key));
  if (type != "RSA" || !signs) {
    return bad_claims("HCLAkPub is no RSA key for signing");
  }
  ENSC_TRY_ASSIGN(const std::string modulus, text_member(key, "n"));
  ENSC_TRY_ASSIGN(const std::string exponent, text_member(key, "e"));
  ENSC_TRY_ASSIGN(claims.ak_modulus, base64url_decode(modulus));
  ENSC_TRY_ASSIGN(claims.ak_exponent, base64url_decode(exponent));
  ENSC_TRY(RsaPublicKey::from_modulus(claims.ak_modulus, claims.ak_exponent));
  return ok();
}

Result<void> read_keys(const json::Value& value, RuntimeClaims& claims) {
  const json::Value* member = value.find("keys");
  if (member == nullptr) {
    return bad_claims("no member keys");
  }
  ENSC_TRY_ASSIGN(const json::Array* keys, member->as_array("keys"));
  if (keys->size() > kMaxKeys) {
    return bad_claims("more than 16 keys");
  }
  const json::Value* ak = nullptr;
  for (const json::Value& key : *keys) {
    const json::Value* id = key.find("kid");
    if (id == nullptr || *id != json::Value("HCLAkPub")) {
      continue;
    }
    if (ak != nullptr) {
      return bad_claims("two keys HCLAkPub");
    }
    ak = &key;
  }
  if (ak == nullptr) {
    return bad_claims("no key HCLAkPub");
  }
  return read_ak(*ak, claims);
}

Result<std::optional<bool>> optional_bool(const json::Value& object, std::string_view name) {
  const json::Value* member = object.find(name);
  if (member == nullptr) {
    return std::optional<bool>();
  }
  ENSC_TRY_ASSIGN(const bool value, member->as_bool(name));
  return std::optional<bool>(value);
}

Result<void> read_configuration(const json::Value& value, RuntimeClaims& claims) {
  const json::Value* configuration = value.find("vm-configuration");
  if (configuration == nullptr) {
    return ok();
  }
  ENSC_TRY(configuration->as_object("vm-configuration"));
  ENSC_TRY_ASSIGN(claims.secure_boot, optional_bool(*configuration, "secure-boot"));
  ENSC_TRY_ASSIGN(claims.tpm_enabled, optional_bool(*configuration, "tpm-enabled"));
  ENSC_TRY_ASSIGN(claims.console_enabled, optional_bool(*configuration, "console-enabled"));
  if (const json::Value* id = configuration->find("vmUniqueId"); id != nullptr) {
    ENSC_TRY_ASSIGN(claims.vm_unique_id, id->as_text("vmUniqueId"));
  }
  if (claims.vm_unique_id.size() > kMaxText ||
      !std::all_of(claims.vm_unique_id.begin(), claims.vm_unique_id.end(),
                   [](char c) { return c >= 0x20 && c <= 0x7e; })) {
    return bad_claims("vmUniqueId is not at most 128 printable ASCII characters");
  }
  return ok();
}

Result<void> read_user_data(const json::Value& value, RuntimeClaims& claims) {
  const json::Value* member = value.find("user-data");
  if (member == nullptr) {
    return ok();
  }
  ENSC_TRY_ASSIGN(const std::string hex, member->as_text("user-data"));
  ENSC_TRY_ASSIGN(claims.user_data, from_hex(hex));
  if (claims.user_data.size() != kUserDataLen) {
    return bad_claims("user-data is not 64 bytes");
  }
  return ok();
}

Result<RuntimeClaims> read_claims(std::string_view json) {
  ENSC_TRY_ASSIGN(
      const json::Value value,
      json::parse(json, {.max_bytes = kMaxRuntimeData, .max_depth = 8, .max_values = 1024}));
  RuntimeClaims claims;
  ENSC_TRY(read_keys(value, claims));
  ENSC_TRY(read_configuration(value, claims));
  ENSC_TRY(read_user_data(value, claims));
  return claims;
}

}  // namespace

Result<HclReport> parse_hcl_report(ByteView bytes) {
  Result<HclReport> report = read_hcl(bytes);
  if (!report && !report.error().is(EvidenceError::kAzureHcl)) {
    return bad_hcl(report.error().detail());
  }
  return report;
}

Bytes write_hcl_report(const HclReport& report) {
  ENSC_CHECK(report.hardware_report.size() == kHardwareLen);
  ENSC_CHECK(!report.runtime_data.empty() && report.runtime_data.size() <= kMaxRuntimeData);
  const auto json_size = static_cast<std::uint32_t>(report.runtime_data.size());
  const auto size = static_cast<std::uint32_t>(kRuntimeHeader + json_size);
  ByteWriter writer;
  writer.raw(as_bytes(kMagic)).u32_le(report.version);
  writer.u32_le(static_cast<std::uint32_t>(kHardwareOffset + kHardwareLen + size));
  writer.u32_le(kRequestType).raw(ByteArray<kStatusAndReserved>{});
  writer.raw(report.hardware_report);
  writer.u32_le(size).u32_le(kRuntimeVersion);
  writer.u32_le(static_cast<std::uint32_t>(report.hardware)).u32_le(kHashSha256);
  writer.u32_le(json_size).raw(as_bytes(report.runtime_data));
  return std::move(writer).take();
}

Result<RuntimeClaims> parse_runtime_claims(std::string_view json) {
  Result<RuntimeClaims> claims = read_claims(json);
  if (!claims && !claims.error().is(EvidenceError::kAzureRuntimeClaims)) {
    return bad_claims(claims.error().detail());
  }
  return claims;
}

}  // namespace ensconce
