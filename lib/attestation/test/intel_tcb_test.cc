// The rules of Intel's TCB levels on collateral made by hand: no signatures, no parser.

#include "../src/verify/intel_tcb.h"

#include <gtest/gtest.h>

namespace ensconce {
namespace {

using S = IntelTcbStatus;
using internal::find_tcb;
using internal::TcbFindings;

constexpr std::array kEveryStatus{S::kUpToDate,
                                  S::kSwHardeningNeeded,
                                  S::kConfigurationNeeded,
                                  S::kConfigurationAndSwHardeningNeeded,
                                  S::kOutOfDate,
                                  S::kOutOfDateConfigurationNeeded,
                                  S::kTdRelaunchAdvised,
                                  S::kTdRelaunchAdvisedConfigurationNeeded,
                                  S::kRevoked};

TcbLevel level(std::uint8_t svn, S status) {
  TcbLevel out;
  out.sgx.fill(svn);
  out.pce_svn = svn;
  out.tdx.emplace().fill(svn);
  out.status = status;
  return out;
}

SvnLevel svn_level(std::uint16_t svn, S status) {
  SvnLevel out;
  out.isv_svn = svn;
  out.status = status;
  return out;
}

// A platform of SVN 5 everywhere, a TD launched under module TDX_01 of SVN 4 that now runs under
// SVN 6, and collateral with levels 5 and 3.
struct Platform {
  IntelQuote quote;
  PckExtensions pck;
  TcbInfo info;
  QeIdentity identity;

