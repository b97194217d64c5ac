#include "ensconce/attestation/evidence/snp_report.h"

#include <algorithm>
#include <array>
#include <string>

#include "ensconce/base/check.h"

namespace ensconce {
namespace {

// AMD 56860 rev 1.58, table "ATTESTATION_REPORT": what stands between the fields.
constexpr std::size_t kReservedAfterKeyFlags = 4;       // 0x04c
constexpr std::size_t kReservedTcbToChipV2 = 24;        // 0x188, before CPUID came
constexpr std::size_t kReservedAfterCpuid = 21;         // 0x18b
constexpr std::size_t kReservedAfterMitigations = 152;  // 0x208
constexpr std::size_t kSignaturePad = 24;               // r and s are 72 bytes, 48 may be used
constexpr std::size_t kReservedTail = 368;              // 0x330, not signed

constexpr std::uint64_t kPolicyReservedOne = std::uint64_t{1} << 17;
constexpr std::uint64_t kPolicyReservedZero = ~((std::uint64_t{1} << 26) - 1);

Result<void> take_reserved(ByteReader& reader, std::size_t len) {
  const std::size_t at = reader.offset();
  ENSC_TRY_ASSIGN(const ByteView bytes, reader.take(len));
  if (!all_zero(bytes)) {
    return Error(EvidenceError::kSnpReserved,
                 "reserved bytes from offset " + std::to_string(at) + " are not all zero");
  }
  return ok();
}

Result<void> read_key_flags(ByteReader& reader, SnpReport& report) {
  ENSC_TRY_ASSIGN(const std::uint32_t flags, reader.u32_le());
  if ((flags >> 5) != 0) {
    return Error(EvidenceError::kSnpReserved, "reserved key flags are set");
  }
  const std::uint32_t key = flags >> 2 & 7;
  if (key > 1) {
    return Error(EvidenceError::kSnpSigningKey,
                 key == 7 ? "SIGNING_KEY is 7: the report is not signed"
                          : "SIGNING_KEY is " + std::to_string(key) + ", which is reserved");
  }
  report.author_key_enabled = (flags & 1) != 0;
  report.chip_key_masked = (flags >> 1 & 1) != 0;
  report.signing_key = key == 0 ? SnpSigningKey::kVcek : SnpSigningKey::kVlek;
  return ok();
}

Result<FirmwareVersion> read_firmware(ByteReader& reader) {
  FirmwareVersion out;
  ENSC_TRY_ASSIGN(out.build, reader.u8());
  ENSC_TRY_ASSIGN(out.minor, reader.u8());
  ENSC_TRY_ASSIGN(out.major, reader.u8());
  ENSC_TRY(take_reserved(reader, 1));
  return out;
}

// A signature component is little-endian in a field of 72 bytes.
Result<ByteArray<48>> read_component(ByteReader& reader) {
  ENSC_TRY_ASSIGN(ByteArray<48> out, reader.array<48>());
  ENSC_TRY_ASSIGN(const ByteView pad, reader.take(kSignaturePad));
  if (!all_zero(pad)) {
    return Error(EvidenceError::kSnpSignatureWidth, "r or s is wider than 48 bytes");
  }
  std::reverse(out.begin(), out.end());
  return out;
}

void write_component(ByteWriter& writer, ByteArray<48> component) {
  std::reverse(component.begin(), component.end());
  writer.raw(component).raw(ByteArray<kSignaturePad>{});
}

void write_firmware(ByteWriter& writer, const FirmwareVersion& firmware) {
  writer.u8(firmware.build).u8(firmware.minor).u8(firmware.major).u8(0);
}

// The first half, up to the migration agent's report id.
Result<void> read_guest_part(ByteReader& reader, SnpReport& report) {
  ENSC_TRY_ASSIGN(report.version, reader.u32_le());
  if (report.version < 2 || report.version > 5) {
    return Error(EvidenceError::kSnpVersion,
                 "report version " + std::to_string(report.version) + "; this code knows 2 to 5");
  }
  ENSC_TRY_ASSIGN(report.guest_svn, reader.u32_le());
  ENSC_TRY_ASSIGN(report.policy, reader.u64_le());
  if ((report.policy & kPolicyReservedOne) == 0 || (report.policy & kPolicyReservedZero) != 0) {
    return Error(EvidenceError::kSnpGuestPolicy,
                 "reserved bits of the guest policy have values this code does not know");
  }
  ENSC_TRY_ASSIGN(report.family_id, reader.array<16>());
  ENSC_TRY_ASSIGN(report.image_id, reader.array<16>());
  ENSC_TRY_ASSIGN(report.vmpl, reader.u32_le());
  ENSC_TRY_ASSIGN(const std::uint32_t algorithm, reader.u32_le());
  if (algorithm != 1) {
    return Error(EvidenceError::kSnpSignatureAlgorithm,
                 "SIGNATURE_ALGO " + std::to_string(algorithm) +
                     "; 1 (ECDSA P-384 with SHA-384) is the only one");
  }
  ENSC_TRY_ASSIGN(report.current_tcb, reader.array<8>());
  ENSC_TRY_ASSIGN(report.platform_info, reader.u64_le());
  ENSC_TRY(read_key_flags(reader, report));
  ENSC_TRY(take_reserved(reader, kReservedAfterKeyFlags));
  ENSC_TRY_ASSIGN(report.report_data, reader.array<64>());
  ENSC_TRY_ASSIGN(report.measurement, reader.array<48>());
  ENSC_TRY_ASSIGN(report.host_data, reader.array<32>());
  ENSC_TRY_ASSIGN(report.id_key_digest, reader.array<48>());
  ENSC_TRY_ASSIGN(report.author_key_digest, reader.array<48>());
  ENSC_TRY_ASSIGN(report.report_id, reader.array<32>());
  ENSC_TRY_ASSIGN(report.report_id_ma, reader.array<32>());
  return ok();
}

// The second half: the platform, and the signature.
Result<void> read_platform_part(ByteReader& reader, SnpReport& report) {
  ENSC_TRY_ASSIGN(report.reported_tcb, reader.array<8>());
  if (report.version == 2) {
    ENSC_TRY(take_reserved(reader, kReservedTcbToChipV2));
  } else {
    ENSC_TRY_ASSIGN(report.cpuid_family, reader.u8());
    ENSC_TRY_ASSIGN(report.cpuid_model, reader.u8());
    ENSC_TRY_ASSIGN(report.cpuid_stepping, reader.u8());
    ENSC_TRY(take_reserved(reader, kReservedAfterCpuid));
  }
  ENSC_TRY_ASSIGN(report.chip_id, reader.array<64>());
  ENSC_TRY_ASSIGN(report.committed_tcb, reader.array<8>());
  ENSC_TRY_ASSIGN(report.current_firmware, read_firmware(reader));
  ENSC_TRY_ASSIGN(report.committed_firmware, read_firmware(reader));
  ENSC_TRY_ASSIGN(report.launch_tcb, reader.array<8>());
  if (report.version == 5) {
    ENSC_TRY_ASSIGN(report.launch_mitigations, reader.u64_le());
    ENSC_TRY_ASSIGN(report.current_mitigations, reader.u64_le());
  } else {
    ENSC_TRY(take_reserved(reader, 16));
  }
  ENSC_TRY(take_reserved(reader, kReservedAfterMitigations));
  ENSC_TRY_ASSIGN(report.signature_r, read_component(reader));
  ENSC_TRY_ASSIGN(report.signature_s, read_component(reader));
  ENSC_TRY(take_reserved(reader, kReservedTail));
  return ok();
}

}  // namespace

std::string_view name_of(SnpProduct product) {
  switch (product) {
    case SnpProduct::kMilan:
      return "Milan";
    case SnpProduct::kGenoa:
      return "Genoa";
    case SnpProduct::kTurin:
      return "Turin";
  }
  ENSC_CHECK(false);
}

std::optional<SnpProduct> snp_product_from_name(std::string_view name) {
  for (const SnpProduct product : {SnpProduct::kMilan, SnpProduct::kGenoa, SnpProduct::kTurin}) {
    if (name == name_of(product)) {
      return product;
    }
  }
  return std::nullopt;
}

std::optional<SnpProduct> snp_product_from_cpuid(std::uint8_t family, std::uint8_t model) {
  if (family == 0x19) {
    if (model <= 0x0f) {
      return SnpProduct::kMilan;
    }
    if ((model >= 0x10 && model <= 0x1f) || (model >= 0xa0 && model <= 0xaf)) {
      return SnpProduct::kGenoa;
    }
  }
  if (family == 0x1a && model <= 0x11) {
    return SnpProduct::kTurin;
  }
  return std::nullopt;
}

TcbVersion tcb_from_raw(const RawTcb& raw, SnpProduct product) {
  if (product == SnpProduct::kTurin) {
    return {.fmc = raw[0], .bootloader = raw[1], .tee = raw[2], .snp = raw[3], .microcode = raw[7]};
  }
  return {
      .fmc = std::nullopt, .bootloader = raw[0], .tee = raw[1], .snp = raw[6], .microcode = raw[7]};
}

RawTcb tcb_to_raw(const TcbVersion& tcb, SnpProduct product) {
  if (product == SnpProduct::kTurin) {
    return {tcb.fmc.value_or(0), tcb.bootloader, tcb.tee, tcb.snp, 0, 0, 0, tcb.microcode};
  }
  return {tcb.bootloader, tcb.tee, 0, 0, 0, 0, tcb.snp, tcb.microcode};
}

Bytes snp_reserved_tcb(const RawTcb& raw, SnpProduct product) {
  const ByteView view(raw);
  return to_bytes(product == SnpProduct::kTurin ? view.subspan(4, 3) : view.subspan(2, 4));
}

std::string_view name_of(SnpSigningKey key) {
  return key == SnpSigningKey::kVcek ? "vcek" : "vlek";
}

std::optional<SnpProduct> SnpReport::cpuid_product() const {
  if (version == 2) {
    return std::nullopt;
  }
  return snp_product_from_cpuid(cpuid_family, cpuid_model);
}

Result<SnpReport> parse_snp_report(ByteView bytes) {
  if (bytes.size() != kSnpReportLen) {
    return Error(EvidenceError::kSnpLength,
                 "an SNP report has 1184 bytes, this has " + std::to_string(bytes.size()));
  }
  ByteReader reader(bytes);
  SnpReport report;
  ENSC_TRY(read_guest_part(reader, report));
  ENSC_TRY(read_platform_part(reader, report));
  ENSC_TRY(reader.finish());
  return report;
}

Bytes write_snp_report(const SnpReport& report) {
  ENSC_CHECK(report.version >= 2 && report.version <= 5);
  ByteWriter writer;
  writer.u32_le(report.version).u32_le(report.guest_svn).u64_le(report.policy);
  writer.raw(report.family_id).raw(report.image_id).u32_le(report.vmpl).u32_le(1);
  writer.raw(report.current_tcb).u64_le(report.platform_info);
  writer.u32_le((report.author_key_enabled ? 1U : 0U) | (report.chip_key_masked ? 2U : 0U) |
                (report.signing_key == SnpSigningKey::kVlek ? 4U : 0U));
  writer.u32_le(0).raw(report.report_data).raw(report.measurement).raw(report.host_data);
  writer.raw(report.id_key_digest).raw(report.author_key_digest);
  writer.raw(report.report_id).raw(report.report_id_ma);
  writer.raw(report.reported_tcb);
  writer.u8(report.cpuid_family).u8(report.cpuid_model).u8(report.cpuid_stepping);
  writer.raw(ByteArray<kReservedAfterCpuid>{});
  writer.raw(report.chip_id).raw(report.committed_tcb);
  write_firmware(writer, report.current_firmware);
  write_firmware(writer, report.committed_firmware);
  writer.raw(report.launch_tcb);
  writer.u64_le(report.launch_mitigations).u64_le(report.current_mitigations);
  writer.raw(ByteArray<kReservedAfterMitigations>{});
  write_component(writer, report.signature_r);
  write_component(writer, report.signature_s);
  writer.raw(ByteArray<kReservedTail>{});
  ENSC_CHECK(writer.bytes().size() == kSnpReportLen);
  return std::move(writer).take();
}

}  // namespace ensconce
