#include <gtest/gtest.h>

#include "ensconce/attestation/endorsements/intel_endorsements.h"
#include "made_collateral.h"

namespace ensconce {
namespace {

using E = EvidenceError;
using made::answer;
using made::replaced;
using made::tcb_level;
using S = IntelTcbStatus;

Result<TcbInfo> tcb_info(const std::string& inner) {
  return parse_tcb_info(as_bytes(answer("tcbInfo", inner)));
}
Result<QeIdentity> identity(const std::string& inner) {
  return parse_qe_identity(as_bytes(answer("enclaveIdentity", inner)));
}

// expect_refused wants the parser's own code and, in its words, the check that spoke.
template <typename T>
void expect_refused(const Result<T>& result, E code, std::string_view why) {
  ASSERT_FALSE(result) << why;
  EXPECT_TRUE(result.error().is(code)) << result.error().to_string();
  EXPECT_NE(result.error().detail().find(why), std::string::npos)
      << result.error().detail() << " instead of " << why;
}

struct Change {
  std::string_view from;
  std::string_view to;
  std::string_view why;
};

// repeated is a JSON array of one item many times.
std::string repeated(std::string_view item, std::size_t count) {
  std::string out = "[";
  for (std::size_t i = 0; i < count; ++i) {
    out += (i > 0 ? "," : "") + std::string(item);
  }
  return out + "]";
}

// with_levels is an SGX TCB info with other levels.
std::string with_levels(const std::string& levels) {
  const std::string text = made::sgx_tcb_info();
  return text.substr(0, text.find("\"tcbLevels\":")) + "\"tcbLevels\":" + levels + "}";
}

// ---- The frame ------------------------------------------------------------------------------

TEST(IntelJson, KeepsTheBytesThatAreSigned) {
  // White space, an escape and a brace in a string: nothing of it may be lost.
  const std::string inner =
      replaced(made::sgx_tcb_info(), "\"tcbType\":0", " \"tcbType\" : 0,\n\"note\":\"}\\\"{\\\\\"");
  const std::string spaced =
      "\r\n{\t\"tcbInfo\" :  " + inner + "\n, \"signature\" : \"" + made::signature() + "\" }\n";
  const auto info = parse_tcb_info(as_bytes(spaced));
  ASSERT_TRUE(info) << info.error().to_string();
  EXPECT_EQ(as_text(info->signed_bytes), inner);
  EXPECT_EQ(to_hex(info->signature), std::string(64, 'a') + std::string(64, 'b'));
}

TEST(IntelJson, TakesTheMembersInEitherOrder) {
  const std::string inner = made::sgx_tcb_info();
  const auto info = parse_tcb_info(
      as_bytes("{\"signature\":\"" + made::signature() + "\",\"tcbInfo\":" + inner + "}"));
  ASSERT_TRUE(info) << info.error().to_string();
  EXPECT_EQ(as_text(info->signed_bytes), inner);
}

TEST(IntelJson, RejectsOtherMembers) {
  const std::string good = answer("tcbInfo", made::sgx_tcb_info());
  const std::string signature = "\"signature\":\"" + made::signature() + "\"";
  const std::string twice = "or one of them twice";
  const auto refuses = [](const std::string& text, std::string_view why) {
    expect_refused(parse_tcb_info(as_bytes(text)), E::kIntelTcbInfo, why);
  };
  refuses(answer("enclaveIdentity", made::sgx_tcb_info()), twice);
  refuses(replaced(good, "tcbInfo", "tcb\\u0049nfo"), twice);
  refuses("{" + signature + "," + signature + "}", twice);
  refuses(replaced(good, signature, "\"tcbInfo\":{}"), twice);
  refuses("{\"x\":1," + good.substr(1), twice);
  refuses(replaced(good, signature, signature + ",\"x\":1"), "expected '}'");
  refuses("{" + signature + "}", "expected ','");
  refuses("{}", "expected '\"'");
}

TEST(IntelJson, RejectsAnotherFrame) {
  const std::string good = answer("tcbInfo", made::sgx_tcb_info());
  const auto refuses = [](const std::string& text, std::string_view why) {
    expect_refused(parse_tcb_info(as_bytes(text)), E::kIntelTcbInfo, why);
  };
  refuses("", "expected '{'");
  refuses("[]", "expected '{'");
  refuses(good + "\n0", "bytes after the end");
  refuses(good + '\0', "bytes after the end");
  refuses(replaced(good, "\"tcbInfo\":", "\"tcbInfo\" "), "expected ':'");
  refuses(replaced(good, "{\"id\"", "[\"id\""), "expected '{'");
  refuses("{\"tcbInfo\":{\"a\":{}", "an object that does not end");
  refuses("{\"tcbInfo\":{\"a", "a string that does not end");
  refuses("{\"tcbInfo\":{\"a\\", "a string that does not end");
  refuses(replaced(good, "\"tcbType\":0", "\"tcbType\":0}"), "or one of them twice");
  refuses(std::string(kMaxIntelJson + 1, ' '), "more than 256 KiB");
  const std::string padding(kMaxIntelJson - good.size(), ' ');
  EXPECT_TRUE(parse_tcb_info(as_bytes(good + padding)));
}

TEST(IntelJson, RejectsEveryTruncation) {
  const std::string good = answer("tcbInfo", made::tdx_tcb_info());
  for (std::size_t len = 0; len < good.size(); ++len) {
    const auto info = parse_tcb_info(as_bytes(std::string_view(good).substr(0, len)));
    ASSERT_FALSE(info) << len;
    ASSERT_TRUE(info.error().is(E::kIntelTcbInfo)) << len;
  }
}

TEST(IntelJson, RejectsAnotherSignature) {
  const std::string good = answer("tcbInfo", made::sgx_tcb_info());
  for (const std::string& other :
       {std::string(), std::string(127, 'a'), std::string(126, 'a'), std::string(130, 'a'),
        std::string(127, 'a') + "g", std::string(126, 'a') + "\\n"}) {
    expect_refused(parse_tcb_info(as_bytes(replaced(good, made::signature(), other))),
                   E::kIntelTcbInfo, "not 128 hex digits");
  }
}

TEST(IntelJson, RejectsWhatIsNoJsonInside) {
  const std::string good = made::sgx_tcb_info();
  for (const auto& [from, to, why] : std::vector<Change>{
           {"\"tcbType\":0", "\"tcbType\":0,\"tcbType\":0", "a name twice"},
           {"\"tcbType\":0", "\"tcbType\":0,\"x\":[[[[[[[[[[[[0]]]]]]]]]]]]", "nested deeper"},
           {"\"tcbType\":0", "\"tcbType\":00", ""},
           {"\"tcbType\":0", "\"tcbType\":0,\"x\":\"\xff\"", ""},
           {"\"tcbType\":0", "\"tcbType\":0 /* */", ""},
       }) {
    expect_refused(tcb_info(replaced(good, from, to)), E::kIntelTcbInfo, why);
  }
  expect_refused(
      tcb_info(replaced(good, "\"tcbType\":0", "\"tcbType\":0,\"x\":" + repeated("0", 66000))),
      E::kIntelTcbInfo, "more values");
}

TEST(IntelJson, LeavesUnknownMembersAlone) {
  const std::string good = made::tdx_tcb_info();
  EXPECT_TRUE(tcb_info(replaced(good, "\"tcbType\":0", "\"tcbType\":0,\"new\":{\"a\":[null]}")));
  EXPECT_TRUE(tcb_info(replaced(good, "\"isvsvn\":3", "\"isvsvn\":3,\"new\":1")));
}

// ---- TCB info -------------------------------------------------------------------------------

TEST(TcbInfo, GivesEveryFieldOfSgx) {
  const auto info = tcb_info(made::sgx_tcb_info());
  ASSERT_TRUE(info) << info.error().to_string();
  EXPECT_FALSE(info->is_tdx);
  EXPECT_EQ(info->version, 3U);
  EXPECT_EQ(to_rfc3339(info->issued), "2026-02-18T10:58:51Z");
  EXPECT_EQ(to_rfc3339(info->next_update), "2026-03-20T10:58:51Z");
  EXPECT_EQ(to_hex(info->fmspc), "90c06f000000");
  EXPECT_EQ(to_hex(info->pce_id), "0000");
  EXPECT_EQ(info->evaluation_data_number, 18U);
  EXPECT_FALSE(info->tdx_module.has_value());
  EXPECT_TRUE(info->module_identities.empty());
  ASSERT_EQ(info->levels.size(), 2U);
  const TcbLevel& first = info->levels[0];
  EXPECT_EQ(first.sgx, (std::array<std::uint8_t, 16>{3, 3, 2}));
  EXPECT_EQ(first.tdx, std::nullopt);
  EXPECT_EQ(first.pce_svn, 13);
  EXPECT_EQ(to_rfc3339(first.date), "2024-11-13T00:00:00Z");
  EXPECT_EQ(first.status, S::kSwHardeningNeeded);
  EXPECT_TRUE(first.advisories.empty());
  EXPECT_EQ(info->levels[1].status, S::kOutOfDate);
  EXPECT_EQ(info->levels[1].advisories,
            (std::vector<std::string>{"INTEL-SA-01036", "INTEL-SA-01079"}));
}

TEST(TcbInfo, GivesEveryFieldOfTdx) {
  const std::string text = replaced(made::tdx_tcb_info(), "90C06F000000", "90c06f0000fF");
  const auto info = tcb_info(
      replaced(text, "\"attributes\":\"0000000000000000\"", "\"attributes\":\"0100000000000002\""));
  ASSERT_TRUE(info) << info.error().to_string();
  EXPECT_TRUE(info->is_tdx);
  EXPECT_EQ(to_hex(info->fmspc), "90c06f0000ff");
  ASSERT_TRUE(info->tdx_module.has_value());
  EXPECT_TRUE(all_zero(info->tdx_module->mr_signer));
  EXPECT_EQ(to_hex(info->tdx_module->attributes), "0100000000000002");
  EXPECT_EQ(to_hex(info->tdx_module->attributes_mask), "ffffffffffffffff");
  ASSERT_EQ(info->module_identities.size(), 2U);
  EXPECT_EQ(info->module_identities[0].id, "TDX_03");
  EXPECT_EQ(info->module_identities[1].id, "TDX_01");
  EXPECT_EQ(to_hex(info->module_identities[1].module.attributes_mask), "ffffffffffffffff");
  ASSERT_EQ(info->module_identities[1].levels.size(), 2U);
  EXPECT_EQ(info->module_identities[1].levels[0].isv_svn, 6);
  EXPECT_EQ(info->module_identities[1].levels[1].isv_svn, 4);
  EXPECT_EQ(info->module_identities[1].levels[1].status, S::kOutOfDate);
  ASSERT_EQ(info->levels.size(), 2U);
  EXPECT_EQ(info->levels[0].tdx, (std::array<std::uint8_t, 16>{5, 0, 3}));
}

TEST(TcbInfo, GivesEveryFieldOfVersion2) {
  const auto info = tcb_info(made::sgx_tcb_info_v2());
  ASSERT_TRUE(info) << info.error().to_string();
  EXPECT_EQ(info->version, 2U);
  EXPECT_FALSE(info->is_tdx);
  ASSERT_EQ(info->levels.size(), 1U);
  EXPECT_EQ(info->levels[0].sgx, (std::array<std::uint8_t, 16>{19, 18, 17, 16, 15, 14, 13, 12, 11,
                                                               10, 9, 8, 7, 6, 5, 4}));
  EXPECT_EQ(info->levels[0].pce_svn, 11);
  EXPECT_EQ(info->levels[0].status, S::kConfigurationNeeded);
}

TEST(TcbInfo, MayEndTheMomentItBegins) {
  EXPECT_TRUE(
      tcb_info(replaced(made::sgx_tcb_info(), "2026-03-20T10:58:51Z", "2026-02-18T10:58:51Z")));
}

TEST(TcbInfo, TakesATdxInfoWithoutModuleIdentities) {
  std::string text = made::tdx_tcb_info();
  const std::size_t begin = text.find("\"tdxModuleIdentities\"");
  const std::size_t end = text.find("\"tcbLevels\":[{\"tcb\":{\"sgxtcb");
  const auto info = tcb_info(text.erase(begin, end - begin));
  ASSERT_TRUE(info) << info.error().to_string();
  EXPECT_TRUE(info->module_identities.empty());
}

TEST(TcbInfo, RejectsWhatAnSgxInfoMayNotSay) {
  const std::string good = made::sgx_tcb_info();
  for (const auto& [from, to, why] : std::vector<Change>{
           {"\"id\":\"SGX\"", "\"id\":\"TEE\"", "an id other than SGX and TDX"},
           {"\"id\":\"SGX\"", "\"id\":1", "tcbInfo.id: expected a string"},
           {"\"id\":\"SGX\",", "", "tcbInfo.id is missing"},
           {"\"version\":3", "\"version\":4", "tcbInfo.version is beyond 3"},
           {"\"version\":3", "\"version\":1", "a version other than 2 and 3"},
           {"\"version\":3", "\"version\":2", "version 2 has no id"},
           {"\"version\":3", "\"version\":3.0", "expected an unsigned integer"},
           {"\"version\":3,", "", "tcbInfo.version is missing"},
           {"\"tcbType\":0", "\"tcbType\":1", "tcbInfo.tcbType is beyond 0"},
           {"\"tcbType\":0,", "", "tcbInfo.tcbType is missing"},
           {"2026-02-18T10:58:51Z", "2026-03-20T10:58:52Z", "nextUpdate is before issueDate"},
           {"2026-02-18T10:58:51Z", "2026-02-30T10:58:51Z", "issueDate is no UTC time"},
           {"2026-02-18T10:58:51Z", "2026-02-18T10:58:51+00:00", "issueDate is no UTC time"},
           {"2026-02-18T10:58:51Z", "2026- 2-18T10:58:51Z", "issueDate is no UTC time"},
           {"2026-03-20T10:58:51Z", "2026-03-20", "nextUpdate is no UTC time"},
           {"\"issueDate\"", "\"issued\"", "tcbInfo.issueDate is missing"},
           {"\"nextUpdate\"", "\"next\"", "tcbInfo.nextUpdate is missing"},
           {"90C06F000000", "90C06F0000", "tcbInfo.fmspc: expected 6 bytes, got 5"},
           {"90C06F000000", "90C06F00000000", "tcbInfo.fmspc: expected 6 bytes, got 7"},
           {"90C06F000000", "90C06F00000x", "tcbInfo.fmspc: not a hex digit"},
           {"\"fmspc\"", "\"fmspx\"", "tcbInfo.fmspc is missing"},
           {"\"pceId\":\"0000\"", "\"pceId\":\"00\"", "tcbInfo.pceId: expected 2 bytes"},
           {"Number\":18", "Number\":4294967296", "tcbEvaluationDataNumber is beyond"},
           {"Number\":18", "Number\":-1", "expected an unsigned integer"},
           {"\"tcbEvaluationDataNumber\":18,", "", "tcbEvaluationDataNumber is missing"},
           {"\"tcbLevels\"", "\"levels\"", "tcbInfo.tcbLevels is missing"},
           {"\"tcbLevels\":[{\"tcb\":{", "\"tcbLevels\":[1,{\"tcb\":{", "expected an object"},
           {"{\"tcb\":{", "{\"tcx\":{", "tcbLevels[].tcb is missing"},
           {"\"sgxtcbcomponents\"", "\"components\"", "sgxtcbcomponents is missing"},
           {"{\"svn\":3,", "{\"svn\":256,", "svn is beyond 255"},
           {"{\"svn\":3,", "{\"svn\":\"3\",", "expected an unsigned integer"},
           {"{\"svn\":3}", "3", "expected an object"},
           {"{\"svn\":3},", "", "sgxtcbcomponents has 15 items"},
           {"{\"svn\":3},", "{\"svn\":3},{\"svn\":3},", "sgxtcbcomponents has 17 items"},
           {"\"pcesvn\":13", "\"pcesvn\":65536", "pcesvn is beyond 65535"},
           {"\"pcesvn\":13", "\"pcesvm\":13", "pcesvn is missing"},
           {"2024-11-13T00:00:00Z", "2024-11-13T00:00:00", "tcbDate is no UTC time"},
           {"\"tcbDate\"", "\"date\"", "tcbDate is missing"},
           {"SWHardeningNeeded", "UptoDate", "no status such a level has"},
           {"SWHardeningNeeded", "TDRelaunchAdvised", "no status such a level has"},
           {"SWHardeningNeeded", "TDRelaunchAdvisedConfigurationNeeded", "no status such"},
           {"\"tcbStatus\"", "\"status\"", "tcbStatus is missing"},
           {"\"INTEL-SA-01036\"", "\"\"", "not 1 to 64 printable characters"},
           {"\"INTEL-SA-01036\"", "\"INTEL\\n\"", "not 1 to 64 printable characters"},
           {"\"INTEL-SA-01036\"", "7", "advisoryIDs: expected a string"},
           {"[\"INTEL-SA-01036\",\"INTEL-SA-01079\"]", "null", "advisoryIDs: expected an array"},
       }) {
    expect_refused(tcb_info(replaced(good, from, to)), E::kIntelTcbInfo, why);
  }
}

TEST(TcbInfo, RejectsWhatATdxInfoMayNotSay) {
  const std::string good = made::tdx_tcb_info();
  for (const auto& [from, to, why] : std::vector<Change>{
           {"\"version\":3", "\"version\":2", "version 2 has no id"},
           {"\"tdxModule\":", "\"module\":", "tcbInfo.tdxModule is missing"},
           {"\"tdxModule\":{", "\"tdxModule\":0,\"x\":{", "tcbInfo.tdxModule: expected an object"},
           {"\"mrsigner\":\"00", "\"mrsigner\":\"", "tdxModule.mrsigner: expected 48 bytes"},
           {"\"attributes\":\"00", "\"attributes\":\"", "tdxModule.attributes: expected 8 bytes"},
           {"\"attributesMask\":\"FF", "\"attributesMask\":\"", "attributesMask: expected 8 bytes"},
           {"\"tdxModuleIdentities\":[", "\"tdxModuleIdentities\":[0,", "expected an object"},
           {"\"tdxModuleIdentities\":[", "\"tdxModuleIdentities\":0,\"x\":[", "expected an array"},
           {"\"TDX_01\"", "\"TDX_03\"", "two identities of one TDX module"},
           {"\"TDX_01\"", "\"\"", "not 1 to 16 printable characters"},
           {"\"TDX_01\"", "\"TDX_0000000000001\"", "not 1 to 16 printable characters"},
           {"\"TDX_01\"", "\"TDX_\\u0001\"", "not 1 to 16 printable characters"},
           {"\"id\":\"TDX_01\",", "", "tdxModuleIdentities[].id is missing"},
           {"\"TDX_03\",\"mrsigner\":\"00", "\"TDX_03\",\"mrsigner\":\"",
            "tdxModuleIdentities[].mrsigner: expected 48 bytes"},
           {"\"isvsvn\":3", "\"isvsvn\":65536", "isvsvn is beyond 65535"},
           {"\"isvsvn\":3", "\"svn\":3", "isvsvn is missing"},
           {"\"tdxtcbcomponents\"", "\"components\"", "tdxtcbcomponents is missing"},
           {"\"tdxtcbcomponents\":[", "\"tdxtcbcomponents\":[{\"svn\":0},", "has 17 items"},
       }) {
    expect_refused(tcb_info(replaced(good, from, to)), E::kIntelTcbInfo, why);
  }
}

TEST(TcbInfo, RejectsWhatVersion2MayNotSay) {
  const std::string good = made::sgx_tcb_info_v2();
  for (const auto& [from, to, why] : std::vector<Change>{
           {"\"version\":2", "\"version\":3,\"id\":\"SGX\"", "sgxtcbcomponents is missing"},
           {"\"sgxtcbcomp01svn\":19,", "", "sgxtcbcomp01svn is missing"},
           {"\"sgxtcbcomp16svn\":4", "\"sgxtcbcomp17svn\":4", "sgxtcbcomp16svn is missing"},
           {"\"sgxtcbcomp10svn\":10", "\"sgxtcbcomp10svn\":256", "sgxtcbcomp10svn is beyond 255"},
       }) {
    expect_refused(tcb_info(replaced(good, from, to)), E::kIntelTcbInfo, why);
  }
}

TEST(TcbInfo, HasBoundsOnEveryList) {
  const std::string level = tcb_level({1}, 1, {});
  EXPECT_EQ(tcb_info(with_levels(repeated(level, 256))).value().levels.size(), 256U);
  expect_refused(tcb_info(with_levels(repeated(level, 257))), E::kIntelTcbInfo,
                 "tcbLevels has 257 items; 1 to 256");
  expect_refused(tcb_info(with_levels("[]")), E::kIntelTcbInfo, "tcbLevels has 0 items");

  const auto with_advisories = [&](std::size_t count, std::size_t len) {
    const std::string ids = repeated("\"" + std::string(len, 'A') + "\"", count);
    return tcb_info(with_levels(
        "[" + replaced(level, "\"UpToDate\"", "\"UpToDate\",\"advisoryIDs\":" + ids) + "]"));
  };
  EXPECT_EQ(with_advisories(64, 64).value().levels[0].advisories.size(), 64U);
  expect_refused(with_advisories(65, 64), E::kIntelTcbInfo, "advisoryIDs has 65 items");
  expect_refused(with_advisories(1, 65), E::kIntelTcbInfo, "not 1 to 64 printable characters");

  const std::string tdx = made::tdx_tcb_info();
  const std::size_t begin = tdx.find("\"tdxModuleIdentities\":[") + 22;
  const std::size_t end = tdx.find(",\"tcbLevels\":[{\"tcb\":{\"sgx");
  const std::string identity = tdx.substr(begin + 1, tdx.find("},{\"id\":\"TDX_01\"") - begin);
  const auto with_identities = [&](int count) {
    std::string list = "[";
    for (int i = 0; i < count; ++i) {
      list += (i > 0 ? "," : "") + replaced(identity, "TDX_03", "TDX_" + std::to_string(100 + i));
    }
    return tcb_info(tdx.substr(0, begin) + list + "]" + tdx.substr(end));
  };
  EXPECT_EQ(with_identities(0).value().module_identities.size(), 0U);
  EXPECT_EQ(with_identities(64).value().module_identities.size(), 64U);
  expect_refused(with_identities(65), E::kIntelTcbInfo, "tdxModuleIdentities has 65 items");

  const auto with_module_levels = [&](std::size_t count) {
    const std::string one =
        R"({"tcb":{"isvsvn":1},"tcbDate":"2024-11-13T00:00:00Z","tcbStatus":"Revoked"})";
    const std::size_t levels = identity.find("\"tcbLevels\":") + 12;
    const std::string list = "[" + identity.substr(0, levels) + repeated(one, count) + "}]";
    return tcb_info(tdx.substr(0, begin) + list + tdx.substr(end));
  };
  EXPECT_EQ(with_module_levels(256).value().module_identities[0].levels.size(), 256U);
  expect_refused(with_module_levels(257), E::kIntelTcbInfo, "tcbLevels has 257 items");
  expect_refused(with_module_levels(0), E::kIntelTcbInfo, "tcbLevels has 0 items");
}

TEST(TcbInfo, SortsTheLevelsWhateverOrderTheyCameIn) {
  // As they are to be tried: SGX components from the first on, then PCESVN, then TDX components.
  const std::vector<std::string> sorted = {
      tcb_level({3, 1}, 5, {1}, "UpToDate"),
      tcb_level({3, 0, 9}, 13, {9}, "OutOfDate"),
      tcb_level({2, 2}, 13, {5, 0, 3}, "SWHardeningNeeded"),
      tcb_level({2, 2}, 13, {5, 0, 2}, "ConfigurationNeeded"),
      tcb_level({2, 2}, 11, {6, 0, 3}, "ConfigurationAndSWHardeningNeeded"),
      tcb_level({2, 2}, 11, {6, 0, 3}, "OutOfDateConfigurationNeeded"),  // as high: stays behind
      tcb_level({1, 255}, 13, {9}, "Revoked"),
  };
  const std::vector<S> expected = {S::kUpToDate,
                                   S::kOutOfDate,
                                   S::kSwHardeningNeeded,
                                   S::kConfigurationNeeded,
                                   S::kConfigurationAndSwHardeningNeeded,
                                   S::kOutOfDateConfigurationNeeded,
                                   S::kRevoked};
  const std::string text = made::tdx_tcb_info();
  const std::string before = text.substr(0, text.find("\"tcbLevels\":[{\"tcb\":{\"sgx"));
  for (const std::vector<std::size_t>& order : {std::vector<std::size_t>{0, 1, 2, 3, 4, 5, 6},
                                                {6, 4, 5, 3, 2, 1, 0},
                                                {3, 4, 6, 0, 2, 5, 1}}) {
    std::string levels;
    for (const std::size_t i : order) {
      levels += (levels.empty() ? "" : ",") + sorted[i];
    }
    const auto info = tcb_info(before + "\"tcbLevels\":[" + levels + "]}");
    ASSERT_TRUE(info) << info.error().to_string();
    std::vector<S> got;
    for (const TcbLevel& level : info->levels) {
      got.push_back(level.status);
    }
    EXPECT_EQ(got, expected);
  }
}

TEST(IntelTcbStatus, HasIntelsNames) {
  for (int i = 0; i <= static_cast<int>(S::kRevoked); ++i) {
    const S status = static_cast<S>(i);
    EXPECT_EQ(intel_tcb_status_from_name(name_of(status)), status);
  }
  EXPECT_EQ(name_of(S::kSwHardeningNeeded), "SWHardeningNeeded");
  EXPECT_EQ(name_of(S::kTdRelaunchAdvisedConfigurationNeeded),
            "TDRelaunchAdvisedConfigurationNeeded");
  EXPECT_EQ(intel_tcb_status_from_name("uptodate"), std::nullopt);
}

// ---- QE identity ----------------------------------------------------------------------------

TEST(QeIdentity, GivesEveryField) {
  const std::string inner = made::qe_identity();
  const auto got = identity(inner);
  ASSERT_TRUE(got) << got.error().to_string();
  EXPECT_EQ(got->id, "TD_QE");
  EXPECT_EQ(got->version, 2U);
  EXPECT_EQ(to_rfc3339(got->issued), "2026-02-18T10:58:51Z");
  EXPECT_EQ(to_rfc3339(got->next_update), "2026-03-20T10:58:51Z");
  EXPECT_EQ(got->evaluation_data_number, 18U);
  EXPECT_EQ(to_hex(got->misc_select), "d182b18c");
  EXPECT_EQ(to_hex(got->misc_select_mask), "ffffffff");
  EXPECT_EQ(to_hex(got->attributes), "11000000000000000000000000000000");
  EXPECT_EQ(to_hex(got->attributes_mask), "fbffffffffffffff0000000000000000");
  EXPECT_EQ(to_hex(got->mr_signer),
            "dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5");
  EXPECT_EQ(got->isv_prod_id, 2);
  ASSERT_EQ(got->levels.size(), 2U);
  EXPECT_EQ(got->levels[0].isv_svn, 4);
  EXPECT_EQ(got->levels[0].status, S::kUpToDate);
  EXPECT_EQ(to_rfc3339(got->levels[0].date), "2024-11-13T00:00:00Z");
  EXPECT_EQ(got->levels[1].status, S::kOutOfDate);
  EXPECT_EQ(as_text(got->signed_bytes), inner);
  EXPECT_EQ(to_hex(got->signature), std::string(64, 'a') + std::string(64, 'b'));
  EXPECT_EQ(identity(replaced(inner, "TD_QE", "QE")).value().id, "QE");
}

TEST(QeIdentity, SortsTheLevelsAndKeepsAdvisories) {
  const auto got =
      identity(replaced(replaced(made::qe_identity(), "\"isvsvn\":2", "\"isvsvn\":8"),
                        "\"UpToDate\"", "\"Revoked\",\"advisoryIDs\":[\"INTEL-SA-00477\"]"));
  ASSERT_TRUE(got) << got.error().to_string();
  EXPECT_EQ(got->levels[0].isv_svn, 8);
  EXPECT_EQ(got->levels[1].isv_svn, 4);
  EXPECT_EQ(got->levels[1].status, S::kRevoked);
  EXPECT_EQ(got->levels[1].advisories, std::vector<std::string>{"INTEL-SA-00477"});
}

TEST(QeIdentity, RejectsWhatItMayNotSay) {
  const std::string good = made::qe_identity();
  for (const auto& [from, to, why] : std::vector<Change>{
           {"\"TD_QE\"", "\"QVE\"", "an id other than QE and TD_QE"},
           {"\"id\":\"TD_QE\",", "", "enclaveIdentity.id is missing"},
           {"\"version\":2", "\"version\":1", "a version other than 2"},
           {"\"version\":2", "\"version\":3", "version is beyond 2"},
           {"2026-02-18T10:58:51Z", "2026-03-20T10:58:52Z", "nextUpdate is before issueDate"},
           {"Number\":18", "Number\":4294967296", "tcbEvaluationDataNumber is beyond"},
           {"\"miscselect\":\"D1", "\"miscselect\":\"", "miscselect: expected 4 bytes"},
           {"\"miscselectMask\":\"FF", "\"miscselectMask\":\"", "miscselectMask: expected 4 bytes"},
           {"\"attributes\":\"11", "\"attributes\":\"", "attributes: expected 16 bytes"},
           {"\"attributesMask\":\"fb", "\"attributesMask\":\"",
            "attributesMask: expected 16 bytes"},
           {"\"mrsigner\":\"DC", "\"mrsigner\":\"", "mrsigner: expected 32 bytes"},
           {"\"isvprodid\":2", "\"isvprodid\":65536", "isvprodid is beyond 65535"},
           {"\"isvprodid\":2,", "", "isvprodid is missing"},
           {"\"tcbLevels\"", "\"levels\"", "tcbLevels is missing"},
           {"\"tcbLevels\":[", "\"tcbLevels\":[0,", "expected an object"},
           {"{\"isvsvn\":4}", "4", "tcb: expected an object"},
           {"\"isvsvn\":4", "\"isvsvn\":65536", "isvsvn is beyond 65535"},
           {"2024-11-13T00:00:00Z", "2024-11-13", "tcbDate is no UTC time"},
           // A module or an enclave needs no hardening and no configuration.
           {"\"UpToDate\"", "\"SWHardeningNeeded\"", "no status such a level has"},
           {"\"UpToDate\"", "\"OutOfDateConfigurationNeeded\"", "no status such a level has"},
           {"\"UpToDate\"", "\"UpToDate\",\"advisoryIDs\":0", "advisoryIDs: expected an array"},
       }) {
    expect_refused(identity(replaced(good, from, to)), E::kIntelQeIdentity, why);
  }
  expect_refused(parse_qe_identity(as_bytes(answer("tcbInfo", good))), E::kIntelQeIdentity,
                 "a member other than \"enclaveIdentity\"");
}

}  // namespace
}  // namespace ensconce
