#include <gtest/gtest.h>

#include "ensconce/attestation/result/render.h"
#include "made_snp.h"

namespace ensconce {
namespace {

using made::kNow;
using made::with;

AttestationResult affirmed() {
  const Statement statement = made::statement();
  return appraise(made::attested(made::shared_pki(), statement),
                  FreshByOwnNonce{statement.challenge}, made::parsed(made::client_policy()), kNow);
}

AttestationResult denied() {
  const Statement statement = made::statement();
  return appraise(
      made::attested(made::shared_pki(), statement), FreshByOwnNonce{statement.challenge},
      made::parsed(with(made::client_policy(), "[snp]", "measurement",
                        "measurement = { exactly = \"" + std::string(96, '0') + "\" }")),
      kNow);
}

std::vector<std::string> names_of(const json::Value& object) {
  std::vector<std::string> names;
  for (const auto& [name, value] : **object.as_object("test")) {
    names.push_back(name);
  }
  return names;
}

TEST(ResultJson, HasItsMembers) {
  const json::Value value = result_to_json(affirmed());
  EXPECT_EQ(names_of(value),
            (std::vector<std::string>{"kind", "outcome", "verified", "tcb_status", "origin",
                                      "stage", "code", "claims", "checks"}));
  EXPECT_EQ(*value.find("kind"), json::Value("snp"));
  EXPECT_EQ(*value.find("outcome"), json::Value("affirming"));
  EXPECT_EQ(*value.find("verified"), json::Value(true));
  EXPECT_EQ(*value.find("origin"), json::Value("simulated"));
  EXPECT_TRUE(value.find("code")->is_null());
  EXPECT_EQ(*value.find("claims")->find("measurement"), json::Value(to_hex(made::measurement())));
  const auto& check = (**value.find("checks")->as_array("checks")).front();
  EXPECT_EQ(names_of(check),
            (std::vector<std::string>{"id", "rule", "expected", "got", "holds", "remedy"}));
  EXPECT_TRUE(json::parse(json::write(value)));
}

TEST(ResultJson, NamesTheRefusal) {
  const json::Value value = result_to_json(denied());
  EXPECT_EQ(*value.find("outcome"), json::Value("contraindicated"));
  EXPECT_EQ(*value.find("verified"), json::Value(true));
  EXPECT_EQ(*value.find("code"), json::Value("snp.measurement"));
  EXPECT_EQ(*value.find("stage"), json::Value(name_of(Stage::kPolicy)));
}

TEST(ResultJson, TellsRefusedFromNotAppraised) {
  const json::Value none =
      result_to_json(AttestationResult::not_appraised(made::verified(made::shared_pki(), {})));
  EXPECT_EQ(*none.find("outcome"), json::Value("none"));
  EXPECT_EQ(*none.find("verified"), json::Value(true));
  const auto attested =
      AttestationResult::not_appraised(made::attested(made::shared_pki(), made::statement()));
  EXPECT_EQ(attested.outcome(), Outcome::kNone);
  EXPECT_EQ(attested.statement(), made::statement());
  EXPECT_EQ(made::holds(attested.checks(), "statement.binding"), true);
  const json::Value refused = result_to_json(
      AttestationResult::refused("snp", {}, Error(EvidenceError::kSnpLength, "7 bytes")));
  EXPECT_EQ(*refused.find("outcome"), json::Value("contraindicated"));
  EXPECT_EQ(*refused.find("verified"), json::Value(false));
  EXPECT_TRUE(refused.find("origin")->is_null());
  EXPECT_TRUE((*refused.find("claims")->as_object("claims"))->empty());
}

TEST(ResultText, SaysSimulatedLoudly) {
  const std::string text = result_to_text(affirmed(), false);
  EXPECT_TRUE(text.starts_with("+--"));
  EXPECT_NE(text.find("SIMULATED"), std::string::npos);
  EXPECT_NE(text.find("AFFIRMING"), std::string::npos);
  EXPECT_EQ(text.find('\033'), std::string::npos);
  EXPECT_NE(result_to_text(affirmed(), true).find('\033'), std::string::npos);
}

TEST(ResultText, ExplainsWhatFailed) {
  const std::string text = result_to_text(denied(), false);
  EXPECT_NE(text.find("CONTRAINDICATED"), std::string::npos);
  EXPECT_NE(text.find("snp.measurement"), std::string::npos);
  EXPECT_NE(text.find("expected  " + std::string(96, '0')), std::string::npos);
  EXPECT_NE(text.find("got       " + to_hex(made::measurement())), std::string::npos);
  EXPECT_NE(text.find("remedy    "), std::string::npos);
}

TEST(ResultText, SaysWhyThereAreNoChecks) {
  const std::string text = result_to_text(
      AttestationResult::refused("snp", {}, Error(EvidenceError::kSnpLength, "7 bytes")), false);
  EXPECT_NE(text.find("snp.form.length"), std::string::npos);
  EXPECT_NE(text.find("7 bytes"), std::string::npos);
}

TEST(ResultText, LetsNothingThroughThatATerminalActsOn) {
  const std::string foreign = "a\033[2J\nb\x7f\xc2\x9b";
  const Error error(EvidenceError::kEndorsementForm, foreign);
  const auto expect_plain = [](const std::string& text) {
    EXPECT_EQ(text.find_first_of("\033\x7f\x9b"), std::string::npos);
    EXPECT_EQ(text.find("\nb"), std::string::npos);
    EXPECT_NE(text.find("a\\x1b[2J\\x0ab\\x7f\\xc2\\x9b"), std::string::npos) << text;
  };
  expect_plain(result_to_text(AttestationResult::refused("snp", {}, error), false));
  for (const std::optional<bool> holds : {std::optional(true), std::optional(false), {}}) {
    const Check check{"x.y", "a rule", foreign, foreign, holds, "a remedy"};
    expect_plain(result_to_text(AttestationResult::refused("snp", {check}, error), false));
  }
  const Check expected{"x.y", "a rule", foreign, "", false, "a remedy"};
  expect_plain(result_to_text(AttestationResult::refused("snp", {expected}, error), false));
  const Check len{"x.y", "a rule", "", std::string(100000, 'x'), false, "a remedy"};
  EXPECT_LT(result_to_text(AttestationResult::refused("snp", {len}, error), false).size(), 5000U);
}

TEST(ResultEar, CarriesOriginAndNeverVouchesForSimulatedHardware) {
  const json::Value ear = result_to_ear(affirmed(), kNow);
  EXPECT_EQ(*ear.find("iat"), json::Value(kNow.unix_ms / 1000));
  EXPECT_NE(ear.find("eat_profile"), nullptr);
  EXPECT_NE(ear.find("ear.verifier-id"), nullptr);
  const json::Value& cpu = *ear.find("submods")->find("cpu0");
  EXPECT_EQ(*cpu.find("ear.status"), json::Value("affirming"));
  EXPECT_EQ(*cpu.find("ensconce.origin"), json::Value("simulated"));
  EXPECT_EQ(cpu.find("ear.trustworthiness-vector")->find("hardware"), nullptr);
  EXPECT_EQ(*cpu.find("ear.trustworthiness-vector")->find("executables"), json::Value(2));
  const json::Value no = result_to_ear(denied(), kNow);
  EXPECT_EQ(*no.find("submods")->find("cpu0")->find("ear.status"), json::Value("contraindicated"));
  const json::Value* code = no.find("submods")->find("cpu0")->find("ensconce.code");
  ASSERT_NE(code, nullptr);
  EXPECT_EQ(*code, json::Value("snp.measurement"));
  EXPECT_EQ(no.find("exp"), nullptr);
}

}  // namespace
}  // namespace ensconce
