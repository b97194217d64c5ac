#include <gtest/gtest.h>

#include "ensconce/sim/intel_pki.h"

// The collateral of the simulated Intel: its text, its signature, and that it says the same of the
// platform as the PCK certificate and the quotes do.
namespace ensconce {
namespace {

using std::chrono::hours;

constexpr Instant kNow{1'790'000'000'000};  // 2026-09-21T14:13:20Z

const IntelPki& pki() {
  static const IntelPki instance = [] {
    SystemRandom random;
    return IntelPki::generate({}, random, kNow);
  }();
  return instance;
}

// Signed is {"member":inner,"signature":"hex"} taken apart by its text.
struct Signed {
  std::string inner;
  Bytes signature;
};
Signed take_apart(ByteView json, std::string_view member) {
  const std::string text(as_text(json));
  const std::string begin = "{\"" + std::string(member) + "\":";
  const std::string middle = ",\"signature\":\"";
  const std::size_t at = text.rfind(middle);
  EXPECT_TRUE(text.starts_with(begin) && text.ends_with("\"}") && at != std::string::npos) << text;
  const std::size_t hex = at + middle.size();
  return {text.substr(begin.size(), at - begin.size()),
          from_hex(text.substr(hex, text.size() - 2 - hex)).value()};
}

bool holds(const Signed& s) {
  return ecdsa_verify(pki().tcb_signing().ec_public_key().value(), as_bytes(s.inner), s.signature)
      .has_value();
}

TEST(IntelPkiJson, IsSignedOverTheInnerText) {
  const Signed parts[] = {
      take_apart(pki().sign_tcb_info(pki().tcb_info(true, kNow)), "tcbInfo"),
      take_apart(pki().sign_tcb_info(pki().tcb_info(false, kNow)), "tcbInfo"),
      take_apart(pki().sign_qe_identity(pki().qe_identity(true, kNow)), "enclaveIdentity"),
      take_apart(pki().sign_json("enclaveIdentity", "{ }"), "enclaveIdentity"),
  };
  for (Signed s : parts) {
    EXPECT_EQ(s.signature.size(), 64U);
    EXPECT_TRUE(holds(s));
    s.inner[1] ^= 1;
    EXPECT_FALSE(holds(s));
  }
  EXPECT_EQ(parts[3].inner, "{ }");
}

TEST(IntelPkiJson, WritesTheQeIdentityAsIntelDoes) {
  EXPECT_EQ(
      take_apart(pki().sign_qe_identity(pki().qe_identity(true, kNow)), "enclaveIdentity").inner,
      R"({"id":"TD_QE","version":2,"issueDate":"2026-09-21T13:13:20Z",)"
      R"("nextUpdate":"2026-10-21T13:13:20Z","tcbEvaluationDataNumber":18,"miscselect":"00000000",)"
      R"("miscselectMask":"FFFFFFFF","attributes":"11000000000000000000000000000000",)"
      R"("attributesMask":"FBFFFFFFFFFFFFFF0000000000000000",)"
      R"("mrsigner":"DC9E2A7C6F948F17474E34A7FC43ED030F7C1563F1BABDDF6340C82E0E54A8C5",)"
      R"("isvprodid":2,"tcbLevels":[{"tcb":{"isvsvn":4},"tcbDate":"2024-11-13T00:00:00Z",)"
      R"("tcbStatus":"UpToDate"},{"tcb":{"isvsvn":2},"tcbDate":"2024-03-13T00:00:00Z",)"
      R"("tcbStatus":"OutOfDate","advisoryIDs":["INTEL-SA-00615"]}]})");
}

TEST(IntelPkiJson, WritesTcbInfoAsIntelDoes) {
  TcbInfo info = pki().tcb_info(true, kNow);
  info.module_identities.resize(1);
  info.module_identities[0].levels.resize(1);
  info.levels.resize(1);
  const std::string zeros(96, '0');
  const std::string module = R"("mrsigner":")" + zeros +
                             R"(","attributes":"0000000000000000",)"
                             R"("attributesMask":"FFFFFFFFFFFFFFFF")";
  EXPECT_EQ(
      take_apart(pki().sign_tcb_info(info), "tcbInfo").inner,
      R"({"id":"TDX","version":3,"issueDate":"2026-09-21T13:13:20Z",)"
      R"("nextUpdate":"2026-10-21T13:13:20Z","fmspc":"90C06F000000","pceId":"0000","tcbType":0,)"
      R"("tcbEvaluationDataNumber":18,"tdxModule":{)" +
          module + R"(},"tdxModuleIdentities":[{"id":"TDX_01",)" + module +
          R"(,"tcbLevels":[{"tcb":{"isvsvn":5},"tcbDate":"2024-11-13T00:00:00Z",)"
          R"("tcbStatus":"UpToDate"}]}],"tcbLevels":[{"tcb":{"sgxtcbcomponents":[)"
          R"({"svn":3,"category":"BIOS","type":"Early Microcode Update"},)"
          R"({"svn":3,"category":"OS/VMM","type":"SGX Late Microcode Update"},)"
          R"({"svn":2,"category":"OS/VMM","type":"TXT SINIT"},{"svn":2,"category":"BIOS"},)"
          R"({"svn":4,"category":"BIOS"},{"svn":1,"category":"BIOS"},{"svn":0},)"
          R"({"svn":5,"category":"OS/VMM","type":"SEAMLDR ACM"},{"svn":0},{"svn":0},{"svn":0},)"
          R"({"svn":0},{"svn":0},{"svn":0},{"svn":0},{"svn":0}],"pcesvn":13,"tdxtcbcomponents":[)"
          R"({"svn":5,"category":"OS/VMM","type":"TDX Module"},)"
          R"({"svn":0,"category":"OS/VMM","type":"TDX Module"},)"
          R"({"svn":3,"category":"OS/VMM","type":"TDX Late Microcode Update"},{"svn":0},{"svn":0},)"
          R"({"svn":0},{"svn":0},{"svn":0},{"svn":0},{"svn":0},{"svn":0},{"svn":0},{"svn":0},)"
          R"({"svn":0},{"svn":0},{"svn":0}]},"tcbDate":"2024-11-13T00:00:00Z",)"
          R"("tcbStatus":"UpToDate"}]})");
}

