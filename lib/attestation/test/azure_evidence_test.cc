#include "ensconce/attestation/evidence/azure_evidence.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "ensconce/base/file.h"
#include "ensconce/codec/base64.h"
#include "ensconce/codec/json.h"
#include "ensconce/crypto/hash.h"
#include "ensconce/crypto/keys.h"
#include "made_snp.h"

namespace ensconce {
namespace {

namespace fs = std::filesystem;

Bytes with_byte(Bytes bytes, std::size_t at, std::uint8_t value) {
  bytes.at(at) = value;
  return bytes;
}

Bytes with_u32_le(Bytes bytes, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) {
    bytes.at(at + i) = static_cast<std::uint8_t>(value >> (8 * i));
  }
  return bytes;
}

template <typename T>
void expect_error(const Result<T>& result, EvidenceError code, const std::string& what) {
  ASSERT_FALSE(result) << what;
  EXPECT_TRUE(result.error().is(code)) << what << ": " << result.error().to_string();
  EXPECT_EQ(result.error().stage(), Stage::kForm);
}

// ---- TPMS_ATTEST -----------------------------------------------------------------------------

TpmAttest full_attest() {
  TpmAttest attest;
  attest.qualified_signer = Bytes(34, 0x11);
  attest.extra_data = Bytes(32, 0x22);
  attest.clock_info.fill(0x33);
  attest.firmware_version = 0x2020031200120003;
  attest.pcr_select = 0x8000c1;
  attest.pcr_digest = Bytes(32, 0x44);
  return attest;
}

// Where the fields of full_attest stand.
constexpr std::size_t kSignerLenAt = 6;
constexpr std::size_t kExtraLenAt = 42;
constexpr std::size_t kCountAt = 101;
constexpr std::size_t kHashAt = 105;
constexpr std::size_t kSelectLenAt = 107;
constexpr std::size_t kDigestLenAt = 111;

void expect_no_attest(const Bytes& bytes, const std::string& what) {
  expect_error(parse_tpm_attest(bytes), EvidenceError::kAzureTpmQuote, what);
}

TEST(TpmAttest, ParsesToWhatWasWritten) {
  const TpmAttest attest = full_attest();
  const Bytes bytes = write_tpm_attest(attest);
  ASSERT_EQ(bytes.size(), 145U);
  EXPECT_EQ(to_hex(ByteView(bytes).first(8)), "ff54434780180022");
  EXPECT_EQ(to_hex(ByteView(bytes).subspan(kCountAt, 12)), "00000001000b03c100800020");
  const auto parsed = parse_tpm_attest(bytes);
  ASSERT_TRUE(parsed) << parsed.error().to_string();
  EXPECT_EQ(*parsed, attest);
  EXPECT_EQ(write_tpm_attest(*parsed), bytes);
  for (const std::size_t len : {0, 64}) {
    TpmAttest other = attest;
    other.extra_data = Bytes(len, 1);
    EXPECT_EQ(parse_tpm_attest(write_tpm_attest(other)).value(), other);
  }
}

TEST(TpmAttest, HasNoByteThatMeansNothing) {
  const TpmAttest attest = full_attest();
  const Bytes bytes = write_tpm_attest(attest);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    Bytes changed = bytes;
    changed[i] ^= 0x80;
    const auto parsed = parse_tpm_attest(changed);
    EXPECT_FALSE(parsed && *parsed == attest) << "offset " << i;
    if (parsed) {
      EXPECT_EQ(write_tpm_attest(*parsed), changed) << "offset " << i;
    }
  }
}

TEST(TpmAttest, RejectsEveryTruncationAndWhatFollows) {
  const Bytes bytes = write_tpm_attest(full_attest());
  for (std::size_t len = 0; len < bytes.size(); ++len) {
    expect_no_attest(to_bytes(ByteView(bytes).first(len)), std::to_string(len) + " bytes");
  }
  expect_no_attest(concat({bytes, Bytes(1)}), "a byte more");
}

TEST(TpmAttest, RejectsWhatIsNoQuoteOfATpm) {
  const Bytes bytes = write_tpm_attest(full_attest());
  expect_no_attest(with_byte(bytes, 0, 0xfe), "magic");
  expect_no_attest(with_byte(bytes, 5, 0x17), "TPM_ST_ATTEST_CERTIFY");
  expect_no_attest(with_byte(bytes, 4, 0x00), "another type");
}

