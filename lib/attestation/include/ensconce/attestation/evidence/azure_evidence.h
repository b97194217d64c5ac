#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ensconce/attestation/evidence/error.h"
#include "ensconce/base/bytes.h"

namespace ensconce {

inline constexpr std::size_t kMaxAzureEvidence = 65536;

// HclReport is what the paravisor of an Azure confidential VM leaves in TPM NV index 0x01400001:
// a hardware report and the runtime claims it vouches for (Microsoft, "Confidential VM guest
// attestation design").
struct HclReport {
  std::uint32_t version = 1;
  enum class Hardware : std::uint32_t { kSnp = 2, kTdx = 4 } hardware = Hardware::kSnp;
  Bytes hardware_report;     // 1184 bytes: an SNP report, or a TDREPORT of 1024 and zeros
  std::string runtime_data;  // the JSON whose SHA-256 is in REPORT_DATA, byte for byte
};
Result<HclReport> parse_hcl_report(ByteView bytes);
Bytes write_hcl_report(const HclReport& report);

// RuntimeClaims is what we read of the runtime data.
struct RuntimeClaims {
  Bytes ak_modulus;   // HCLAkPub, RSA, big-endian
  Bytes ak_exponent;  // big-endian
  std::optional<bool> secure_boot;
  std::optional<bool> tpm_enabled;
  std::optional<bool> console_enabled;
  std::string vm_unique_id;  // "" when absent
  Bytes user_data;           // 64 bytes, or none
};
// parse_runtime_claims reads the JSON; members it does not know are left alone, as they are
// vouched for and not ours. HCLAkPub must be there once, RSA, for signing.
Result<RuntimeClaims> parse_runtime_claims(std::string_view json);

// TpmAttest is a TPMS_ATTEST of a quote (TCG TPM 2.0 Part 2, section 10.12).
struct TpmAttest {
  Bytes qualified_signer;
  Bytes extra_data;
  ByteArray<17> clock_info{};
  std::uint64_t firmware_version = 0;
  std::uint32_t pcr_select = 0;  // bit n: PCR n, of the one SHA-256 bank
  Bytes pcr_digest;
  friend bool operator==(const TpmAttest&, const TpmAttest&) = default;
};
Result<TpmAttest> parse_tpm_attest(ByteView bytes);
Bytes write_tpm_attest(const TpmAttest& attest);

// AzureEvidence is one evidence item of kind azure-snp or azure-tdx: the JSON that CoCo's guests
// send, members version, hcl_report, tpm_quote {message, signature, pcrs}, and vcek (SNP) or
// td_quote (TDX). Form, no trust.
struct AzureEvidence {
  Bytes hcl_report;
  Bytes tpm_message;                // TPMS_ATTEST
  Bytes tpm_signature;              // RSASSA, 256 bytes
  std::vector<ByteArray<32>> pcrs;  // 24 of SHA-256
  std::optional<Bytes> vcek;        // DER
  std::optional<Bytes> td_quote;

  [[nodiscard]] bool is_tdx() const { return td_quote.has_value(); }
};
bool looks_like_azure_evidence(ByteView bytes);
// Errors are EvidenceError::kAzure….
Result<AzureEvidence> parse_azure_evidence(ByteView json);
// expect_hardware refuses (kAzureForm) evidence of the other hardware than its item's type said.
Result<void> expect_hardware(const AzureEvidence& evidence, bool tdx);
Bytes write_azure_evidence(const AzureEvidence& evidence);

}  // namespace ensconce