TEST(IntelPkiJson, WritesTcbInfoOfVersion2AsIntelDid) {
  TcbInfo info = pki().tcb_info(false, kNow);
  info.version = 2;
  info.levels.resize(1);
  const Signed s = take_apart(pki().sign_tcb_info(info), "tcbInfo");
  EXPECT_TRUE(holds(s));
  EXPECT_EQ(
      s.inner,
      R"({"version":2,"issueDate":"2026-09-21T13:13:20Z","nextUpdate":"2026-10-21T13:13:20Z",)"
      R"("fmspc":"90C06F000000","pceId":"0000","tcbType":0,"tcbEvaluationDataNumber":18,)"
      R"("tcbLevels":[{"tcb":{"sgxtcbcomp01svn":3,"sgxtcbcomp02svn":3,"sgxtcbcomp03svn":2,)"
      R"("sgxtcbcomp04svn":2,"sgxtcbcomp05svn":4,"sgxtcbcomp06svn":1,"sgxtcbcomp07svn":0,)"
      R"("sgxtcbcomp08svn":5,"sgxtcbcomp09svn":0,"sgxtcbcomp10svn":0,"sgxtcbcomp11svn":0,)"
      R"("sgxtcbcomp12svn":0,"sgxtcbcomp13svn":0,"sgxtcbcomp14svn":0,"sgxtcbcomp15svn":0,)"
      R"("sgxtcbcomp16svn":0,"pcesvn":13},"tcbDate":"2024-11-13T00:00:00Z",)"
      R"("tcbStatus":"UpToDate"}]})");
}

// ---- Against the parsers ----------------------------------------------------------------------