TEST(TpmAttest, RejectsOtherSelectionsThanOneBankOf24Registers) {
  const Bytes bytes = write_tpm_attest(full_attest());
  expect_no_attest(with_byte(bytes, kCountAt + 3, 0), "no bank");
  expect_no_attest(with_byte(bytes, kCountAt + 3, 2), "two banks");
  expect_no_attest(with_byte(bytes, kCountAt, 1), "very many banks");
  expect_no_attest(with_byte(bytes, kHashAt + 1, 0x04), "SHA-1");
  expect_no_attest(with_byte(bytes, kHashAt + 1, 0x0c), "SHA-384");
  expect_no_attest(with_byte(bytes, kSelectLenAt, 2), "16 registers");
  expect_no_attest(with_byte(bytes, kSelectLenAt, 4), "32 registers");
}

TEST(TpmAttest, RejectsLengthsOutsideTheirBounds) {
  const Bytes bytes = write_tpm_attest(full_attest());
  expect_no_attest(with_byte(bytes, kSignerLenAt, 0xff), "signer past the end");
  expect_no_attest(with_byte(bytes, kExtraLenAt, 0xff), "extraData past the end");
  expect_no_attest(with_byte(bytes, kDigestLenAt, 0xff), "digest past the end");
  // Sizes that are there and too large, or too small for SHA-256.
  const auto resized = [](std::size_t at, std::size_t was, std::size_t len) {
    Bytes out = write_tpm_attest(full_attest());
    out.at(at + 1) = static_cast<std::uint8_t>(len);
    const auto from = out.begin() + static_cast<std::ptrdiff_t>(at) + 2;
    out.erase(from, from + static_cast<std::ptrdiff_t>(was));
    out.insert(out.begin() + static_cast<std::ptrdiff_t>(at) + 2, len, 0x55);
    return out;
  };
  EXPECT_TRUE(parse_tpm_attest(resized(kSignerLenAt, 34, 66)));
  expect_no_attest(resized(kSignerLenAt, 34, 67), "signer of 67 bytes");
  EXPECT_TRUE(parse_tpm_attest(resized(kExtraLenAt, 32, 64)));
  expect_no_attest(resized(kExtraLenAt, 32, 65), "extraData of 65 bytes");
  expect_no_attest(resized(kDigestLenAt, 32, 31), "digest of 31 bytes");
  expect_no_attest(resized(kDigestLenAt, 32, 33), "digest of 33 bytes");
  expect_no_attest(resized(kDigestLenAt, 32, 0), "no digest");
}

// ---- HCL report ------------------------------------------------------------------------------

constexpr std::size_t kRuntimeAt = 1216;
constexpr std::size_t kJsonAt = 1236;

HclReport full_hcl(HclReport::Hardware hardware) {
  HclReport report;
  report.hardware = hardware;
  report.version = hardware == HclReport::Hardware::kSnp ? 1 : 2;
  report.hardware_report = Bytes(1184, 0x77);
  if (hardware == HclReport::Hardware::kTdx) {
    std::fill(report.hardware_report.begin() + 1024, report.hardware_report.end(), std::uint8_t{0});
  }
  report.runtime_data = "{\"keys\":[]}";
  return report;
}

Bytes good_hcl() { return write_hcl_report(full_hcl(HclReport::Hardware::kSnp)); }

void expect_no_hcl(const Bytes& bytes, const std::string& what) {
  expect_error(parse_hcl_report(bytes), EvidenceError::kAzureHcl, what);
}

TEST(HclReport, ParsesToWhatWasWritten) {
  for (const auto hardware : {HclReport::Hardware::kSnp, HclReport::Hardware::kTdx}) {
    const HclReport report = full_hcl(hardware);
    const Bytes bytes = write_hcl_report(report);
    const auto parsed = parse_hcl_report(bytes);
    ASSERT_TRUE(parsed) << parsed.error().to_string();
    EXPECT_EQ(parsed->version, report.version);
    EXPECT_EQ(parsed->hardware, hardware);
    EXPECT_EQ(parsed->hardware_report, report.hardware_report);
    EXPECT_EQ(parsed->runtime_data, report.runtime_data);
    EXPECT_EQ(write_hcl_report(*parsed), bytes);
  }
}

