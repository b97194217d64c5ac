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

// A fixed array as lower-case hex under its name in the vendor's documents.
template <std::size_t N>
void put(json::Object& out, std::string_view name, const ByteArray<N>& bytes) {
  out.emplace_back(std::string(name), to_hex(bytes));
}

json::Value td_attribute_flags(const TdReport& report) {
  return json::Object{{"debug", report.debug()},
                      {"sept_ve_disable", report.sept_ve_disable()},
                      {"migratable", report.migratable()},
                      {"pks", report.pks()},
                      {"kl", report.kl()},
                      {"perfmon", report.perfmon()}};
}

json::Value sgx_attribute_flags(const SgxReport& report) {
  return json::Object{{"init", report.init()},
                      {"debug", report.debug()},
                      {"mode64", report.mode64()},
                      {"provision_key", report.provision_key()},
                      {"einittoken_key", report.einittoken_key()},
                      {"kss", report.kss()}};
}

json::Object sgx_report(const SgxReport& report) {
  json::Object out;
  put(out, "cpu_svn", report.cpu_svn);
  out.emplace_back("misc_select", to_hex(ByteWriter().u32_le(report.misc_select).bytes()));
  put(out, "isv_ext_prod_id", report.isv_ext_prod_id);
  put(out, "attributes", report.attributes);
  put(out, "mr_enclave", report.mr_enclave);
  put(out, "mr_signer", report.mr_signer);
  put(out, "config_id", report.config_id);
  out.emplace_back("isv_prod_id", std::uint64_t{report.isv_prod_id});
  out.emplace_back("isv_svn", std::uint64_t{report.isv_svn});
  out.emplace_back("config_svn", std::uint64_t{report.config_svn});
  put(out, "isv_family_id", report.isv_family_id);
  put(out, "report_data", report.report_data);
  return out;
}

json::Object td_report(const TdReport& report) {
  json::Object out;
  put(out, "tee_tcb_svn", report.tee_tcb_svn);
  put(out, "mr_seam", report.mr_seam);
  put(out, "mrsigner_seam", report.mr_signer_seam);
  put(out, "seam_attributes", report.seam_attributes);
  put(out, "td_attributes", report.td_attributes);
  put(out, "xfam", report.xfam);
  put(out, "mr_td", report.mr_td);
  put(out, "mr_config_id", report.mr_config_id);
  put(out, "mr_owner", report.mr_owner);
  put(out, "mr_owner_config", report.mr_owner_config);
  for (std::size_t i = 0; i < 4; ++i) {
    put(out, "rtmr" + std::to_string(i), report.rtmr[i]);
  }
  put(out, "report_data", report.report_data);
  if (report.tee_tcb_svn_2.has_value()) {
    put(out, "tee_tcb_svn2", *report.tee_tcb_svn_2);
  }
  if (report.mr_service_td.has_value()) {
    put(out, "mr_service_td", *report.mr_service_td);
  }
  return out;
}

json::Value tcb_to_json(const IntelTcb& tcb) {
  const auto status = [](const std::optional<IntelTcbStatus>& one) {
    return one.has_value() ? json::Value(name_of(*one)) : json::Value(nullptr);
  };
  json::Array advisories;
  for (const std::string& advisory : tcb.advisories) {
    advisories.emplace_back(advisory);
  }
  return json::Object{
      {"status", name_of(tcb.status)},
      {"date", to_rfc3339(tcb.date)},
      {"advisory_ids", std::move(advisories)},
      {"sgx_level", name_of(tcb.sgx_level)},
      {"tdx_level", status(tcb.tdx_level)},
      {"tdx_module", status(tcb.tdx_module)},
      {"tdx_module_id", tcb.tdx_module_id},
      {"qe", name_of(tcb.qe)},
      {"evaluation_data_number", std::uint64_t{tcb.evaluation_data_number}},
      {"collateral_issued", to_rfc3339(tcb.collateral_issued)},
  };
}