void expect_same(const std::vector<SvnLevel>& a, const std::vector<SvnLevel>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].isv_svn, b[i].isv_svn);
    EXPECT_EQ(a[i].date, b[i].date);
    EXPECT_EQ(a[i].status, b[i].status);
    EXPECT_EQ(a[i].advisories, b[i].advisories);
  }
}
void expect_same(const TdxModule& a, const TdxModule& b) {
  EXPECT_EQ(a.mr_signer, b.mr_signer);
  EXPECT_EQ(a.attributes, b.attributes);
  EXPECT_EQ(a.attributes_mask, b.attributes_mask);
}
void expect_same(const std::vector<TcbLevel>& a, const std::vector<TcbLevel>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].sgx, b[i].sgx);
    EXPECT_EQ(a[i].tdx, b[i].tdx);
    EXPECT_EQ(a[i].pce_svn, b[i].pce_svn);
    EXPECT_EQ(a[i].date, b[i].date);
    EXPECT_EQ(a[i].status, b[i].status);
    EXPECT_EQ(a[i].advisories, b[i].advisories);
  }
}
void expect_same(const TcbInfo& a, const TcbInfo& b) {
  EXPECT_EQ(a.is_tdx, b.is_tdx);
  EXPECT_EQ(a.version, b.version);
  EXPECT_EQ(a.issued, b.issued);
  EXPECT_EQ(a.next_update, b.next_update);
  EXPECT_EQ(a.fmspc, b.fmspc);
  EXPECT_EQ(a.pce_id, b.pce_id);
  EXPECT_EQ(a.evaluation_data_number, b.evaluation_data_number);
  ASSERT_EQ(a.tdx_module.has_value(), b.tdx_module.has_value());
  if (a.tdx_module.has_value()) {
    expect_same(*a.tdx_module, *b.tdx_module);
  }
  ASSERT_EQ(a.module_identities.size(), b.module_identities.size());
  for (std::size_t i = 0; i < a.module_identities.size(); ++i) {
    EXPECT_EQ(a.module_identities[i].id, b.module_identities[i].id);
    expect_same(a.module_identities[i].module, b.module_identities[i].module);
    expect_same(a.module_identities[i].levels, b.module_identities[i].levels);
  }
  expect_same(a.levels, b.levels);
}

TEST(IntelPkiCollateral, ParsesToTheTcbInfoItWasMadeOf) {
  std::vector<TcbInfo> infos{pki().tcb_info(true, kNow + Millis(999)), pki().tcb_info(false, kNow),
                             pki().tcb_info(false, kNow)};
  infos[2].version = 2;
  for (const TcbInfo& info : infos) {
    const Bytes json = pki().sign_tcb_info(info);
    const auto parsed = parse_tcb_info(json);
    ASSERT_TRUE(parsed.has_value()) << parsed.error().to_string();
    expect_same(*parsed, info);
    const Signed s = take_apart(json, "tcbInfo");
    EXPECT_EQ(parsed->signed_bytes, to_bytes(s.inner));
    EXPECT_EQ(to_bytes(parsed->signature), s.signature);
  }
}

TEST(IntelPkiCollateral, ParsesToTheQeIdentityItWasMadeOf) {
  for (const bool tdx : {false, true}) {
    const QeIdentity identity = pki().qe_identity(tdx, kNow);
    const auto parsed = parse_qe_identity(pki().sign_qe_identity(identity));
    ASSERT_TRUE(parsed.has_value()) << parsed.error().to_string();
    EXPECT_EQ(parsed->id, identity.id);
    EXPECT_EQ(parsed->version, identity.version);
    EXPECT_EQ(parsed->issued, identity.issued);
    EXPECT_EQ(parsed->next_update, identity.next_update);
    EXPECT_EQ(parsed->evaluation_data_number, identity.evaluation_data_number);
    EXPECT_EQ(parsed->misc_select, identity.misc_select);
    EXPECT_EQ(parsed->misc_select_mask, identity.misc_select_mask);
    EXPECT_EQ(parsed->attributes, identity.attributes);
    EXPECT_EQ(parsed->attributes_mask, identity.attributes_mask);
    EXPECT_EQ(parsed->mr_signer, identity.mr_signer);
    EXPECT_EQ(parsed->isv_prod_id, identity.isv_prod_id);
    expect_same(parsed->levels, identity.levels);
  }
}

// The writer and the parser each have the names; here they meet.
TEST(IntelPkiCollateral, WritesEachStatusByTheNameTheParserKnows) {
  using S = IntelTcbStatus;
  for (const S status :
       {S::kUpToDate, S::kSwHardeningNeeded, S::kConfigurationNeeded,
        S::kConfigurationAndSwHardeningNeeded, S::kOutOfDate, S::kOutOfDateConfigurationNeeded,
        S::kTdRelaunchAdvised, S::kTdRelaunchAdvisedConfigurationNeeded, S::kRevoked}) {
    TcbInfo info = pki().tcb_info(false, kNow);
    info.levels[0].status = status;
    const std::string inner = take_apart(pki().sign_tcb_info(info), "tcbInfo").inner;
    const std::string member = "\"tcbStatus\":\"" + std::string(name_of(status)) + "\"";
    EXPECT_NE(inner.find(member), std::string::npos) << member;
  }
}

