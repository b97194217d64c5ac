#include "intel_tcb.h"

#include <algorithm>

namespace ensconce::internal {
namespace {

using S = IntelTcbStatus;

bool needs_configuration(S status) {
  return status == S::kConfigurationNeeded || status == S::kConfigurationAndSwHardeningNeeded ||
         status == S::kOutOfDateConfigurationNeeded;
}

bool out_of_date(S status) {
  return status == S::kOutOfDate || status == S::kOutOfDateConfigurationNeeded;
}

bool reaches(const PckExtensions& pck, const TcbLevel& level) {
  return pck.pce_svn >= level.pce_svn &&
         std::equal(pck.components.begin(), pck.components.end(), level.sgx.begin(),
                    [](std::uint8_t has, std::uint8_t needs) { return has >= needs; });
}

// A module of its own identity (major version 1 and later) is judged by that: the first two bytes
// are then its versions, and no component.
bool reaches(const ByteArray<16>& tee_tcb_svn, const TcbLevel& level) {
  if (!level.tdx.has_value()) {
    return false;
  }
  for (std::size_t i = tee_tcb_svn[1] > 0 ? 2 : 0; i < tee_tcb_svn.size(); ++i) {
    if (tee_tcb_svn[i] < (*level.tdx)[i]) {
      return false;
    }
  }
  return true;
}

std::string identity_id(std::uint8_t major) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  return {'T', 'D', 'X', '_', kDigits[major >> 4], kDigits[major & 0xf]};
}

// TDRelaunchCheck asks which module runs now (TEE_TCB_SVN_2) only where the platform is sound but
// for the module the TD was launched under.
bool relaunch_may_help(const TcbFindings& found, S converged) {
  const S sgx = found.sgx->status;
  return found.qe->status == S::kUpToDate && !out_of_date(sgx) && sgx != S::kRevoked &&
         out_of_date(converged) && found.module->level != nullptr &&
         found.module->level->status == S::kOutOfDate;
}

// The module that runs now, and the loader under it, are of the highest level.
bool runs_the_newest(const TcbInfo& info, const TdxModuleFinding& running,
                     const ByteArray<16>& svn2) {
  if (info.levels.empty() || !info.levels.front().tdx.has_value()) {
    return false;
  }
  const std::array<std::uint8_t, 16>& top = *info.levels.front().tdx;
  if (running.id.empty()) {
    return svn2[0] >= top[0] && svn2[2] >= top[2];
  }
  return running.top != nullptr && svn2[0] >= running.top->isv_svn && svn2[2] >= top[2];
}

S after_relaunch_check(TcbFindings& found, const TdReport& td, const TcbInfo& info, S converged) {
  if (!td.tee_tcb_svn_2.has_value() || !relaunch_may_help(found, converged)) {
    return converged;
  }
  found.running = find_tdx_module(info, *td.tee_tcb_svn_2);
  if (!runs_the_newest(info, *found.running, *td.tee_tcb_svn_2)) {
    return converged;
  }
  return needs_configuration(found.sgx->status) || needs_configuration(converged)
             ? S::kTdRelaunchAdvisedConfigurationNeeded
             : S::kTdRelaunchAdvised;
}

std::optional<S> converged_status(TcbFindings& found, const IntelQuote& quote,
                                  const TcbInfo& info) {
  if (found.qe == nullptr || found.sgx == nullptr || found.taken() == nullptr) {
    return std::nullopt;
  }
  S status = found.taken()->status;
  if (const auto* td = std::get_if<TdReport>(&quote.body)) {
    const TdxModuleFinding& module = *found.module;
    if (!module.known || (!module.id.empty() && module.level == nullptr)) {
      return std::nullopt;
    }
    if (module.level != nullptr) {
      status = converge(status, module.level->status);
    }
    status = after_relaunch_check(found, *td, info, status);
  }
  return converge(status, found.qe->status);
}

}  // namespace

const SvnLevel* level_reached(std::span<const SvnLevel> levels, std::uint16_t svn) {
  const auto found = std::find_if(levels.begin(), levels.end(),
                                  [&](const SvnLevel& level) { return level.isv_svn <= svn; });
  return found == levels.end() ? nullptr : &*found;
}

const TcbLevel* sgx_level_reached(const TcbInfo& info, const PckExtensions& pck) {
  const auto found = std::find_if(info.levels.begin(), info.levels.end(),
                                  [&](const TcbLevel& level) { return reaches(pck, level); });
  return found == info.levels.end() ? nullptr : &*found;
}

const TcbLevel* tdx_level_reached(const TcbInfo& info, const PckExtensions& pck,
                                  const ByteArray<16>& tee_tcb_svn) {
  const auto found = std::find_if(
      info.levels.begin(), info.levels.end(),
      [&](const TcbLevel& level) { return reaches(pck, level) && reaches(tee_tcb_svn, level); });
  return found == info.levels.end() ? nullptr : &*found;
}

TdxModuleFinding find_tdx_module(const TcbInfo& info, const ByteArray<16>& tee_tcb_svn) {
  TdxModuleFinding out;
  if (tee_tcb_svn[1] == 0) {
    out.known = info.tdx_module.has_value();
    out.module = out.known ? &*info.tdx_module : nullptr;
    return out;
  }
  out.id = identity_id(tee_tcb_svn[1]);
  const auto identity =
      std::find_if(info.module_identities.begin(), info.module_identities.end(),
                   [&](const TdxModuleIdentity& known) { return known.id == out.id; });
  if (identity != info.module_identities.end()) {
    out.known = true;
    out.module = &identity->module;
    out.level = level_reached(identity->levels, tee_tcb_svn[0]);
    out.top = identity->levels.empty() ? nullptr : &identity->levels.front();
  }
  return out;
}

IntelTcbStatus converge(IntelTcbStatus platform, IntelTcbStatus part) {
  if (part == S::kRevoked) {
    return S::kRevoked;
  }
  if (part == S::kUpToDate) {
    return platform;
  }
  // Modules and quoting enclaves are up to date, out of date or revoked: what is none of these is
  // no better than out of date.
  switch (platform) {
    case S::kUpToDate:
    case S::kSwHardeningNeeded:
      return S::kOutOfDate;
    case S::kConfigurationNeeded:
    case S::kConfigurationAndSwHardeningNeeded:
      return S::kOutOfDateConfigurationNeeded;
    default:
      return platform;
  }
}

TcbFindings find_tcb(const IntelQuote& quote, const PckExtensions* pck, const TcbInfo& info,
                     const QeIdentity& identity) {
  TcbFindings out;
  out.qe = level_reached(identity.levels, quote.qe_report.isv_svn);
  out.sgx = pck == nullptr ? nullptr : sgx_level_reached(info, *pck);
  if (const auto* td = std::get_if<TdReport>(&quote.body)) {
    out.module = find_tdx_module(info, td->tee_tcb_svn);
    out.tdx = pck == nullptr ? nullptr : tdx_level_reached(info, *pck, td->tee_tcb_svn);
  }
  out.status = converged_status(out, quote, info);
  return out;
}

}  // namespace ensconce::internal
