// TDX and SGX evidence held against a policy: each field refuses by its own rule and by no other.

#include <gtest/gtest.h>

#include "ensconce/attestation/appraise/appraise.h"
#include "ensconce/attestation/result/render.h"
#include "made_intel.h"

namespace ensconce {
namespace {

using E = AttestationError;
using made::kNow;
using made::with;

void expect_only(const AttestationResult& result, E code) {
  EXPECT_EQ(result.outcome(), Outcome::kContraindicated);
  EXPECT_FALSE(result.affirmed().has_value());
  ASSERT_TRUE(result.error().has_value());
  EXPECT_TRUE(result.error()->is(code)) << result.error()->to_string();
  EXPECT_FALSE(result.error()->remedy().empty());
  for (const Check& check : result.checks()) {
    EXPECT_EQ(check.holds.value_or(true), check.id != error_info(code).id)
        << check.id << ": expected " << check.expected << ", got " << check.got;
  }
}

// A whole exchange with a broker's policy, as far as the hardware goes: hardware freshness keeps
// the exchange short.
std::string hardware_policy(const std::string& sections) {
  std::string policy = made::with_hardware(made::client_policy(), sections);
  const std::size_t from = policy.find("[freshness]");
  return policy.replace(from, policy.find("[[model]]") - from, "[freshness]\nhardware = true\n");
}

AttestationResult run(const IntelQuote& quote, const std::string& policy, Instant now = kNow) {
  const Statement statement = made::statement();
  return appraise(made::attested_quote(made::shared_intel_pki(), quote, statement),
                  FreshByOwnNonce{statement.challenge}, made::parsed(policy), now);
}

ByteArray<64> bound() { return report_data_for(encode_statement(made::statement())); }
IntelQuote td() { return made::td_quote(made::shared_intel_pki(), bound()); }
IntelQuote enclave() { return made::sgx_quote(made::shared_intel_pki(), bound()); }
TdReport& body(IntelQuote& quote) { return std::get<TdReport>(quote.body); }

std::string exactly(std::string_view key, std::size_t len) {
  return std::string(key) + " = { exactly = \"" + std::string(2 * len, '1') + "\" }";
}

TEST(AppraiseTdx, AffirmsWhatThePolicyAsksFor) {
  const AttestationResult result = run(td(), hardware_policy(made::tdx_sections()));
  ASSERT_EQ(result.outcome(), Outcome::kAffirming)
      << (result.error() ? result.error()->to_string() : "");
  EXPECT_EQ(result.kind(), "tdx");
  EXPECT_EQ(result.affirmed()->measurement(), Bytes(48, 0xd0));
  EXPECT_EQ(result.affirmed()->origin(), AnchorOrigin::kSimulated);
  const json::Value rendered = result_to_json(result);
  EXPECT_EQ(rendered.find("tcb_status")->as_text("").value(), "UpToDate");
  EXPECT_EQ(rendered.find("claims")->find("measurement")->as_text("").value(),
            to_hex(Bytes(48, 0xd0)));
  EXPECT_NE(result_to_text(result, false).find("SIMULATED"), std::string::npos);
}

TEST(AppraiseTdx, RefusesByTheRuleThatDoesNotHold) {
  const struct {
    const char* key;
    std::string line;
    E code;
  } cases[] = {
      {"quote_version", "quote_version = { exactly = 4 }", E::kTdxQuoteVersion},
      {"measurement", exactly("measurement", 48), E::kTdxMeasurement},
      {"rtmr0", exactly("rtmr0", 48), E::kTdxRtmr0},
      {"rtmr1", exactly("rtmr1", 48), E::kTdxRtmr1},
      {"rtmr2", exactly("rtmr2", 48), E::kTdxRtmr2},
      {"rtmr3", exactly("rtmr3", 48), E::kTdxRtmr3},
      {"debug", "debug = { exactly = true }", E::kTdxDebug},
      {"migratable", "migratable = { exactly = true }", E::kTdxMigratable},
      {"sept_ve_disable", "sept_ve_disable = { exactly = false }", E::kTdxSeptVeDisable},
      {"perfmon", "perfmon = { exactly = true }", E::kTdxPerfmon},
      {"xfam", exactly("xfam", 8), E::kTdxXfam},
      {"mr_seam", exactly("mr_seam", 48), E::kTdxMrSeam},
      {"mr_config_id", exactly("mr_config_id", 48), E::kTdxMrConfigId},
      {"mr_owner", exactly("mr_owner", 48), E::kTdxMrOwner},
      {"mr_owner_config", exactly("mr_owner_config", 48), E::kTdxMrOwnerConfig},
      {"mr_service_td", exactly("mr_service_td", 48), E::kTdxMrServiceTd},
      // Byte by byte: a high first byte does not make up for a low last one.
      {"minimum_tcb_svn", "minimum_tcb_svn = { at_least = \"00000000000000000000000000000001\" }",
       E::kTdxMinimumTcbSvn},
      {"event_log", "event_log = \"required\"", E::kTdxEventLog},
      {"tcb_status", "tcb_status = { exactly = \"OutOfDate\" }", E::kIntelTcbStatus},
      {"evaluation_data_number", "evaluation_data_number = { at_least = 19 }",
       E::kIntelEvaluationDataNumber},
      {"collateral_age", "collateral_age = { at_most = \"3599s\" }", E::kIntelCollateralAge},
      {"pck_ca", "pck_ca = { exactly = \"processor\" }", E::kIntelPckCa},
      {"fmspc", exactly("fmspc", 6), E::kIntelFmspc},
      {"platform_id", exactly("platform_id", 16), E::kIntelPlatformId},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.line);
    expect_only(run(td(), hardware_policy(with(made::tdx_sections(), "[tdx]", c.key, c.line))),
                c.code);
  }
}

TEST(AppraiseTdx, RefusesAttributesOfTheQuoteByTheirOwnRule) {
  const struct {
    std::size_t byte;
    std::uint8_t bits;
    E code;
  } cases[] = {{0, 0x01, E::kTdxDebug},
               {0, 0x80, E::kTdxDebug},
               {3, 0x10, E::kTdxSeptVeDisable},  // set in the template: toggled off
               {3, 0x20, E::kTdxMigratable},
               {7, 0x80, E::kTdxPerfmon}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.byte);
    IntelQuote quote = td();
    body(quote).td_attributes[c.byte] ^= c.bits;
    expect_only(run(quote, hardware_policy(made::tdx_sections())), c.code);
  }
}