json::Value vtpm_to_json(const VtpmFacts& vtpm) {
  const auto claim = [](const std::optional<bool>& one) {
    return one.has_value() ? json::Value(*one) : json::Value(nullptr);
  };
  json::Object pcrs;
  for (std::size_t i = 0; i < vtpm.pcrs.size(); ++i) {
    if ((vtpm.attest.pcr_select >> i & 1) != 0) {
      put(pcrs, std::to_string(i), vtpm.pcrs[i]);
    }
  }
  return json::Object{
      {"extra_data", to_hex(vtpm.attest.extra_data)},
      {"firmware_version", fmt::format("{:016x}", vtpm.attest.firmware_version)},
      {"clock_info", to_hex(vtpm.attest.clock_info)},
      {"pcr_digest", to_hex(vtpm.attest.pcr_digest)},
      {"pcrs", std::move(pcrs)},
      {"secure_boot", claim(vtpm.runtime.secure_boot)},
      {"console_enabled", claim(vtpm.runtime.console_enabled)},
      {"tpm_enabled", claim(vtpm.runtime.tpm_enabled)},
      {"vm_unique_id", vtpm.runtime.vm_unique_id},
      {"user_data", to_hex(vtpm.runtime.user_data)},
  };
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

json::Value claims_to_json(const PckExtensions& pck) {
  json::Array components;
  for (const std::uint8_t component : pck.components) {
    components.emplace_back(std::uint64_t{component});
  }
  json::Object out{{"ppid", to_hex(pck.ppid)},
                   {"tcb_comps", std::move(components)},
                   {"pcesvn", std::uint64_t{pck.pce_svn}},
                   {"cpusvn", to_hex(pck.cpu_svn)},
                   {"pceid", to_hex(pck.pce_id)},
                   {"fmspc", to_hex(pck.fmspc)},
                   {"sgx_type", std::uint64_t{pck.sgx_type}}};
  if (pck.platform_instance_id.has_value()) {
    put(out, "platform_instance_id", *pck.platform_instance_id);
  }
  const auto flag = [&out](std::string_view name, const std::optional<bool>& value) {
    if (value.has_value()) {
      out.emplace_back(std::string(name), *value);
    }
  };
  flag("dynamic_platform", pck.dynamic_platform);
  flag("cached_keys", pck.cached_keys);
  flag("smt_enabled", pck.smt_enabled);
  return out;
}

json::Value claims_to_json(const IntelQuote& quote) {
  json::Object out{
      {"version", std::uint64_t{quote.version}},
      {"att_key_type", 2},
      {"tee_type", quote.is_tdx() ? "0x00000081" : "0x00000000"},
      {"qe_vendor_id", to_hex(quote.qe_vendor_id)},
      {"user_data", to_hex(quote.user_data)},
  };
  if (quote.version == 3) {
    out.emplace_back("qe_svn", std::uint64_t{quote.qe_svn});
    out.emplace_back("pce_svn", std::uint64_t{quote.pce_svn});
  }
  json::Object body;
  if (const auto* td = std::get_if<TdReport>(&quote.body)) {
    put(out, "measurement", td->mr_td);
    body = td_report(*td);
    body.emplace_back("td_attribute_flags", td_attribute_flags(*td));
  } else {
    const auto& enclave = std::get<SgxReport>(quote.body);
    put(out, "measurement", enclave.mr_enclave);
    body = sgx_report(enclave);
    body.emplace_back("sgx_attribute_flags", sgx_attribute_flags(enclave));
  }
  out.insert(out.end(), body.begin(), body.end());
  out.emplace_back("qe_report", sgx_report(quote.qe_report));
  out.emplace_back("qe_auth_data", to_hex(quote.qe_auth_data));
  out.emplace_back("certification_type", std::uint64_t{quote.certification_type});
  return out;
}

json::Value claims_to_json(const EvidenceClaims& claims) {
  json::Value facts;
  const auto intel = [&facts](const IntelQuote& quote, const IntelTcb& tcb) {
    facts = claims_to_json(quote);
    auto& members = std::get<json::Object>(facts.variant());
    members.emplace_back("pck", claims_to_json(tcb.pck));
    members.emplace_back("pck_ca", tcb.platform_ca ? "platform" : "processor");
    members.emplace_back("tcb", tcb_to_json(tcb));
  };
  if (const SnpFacts* snp = claims.snp()) {
    facts = claims_to_json(snp->report, snp->product);
    std::get<json::Object>(facts.variant()).emplace_back("csp_id", snp->csp_id);
  } else if (const TdxFacts* tdx = claims.tdx()) {
    intel(tdx->quote, tdx->tcb);
  } else if (const SgxFacts* sgx = claims.sgx()) {
    intel(sgx->quote, sgx->tcb);
  }
  auto& members = std::get<json::Object>(facts.variant());
  if (claims.vtpm.has_value()) {
    members.emplace_back("vtpm", vtpm_to_json(*claims.vtpm));
  }
  members.emplace_back("anchor_spki_sha256", to_hex(claims.anchor.spki_sha256));
  members.emplace_back("endorsed_until", to_rfc3339(claims.endorsed_until));
  return facts;
}

}  // namespace ensconce