TEST(HclReport, HasNoByteThatMeansNothing) {
  const Bytes bytes = good_hcl();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    Bytes changed = bytes;
    changed[i] ^= 0x80;
    if (const auto parsed = parse_hcl_report(changed)) {
      EXPECT_EQ(write_hcl_report(*parsed), changed) << "offset " << i;
    }
  }
}

TEST(HclReport, DropsZerosBehindItAndRejectsAnythingElseThere) {
  const Bytes bytes = good_hcl();
  const auto parsed = parse_hcl_report(concat({bytes, Bytes(300)}));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(write_hcl_report(*parsed), bytes);
  expect_no_hcl(with_byte(concat({bytes, Bytes(300)}), bytes.size(), 1), "first byte");
  expect_no_hcl(with_byte(concat({bytes, Bytes(300)}), bytes.size() + 299, 1), "last byte");
}

TEST(HclReport, RejectsEveryTruncationAndTooMuch) {
  const Bytes bytes = good_hcl();
  for (std::size_t len = 0; len < bytes.size(); ++len) {
    expect_no_hcl(to_bytes(ByteView(bytes).first(len)), std::to_string(len) + " bytes");
  }
  Bytes longest = bytes;
  longest.resize(16384);
  EXPECT_TRUE(parse_hcl_report(longest));
  longest.push_back(0);
  expect_no_hcl(longest, "too long");
}

TEST(HclReport, RejectsHeadsItDoesNotKnow) {
  const Bytes bytes = good_hcl();
  expect_no_hcl(with_byte(bytes, 3, 'B'), "magic");
  expect_no_hcl(with_u32_le(bytes, 4, 0), "version 0");
  expect_no_hcl(with_u32_le(bytes, 4, 3), "version 3");
  expect_no_hcl(with_u32_le(bytes, 12, 1), "request type");
  for (std::size_t i = 16; i < 32; ++i) {
    expect_no_hcl(with_byte(bytes, i, 1), "status or reserved byte " + std::to_string(i));
  }
  expect_no_hcl(with_u32_le(bytes, kRuntimeAt + 4, 2), "version of the runtime data");
  expect_no_hcl(with_u32_le(bytes, kRuntimeAt + 8, 3), "report type 3 (VBS)");
  expect_no_hcl(with_u32_le(bytes, kRuntimeAt + 8, 0), "report type 0");
  expect_no_hcl(with_u32_le(bytes, kRuntimeAt + 12, 2), "hash type 2 (SHA-384)");
}

TEST(HclReport, RejectsSizesThatDoNotFitEachOther) {
  const Bytes bytes = concat({good_hcl(), Bytes(100)});
  const auto json_len = static_cast<std::uint32_t>(full_hcl({}).runtime_data.size());
  expect_no_hcl(with_u32_le(bytes, 8, kJsonAt + json_len + 1), "report size");
  expect_no_hcl(with_u32_le(bytes, 8, kJsonAt + json_len - 1), "report size");
  expect_no_hcl(with_u32_le(bytes, kRuntimeAt, 20 + json_len + 1), "runtime size");
  expect_no_hcl(with_u32_le(bytes, kRuntimeAt + 16, json_len + 1), "JSON size");
  expect_no_hcl(with_u32_le(bytes, kRuntimeAt + 16, 0xfffffff0), "JSON size that overflows");
  const auto sized = [&](std::uint32_t len) {
    return with_u32_le(with_u32_le(with_u32_le(bytes, 8, kJsonAt + len), kRuntimeAt, 20 + len),
                       kRuntimeAt + 16, len);
  };
  EXPECT_TRUE(parse_hcl_report(sized(json_len + 1)));  // one more zero is the JSON's now
  expect_no_hcl(sized(0), "no JSON");
  expect_no_hcl(sized(json_len + 101), "JSON past the end");
  expect_no_hcl(sized(1U << 20), "a JSON of a megabyte");
}

