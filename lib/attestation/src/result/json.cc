#include <fmt/format.h>

#include <algorithm>

#include "ensconce/attestation/result/render.h"

namespace ensconce {
namespace {

std::string hex64(std::uint64_t value) { return fmt::format("0x{:016x}", value); }

json::Value policy_bits(std::uint64_t policy) {
  const auto bit = [policy](unsigned n) { return (policy >> n & 1) != 0; };
  return json::Object{
      {"abi_minor", policy & 0xff},
      {"abi_major", policy >> 8 & 0xff},
      {"smt", bit(16)},
      {"reserved_bit17", bit(17)},
      {"migrate_ma", bit(18)},
      {"debug", bit(19)},
      {"single_socket", bit(20)},
      {"cxl_allow", bit(21)},
      {"mem_aes_256_xts", bit(22)},
      {"rapl_dis", bit(23)},
      {"ciphertext_hiding_dram", bit(24)},
      {"page_swap_disabled", bit(25)},
  };
}

// The raw form is the number the eight little-endian bytes make, as firmware tools print it.
json::Value tcb_to_json(RawTcb raw, std::optional<SnpProduct> product) {
  json::Object out;
  if (product.has_value()) {
    const TcbVersion tcb = tcb_from_raw(raw, *product);
    if (tcb.fmc.has_value()) {
      out.emplace_back("fmc", std::uint64_t{*tcb.fmc});
    }
    out.emplace_back("bootloader", std::uint64_t{tcb.bootloader});
    out.emplace_back("tee", std::uint64_t{tcb.tee});
    out.emplace_back("snp", std::uint64_t{tcb.snp});
    out.emplace_back("microcode", std::uint64_t{tcb.microcode});
  }
  std::reverse(raw.begin(), raw.end());
  out.emplace(out.begin(), "raw", to_hex(raw));
  return out;
}

std::string firmware_text(const FirmwareVersion& firmware) {
  return fmt::format("{}.{} build {}", firmware.major, firmware.minor, firmware.build);
}

json::Value checks_to_json(const std::vector<Check>& checks) {
  json::Array out;
  for (const Check& check : checks) {
    out.push_back(json::Object{
        {"id", check.id},
        {"rule", check.rule},
        {"expected", check.expected},
        {"got", check.got},
        {"holds", check.holds.has_value() ? json::Value(*check.holds) : json::Value(nullptr)},
        {"remedy", check.remedy.empty() ? json::Value(nullptr) : json::Value(check.remedy)},
    });
  }
  return out;
}

}  // namespace

json::Value claims_to_json(const SnpReport& report, std::optional<SnpProduct> product) {
  if (!product.has_value()) {
    product = report.cpuid_product();
  }
  const std::uint32_t key_flags = (report.author_key_enabled ? 1U : 0U) |
                                  (report.chip_key_masked ? 2U : 0U) |
                                  (report.signing_key == SnpSigningKey::kVlek ? 4U : 0U);
  json::Object out{
      {"version", std::uint64_t{report.version}},
      {"guest_svn", std::uint64_t{report.guest_svn}},
      {"policy", hex64(report.policy)},
      {"policy_bits", policy_bits(report.policy)},
      {"family_id", to_hex(report.family_id)},
      {"image_id", to_hex(report.image_id)},
      {"vmpl", std::uint64_t{report.vmpl}},
      {"signature_algo", 1},
      {"platform_info", hex64(report.platform_info)},
      {"key_flags", fmt::format("0x{:08x}", key_flags)},
      {"author_key_en", report.author_key_enabled ? 1 : 0},
      {"mask_chip_key", report.chip_key_masked ? 1 : 0},
      {"signing_key", report.signing_key == SnpSigningKey::kVcek ? "VCEK" : "VLEK"},
      {"report_data", to_hex(report.report_data)},
      {"measurement", to_hex(report.measurement)},
      {"host_data", to_hex(report.host_data)},
      {"id_key_digest", to_hex(report.id_key_digest)},
      {"author_key_digest", to_hex(report.author_key_digest)},
      {"report_id", to_hex(report.report_id)},
      {"report_id_ma", to_hex(report.report_id_ma)},
      {"chip_id", to_hex(report.chip_id)},
      {"product", product.has_value() ? json::Value(name_of(*product)) : json::Value(nullptr)},
      {"current_tcb", tcb_to_json(report.current_tcb, product)},
      {"reported_tcb", tcb_to_json(report.reported_tcb, product)},
      {"committed_tcb", tcb_to_json(report.committed_tcb, product)},
      {"launch_tcb", tcb_to_json(report.launch_tcb, product)},
      {"current_version", firmware_text(report.current_firmware)},
      {"committed_version", firmware_text(report.committed_firmware)},
  };
  if (report.version >= 3) {
    out.emplace_back("cpuid", json::Object{
                                  {"family", std::uint64_t{report.cpuid_family}},
                                  {"model", std::uint64_t{report.cpuid_model}},
                                  {"stepping", std::uint64_t{report.cpuid_stepping}},
                              });
  }
  if (report.version >= 5) {
    out.emplace_back("launch_mit_vector", hex64(report.launch_mitigations));
    out.emplace_back("current_mit_vector", hex64(report.current_mitigations));
  }
  return out;
}

json::Value result_to_json(const AttestationResult& result) {
  const auto& claims = result.claims();
  const auto& error = result.error();
  json::Value facts{json::Object{}};
  if (claims.has_value()) {
    facts = claims_to_json(claims->report, claims->product);
    auto& members = std::get<json::Object>(facts.variant());
    members.emplace_back("csp_id", claims->csp_id);
    members.emplace_back("anchor_spki_sha256", to_hex(claims->anchor.spki_sha256));
    members.emplace_back("endorsed_until", to_rfc3339(claims->endorsed_until));
  }
  return json::Object{
      {"kind", result.kind()},
      {"outcome", name_of(result.outcome())},
      {"verified", result.verified()},
      {"tcb_status", nullptr},  // SNP has TCB versions and no statuses
      {"origin",
       claims.has_value() ? json::Value(name_of(claims->anchor.origin)) : json::Value(nullptr)},
      {"stage", error.has_value() ? json::Value(name_of(error->stage())) : json::Value(nullptr)},
      {"code", error.has_value() ? json::Value(error->id()) : json::Value(nullptr)},
      {"claims", std::move(facts)},
      {"checks", checks_to_json(result.checks())},
  };
}

}  // namespace ensconce
