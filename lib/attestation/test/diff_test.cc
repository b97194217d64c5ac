#include "ensconce/attestation/policy/diff.h"

#include <gtest/gtest.h>

#include "made_intel.h"
#include "made_snp.h"

namespace ensconce {
namespace {

std::vector<PolicyDifference> differences(const std::string& a, const std::string& b) {
  made::parsed(a);  // both load
  made::parsed(b);
  auto out = diff_policies(a, b);
  if (!out) {
    ADD_FAILURE() << out.error().to_string();
    return {};
  }
  return *std::move(out);
}

// only is the one difference between a policy and the same with one line of [snp] changed, twice.
PolicyDifference only(std::string_view key, const std::string& first, const std::string& second,
                      std::string_view section = "[snp]") {
  const std::string policy = made::client_policy();
  const auto line = [&](const std::string& value) {
    return made::with(policy, section, key, std::string(key) + " = " + value);
  };
  const auto out = differences(line(first), line(second));
  if (out.size() != 1) {
    ADD_FAILURE() << out.size() << " differences";
    return {};
  }
  return out.front();
}

// expect_stricter asserts that the second is stricter, and the first is when they change places.
void expect_stricter(std::string_view key, const std::string& first, const std::string& second,
                     std::string_view section = "[snp]") {
  EXPECT_EQ(only(key, first, second, section).stricter, Stricter::kSecond) << key;
  EXPECT_EQ(only(key, second, first, section).stricter, Stricter::kFirst) << key;
}

void expect_unknown(std::string_view key, const std::string& first, const std::string& second,
                    std::string_view section = "[snp]") {
  EXPECT_EQ(only(key, first, second, section).stricter, Stricter::kUnknown) << key;
  EXPECT_EQ(only(key, second, first, section).stricter, Stricter::kUnknown) << key;
}

TEST(PolicyDiff, FindsNoneBetweenOneAndItself) {
  EXPECT_TRUE(differences(made::client_policy(), made::client_policy()).empty());
}

TEST(PolicyDiff, PassesOverCommentsCaseAndOrder) {
  const std::string policy = made::client_policy();
  std::string other =
      "# a comment\n" + made::with(policy, "[snp]", "measurement",
                                   "measurement = { exactly = \"" + std::string(48, 'A') +
                                       std::string(48, 'b') + "\" }");
  const std::string same = made::with(
      policy, "[snp]", "measurement",
      "measurement = { exactly = \"" + std::string(48, 'a') + std::string(48, 'B') + "\" }");
  EXPECT_TRUE(differences(other, same).empty());
  EXPECT_TRUE(differences(made::with(policy, "[snp]", "product",
                                     "product = { one_of = [\"Genoa\", \"Milan\"] }"),
                          policy)
                  .empty());
}

TEST(PolicyDiff, NamesTheFieldAndBothValues) {
  const PolicyDifference one = only("vmpl", "{ exactly = 0 }", "{ exactly = 1 }");
  EXPECT_EQ(one.field, "snp.vmpl");
  EXPECT_EQ(one.first, "{ exactly = 0 }");
  EXPECT_EQ(one.second, "{ exactly = 1 }");
  EXPECT_EQ(one.stricter, Stricter::kUnknown);
}

TEST(PolicyDiff, KnowsTheStricterOfTwoConstraints) {
  expect_stricter("vmpl", "{ unconstrained = \"why\" }", "{ exactly = 0 }");
  expect_stricter("product", "{ one_of = [\"Milan\", \"Genoa\"] }", "{ exactly = \"Milan\" }");
  expect_stricter("product", "{ one_of = [\"Milan\", \"Genoa\", \"Turin\"] }",
                  "{ one_of = [\"Turin\", \"Milan\"] }");
  expect_stricter("report_version", "{ at_least = 2 }", "{ at_least = 3 }");
  expect_stricter("report_version", "{ at_least = 2 }", "{ exactly = 3 }");
  expect_stricter("guest_svn", "{ at_most = 9 }", "{ at_most = 8 }");
  expect_stricter("guest_svn", "{ at_most = 9 }", "{ exactly = 9 }");
  expect_stricter("minimum_tcb",
                  "{ at_least = { bootloader = 1, tee = 0, snp = 2, microcode = 3 } }",
                  "{ at_least = { bootloader = 1, tee = 1, snp = 2, microcode = 3 } }");
  expect_stricter("crl", "\"if_present\"", "\"required\"");
  expect_stricter("evidence_age", "{ at_most = \"1h\" }", "{ at_most = \"20m\" }", "[freshness]");
  expect_stricter("accept", "[\"vendor\"]", "[]", "[anchors]");
}

TEST(PolicyDiff, ClaimsNothingOfWhatCannotBeCompared) {
  expect_unknown("vmpl", "{ unconstrained = \"why\" }", "{ unconstrained = \"because\" }");
  expect_unknown("guest_svn", "{ at_least = 1 }", "{ at_most = 5 }");
  expect_unknown("minimum_tcb",
                 "{ at_least = { bootloader = 2, tee = 0, snp = 2, microcode = 3 } }",
                 "{ at_least = { bootloader = 1, tee = 1, snp = 2, microcode = 3 } }");
  expect_unknown("measurement_covers", "\"firmware\"", "\"process\"");
  const std::string key(64, '2');
  const std::string other(64, '3');
  // Sets of keys: `exactly` is the whole set.
  expect_unknown("owner_keys", "{ exactly = [\"" + key + "\"] }",
                 "{ exactly = [\"" + key + "\", \"" + other + "\"] }", "[security]");
  expect_stricter("owner_keys", "{ one_of = [\"" + key + "\", \"" + other + "\"] }",
                  "{ exactly = [\"" + key + "\"] }", "[security]");
}

TEST(PolicyDiff, ComparesHexNumbersByteByByte) {
  const std::string tdx = made::with_hardware(made::client_policy(), made::tdx_sections());
  const auto with_floor = [&](const std::string& hex) {
    return made::with(tdx, "[tdx]", "minimum_tcb_svn",
                      "minimum_tcb_svn = { at_least = \"" + hex + "\" }");
  };
  const auto stricter = [&](const std::string& a, const std::string& b) {
    return differences(with_floor(a), with_floor(b)).at(0).stricter;
  };
  const std::string rest(28, '0');
  EXPECT_EQ(stricter("0102" + rest, "0103" + rest), Stricter::kSecond);
  EXPECT_EQ(stricter("0201" + rest, "0103" + rest), Stricter::kUnknown);
}

TEST(PolicyDiff, TellsAKindOfEvidenceAsOneDifference) {
  const std::string snp = made::client_policy();
  const std::string tdx = made::with_hardware(snp, made::tdx_sections());
  const std::size_t at = snp.find("[security]");
  const std::string both = std::string(snp).insert(
      at, tdx.substr(tdx.find("[tdx]"), tdx.find("[security]") - tdx.find("[tdx]")));
  const auto out = differences(snp, both);
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(out[0].field, "[tdx]");
  EXPECT_EQ(out[0].first, "");
  EXPECT_EQ(out[0].stricter, Stricter::kFirst);
  EXPECT_EQ(differences(both, snp).at(0).stricter, Stricter::kSecond);
}

TEST(PolicyDiff, TellsEntriesOfAListApartByName) {
  const std::string policy = made::client_policy();
  const std::string more = policy + "[[model]]\nname = \"other\"\nowner_key = { exactly = \"" +
                           std::string(64, '4') + "\" }\nminimum_version = { at_least = 1 }\n";
  const auto added = differences(policy, more);
  ASSERT_EQ(added.size(), 3U);
  EXPECT_EQ(added[1].field, "model.other.name");
  EXPECT_EQ(added[0].first, "");
  EXPECT_EQ(differences(more, policy).at(0).second, "");
  const auto older = differences(policy, made::with(policy, "[[model]]", "minimum_version",
                                                    "minimum_version = { at_least = 2 }"));
  ASSERT_EQ(older.size(), 1U);
  EXPECT_EQ(older[0].field, "model.line-reader.minimum_version");
  EXPECT_EQ(older[0].stricter, Stricter::kFirst);
}

TEST(PolicyDiff, ComparesPoliciesOfDifferentRoles) {
  const auto out = differences(made::client_policy(), made::broker_policy());
  EXPECT_EQ(out.at(0).field, "[freshness]");
  EXPECT_EQ(out.at(0).stricter, Stricter::kUnknown);
  EXPECT_EQ(out.back().field, "role");
}

TEST(PolicyDiff, RejectsWhatIsNoToml) {
  EXPECT_FALSE(diff_policies("=", made::client_policy()));
  EXPECT_FALSE(diff_policies(made::client_policy(), "="));
}

}  // namespace
}  // namespace ensconce