TEST(HclReport, RejectsBytesBehindATdReport) {
  const Bytes bytes = write_hcl_report(full_hcl(HclReport::Hardware::kTdx));
  EXPECT_TRUE(parse_hcl_report(with_byte(bytes, 32 + 1023, 1)));
  expect_no_hcl(with_byte(bytes, 32 + 1024, 1), "first byte");
  expect_no_hcl(with_byte(bytes, 32 + 1183, 1), "last byte");
}

// ---- Runtime claims --------------------------------------------------------------------------

std::string modulus() {
  Bytes n(256, 0xc3);
  return base64url_encode(n);
}

json::Object ak() {
  return {{"kid", "HCLAkPub"},
          {"key_ops", json::Array{"sign"}},
          {"kty", "RSA"},
          {"e", "AQAB"},
          {"n", modulus()}};
}

json::Object claims_with(json::Array keys) {
  return {{"keys", std::move(keys)},
          {"vm-configuration", json::Object{{"console-enabled", false},
                                            {"secure-boot", true},
                                            {"tpm-enabled", true},
                                            {"of tomorrow", 1},
                                            {"vmUniqueId", "26F8BC30"}}},
          {"user-data", std::string(128, '0')},
          {"of tomorrow", json::Object{}}};
}

json::Value& member(json::Object& object, std::string_view name) {
  for (auto& [key, value] : object) {
    if (key == name) {
      return value;
    }
  }
  return object.emplace_back(std::string(name), json::Value()).second;
}

Result<RuntimeClaims> parse(const json::Object& claims) {
  return parse_runtime_claims(json::write(claims));
}

// with_ak parses claims whose HCLAkPub has one member changed, or taken away where `value` is null.
Result<RuntimeClaims> with_ak(std::string_view name, const json::Value& value) {
  json::Object key = ak();
  member(key, name) = value;
  if (value.is_null()) {
    std::erase_if(key, [&](const auto& m) { return m.first == name; });
  }
  return parse(claims_with({key}));
}

Result<RuntimeClaims> with_configuration(std::string_view name, json::Value value) {
  json::Object claims = claims_with({ak()});
  auto& configuration = std::get<json::Object>(member(claims, "vm-configuration").variant());
  member(configuration, name) = std::move(value);
  return parse(claims);
}

Result<RuntimeClaims> with_top(std::string_view name, json::Value value) {
  json::Object claims = claims_with({ak()});
  member(claims, name) = std::move(value);
  return parse(claims);
}

void expect_no_claims(const Result<RuntimeClaims>& claims, const std::string& what) {
  expect_error(claims, EvidenceError::kAzureRuntimeClaims, what);
}

TEST(RuntimeClaims, ReadsWhatItKnowsAndLeavesTheRest) {
  const json::Object ek{{"kid", "HCLEkPub"}, {"key_ops", json::Array{"encrypt"}}, {"n", 1}};
  const json::Object nameless{{"kty", "oct"}};
  const auto claims = parse(claims_with({ek, nameless, ak()}));
  ASSERT_TRUE(claims) << claims.error().to_string();
  EXPECT_EQ(claims->ak_modulus, Bytes(256, 0xc3));
  EXPECT_EQ(claims->ak_exponent, (Bytes{1, 0, 1}));
  EXPECT_EQ(claims->secure_boot, true);
  EXPECT_EQ(claims->tpm_enabled, true);
  EXPECT_EQ(claims->console_enabled, false);
  EXPECT_EQ(claims->vm_unique_id, "26F8BC30");
  EXPECT_EQ(claims->user_data, Bytes(64));
}

TEST(RuntimeClaims, NeedNothingButTheKey) {
  const auto claims = parse({{"keys", json::Array{ak()}}});
  ASSERT_TRUE(claims) << claims.error().to_string();
  EXPECT_EQ(claims->secure_boot, std::nullopt);
  EXPECT_EQ(claims->tpm_enabled, std::nullopt);
  EXPECT_EQ(claims->console_enabled, std::nullopt);
  EXPECT_EQ(claims->vm_unique_id, "");
  EXPECT_TRUE(claims->user_data.empty());
  EXPECT_EQ(with_top("vm-configuration", json::Object{}).value().secure_boot, std::nullopt);
  EXPECT_TRUE(with_ak("key_ops", json::Array{"verify", "sign"}));
  EXPECT_TRUE(with_ak("alg", "RS256"));
}

