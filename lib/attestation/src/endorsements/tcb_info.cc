// TCB info (Intel PCS API v4, "Get TCB Info", and v3 for version 2).

#include <algorithm>
#include <utility>

#include "ensconce/attestation/endorsements/intel_endorsements.h"
#include "ensconce/base/printable.h"
#include "intel_json.h"

namespace ensconce {
namespace {

using internal::JsonObject;

constexpr std::size_t kNumComponents = 16;
constexpr std::size_t kMaxModuleIdentities = 64;
constexpr std::size_t kMaxModuleIdLen = 16;

constexpr std::array<std::pair<IntelTcbStatus, std::string_view>, 9> kStatusNames = {{
    {IntelTcbStatus::kUpToDate, "UpToDate"},
    {IntelTcbStatus::kSwHardeningNeeded, "SWHardeningNeeded"},
    {IntelTcbStatus::kConfigurationNeeded, "ConfigurationNeeded"},
    {IntelTcbStatus::kConfigurationAndSwHardeningNeeded, "ConfigurationAndSWHardeningNeeded"},
    {IntelTcbStatus::kOutOfDate, "OutOfDate"},
    {IntelTcbStatus::kOutOfDateConfigurationNeeded, "OutOfDateConfigurationNeeded"},
    {IntelTcbStatus::kTdRelaunchAdvised, "TDRelaunchAdvised"},
    {IntelTcbStatus::kTdRelaunchAdvisedConfigurationNeeded, "TDRelaunchAdvisedConfigurationNeeded"},
    {IntelTcbStatus::kRevoked, "Revoked"},
}};

Error bad(std::string detail) { return Error(EvidenceError::kIntelTcbInfo, std::move(detail)); }

// read_kind reads which TEE and which version: 2 is SGX's alone and has no id.
Result<void> read_kind(const JsonObject& object, TcbInfo& out) {
  ENSC_TRY_ASSIGN(const std::uint64_t version, object.uint("version", 3));
  if (version < 2) {
    return bad("a version other than 2 and 3");
  }
  out.version = static_cast<std::uint32_t>(version);
  if (version == 2) {
    if (object.find("id") != nullptr) {
      return bad("version 2 has no id");
    }
  } else {
    ENSC_TRY_ASSIGN(const std::string id, object.text("id"));
    if (id != "SGX" && id != "TDX") {
      return bad("an id other than SGX and TDX");
    }
    out.is_tdx = id == "TDX";
  }
  // How the components are to be compared; 0 is the only way there is.
  ENSC_TRY(object.uint("tcbType", 0));
  return ok();
}

Result<TdxModule> read_module(const JsonObject& object) {
  TdxModule out;
  ENSC_TRY_ASSIGN(out.mr_signer, object.hex<48>("mrsigner"));
  ENSC_TRY_ASSIGN(out.attributes, object.hex<8>("attributes"));
  ENSC_TRY_ASSIGN(out.attributes_mask, object.hex<8>("attributesMask"));
  return out;
}

Result<TdxModuleIdentity> read_module_identity(const json::Value& value) {
  ENSC_TRY_ASSIGN(const JsonObject object, JsonObject::of(value, "tdxModuleIdentities[]"));
  TdxModuleIdentity out;
  ENSC_TRY_ASSIGN(out.id, object.text("id"));
  if (out.id.empty() || out.id.size() > kMaxModuleIdLen || printable(out.id) != out.id) {
    return bad(object.path("id") + ": not 1 to 16 printable characters");
  }
  ENSC_TRY_ASSIGN(out.module, read_module(object));
  ENSC_TRY_ASSIGN(out.levels, internal::read_svn_levels(object));
  return out;
}

Result<void> read_modules(const JsonObject& info, TcbInfo& out) {
  ENSC_TRY_ASSIGN(const JsonObject module, info.object("tdxModule"));
  ENSC_TRY_ASSIGN(out.tdx_module, read_module(module));
  if (info.find("tdxModuleIdentities") == nullptr) {
    return ok();
  }
  ENSC_TRY_ASSIGN(const json::Array* items,
                  info.array("tdxModuleIdentities", 0, kMaxModuleIdentities));
  for (const json::Value& item : *items) {
    ENSC_TRY_ASSIGN(TdxModuleIdentity identity, read_module_identity(item));
    const bool twice =
        std::any_of(out.module_identities.begin(), out.module_identities.end(),
                    [&](const TdxModuleIdentity& other) { return other.id == identity.id; });
    if (twice) {
      return bad("two identities of one TDX module");
    }
    out.module_identities.push_back(std::move(identity));
  }
  return ok();
}

using Components = std::array<std::uint8_t, kNumComponents>;

Result<Components> read_components(const JsonObject& tcb, std::string_view name) {
  ENSC_TRY_ASSIGN(const json::Array* items, tcb.array(name, kNumComponents, kNumComponents));
  Components out{};
  for (std::size_t i = 0; i < kNumComponents; ++i) {
    ENSC_TRY_ASSIGN(const JsonObject component, JsonObject::of((*items)[i], tcb.path(name) + "[]"));
    ENSC_TRY_ASSIGN(const std::uint64_t svn, component.uint("svn", 0xff));
    out[i] = static_cast<std::uint8_t>(svn);
  }
  return out;
}

// Version 2 spells the components out: sgxtcbcomp01svn to sgxtcbcomp16svn.
Result<Components> read_components_v2(const JsonObject& tcb) {
  Components out{};
  for (std::size_t i = 0; i < kNumComponents; ++i) {
    const std::string number = std::to_string(i + 1);
    const std::string name = "sgxtcbcomp" + (number.size() < 2 ? "0" + number : number) + "svn";
    ENSC_TRY_ASSIGN(const std::uint64_t svn, tcb.uint(name, 0xff));
    out[i] = static_cast<std::uint8_t>(svn);
  }
  return out;
}

Result<TcbLevel> read_level(const json::Value& value, const TcbInfo& info) {
  ENSC_TRY_ASSIGN(const JsonObject object, JsonObject::of(value, "tcbLevels[]"));
  ENSC_TRY_ASSIGN(const JsonObject tcb, object.object("tcb"));
  TcbLevel out;
  ENSC_TRY_ASSIGN(out.sgx, info.version == 2 ? read_components_v2(tcb)
                                             : read_components(tcb, "sgxtcbcomponents"));
  if (info.is_tdx) {
    ENSC_TRY_ASSIGN(out.tdx, read_components(tcb, "tdxtcbcomponents"));
  }
  ENSC_TRY_ASSIGN(const std::uint64_t pce_svn, tcb.uint("pcesvn", 0xffff));
  out.pce_svn = static_cast<std::uint16_t>(pce_svn);
  ENSC_TRY_ASSIGN(out.date, object.time("tcbDate"));
  ENSC_TRY_ASSIGN(out.status, internal::read_status(object, internal::LevelKind::kPlatform));
  ENSC_TRY_ASSIGN(out.advisories, internal::read_advisories(object));
  return out;
}

// The order in which Intel's quote verification library tries the levels: by SGX components, then
// PCESVN, then TDX components, the highest first. The first that matches is the platform's, so a
// list in another order must not give another answer.
bool is_higher(const TcbLevel& a, const TcbLevel& b) {
  if (a.sgx != b.sgx) {
    return a.sgx > b.sgx;
  }
  if (a.pce_svn != b.pce_svn) {
    return a.pce_svn > b.pce_svn;
  }
  return a.tdx > b.tdx;
}

Result<TcbInfo> read_tcb_info(ByteView json) {
  ENSC_TRY_ASSIGN(const internal::SignedJson answer, internal::read_signed_json(json, "tcbInfo"));
  ENSC_TRY_ASSIGN(const JsonObject info, JsonObject::of(answer.inner, "tcbInfo"));
  TcbInfo out;
  ENSC_TRY(read_kind(info, out));
  ENSC_TRY(internal::read_validity(info, out.issued, out.next_update));
  ENSC_TRY_ASSIGN(out.fmspc, info.hex<6>("fmspc"));
  ENSC_TRY_ASSIGN(out.pce_id, info.hex<2>("pceId"));
  ENSC_TRY_ASSIGN(const std::uint64_t number, info.uint("tcbEvaluationDataNumber", 0xffffffff));
  out.evaluation_data_number = static_cast<std::uint32_t>(number);
  if (out.is_tdx) {
    ENSC_TRY(read_modules(info, out));
  }
  ENSC_TRY_ASSIGN(const json::Array* levels, info.array("tcbLevels", 1, kMaxTcbLevels));
  for (const json::Value& level : *levels) {
    ENSC_TRY_ASSIGN(TcbLevel read, read_level(level, out));
    out.levels.push_back(std::move(read));
  }
  std::stable_sort(out.levels.begin(), out.levels.end(), is_higher);
  out.signed_bytes = to_bytes(answer.signed_bytes);
  out.signature = answer.signature;
  return out;
}

}  // namespace

std::string_view name_of(IntelTcbStatus status) {
  for (const auto& [known, name] : kStatusNames) {
    if (known == status) {
      return name;
    }
  }
  ENSC_CHECK(false);
}

std::optional<IntelTcbStatus> intel_tcb_status_from_name(std::string_view name) {
  for (const auto& [status, known] : kStatusNames) {
    if (known == name) {
      return status;
    }
  }
  return std::nullopt;
}

Result<TcbInfo> parse_tcb_info(ByteView json) {
  auto info = read_tcb_info(json);
  if (!info) {
    return bad(info.error().detail());
  }
  return info;
}

}  // namespace ensconce