  Platform() {
    TdReport td;
    td.tee_tcb_svn.fill(5);
    td.tee_tcb_svn[0] = 4;
    td.tee_tcb_svn[1] = 1;
    td.tee_tcb_svn_2 = td.tee_tcb_svn;
    (*td.tee_tcb_svn_2)[0] = 6;
    quote.version = 5;
    quote.body = td;
    quote.qe_report.isv_svn = 6;
    pck.components.fill(5);
    pck.pce_svn = 5;
    info.is_tdx = true;
    info.tdx_module.emplace();
    info.module_identities = {
        {"TDX_01", {}, {svn_level(6, S::kUpToDate), svn_level(4, S::kUpToDate)}},
        {"TDX_0A", {}, {svn_level(2, S::kUpToDate)}}};
    info.levels = {level(5, S::kUpToDate), level(3, S::kOutOfDate)};
    identity.levels = {svn_level(6, S::kUpToDate), svn_level(4, S::kOutOfDate)};
  }
  TdReport& td() { return std::get<TdReport>(quote.body); }
  SvnLevel& launched() { return info.module_identities[0].levels[1]; }
  [[nodiscard]] TcbFindings find() const { return find_tcb(quote, &pck, info, identity); }
};

// ---- Levels ----------------------------------------------------------------------------------

TEST(IntelTcb, TakesTheFirstLevelThatEveryComponentReaches) {
  Platform p;
  EXPECT_EQ(p.find().sgx, &p.info.levels[0]);
  EXPECT_EQ(p.find().taken(), &p.info.levels[0]);
  for (std::size_t i = 0; i < 16; ++i) {
    p.pck.components[i] = 4;
    EXPECT_EQ(p.find().sgx, &p.info.levels[1]) << i;
    EXPECT_EQ(p.find().taken(), &p.info.levels[1]) << i;
    p.pck.components[i] = 2;
    EXPECT_EQ(p.find().sgx, nullptr) << i;
    EXPECT_EQ(p.find().status, std::nullopt) << i;
    p.pck.components[i] = 5;
  }
  p.pck.pce_svn = 4;
  EXPECT_EQ(p.find().sgx, &p.info.levels[1]);
  p.pck.pce_svn = 2;
  EXPECT_EQ(p.find().sgx, nullptr);
}

TEST(IntelTcb, ComparesTdxComponentsFromTwoWhereTheModuleHasAnIdentity) {
  for (const std::uint8_t major : {0, 1}) {
    Platform p;
    p.td().tee_tcb_svn[0] = 5;
    p.td().tee_tcb_svn[1] = major;
    for (TcbLevel& l : p.info.levels) {
      (*l.tdx)[1] = 0;
    }
    for (std::size_t i = 0; i < 16; ++i) {
      if (i == 1) {
        continue;  // the major version itself
      }
      const std::uint8_t was = p.td().tee_tcb_svn[i];
      p.td().tee_tcb_svn[i] = 3;
      const bool compared = i >= 2 || major == 0;
      EXPECT_EQ(p.find().tdx, &p.info.levels[compared ? 1 : 0]) << +major << " " << i;
      EXPECT_EQ(p.find().sgx, &p.info.levels[0]);
      p.td().tee_tcb_svn[i] = was;
    }
  }
  Platform p;
  p.td().tee_tcb_svn[1] = 0;
  (*p.info.levels[0].tdx)[1] = 1;
  EXPECT_EQ(p.find().tdx, nullptr);
}

TEST(IntelTcb, RemembersTheSgxLevelOfATrustDomain) {
  Platform p;
  p.td().tee_tcb_svn[2] = 4;
  const TcbFindings found = p.find();
  EXPECT_EQ(found.sgx, &p.info.levels[0]);
  EXPECT_EQ(found.tdx, &p.info.levels[1]);
  EXPECT_EQ(found.taken(), found.tdx);
  EXPECT_EQ(found.status, S::kOutOfDate);
  p.td().tee_tcb_svn[2] = 2;
  EXPECT_EQ(p.find().tdx, nullptr);
  EXPECT_EQ(p.find().status, std::nullopt);
}

TEST(IntelTcb, NeverMatchesATrustDomainByALevelWithoutTdx) {
  Platform p;
  p.info.levels[0].tdx.reset();
  EXPECT_EQ(p.find().tdx, &p.info.levels[1]);
}

TEST(IntelTcb, LooksAtNoTdxComponentOfAnEnclave) {
  Platform p;
  p.quote.body = SgxReport{};
  p.info.levels[0].tdx.reset();
  for (const S status : kEveryStatus) {
    p.info.levels[0].status = status;
    const TcbFindings found = p.find();
    EXPECT_EQ(found.taken(), &p.info.levels[0]);
    EXPECT_FALSE(found.module.has_value());
    EXPECT_EQ(found.status, status);
  }
}

TEST(IntelTcb, FindsNoPlatformLevelWithoutAPck) {
  const Platform p;
  const TcbFindings found = find_tcb(p.quote, nullptr, p.info, p.identity);
  EXPECT_EQ(found.sgx, nullptr);
  EXPECT_EQ(found.tdx, nullptr);
  EXPECT_NE(found.qe, nullptr);
  EXPECT_TRUE(found.module->known);
  EXPECT_EQ(found.status, std::nullopt);
}

TEST(IntelTcb, JudgesTheQuotingEnclaveByItsSvn) {
  Platform p;
  for (const auto& [svn, index] : {std::pair{7, 0}, {6, 0}, {5, 1}, {4, 1}, {3, -1}}) {
    p.quote.qe_report.isv_svn = static_cast<std::uint16_t>(svn);
    EXPECT_EQ(p.find().qe,
              index < 0 ? nullptr : &p.identity.levels[static_cast<std::size_t>(index)]);
    EXPECT_EQ(p.find().status.has_value(), index >= 0);
  }
}

// ---- Module ----------------------------------------------------------------------------------

TEST(IntelTcb, FindsTheModuleByItsMajorVersion) {
  Platform p;
  EXPECT_EQ(p.find().module->id, "TDX_01");
  EXPECT_EQ(p.find().module->module, &p.info.module_identities[0].module);
  EXPECT_EQ(p.find().module->level, &p.launched());
  p.td().tee_tcb_svn[1] = 10;
  EXPECT_EQ(p.find().module->id, "TDX_0A");
  EXPECT_TRUE(p.find().module->known);
  p.td().tee_tcb_svn[1] = 0xc1;
  EXPECT_EQ(p.find().module->id, "TDX_C1");
  EXPECT_FALSE(p.find().module->known);
  EXPECT_EQ(p.find().status, std::nullopt);
  p.td().tee_tcb_svn[1] = 0;
  p.td().tee_tcb_svn[0] = 5;
  for (TcbLevel& l : p.info.levels) {
    (*l.tdx)[1] = 0;
  }
  EXPECT_EQ(p.find().module->id, "");
  EXPECT_EQ(p.find().module->module, &*p.info.tdx_module);
  EXPECT_EQ(p.find().module->level, nullptr);
  EXPECT_EQ(p.find().status, S::kUpToDate);
  p.info.tdx_module.reset();
  EXPECT_FALSE(p.find().module->known);
  EXPECT_EQ(p.find().status, std::nullopt);
}

TEST(IntelTcb, FindsNoStatusForAModuleOlderThanItsLevels) {
  Platform p;
  p.td().tee_tcb_svn[0] = 3;
  EXPECT_TRUE(p.find().module->known);
  EXPECT_EQ(p.find().module->level, nullptr);
  EXPECT_EQ(p.find().status, std::nullopt);
  p.info.module_identities[0].levels.clear();
  EXPECT_EQ(p.find().status, std::nullopt);
}

// ---- Convergence -----------------------------------------------------------------------------

S out_of_date_part(S platform) {
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

TEST(IntelTcb, ConvergesPlatformModuleAndQuotingEnclave) {
  for (const S platform : kEveryStatus) {
    for (const bool of_module : {true, false}) {
      SCOPED_TRACE(std::to_string(static_cast<int>(platform)) + (of_module ? " module" : " QE"));
      Platform p;
      p.td().tee_tcb_svn_2.reset();
      p.info.levels[0].status = platform;
      S& part = of_module ? p.launched().status : p.identity.levels[0].status;
      EXPECT_EQ(p.find().status, platform);
      part = S::kOutOfDate;
      EXPECT_EQ(p.find().status, out_of_date_part(platform));
      part = S::kRevoked;
      EXPECT_EQ(p.find().status, S::kRevoked);
      // No such status exists of a part; if there is one some day it is no better.
      part = S::kSwHardeningNeeded;
      EXPECT_EQ(p.find().status, out_of_date_part(platform));
    }
  }
}

TEST(IntelTcb, HasNoModuleStatusForMajorVersionZero) {
  Platform p;
  p.td().tee_tcb_svn[0] = 5;
  p.td().tee_tcb_svn[1] = 0;
  for (TcbLevel& l : p.info.levels) {
    (*l.tdx)[1] = 0;
  }
  p.launched().status = S::kRevoked;
  EXPECT_EQ(p.find().status, S::kUpToDate);
}

// ---- Relaunch --------------------------------------------------------------------------------

// The same platform, where the module the TD was launched under is out of date.
struct OldModule : Platform {
  OldModule() { launched().status = S::kOutOfDate; }
};

TEST(IntelTcb, AdvisesRelaunchWhereTheModuleThatRunsNowIsTheNewest) {
  for (const auto& [platform, expected] :
       {std::pair{S::kUpToDate, S::kTdRelaunchAdvised},
        {S::kSwHardeningNeeded, S::kTdRelaunchAdvised},
        {S::kConfigurationNeeded, S::kTdRelaunchAdvisedConfigurationNeeded},
        {S::kConfigurationAndSwHardeningNeeded, S::kTdRelaunchAdvisedConfigurationNeeded},
        {S::kOutOfDate, S::kOutOfDate},
        {S::kOutOfDateConfigurationNeeded, S::kOutOfDateConfigurationNeeded},
        {S::kRevoked, S::kRevoked}}) {
    OldModule p;
    p.info.levels[0].status = platform;
    EXPECT_EQ(p.find().status, expected) << static_cast<int>(platform);
    EXPECT_EQ(p.find().running.has_value(), expected != platform);
  }
}

// What is out of date is the TDX level alone: the platform's own is not.
TEST(IntelTcb, AdvisesRelaunchByTheSgxLevel) {
  OldModule p;
  p.td().tee_tcb_svn[2] = 4;
  EXPECT_EQ(p.find().tdx, &p.info.levels[1]);
  EXPECT_EQ(p.find().status, S::kTdRelaunchAdvised);
  p.info.levels[1].status = S::kOutOfDateConfigurationNeeded;
  EXPECT_EQ(p.find().status, S::kTdRelaunchAdvisedConfigurationNeeded);
  p.info.levels[1].status = S::kOutOfDate;
  p.info.levels[0].status = S::kConfigurationNeeded;
  EXPECT_EQ(p.find().status, S::kTdRelaunchAdvisedConfigurationNeeded);
}

TEST(IntelTcb, DoesNotAdviseRelaunchFor) {
  const auto status_of = [](const auto& change) {
    OldModule p;
    change(p);
    return p.find().status;
  };
  const auto expect_out_of_date = [&](const char* what, const auto& change) {
    EXPECT_EQ(status_of(change), S::kOutOfDate) << what;
  };
  expect_out_of_date("a TD 1.0", [](Platform& p) { p.td().tee_tcb_svn_2.reset(); });
  expect_out_of_date("an old module now", [](Platform& p) { (*p.td().tee_tcb_svn_2)[0] = 5; });
  expect_out_of_date("an old loader now", [](Platform& p) { (*p.td().tee_tcb_svn_2)[2] = 4; });
  expect_out_of_date("an old quoting enclave",
                     [](Platform& p) { p.identity.levels[0].status = S::kOutOfDate; });
  expect_out_of_date("a current module with an old platform", [](Platform& p) {
    p.launched().status = S::kUpToDate;
    p.td().tee_tcb_svn[2] = 4;
  });
  expect_out_of_date("a revoked SGX level", [](Platform& p) {
    p.info.levels[0].status = S::kRevoked;
    p.td().tee_tcb_svn[2] = 4;
  });
  EXPECT_EQ(status_of([](Platform& p) {
              p.info.levels[1].status = S::kRevoked;
              p.td().tee_tcb_svn[2] = 4;
            }),
            S::kRevoked);
  EXPECT_EQ(status_of([](Platform& p) { p.identity.levels[0].status = S::kRevoked; }), S::kRevoked);
  EXPECT_EQ(status_of([](Platform& p) { p.launched().status = S::kRevoked; }), S::kRevoked);
}

TEST(IntelTcb, AsksTheIdentityOfTheModuleThatRunsNow) {
  OldModule p;
  (*p.td().tee_tcb_svn_2)[1] = 10;
  (*p.td().tee_tcb_svn_2)[0] = 2;
  EXPECT_EQ(p.find().running->id, "TDX_0A");
  EXPECT_EQ(p.find().status, S::kTdRelaunchAdvised);
  (*p.td().tee_tcb_svn_2)[0] = 1;
  EXPECT_EQ(p.find().status, S::kOutOfDate);
  (*p.td().tee_tcb_svn_2)[1] = 2;
  EXPECT_FALSE(p.find().running->known);
  EXPECT_EQ(p.find().status, S::kOutOfDate);
}

TEST(IntelTcb, AsksTheHighestLevelOfAModuleWithoutIdentity) {
  OldModule p;
  (*p.td().tee_tcb_svn_2)[1] = 0;
  (*p.td().tee_tcb_svn_2)[0] = 5;
  EXPECT_EQ(p.find().status, S::kTdRelaunchAdvised);
  (*p.td().tee_tcb_svn_2)[0] = 4;
  EXPECT_EQ(p.find().status, S::kOutOfDate);
  (*p.td().tee_tcb_svn_2)[0] = 5;
  (*p.td().tee_tcb_svn_2)[2] = 4;
  EXPECT_EQ(p.find().status, S::kOutOfDate);
  // The highest level is not the one the platform reaches.
  (*p.td().tee_tcb_svn_2)[2] = 5;
  p.info.levels.insert(p.info.levels.begin(), level(6, S::kUpToDate));
  EXPECT_EQ(p.find().status, S::kOutOfDate);
  p.info.levels[0].tdx.reset();
  EXPECT_EQ(p.find().status, S::kOutOfDate);
}

}  // namespace
}  // namespace ensconce
