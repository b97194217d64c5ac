#include <algorithm>
#include <array>
#include <chrono>

#include "ensconce/base/check.h"
#include "ensconce/codec/json.h"
#include "intel_state.h"
#include "vendor.h"

// Collateral in the forms of Intel's PCS API v4, "Get TCB Info" and "Get Quoting Enclave Identity";
// TCB info of version 2 in that of v3.
namespace ensconce {
namespace {

using sim_vendor::kDay;
using std::chrono::hours;

constexpr std::uint32_t kEvaluationDataNumber = 18;

template <std::size_t N>
ByteArray<N> array_of(std::string_view hex) {
  return to_array<N>(from_hex(hex).value()).value();
}

Instant at(std::string_view text) { return from_rfc3339(text).value(); }
Instant newest_date() { return at("2024-11-13T00:00:00Z"); }
Instant older_date() { return at("2024-03-13T00:00:00Z"); }

SvnLevel up_to_date(std::uint16_t isv_svn) {
  return {isv_svn, newest_date(), IntelTcbStatus::kUpToDate, {}};
}
SvnLevel out_of_date(std::uint16_t isv_svn, std::vector<std::string> advisories) {
  return {isv_svn, older_date(), IntelTcbStatus::kOutOfDate, std::move(advisories)};
}

// The JSON tells whole seconds, so the struct shall have no more.
Instant issued_before(Instant now) {
  const Instant issued = now - hours(1);
  return issued - Millis(issued.unix_ms % 1000);
}

TdxModule intel_module() {
  TdxModule module;  // Intel's own modules have MRSIGNERSEAM and attributes of zero
  module.attributes_mask.fill(0xff);
  return module;
}

std::vector<TdxModuleIdentity> module_identities() {
  const std::uint16_t svn = sim_intel::kTdxModuleSvn;
  return {
      {"TDX_01",
       intel_module(),
       {up_to_date(svn), out_of_date(svn - 2, {"INTEL-SA-01036", "INTEL-SA-01099"})}},
      {"TDX_03", intel_module(), {up_to_date(3), out_of_date(2, {"INTEL-SA-01099"})}},
  };
}

TcbLevel top_level(const IntelPkiOptions& options, bool tdx) {
  TcbLevel level;
  level.sgx = options.components;
  if (tdx) {
    // With a major version the module's SVN is told by its identity, and these are not compared.
    level.tdx =
        std::array<std::uint8_t, 16>{sim_intel::kTdxModuleSvn, 0, sim_intel::kTdxMicrocodeSvn};
  }
  level.pce_svn = options.pce_svn;
  level.date = newest_date();
  level.status = IntelTcbStatus::kUpToDate;
  return level;
}

// One microcode update behind the top.
TcbLevel lower_level(TcbLevel level) {
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
    level.sgx[i] -= level.sgx[i] == 0 ? 0 : 1;
  }
  if (level.tdx.has_value()) {
    (*level.tdx)[2] -= 1;
  }
  level.date = older_date();
  level.status = IntelTcbStatus::kOutOfDate;
  level.advisories = {"INTEL-SA-01036", "INTEL-SA-01079", "INTEL-SA-01099"};
  return level;
}

}  // namespace

sim_intel::QuotingEnclave sim_intel::quoting_enclave(bool tdx) {
  if (tdx) {
    return {"TD_QE",
            array_of<32>("dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5"), 2, 4};
  }
  return {"QE", array_of<32>("8c4f5775d796503e96137f77c68a829a0056ac8ded70140b081b094490c57bff"), 1,
          8};
}

TcbInfo IntelPki::tcb_info(bool tdx, Instant now) const {
  TcbInfo info;
  info.is_tdx = tdx;
  info.issued = issued_before(now);
  info.next_update = info.issued + kDay * 30;
  info.fmspc = state_->options.fmspc;
  info.pce_id = state_->options.pce_id;
  info.evaluation_data_number = kEvaluationDataNumber;
  if (tdx) {
    info.tdx_module = intel_module();
    info.module_identities = module_identities();
  }
  const TcbLevel top = top_level(state_->options, tdx);
  info.levels = {top, lower_level(top)};
  return info;
}

