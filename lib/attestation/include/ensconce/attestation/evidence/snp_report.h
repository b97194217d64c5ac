#pragma once

#include <optional>
#include <string_view>

#include "ensconce/attestation/evidence/error.h"
#include "ensconce/base/bytes.h"

namespace ensconce {

// SnpProduct is an AMD product line: it decides the TCB layout and the vendor's keys.
enum class SnpProduct : std::uint8_t { kMilan, kGenoa, kTurin };
std::string_view name_of(SnpProduct product);  // "Milan", as in certificates
std::optional<SnpProduct> snp_product_from_name(std::string_view name);
// snp_product_from_cpuid reads combined family and model (AMD 56860 rev 1.58; Venice has no keys
// known here and is nothing).
std::optional<SnpProduct> snp_product_from_cpuid(std::uint8_t family, std::uint8_t model);

// TcbVersion is TCB_VERSION by component (AMD 56860, "TCB_VERSION"; Turin has another layout and
// an fmc). Components are compared one by one, never as one number.
struct TcbVersion {
  std::optional<std::uint8_t> fmc;  // Turin only
  std::uint8_t bootloader = 0;
  std::uint8_t tee = 0;
  std::uint8_t snp = 0;
  std::uint8_t microcode = 0;
  friend bool operator==(const TcbVersion&, const TcbVersion&) = default;
};
// RawTcb is the eight bytes as they stand in a report.
using RawTcb = ByteArray<8>;
TcbVersion tcb_from_raw(const RawTcb& raw, SnpProduct product);
RawTcb tcb_to_raw(const TcbVersion& tcb, SnpProduct product);
// snp_reserved_tcb gives the bytes between the components (spl4 … spl7 of certificates), in order.
Bytes snp_reserved_tcb(const RawTcb& raw, SnpProduct product);

enum class SnpSigningKey : std::uint8_t { kVcek = 0, kVlek = 1 };
std::string_view name_of(SnpSigningKey key);  // "vcek", "vlek"

struct FirmwareVersion {
  std::uint8_t build = 0;
  std::uint8_t minor = 0;
  std::uint8_t major = 0;
  friend bool operator==(const FirmwareVersion&, const FirmwareVersion&) = default;
};

inline constexpr std::size_t kSnpReportLen = 1184;
inline constexpr std::size_t kSnpSignedLen = 672;

// SnpReport is a SEV-SNP attestation report (AMD 56860, table "ATTESTATION_REPORT"), versions 2 to
// 5: form, no trust. Every byte is one of these fields or a reserved zero, so write_snp_report
// gives back exactly the bytes that were parsed, and what a verifier hashes is what it shows.
struct SnpReport {
  std::uint32_t version = 3;
  std::uint32_t guest_svn = 0;
  std::uint64_t policy = 0x30000;
  ByteArray<16> family_id{};
  ByteArray<16> image_id{};
  std::uint32_t vmpl = 0;
  RawTcb current_tcb{};
  std::uint64_t platform_info = 0;  // unknown bits are kept and tolerated
  bool author_key_enabled = false;
  bool chip_key_masked = false;
  SnpSigningKey signing_key = SnpSigningKey::kVcek;
  ByteArray<64> report_data{};
  ByteArray<48> measurement{};
  ByteArray<32> host_data{};
  ByteArray<48> id_key_digest{};
  ByteArray<48> author_key_digest{};
  ByteArray<32> report_id{};
  ByteArray<32> report_id_ma{};
  RawTcb reported_tcb{};
  std::uint8_t cpuid_family = 0;  // version 3 and later, else 0
  std::uint8_t cpuid_model = 0;
  std::uint8_t cpuid_stepping = 0;
  ByteArray<64> chip_id{};
  RawTcb committed_tcb{};
  FirmwareVersion current_firmware;
  FirmwareVersion committed_firmware;
  RawTcb launch_tcb{};
  std::uint64_t launch_mitigations = 0;   // version 5, else 0
  std::uint64_t current_mitigations = 0;  // version 5, else 0
  ByteArray<48> signature_r{};            // big-endian, unlike on the wire
  ByteArray<48> signature_s{};

  // Guest policy bits (AMD 56860, "GUEST_POLICY").
  [[nodiscard]] bool smt_allowed() const { return (policy >> 16 & 1) != 0; }
  [[nodiscard]] bool migration_agent_allowed() const { return (policy >> 18 & 1) != 0; }
  [[nodiscard]] bool debug_allowed() const { return (policy >> 19 & 1) != 0; }
  [[nodiscard]] bool single_socket() const { return (policy >> 20 & 1) != 0; }
  // cpuid_product is nothing for version 2, which carries no CPUID, and for processors not known.
  [[nodiscard]] std::optional<SnpProduct> cpuid_product() const;

  friend bool operator==(const SnpReport&, const SnpReport&) = default;
};

// parse_snp_report reads exactly 1184 bytes strictly: reserved fields are zero, also the 368 bytes
// after the signature that the signature does not cover. Errors are EvidenceError::kSnp….
Result<SnpReport> parse_snp_report(ByteView bytes);
// write_snp_report writes the 1184 bytes; signature_r and _s are whatever the fields hold (zero
// before a processor signs). Fields must fit the version.
Bytes write_snp_report(const SnpReport& report);

}  // namespace ensconce