TEST(RuntimeClaims, RejectsOtherListsOfKeys) {
  expect_no_claims(parse_runtime_claims(""), "nothing");
  expect_no_claims(parse_runtime_claims("[]"), "no object");
  expect_no_claims(parse_runtime_claims("{\"keys\":[],\"keys\":[]}"), "a duplicate");
  expect_no_claims(parse_runtime_claims(json::write(claims_with({ak()})) + "x"), "trailing");
  expect_no_claims(with_top("keys", json::Object{}), "keys no list");
  expect_no_claims(parse({}), "no keys");
  expect_no_claims(parse(claims_with({})), "an empty list");
  expect_no_claims(parse(claims_with({ak(), ak()})), "two");
  expect_no_claims(parse(claims_with({"HCLAkPub"})), "text");
  json::Array many(17, json::Value(json::Object{}));
  many.front() = ak();
  expect_no_claims(parse(claims_with(many)), "seventeen keys");
  many.pop_back();
  EXPECT_TRUE(parse(claims_with(many)));
}

TEST(RuntimeClaims, RejectsOtherKeysThanRsaForSigning) {
  for (const char* name : {"kid", "kty", "n", "e", "key_ops"}) {
    expect_no_claims(with_ak(name, nullptr), std::string("without ") + name);
    expect_no_claims(with_ak(name, 1), std::string("a number as ") + name);
  }
  expect_no_claims(with_ak("kid", "HCLEkPub"), "another id");
  expect_no_claims(with_ak("kty", "EC"), "another type");
  expect_no_claims(with_ak("key_ops", json::Array{"encrypt"}), "for encryption");
  expect_no_claims(with_ak("key_ops", json::Array{}), "for nothing");
  expect_no_claims(with_ak("n", modulus() + "="), "padded");
  expect_no_claims(with_ak("n", base64url_encode(Bytes(128, 0xc3))), "1024 bits");
  expect_no_claims(with_ak("n", base64url_encode(Bytes(256, 0x43))), "2047 bits");
  expect_no_claims(with_ak("n", base64url_encode(Bytes(256, 0xc4))), "an even modulus");
  expect_no_claims(with_ak("e", "AQ"), "exponent 1");
  expect_no_claims(with_ak("e", "AAEAAQ"), "a leading zero");
  expect_no_claims(with_ak("e", "A+AB"), "another alphabet");
}

TEST(RuntimeClaims, RejectsMembersItKnowsOfOtherForms) {
  expect_no_claims(with_top("vm-configuration", json::Array{}), "vm-configuration");
  for (const char* name : {"secure-boot", "tpm-enabled", "console-enabled"}) {
    expect_no_claims(with_configuration(name, "true"), name);
  }
  expect_no_claims(with_configuration("vmUniqueId", 7), "a number");
  expect_no_claims(with_configuration("vmUniqueId", "a\nb"), "a line break");
  expect_no_claims(with_configuration("vmUniqueId", "\x7f"), "DEL");
  expect_no_claims(with_configuration("vmUniqueId", std::string(129, 'a')), "long");
  EXPECT_TRUE(with_configuration("vmUniqueId", std::string(128, '~')));
  expect_no_claims(with_top("user-data", 1), "a number");
  expect_no_claims(with_top("user-data", ""), "no bytes");
  expect_no_claims(with_top("user-data", std::string(126, '0')), "63 bytes");
  expect_no_claims(with_top("user-data", std::string(130, '0')), "65 bytes");
  expect_no_claims(with_top("user-data", std::string(128, 'g')), "no hex");
}

// ---- The document ----------------------------------------------------------------------------

AzureEvidence full_evidence(bool tdx) {
  AzureEvidence evidence;
  evidence.hcl_report = Bytes(2600, 0xfb);
  evidence.tpm_message = Bytes(100, 1);
  evidence.tpm_signature = Bytes(256, 2);
  for (std::uint8_t i = 0; i < 24; ++i) {
    evidence.pcrs.emplace_back().fill(i);
  }
  if (tdx) {
    evidence.td_quote = Bytes(4999, 0xfe);
  } else {
    evidence.vcek = made::shared_pki().vek().der();
  }
  return evidence;
}

json::Object document(bool tdx) {
  return **json::parse(as_text(write_azure_evidence(full_evidence(tdx)))).value().as_object("");
}

