#pragma once

#include <optional>
#include <string_view>
#include <variant>

#include "ensconce/attestation/evidence/error.h"
#include "ensconce/base/bytes.h"

namespace ensconce {

inline constexpr std::size_t kSgxReportLen = 384;
inline constexpr std::size_t kTdReport10Len = 584;
inline constexpr std::size_t kTdReport15Len = 648;
// A quote is a few kilobytes; a buffer that held one may be larger and zero behind it.
inline constexpr std::size_t kMaxIntelQuote = 65536;

// SgxReport is an SGX report body (Intel SGX DCAP API, appendix A, "Enclave Report Body", 384
// bytes). The reserved bytes are zero.
struct SgxReport {
  ByteArray<16> cpu_svn{};
  std::uint32_t misc_select = 0;
  ByteArray<16> isv_ext_prod_id{};
  ByteArray<16> attributes{};  // flags u64 LE, XFRM u64 LE
  ByteArray<32> mr_enclave{};
  ByteArray<32> mr_signer{};
  ByteArray<64> config_id{};
  std::uint16_t isv_prod_id = 0;
  std::uint16_t isv_svn = 0;
  std::uint16_t config_svn = 0;
  ByteArray<16> isv_family_id{};
  ByteArray<64> report_data{};

  [[nodiscard]] std::uint64_t attribute_flags() const;  // bytes 0 to 7, LE
  // Flag bits (Intel SDM vol. 3D, "ATTRIBUTES").
  [[nodiscard]] bool init() const { return (attribute_flags() & 1) != 0; }
  [[nodiscard]] bool debug() const { return (attribute_flags() >> 1 & 1) != 0; }
  [[nodiscard]] bool mode64() const { return (attribute_flags() >> 2 & 1) != 0; }
  [[nodiscard]] bool provision_key() const { return (attribute_flags() >> 4 & 1) != 0; }
  [[nodiscard]] bool einittoken_key() const { return (attribute_flags() >> 5 & 1) != 0; }
  [[nodiscard]] bool kss() const { return (attribute_flags() >> 7 & 1) != 0; }
  friend bool operator==(const SgxReport&, const SgxReport&) = default;
};

// TdReport is the report body of a trust domain (Intel TDX DCAP API, appendix, "TD Quote Body"):
// 584 bytes for TDX 1.0; TDX 1.5 adds two fields.
struct TdReport {
  ByteArray<16> tee_tcb_svn{};
  ByteArray<48> mr_seam{};
  ByteArray<48> mr_signer_seam{};
  ByteArray<8> seam_attributes{};
  ByteArray<8> td_attributes{};
  ByteArray<8> xfam{};
  ByteArray<48> mr_td{};
  ByteArray<48> mr_config_id{};
  ByteArray<48> mr_owner{};
  ByteArray<48> mr_owner_config{};
  ByteArray<48> rtmr[4]{};
  ByteArray<64> report_data{};
  std::optional<ByteArray<16>> tee_tcb_svn_2;  // 1.5: the module that runs now
  std::optional<ByteArray<48>> mr_service_td;  // 1.5

  [[nodiscard]] std::uint64_t attribute_flags() const;  // TDATTRIBUTES, LE
  // Bits 7:0 are the debug group: any of them set, and the TD is not trusted.
  [[nodiscard]] bool debug() const { return (attribute_flags() & 0xff) != 0; }
  [[nodiscard]] bool sept_ve_disable() const { return (attribute_flags() >> 28 & 1) != 0; }
  [[nodiscard]] bool migratable() const { return (attribute_flags() >> 29 & 1) != 0; }
  [[nodiscard]] bool pks() const { return (attribute_flags() >> 30 & 1) != 0; }
  [[nodiscard]] bool kl() const { return (attribute_flags() >> 31 & 1) != 0; }
  [[nodiscard]] bool perfmon() const { return (attribute_flags() >> 63 & 1) != 0; }
  friend bool operator==(const TdReport&, const TdReport&) = default;
};

// IntelQuote is an ECDSA quote, versions 3 to 5 (Intel SGX DCAP API appendix A; TDX DCAP API
// appendix): form, no trust. Every byte is one of these fields or a reserved zero, so
// write_intel_quote gives back exactly the bytes that were parsed (without zero padding after the
// quote), and what a verifier hashes is what it shows.
struct IntelQuote {
  std::uint16_t version = 4;
  std::uint16_t qe_svn = 0;   // versions 4 and 5: reserved, kept as it came
  std::uint16_t pce_svn = 0;  // the same
  ByteArray<16> qe_vendor_id{};
  ByteArray<20> user_data{};
  // Version 5 tells the body by a type (1 SGX, 2 TD 1.0, 3 TD 1.5), others by the TEE type.
  std::variant<SgxReport, TdReport> body;

  ByteArray<64> signature{};        // r ‖ s, big-endian
  ByteArray<64> attestation_key{};  // x ‖ y, P-256
  SgxReport qe_report;
  ByteArray<64> qe_report_signature{};
  Bytes qe_auth_data;
  std::uint16_t certification_type = 5;  // 5: PCK chain; 1 to 4: the PCK comes from elsewhere
  Bytes certification_data;

  [[nodiscard]] bool is_tdx() const { return std::holds_alternative<TdReport>(body); }
  [[nodiscard]] const ByteArray<64>& report_data() const;
  friend bool operator==(const IntelQuote&, const IntelQuote&) = default;
};

// looks_like_intel_quote tells a quote from other bytes by its first 48 (version, key type, TEE
// type): for recognising files.
bool looks_like_intel_quote(ByteView bytes);

// parse_intel_quote reads one quote strictly. Zero bytes behind it are padding and dropped; any
// other byte there is refused. Errors are EvidenceError::kIntel….
Result<IntelQuote> parse_intel_quote(ByteView bytes);
// expect_tee refuses (kIntelTeeType) a quote of the other TEE than its item's type said.
Result<void> expect_tee(const IntelQuote& quote, bool tdx);
Bytes write_intel_quote(const IntelQuote& quote);
// signed_part is what the attestation key signs: header and body (version 5: with its type and
// size).
Bytes intel_quote_signed_part(const IntelQuote& quote);
// write_sgx_report is the 384 bytes the PCK signs of a quoting enclave.
Bytes write_sgx_report(const SgxReport& report);

}  // namespace ensconce