TEST(AppraiseTdx, WarnsWhenNothingReachesTheWorker) {
  std::string open =
      with(made::tdx_sections(), "[tdx]", "rtmr1", "rtmr1 = { unconstrained = \"x\" }");
  open = with(open, "[tdx]", "rtmr2", "rtmr2 = { unconstrained = \"x\" }");
  for (const std::string& sections :
       {open, with(made::tdx_sections(), "[tdx]", "rtmr1", "rtmr1 = { unconstrained = \"x\" }"),
        with(made::tdx_sections(), "[tdx]", "rtmr2", "rtmr2 = { unconstrained = \"x\" }"),
        with(made::tdx_sections(), "[tdx]", "measurement_covers",
             "measurement_covers = \"firmware\""),
        with(made::tdx_sections(), "[tdx]", "measurement",
             "measurement = { unconstrained = \"trying things out\" }")}) {
    const AttestationResult result = run(td(), hardware_policy(sections));
    EXPECT_EQ(result.outcome(), Outcome::kWarning);
    EXPECT_FALSE(result.affirmed().has_value());
    EXPECT_EQ(made::holds(result.checks(), "tdx.measurement_covers"), false);
  }
}

TEST(AppraiseIntel, RefusesAdvisoriesNobodyAccepted) {
  const IntelPki& pki = made::shared_intel_pki();
  TcbInfo info = pki.tcb_info(true, kNow);
  for (TcbLevel& level : info.levels) {
    level.advisories = {"INTEL-SA-00001", "INTEL-SA-00002"};
  }
  std::vector<EndorsementItem> pool = pki.endorsements(true, kNow);
  for (EndorsementItem& item : pool) {
    if (item.type == kTcbInfoType) {
      item.data = pki.sign_tcb_info(info);
    }
  }
  const IntelQuote quote = pki.sign(td());
  const auto verification = EvidenceVerifier({made::anchor_of(pki)})
                                .verify({"tdx", write_intel_quote(quote)}, pool, bound(), kNow);
  ASSERT_TRUE(verification.claims) << verification.claims.error().to_string();
  const auto judged = [&](const std::string& line) {
    return appraise_evidence_only(
        *verification.claims,
        made::parsed(hardware_policy(with(made::tdx_sections(), "[tdx]", "advisories", line))),
        kNow);
  };
  EXPECT_TRUE(made::refused_by(judged("advisories = { one_of = [\"INTEL-SA-00001\"] }"),
                               E::kIntelAdvisories));
  EXPECT_FALSE(
      judged("advisories = { one_of = [\"INTEL-SA-00002\", \"INTEL-SA-00001\"] }").error());
  EXPECT_FALSE(judged("advisories = { unconstrained = \"read and mitigated\" }").error());
}