Result<AzureEvidence> parse_document(const json::Object& object) {
  const Bytes bytes = to_bytes(json::write(object));
  return parse_azure_evidence(bytes);
}

Result<AzureEvidence> with_member(std::string_view name, json::Value value, bool tdx = false) {
  json::Object object = document(tdx);
  member(object, name) = std::move(value);
  return parse_document(object);
}

Result<AzureEvidence> with_quote(std::string_view name, json::Value value) {
  json::Object object = document(false);
  member(std::get<json::Object>(member(object, "tpm_quote").variant()), name) = std::move(value);
  return parse_document(object);
}

Result<AzureEvidence> without(std::string_view name, bool in_quote) {
  json::Object object = document(false);
  json::Object& from =
      in_quote ? std::get<json::Object>(member(object, "tpm_quote").variant()) : object;
  std::erase_if(from, [&](const auto& m) { return m.first == name; });
  return parse_document(object);
}

void expect_no_evidence(const Result<AzureEvidence>& evidence, const std::string& what) {
  expect_error(evidence, EvidenceError::kAzureForm, what);
}

TEST(AzureEvidence, ParsesToWhatWasWritten) {
  for (const bool tdx : {false, true}) {
    const AzureEvidence evidence = full_evidence(tdx);
    const Bytes bytes = write_azure_evidence(evidence);
    EXPECT_TRUE(looks_like_azure_evidence(bytes));
    const auto parsed = parse_azure_evidence(bytes);
    ASSERT_TRUE(parsed) << parsed.error().to_string();
    EXPECT_EQ(parsed->is_tdx(), tdx);
    EXPECT_EQ(parsed->hcl_report, evidence.hcl_report);
    EXPECT_EQ(parsed->tpm_message, evidence.tpm_message);
    EXPECT_EQ(parsed->tpm_signature, evidence.tpm_signature);
    EXPECT_EQ(parsed->pcrs, evidence.pcrs);
    EXPECT_EQ(parsed->vcek, evidence.vcek);
    EXPECT_EQ(parsed->td_quote, evidence.td_quote);
    EXPECT_EQ(write_azure_evidence(*parsed), bytes);
  }
}

TEST(AzureEvidence, TakesBase64urlWithAndWithoutPadding) {
  const Bytes two{0xfb, 0xff};
  for (const char* good : {"-_8=", "-_8"}) {
    EXPECT_EQ(with_member("hcl_report", good).value().hcl_report, two);
    EXPECT_EQ(with_member("td_quote", good, true).value().td_quote, two);
  }
  for (const char* bad : {"+/8=", "-_8==", "-_=8", "-_8=====", "-_9", "=", "====", "-", "-_8 "}) {
    expect_no_evidence(with_member("hcl_report", bad), bad);
    expect_no_evidence(with_member("td_quote", bad, true), bad);
  }
  const Bytes der = made::shared_pki().vek().der();
  EXPECT_EQ(with_member("vcek", base64url_encode(der)).value().vcek, der);
}

TEST(AzureEvidence, RejectsOtherMembers) {
  for (const char* name : {"version", "hcl_report", "tpm_quote", "vcek"}) {
    expect_no_evidence(without(name, false), std::string("without ") + name);
    expect_no_evidence(with_member(name, json::Array{}), std::string("a list as ") + name);
  }
  for (const char* name : {"message", "signature", "pcrs"}) {
    expect_no_evidence(without(name, true), std::string("without ") + name);
    expect_no_evidence(with_quote(name, 1), std::string("a number as ") + name);
  }
  expect_no_evidence(with_member("more", 1), "a member more");
  expect_no_evidence(with_quote("more", 1), "a member more in the quote");
  expect_no_evidence(with_member("td_quote", "AAAA"), "both kinds of hardware");
  expect_no_evidence(with_member("td_quote", 1, true), "a number as td_quote");
  for (const json::Value& version : {json::Value(0), json::Value(2), json::Value("1")}) {
    expect_no_evidence(with_member("version", version), json::write(version));
  }
}