TEST(IntelPkiCollateral, FitsThePckCertificate) {
  const auto pck = parse_pck_extensions(pki().pck());
  ASSERT_TRUE(pck.has_value()) << pck.error().to_string();
  const TcbInfo info = pki().tcb_info(true, kNow);
  EXPECT_EQ(pck->fmspc, info.fmspc);
  EXPECT_EQ(pck->pce_id, info.pce_id);
  EXPECT_EQ(pck->components, info.levels[0].sgx);
  EXPECT_EQ(pck->pce_svn, info.levels[0].pce_svn);
  EXPECT_EQ(info.levels[0].status, IntelTcbStatus::kUpToDate);
  EXPECT_EQ(info.levels[1].status, IntelTcbStatus::kOutOfDate);
  EXPECT_FALSE(info.levels[1].advisories.empty());
  EXPECT_EQ(pck->sgx_type, 1);
  EXPECT_TRUE(pck->platform_instance_id.has_value());
  EXPECT_EQ(pck->dynamic_platform, true);
  EXPECT_EQ(pck->cached_keys, true);
  EXPECT_EQ(pck->smt_enabled, true);
}

TEST(IntelPkiCollateral, LeavesOutWhatTheProcessorCaDoesNotTell) {
  SystemRandom random;
  IntelPkiOptions options;
  options.processor_ca = true;
  const IntelPki p = IntelPki::generate(options, random, kNow);
  const auto pck = parse_pck_extensions(p.pck());
  ASSERT_TRUE(pck.has_value()) << pck.error().to_string();
  EXPECT_EQ(pck->sgx_type, 0);
  EXPECT_FALSE(pck->platform_instance_id || pck->dynamic_platform || pck->smt_enabled);
}

TEST(IntelPkiCollateral, FitsTheQuotingEnclaveAndTheModule) {
  for (const bool tdx : {false, true}) {
    const IntelQuote quote = tdx ? pki().td_quote_template() : pki().sgx_quote_template();
    const QeIdentity identity = pki().qe_identity(tdx, kNow);
    EXPECT_EQ(quote.qe_report.mr_signer, identity.mr_signer);
    EXPECT_EQ(quote.qe_report.isv_prod_id, identity.isv_prod_id);
    EXPECT_EQ(quote.qe_report.isv_svn, identity.levels[0].isv_svn);
    for (std::size_t i = 0; i < identity.attributes.size(); ++i) {
      EXPECT_EQ(quote.qe_report.attributes[i] & identity.attributes_mask[i],
                identity.attributes[i]);
    }
  }
  const TcbInfo info = pki().tcb_info(true, kNow);
  const IntelQuote quote = pki().td_quote_template(5);
  const auto& td = std::get<TdReport>(quote.body);
  EXPECT_EQ(td.tee_tcb_svn_2, td.tee_tcb_svn);
  ASSERT_EQ(td.tee_tcb_svn[1], 1);
  EXPECT_EQ(info.module_identities[0].id, "TDX_01");
  EXPECT_EQ(info.module_identities[1].id, "TDX_03");
  EXPECT_EQ(info.module_identities[0].levels[0].isv_svn, td.tee_tcb_svn[0]);
  EXPECT_EQ(info.module_identities[0].module.mr_signer, td.mr_signer_seam);
  for (std::size_t i = 0; i < 16; ++i) {
    EXPECT_GE(td.tee_tcb_svn[i], (*info.levels[0].tdx)[i]) << i;
  }
  EXPECT_LT((*info.levels[1].tdx)[2], td.tee_tcb_svn[2]);
}

TEST(IntelPkiCollateral, IsAllThatAVerifierNeedsBesideTheQuote) {
  for (const bool tdx : {false, true}) {
    const IntelQuote quote =
        pki().sign(tdx ? pki().td_quote_template() : pki().sgx_quote_template());
    const auto endorsed = collect_intel_endorsements(quote, pki().endorsements(tdx, kNow));
    ASSERT_TRUE(endorsed.has_value()) << endorsed.error().to_string();
    EXPECT_EQ(endorsed->pck, pki().pck());
    EXPECT_EQ(endorsed->pck_ca, pki().pck_ca());
    EXPECT_EQ(endorsed->root, pki().root());
    EXPECT_EQ(endorsed->tcb_signing, pki().tcb_signing());
    EXPECT_EQ(endorsed->tcb_info.is_tdx, tdx);
    EXPECT_EQ(endorsed->qe_identity.id, tdx ? "TD_QE" : "QE");
    EXPECT_TRUE(endorsed->pck_crl.has_value() && endorsed->root_crl.has_value());
  }
}

}  // namespace
}  // namespace ensconce