TEST(AppraiseIntel, WantsBothListsWhereTheyAreRequired) {
  const IntelPki& pki = made::shared_intel_pki();
  const IntelQuote quote = pki.sign(td());
  const auto without = [&](std::size_t which) {
    std::vector<EndorsementItem> pool;
    std::size_t crls = 0;
    for (const EndorsementItem& item : pki.endorsements(true, kNow)) {
      if (item.type != kCrlType || crls++ != which) {
        pool.push_back(item);
      }
    }
    return EvidenceVerifier({made::anchor_of(pki)})
        .verify({"tdx", write_intel_quote(quote)}, pool, bound(), kNow)
        .claims.value();
  };
  for (const std::size_t which : {0U, 1U}) {
    EXPECT_TRUE(made::refused_by(
        appraise_evidence_only(without(which), made::parsed(hardware_policy(made::tdx_sections())),
                               kNow),
        E::kIntelCrlRequired));
    EXPECT_FALSE(
        appraise_evidence_only(without(which),
                               made::parsed(hardware_policy(with(made::tdx_sections(), "[tdx]",
                                                                 "crl", "crl = \"if_present\""))),
                               kNow)
            .error());
  }
}

TEST(AppraiseSgx, AffirmsWhatThePolicyAsksFor) {
  const AttestationResult result = run(enclave(), hardware_policy(made::sgx_sections()));
  ASSERT_EQ(result.outcome(), Outcome::kAffirming)
      << (result.error() ? result.error()->to_string() : "");
  EXPECT_EQ(result.kind(), "sgx");
  EXPECT_EQ(result.affirmed()->measurement(), Bytes(32, 0xe1));
}

TEST(AppraiseSgx, RefusesByTheRuleThatDoesNotHold) {
  const struct {
    const char* key;
    std::string line;
    E code;
  } cases[] = {
      {"quote_version", "quote_version = { at_least = 4 }", E::kSgxQuoteVersion},
      {"measurement", exactly("measurement", 32), E::kSgxMeasurement},
      {"mr_signer", exactly("mr_signer", 32), E::kSgxMrSigner},
      {"isv_prod_id", "isv_prod_id = { exactly = 8 }", E::kSgxIsvProdId},
      {"isv_svn", "isv_svn = { at_least = 4 }", E::kSgxIsvSvn},
      {"debug", "debug = { exactly = true }", E::kSgxDebug},
      {"config_id", exactly("config_id", 64), E::kSgxConfigId},
      {"config_svn", "config_svn = { at_least = 3 }", E::kSgxConfigSvn},
      {"isv_ext_prod_id", exactly("isv_ext_prod_id", 16), E::kSgxIsvExtProdId},
      {"isv_family_id", exactly("isv_family_id", 16), E::kSgxIsvFamilyId},
      {"tcb_status", "tcb_status = { exactly = \"OutOfDate\" }", E::kIntelTcbStatus},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.line);
    expect_only(run(enclave(), hardware_policy(with(made::sgx_sections(), "[sgx]", c.key, c.line))),
                c.code);
  }
}

TEST(AppraiseSgx, TakesASignersWordForAProductAndWarnsWithoutEither) {
  const std::string by_signer = with(made::sgx_sections(), "[sgx]", "measurement",
                                     "measurement = { unconstrained = \"the signer decides\" }");
  EXPECT_EQ(run(enclave(), hardware_policy(by_signer)).outcome(), Outcome::kAffirming);
  for (const char* line :
       {"isv_prod_id = { unconstrained = \"x\" }", "mr_signer = { unconstrained = \"x\" }"}) {
    const std::string key(line, std::string_view(line).find(' '));
    EXPECT_EQ(run(enclave(), hardware_policy(with(by_signer, "[sgx]", key, line))).outcome(),
              Outcome::kWarning);
  }
}

// A policy accepts the kinds it has a section for.
TEST(AppraiseKind, RefusesEvidenceOfAnotherKind) {
  EXPECT_TRUE(
      made::refused_by(run(enclave(), hardware_policy(made::tdx_sections())), E::kEvidenceKind));
  EXPECT_TRUE(made::refused_by(run(td(), hardware_policy(made::sgx_sections())), E::kEvidenceKind));
  const std::string both =
      made::tdx_sections() + made::sgx_sections().substr(made::sgx_sections().find("[sgx]"));
  EXPECT_EQ(run(enclave(), hardware_policy(both)).outcome(), Outcome::kAffirming);
  EXPECT_EQ(run(td(), hardware_policy(both)).outcome(), Outcome::kAffirming);
}

}  // namespace
}  // namespace ensconce