TEST(AzureEvidence, RejectsWhatIsNoJsonObjectOrTooLong) {
  for (const char* bad : {"", "[]", "{", "{}", "{\"version\":1,\"version\":1}", "null"}) {
    expect_no_evidence(parse_azure_evidence(as_bytes(bad)), bad);
    EXPECT_FALSE(looks_like_azure_evidence(as_bytes(bad)));
  }
  Bytes bytes = write_azure_evidence(full_evidence(false));
  bytes.resize(kMaxAzureEvidence, ' ');
  EXPECT_TRUE(parse_azure_evidence(bytes));
  bytes.push_back(' ');
  expect_no_evidence(parse_azure_evidence(bytes), "too long");
  EXPECT_FALSE(looks_like_azure_evidence(bytes));
}

TEST(AzureEvidence, LooksLikeItselfByTwoMembers) {
  EXPECT_TRUE(looks_like_azure_evidence(as_bytes("{\"hcl_report\":1,\"tpm_quote\":2}")));
  EXPECT_FALSE(looks_like_azure_evidence(as_bytes("{\"hcl_report\":1}")));
  EXPECT_FALSE(looks_like_azure_evidence(as_bytes("{\"tpm_quote\":1}")));
}

TEST(AzureEvidence, RejectsOtherQuotesOfATpm) {
  expect_no_evidence(with_quote("message", "0"), "half a byte");
  expect_no_evidence(with_quote("message", "zz"), "no hex");
  expect_no_evidence(with_quote("signature", std::string(510, '0')), "255 bytes");
  expect_no_evidence(with_quote("signature", std::string(514, '0')), "257 bytes");
  expect_no_evidence(with_quote("signature", std::string(512, 'x')), "no hex");
  const auto pcrs = [](std::size_t count, const json::Value& value) {
    return with_quote("pcrs", json::Array(count, value));
  };
  const std::string pcr(64, '0');
  EXPECT_TRUE(pcrs(24, pcr));
  expect_no_evidence(pcrs(23, pcr), "23 registers");
  expect_no_evidence(pcrs(25, pcr), "25 registers");
  expect_no_evidence(pcrs(24, std::string(62, '0')), "31 bytes");
  expect_no_evidence(pcrs(24, std::string(66, '0')), "33 bytes");
  expect_no_evidence(pcrs(24, std::string(64, 'x')), "no hex");
  expect_no_evidence(pcrs(24, 1), "numbers");
}

TEST(AzureEvidence, RejectsAVcekThatIsNoCertificate) {
  const Bytes der = made::shared_pki().vek().der();
  expect_no_evidence(with_member("vcek", ""), "nothing");
  expect_no_evidence(with_member("vcek", "AAAA"), "other bytes");
  expect_no_evidence(with_member("vcek", base64url_encode(concat({der, Bytes(1)}))), "one more");
  expect_no_evidence(with_member("vcek", base64url_encode(concat({der, der}))), "two");
}

// ---- Evidence of real machines ---------------------------------------------------------------

fs::path vectors() {
  if (const char* dir = std::getenv("ENSCONCE_VECTORS")) {
    return fs::path(dir);
  }
  const char* source = std::getenv("ENSCONCE_SOURCE_DIR");
  return fs::path(source == nullptr ? "." : source) / ".." / "shared" / "vectors";
}

Bytes file(const fs::path& path) {
  auto bytes = read_file(path);
  if (!bytes) {
    ADD_FAILURE() << bytes.error().to_string();
    return {};
  }
  return *bytes;
}

class RealAzureForms : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(vectors())) {
      GTEST_SKIP() << "no vectors at " << vectors() << "; set ENSCONCE_VECTORS";
    }
  }
};

// The digest of `runtime_data` stands at the start of `report_data`, and zeros behind it.
void expect_vouched_for(ByteView report_data, const std::string& runtime_data) {
  EXPECT_TRUE(equal(report_data.first(32), sha256(as_bytes(runtime_data))));
  EXPECT_TRUE(all_zero(report_data.subspan(32)));
}

