#include "made_intel.h"

#include "ensconce/base/check.h"

namespace ensconce::made {
namespace {

template <std::size_t N>
ByteArray<N> filled(std::uint8_t value) {
  ByteArray<N> out{};
  out.fill(value);
  return out;
}

std::string hex_of(std::uint8_t value, std::size_t len) { return to_hex(Bytes(len, value)); }

std::string anchors_section() {
  return "[anchors]\naccept = [\"vendor\"]\n[[anchors.listed]]\nspki_sha256 = \"" +
         to_hex(shared_intel_pki().root().spki_sha256()) +
         "\"\norigin = \"simulated\"\nproduct = \"Intel\"\n";
}

std::string platform_lines() {
  return "tcb_status = { one_of = [\"UpToDate\", \"SWHardeningNeeded\"] }\n"
         "advisories = { one_of = [] }\n"
         "evaluation_data_number = { at_least = 18 }\n"
         "collateral_age = { at_most = \"30d\" }\n"
         "pck_ca = { exactly = \"platform\" }\n"
         "fmspc = { unconstrained = \"any model\" }\n"
         "platform_id = { unconstrained = \"any machine\" }\n"
         "crl = \"required\"\n";
}

}  // namespace

const IntelPki& shared_intel_pki() {
  static const IntelPki pki = [] {
    SeededRandom random(11);
    return IntelPki::generate({}, random, kNow);
  }();
  return pki;
}

TrustAnchor anchor_of(const IntelPki& pki, AnchorOrigin origin) {
  return {pki.root().spki_sha256(), "Intel", origin};
}

IntelQuote td_quote(const IntelPki& pki, const ByteArray<64>& report_data) {
  IntelQuote quote = pki.td_quote_template(5);
  auto& td = std::get<TdReport>(quote.body);
  td.report_data = report_data;
  td.mr_td = filled<48>(0xd0);
  for (std::size_t i = 0; i < 4; ++i) {
    td.rtmr[i] = filled<48>(static_cast<std::uint8_t>(0xe0 + i));
  }
  td.mr_config_id = filled<48>(0xc1);
  td.mr_owner = filled<48>(0xc2);
  td.mr_owner_config = filled<48>(0xc3);
  return quote;
}

IntelQuote sgx_quote(const IntelPki& pki, const ByteArray<64>& report_data) {
  IntelQuote quote = pki.sgx_quote_template(3);
  auto& enclave = std::get<SgxReport>(quote.body);
  enclave.report_data = report_data;
  enclave.mr_enclave = filled<32>(0xe1);
  enclave.mr_signer = filled<32>(0x51);
  enclave.isv_prod_id = 7;
  enclave.isv_svn = 3;
  enclave.config_id = filled<64>(0xc4);
  enclave.config_svn = 2;
  enclave.isv_ext_prod_id = filled<16>(0xc5);
  enclave.isv_family_id = filled<16>(0xc6);
  return quote;
}

Verified<EvidenceClaims> verified_quote(const IntelPki& pki, const IntelQuote& quote) {
  const IntelQuote made = pki.sign(quote);
  const EvidenceItem item{made.is_tdx() ? "tdx" : "sgx", write_intel_quote(made)};
  Verification verification =
      EvidenceVerifier({anchor_of(pki)})
          .verify(item, pki.endorsements(made.is_tdx(), kNow), made.report_data(), kNow);
  if (!verification.claims) {
    std::fprintf(stderr, "%s\n", verification.claims.error().to_string().c_str());
  }
  return std::move(verification.claims).value();
}

Verified<Attested> attested_quote(const IntelPki& pki, const IntelQuote& quote,
                                  const Statement& statement) {
  return StatementBinder::bind_statement(verified_quote(pki, quote), encode_statement(statement))
      .attested.value();
}

std::string with_hardware(std::string policy, const std::string& sections) {
  const std::size_t from = policy.find("[anchors]");
  const std::size_t to = policy.find("[security]");
  ENSC_CHECK(from != std::string::npos && to != std::string::npos);
  return policy.replace(from, to - from, sections);
}

std::string tdx_sections() {
  std::string out = anchors_section() + "[tdx]\nquote_version = { at_least = 4 }\n";
  out += "measurement = { exactly = \"" + hex_of(0xd0, 48) + "\" }\n";
  out += "measurement_covers = \"kernel+initrd+cmdline\"\n";
  for (std::uint8_t i = 0; i < 4; ++i) {
    out += "rtmr" + std::to_string(i) + " = { exactly = \"" +
           hex_of(static_cast<std::uint8_t>(0xe0 + i), 48) + "\" }\n";
  }
  out += "debug = { exactly = false }\nmigratable = { exactly = false }\n";
  out += "sept_ve_disable = { exactly = true }\nperfmon = { exactly = false }\n";
  out += "xfam = { unconstrained = \"any features\" }\n";
  out += "mr_seam = { unconstrained = \"the TCB status judges the module\" }\n";
  out += "mr_config_id = { exactly = \"" + hex_of(0xc1, 48) + "\" }\n";
  out += "mr_owner = { exactly = \"" + hex_of(0xc2, 48) + "\" }\n";
  out += "mr_owner_config = { exactly = \"" + hex_of(0xc3, 48) + "\" }\n";
  out += "mr_service_td = { exactly = \"" + hex_of(0, 48) + "\" }\n";
  out += "minimum_tcb_svn = { at_least = \"" + hex_of(0, 16) + "\" }\n";
  out += "event_log = \"if_present\"\n";
  return out + platform_lines();
}

std::string sgx_sections() {
  std::string out = anchors_section() + "[sgx]\nquote_version = { at_least = 3 }\n";
  out += "measurement = { exactly = \"" + hex_of(0xe1, 32) + "\" }\n";
  out += "measurement_covers = \"enclave\"\n";
  out += "mr_signer = { exactly = \"" + hex_of(0x51, 32) + "\" }\n";
  out += "isv_prod_id = { exactly = 7 }\nisv_svn = { at_least = 3 }\n";
  out += "debug = { exactly = false }\n";
  out += "config_id = { exactly = \"" + hex_of(0xc4, 64) + "\" }\n";
  out += "config_svn = { at_least = 2 }\n";
  out += "isv_ext_prod_id = { exactly = \"" + hex_of(0xc5, 16) + "\" }\n";
  out += "isv_family_id = { exactly = \"" + hex_of(0xc6, 16) + "\" }\n";
  return out + platform_lines();
}

std::string azure_section() {
  return "[azure]\npcrs = [{ index = 4, sha256 = { one_of = [\"" + hex_of(4, 32) +
         "\"] } }, { index = 11, sha256 = { exactly = \"" + hex_of(11, 32) +
         "\" } }]\npcrs_cover = \"kernel+initrd+cmdline\"\nsecure_boot = { exactly = true }\n"
         "console = { exactly = false }\n"
         "vm_unique_id = { unconstrained = \"any VM\" }\nevent_log = \"if_present\"\n";
}

}  // namespace ensconce::made