QeIdentity IntelPki::qe_identity(bool tdx, Instant now) const {
  const sim_intel::QuotingEnclave qe = sim_intel::quoting_enclave(tdx);
  QeIdentity identity;
  identity.id = std::string(qe.id);
  identity.issued = issued_before(now);
  identity.next_update = identity.issued + kDay * 30;
  identity.evaluation_data_number = kEvaluationDataNumber;
  identity.misc_select_mask.fill(0xff);
  identity.attributes = {0x11};
  // All flags but MODE64BIT, and no bit of XFRM.
  identity.attributes_mask = {0xfb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  identity.mr_signer = qe.mr_signer;
  identity.isv_prod_id = qe.isv_prod_id;
  const auto older = static_cast<std::uint16_t>(qe.isv_svn - 2);
  identity.levels = {up_to_date(qe.isv_svn), out_of_date(older, {"INTEL-SA-00615"})};
  return identity;
}

// ---- JSON -----------------------------------------------------------------------------------

namespace {

std::string upper_hex(ByteView bytes) {
  std::string out = to_hex(bytes);
  for (char& c : out) {
    if (c >= 'a') {
      c = static_cast<char>(c - 'a' + 'A');
    }
  }
  return out;
}

// The names are written out here, not taken from what reads them: the two keep each other honest.
std::string_view status_text(IntelTcbStatus status) {
  switch (status) {
    case IntelTcbStatus::kUpToDate:
      return "UpToDate";
    case IntelTcbStatus::kSwHardeningNeeded:
      return "SWHardeningNeeded";
    case IntelTcbStatus::kConfigurationNeeded:
      return "ConfigurationNeeded";
    case IntelTcbStatus::kConfigurationAndSwHardeningNeeded:
      return "ConfigurationAndSWHardeningNeeded";
    case IntelTcbStatus::kOutOfDate:
      return "OutOfDate";
    case IntelTcbStatus::kOutOfDateConfigurationNeeded:
      return "OutOfDateConfigurationNeeded";
    case IntelTcbStatus::kTdRelaunchAdvised:
      return "TDRelaunchAdvised";
    case IntelTcbStatus::kTdRelaunchAdvisedConfigurationNeeded:
      return "TDRelaunchAdvisedConfigurationNeeded";
    case IntelTcbStatus::kRevoked:
      return "Revoked";
  }
  ENSC_CHECK(false);
}

// finish_level adds what levels of every kind end with.
template <typename Level>
json::Value finish_level(json::Object tcb, const Level& level) {
  json::Object out{
      {"tcb", std::move(tcb)},
      {"tcbDate", to_rfc3339(level.date)},
      {"tcbStatus", status_text(level.status)},
  };
  if (!level.advisories.empty()) {
    out.emplace_back("advisoryIDs", json::Array(level.advisories.begin(), level.advisories.end()));
  }
  return out;
}

json::Array svn_levels(const std::vector<SvnLevel>& levels) {
  json::Array out;
  for (const SvnLevel& level : levels) {
    out.push_back(finish_level({{"isvsvn", level.isv_svn}}, level));
  }
  return out;
}

// What Intel tells beside a component's SVN; it means nothing to a verifier.
struct Component {
  const char* category = nullptr;
  const char* type = nullptr;
};
constexpr std::array<Component, 16> kSgxComponents = {{{"BIOS", "Early Microcode Update"},
                                                       {"OS/VMM", "SGX Late Microcode Update"},
                                                       {"OS/VMM", "TXT SINIT"},
                                                       {"BIOS", nullptr},
                                                       {"BIOS", nullptr},
                                                       {"BIOS", nullptr},
                                                       {},
                                                       {"OS/VMM", "SEAMLDR ACM"}}};
constexpr std::array<Component, 16> kTdxComponents = {
    {{"OS/VMM", "TDX Module"}, {"OS/VMM", "TDX Module"}, {"OS/VMM", "TDX Late Microcode Update"}}};

json::Array components(const std::array<std::uint8_t, 16>& svns,
                       const std::array<Component, 16>& about) {
  json::Array out;
  for (std::size_t i = 0; i < svns.size(); ++i) {
    json::Object component{{"svn", svns[i]}};
    if (about[i].category != nullptr) {
      component.emplace_back("category", about[i].category);
    }
    if (about[i].type != nullptr) {
      component.emplace_back("type", about[i].type);
    }
    out.emplace_back(std::move(component));
  }
  return out;
}

json::Object tcb_v3(const TcbLevel& level) {
  json::Object out{{"sgxtcbcomponents", components(level.sgx, kSgxComponents)},
                   {"pcesvn", level.pce_svn}};
  if (level.tdx.has_value()) {
    out.emplace_back("tdxtcbcomponents", components(*level.tdx, kTdxComponents));
  }
  return out;
}

json::Object tcb_v2(const TcbLevel& level) {
  json::Object out;
  for (std::size_t i = 0; i < level.sgx.size(); ++i) {
    const std::string number = std::to_string(i + 1);
    out.emplace_back("sgxtcbcomp" + std::string(number.size() == 1 ? "0" : "") + number + "svn",
                     level.sgx[i]);
  }
  out.emplace_back("pcesvn", level.pce_svn);
  return out;
}

void add_module(json::Object& to, const TdxModule& module) {
  to.emplace_back("mrsigner", upper_hex(module.mr_signer));
  to.emplace_back("attributes", upper_hex(module.attributes));
  to.emplace_back("attributesMask", upper_hex(module.attributes_mask));
}

json::Value module_identity(const TdxModuleIdentity& identity) {
  json::Object out{{"id", identity.id}};
  add_module(out, identity.module);
  out.emplace_back("tcbLevels", svn_levels(identity.levels));
  return out;
}

json::Value number(std::uint32_t n) { return std::int64_t{n}; }

}  // namespace

Bytes IntelPki::sign_tcb_info(const TcbInfo& info) const {
  const bool v2 = info.version == 2 && !info.is_tdx;
  json::Object out;
  if (!v2) {
    out.emplace_back("id", info.is_tdx ? "TDX" : "SGX");
  }
  out.emplace_back("version", number(info.version));
  out.emplace_back("issueDate", to_rfc3339(info.issued));
  out.emplace_back("nextUpdate", to_rfc3339(info.next_update));
  out.emplace_back("fmspc", upper_hex(info.fmspc));
  out.emplace_back("pceId", upper_hex(info.pce_id));
  out.emplace_back("tcbType", 0);
  out.emplace_back("tcbEvaluationDataNumber", number(info.evaluation_data_number));
  if (info.tdx_module.has_value()) {
    json::Object module;
    add_module(module, *info.tdx_module);
    out.emplace_back("tdxModule", std::move(module));
  }
  if (!info.module_identities.empty()) {
    json::Array identities;
    for (const TdxModuleIdentity& identity : info.module_identities) {
      identities.push_back(module_identity(identity));
    }
    out.emplace_back("tdxModuleIdentities", std::move(identities));
  }
  json::Array levels;
  for (const TcbLevel& level : info.levels) {
    levels.push_back(finish_level(v2 ? tcb_v2(level) : tcb_v3(level), level));
  }
  out.emplace_back("tcbLevels", std::move(levels));
  return sign_json("tcbInfo", json::write(std::move(out)));
}

Bytes IntelPki::sign_qe_identity(const QeIdentity& identity) const {
  return sign_json("enclaveIdentity",
                   json::write(json::Object{
                       {"id", identity.id},
                       {"version", number(identity.version)},
                       {"issueDate", to_rfc3339(identity.issued)},
                       {"nextUpdate", to_rfc3339(identity.next_update)},
                       {"tcbEvaluationDataNumber", number(identity.evaluation_data_number)},
                       {"miscselect", upper_hex(identity.misc_select)},
                       {"miscselectMask", upper_hex(identity.misc_select_mask)},
                       {"attributes", upper_hex(identity.attributes)},
                       {"attributesMask", upper_hex(identity.attributes_mask)},
                       {"mrsigner", upper_hex(identity.mr_signer)},
                       {"isvprodid", identity.isv_prod_id},
                       {"tcbLevels", svn_levels(identity.levels)},
                   }));
}

Bytes IntelPki::sign_json(std::string_view member, std::string_view inner) const {
  const std::string signature = to_hex(state_->signing_key.sign(as_bytes(inner)));
  return to_bytes("{\"" + std::string(member) + "\":" + std::string(inner) + ",\"signature\":\"" +
                  signature + "\"}");
}

std::vector<EndorsementItem> IntelPki::endorsements(bool tdx, Instant now) const {
  // The PCK chain travels in the quote.
  return {
      {std::string(kCertificateType), state_->tcb_signing.der()},
      {std::string(kTcbInfoType), sign_tcb_info(tcb_info(tdx, now))},
      {std::string(kQeIdentityType), sign_qe_identity(qe_identity(tdx, now))},
      {std::string(kCrlType), pck_crl(now)},
      {std::string(kCrlType), root_crl(now)},
  };
}

}  // namespace ensconce