TEST_F(RealAzureForms, DocumentsGiveTheirFields) {
  for (const char* name : {"snp-vtpm-milan", "tdx-vtpm"}) {
    SCOPED_TRACE(name);
    const Bytes bytes = file(vectors() / "azure" / (std::string(name) + ".json"));
    const json::Value expected =
        json::parse(as_text(file(vectors() / "azure" / (std::string(name) + ".expected.json"))))
            .value();
    EXPECT_TRUE(looks_like_azure_evidence(bytes));
    const auto evidence = parse_azure_evidence(bytes);
    ASSERT_TRUE(evidence) << evidence.error().to_string();
    const bool tdx = name == std::string_view("tdx-vtpm");
    EXPECT_EQ(evidence->is_tdx(), tdx);

    const auto hcl = parse_hcl_report(evidence->hcl_report);
    ASSERT_TRUE(hcl) << hcl.error().to_string();
    EXPECT_EQ(hcl->hardware, tdx ? HclReport::Hardware::kTdx : HclReport::Hardware::kSnp);
    EXPECT_EQ(hcl->version, expected.find("hcl")->find("version")->as_uint("version").value());
    const Bytes written = write_hcl_report(*hcl);
    EXPECT_EQ(written.size(),
              expected.find("hcl")->find("report_size")->as_uint("report_size").value());
    EXPECT_TRUE(equal(written, ByteView(evidence->hcl_report).first(written.size())));
    // REPORT_DATA of an SNP report; REPORTDATA of a TDREPORT.
    expect_vouched_for(ByteView(hcl->hardware_report).subspan(tdx ? 128 : 0x50, 64),
                       hcl->runtime_data);

    const auto claims = parse_runtime_claims(hcl->runtime_data);
    ASSERT_TRUE(claims) << claims.error().to_string();
    EXPECT_EQ(claims->secure_boot, true);
    EXPECT_EQ(claims->tpm_enabled, true);
    EXPECT_EQ(claims->console_enabled, true);
    const json::Value& other = *expected.find("claims")->find("other");
    EXPECT_EQ(claims->vm_unique_id,
              other.find("vm-configuration")->find("vmUniqueId")->as_text("id").value());
    EXPECT_EQ(to_hex(claims->user_data), other.find("user-data")->as_text("").value());

    const json::Value& quote = *expected.find("tpm_quote");
    const auto attest = parse_tpm_attest(evidence->tpm_message);
    ASSERT_TRUE(attest) << attest.error().to_string();
    EXPECT_EQ(write_tpm_attest(*attest), evidence->tpm_message);
    EXPECT_EQ(to_hex(attest->extra_data), quote.find("extra_data")->as_text("").value());
    EXPECT_EQ(to_hex(attest->clock_info), quote.find("clock_info")->as_text("").value());
    EXPECT_EQ(attest->firmware_version, 0x2020031200120003U);
    EXPECT_EQ(attest->pcr_select, 0xffffffU);
    EXPECT_EQ(to_hex(attest->pcr_digest), quote.find("pcr_digest")->as_text("").value());
    Bytes pcrs;
    for (const ByteArray<32>& pcr : evidence->pcrs) {
      pcrs = concat({pcrs, pcr});
    }
    EXPECT_TRUE(equal(attest->pcr_digest, sha256(pcrs)));
    const auto key = RsaPublicKey::from_modulus(claims->ak_modulus, claims->ak_exponent).value();
    EXPECT_TRUE(rsa_pkcs1_sha256_verify(key, evidence->tpm_message, evidence->tpm_signature));

    const auto again = parse_azure_evidence(write_azure_evidence(*evidence));
    ASSERT_TRUE(again) << again.error().to_string();
    EXPECT_EQ(again->hcl_report, evidence->hcl_report);
    EXPECT_EQ(again->vcek, evidence->vcek);
    EXPECT_EQ(again->td_quote, evidence->td_quote);
  }
}

TEST_F(RealAzureForms, AReportFromTheIndexHoldsItsSnpReport) {
  const fs::path dir = vectors() / "snp/azure";
  const auto hcl = parse_hcl_report(file(dir / "milan-v2-vcek-azure.hcl-report.bin"));
  ASSERT_TRUE(hcl) << hcl.error().to_string();
  EXPECT_EQ(hcl->hardware_report, file(dir / "milan-v2-vcek-azure.report.bin"));
  expect_vouched_for(ByteView(hcl->hardware_report).subspan(0x50, 64), hcl->runtime_data);
  EXPECT_TRUE(parse_runtime_claims(hcl->runtime_data));
}

}  // namespace
}  // namespace ensconce
