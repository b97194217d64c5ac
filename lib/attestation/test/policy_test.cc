#include "ensconce/attestation/policy/policy.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "ensconce/base/file.h"
#include "made_intel.h"

namespace ensconce {
namespace {

using made::with;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = text.find('\n', at);
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) {
    out += line + "\n";
  }
  return out;
}

void expect_refused(const std::string& policy, PolicyError code, std::string_view named = {}) {
  const auto parsed = AppraisalPolicy::parse(policy, "test.toml");
  ASSERT_FALSE(parsed) << policy;
  EXPECT_TRUE(parsed.error().is(code)) << parsed.error().to_string();
  EXPECT_NE(parsed.error().detail().find(named), std::string::npos) << parsed.error().to_string();
  EXPECT_NE(parsed.error().detail().find("test.toml"), std::string::npos);
}

TEST(Policy, ReadsEveryField) {
  const AppraisalPolicy policy = made::parsed(made::client_policy());
  const PolicyFields& fields = policy.fields();
  EXPECT_EQ(fields.role, PolicyRole::kClient);
  EXPECT_EQ(policy.anchors().size(), 1 + vendor_anchors().size());
  EXPECT_EQ(std::get<AtLeast<std::uint64_t>>(fields.snp->report_version).value, 3U);
  EXPECT_EQ(std::get<Unconstrained>(fields.snp->chip_id).why, "any machine");
  EXPECT_EQ(std::get<AtLeast<TcbVersion>>(fields.snp->minimum_tcb).value.microcode, 219);
  EXPECT_EQ(fields.snp->measurement_covers, MeasurementCoverage::kProcess);
  const auto& freshness = std::get<BeaconFreshness>(policy.freshness().value());
  EXPECT_EQ(freshness.at_most, std::chrono::minutes(20));
  ASSERT_NE(policy.model("line-reader"), nullptr);
  EXPECT_EQ(policy.model("line-reader")->minimum_version, 3U);
  EXPECT_EQ(policy.model("line-reader")->owner_keys, std::vector{made::owner_key()});
  EXPECT_EQ(policy.model("another"), nullptr);
  EXPECT_EQ(policy.sha256(), sha256(as_bytes(made::client_policy())));
}

// What one worker asks of another: a client's policy without models.
std::string peer_policy() {
  std::string out = made::client_policy();
  out.replace(out.find("role = \"client\""), 15, "role = \"peer\"");
  return out.substr(0, out.find("[[model]]"));
}

class EveryPolicy : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(
    Role, EveryPolicy,
    testing::Values(made::client_policy(), made::broker_policy(), peer_policy(),
                    with(made::client_policy(), "[snp]", "crl", "crl = \"if_present\""),
                    made::with_hardware(made::client_policy(), made::tdx_sections()),
                    made::with_hardware(made::broker_policy(), made::sgx_sections()),
                    made::with_hardware(made::broker_policy(),
                                        made::tdx_sections() + made::azure_section())));

// Each line with a field is taken away in turn: its absence is an error that names it.
TEST_P(EveryPolicy, RejectsEachFieldMissing) {
  const std::vector<std::string> lines = lines_of(GetParam());
  int tried = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::size_t equals = lines[i].find(" = ");
    if (equals == std::string::npos) {
      continue;
    }
    const std::string key = lines[i].substr(0, equals);
    if (key == "accept") {
      continue;  // a listed root is enough; the next test takes both away
    }
    std::vector<std::string> fewer = lines;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
    SCOPED_TRACE(key);
    expect_refused(joined(fewer), PolicyError::kMissingField, key + " is missing");
    const auto error = AppraisalPolicy::parse(joined(fewer), "x").error();
    EXPECT_NE(error.remedy().find(key), std::string::npos) << error.remedy();
    ++tried;
  }
  EXPECT_GE(tried, 26);
}

TEST_P(EveryPolicy, RejectsEachSectionMissing) {
  const std::vector<std::string> lines = lines_of(GetParam());
  for (const char* section :
       {"[snp]", "[tdx]", "[sgx]", "[security]", "[freshness]", "[[model]]", "[anchors]"}) {
    std::vector<std::string> fewer;
    bool inside = false;
    bool found = false;
    for (const std::string& line : lines) {
      if (line.starts_with("[")) {
        inside = line == section ||
                 (std::string_view(section) == "[anchors]" && line == "[[anchors.listed]]");
        found = found || inside;
      }
      if (!inside) {
        fewer.push_back(line);
      }
    }
    if (found) {
      SCOPED_TRACE(section);
      expect_refused(joined(fewer), PolicyError::kMissingField);
    }
  }
}

TEST_P(EveryPolicy, RejectsAnUnknownFieldInEachTable) {
  const std::vector<std::string> lines = lines_of(GetParam());
  for (std::size_t i = 0; i <= lines.size(); ++i) {
    if (i < lines.size() && i != 2 && !(i > 0 && lines[i - 1].starts_with("["))) {
      continue;
    }
    std::vector<std::string> more = lines;
    more.insert(more.begin() + static_cast<std::ptrdiff_t>(i), "mesurement = 1");
    SCOPED_TRACE(i);
    expect_refused(joined(more), PolicyError::kUnknownField, "mesurement");
  }
  expect_refused(GetParam() + "[cca]\n", PolicyError::kUnknownField, "cca");
}

TEST(Policy, RejectsUnknownOperatorsAndMembers) {
  const std::string good = made::client_policy();
  expect_refused(with(good, "[snp]", "debug", "debug = { equals = false }"),
                 PolicyError::kUnknownField, "snp.debug.equals");
  expect_refused(with(good, "[snp]", "debug", "debug = { exactly = false, why = \"x\" }"),
                 PolicyError::kUnknownField, "snp.debug.why");
  expect_refused(with(good, "[snp]", "minimum_tcb",
                      "minimum_tcb = { at_least = { bootloader = 4, tee = 0, snp = 2, microcode = "
                      "9, x = 1 } }"),
                 PolicyError::kUnknownField, "minimum_tcb.at_least.x");
  expect_refused(with(good, "[snp]", "minimum_tcb",
                      "minimum_tcb = { at_least = { bootloader = 4, tee = 0, microcode = 9 } }"),
                 PolicyError::kMissingField, "snp is missing");
}

TEST(Policy, RejectsClientSectionsInABrokersPolicy) {
  expect_refused(made::broker_policy() + "[freshness]\nhardware = true\n",
                 PolicyError::kUnknownField, "freshness");
  expect_refused(made::broker_policy() + "[[model]]\nname = \"x\"\n", PolicyError::kUnknownField,
                 "model");
}

TEST(Policy, RejectsModelsInAPeersPolicy) {
  EXPECT_EQ(AppraisalPolicy::parse(peer_policy(), "x").value().role(), PolicyRole::kPeer);
  std::string models = made::client_policy();
  models.replace(models.find("role = \"client\""), 15, "role = \"peer\"");
  expect_refused(models, PolicyError::kUnknownField, "model");
}

TEST(Policy, RejectsBadValues) {
  const std::string good = made::client_policy();
  const struct {
    const char* section;
    const char* key;
    const char* line;
  } cases[] = {
      {"[anchors]", "accept", "accept = [\"everybody\"]"},
      {"[anchors]", "accept", "accept = [\"vendor\", \"vendor\"]"},
      {"[[anchors.listed]]", "spki_sha256", "spki_sha256 = \"00\""},
      {"[[anchors.listed]]", "origin", "origin = \"vendor\""},
      {"[[anchors.listed]]", "product", "product = \"Rome\""},
      {"[snp]", "report_version", "report_version = 3"},
      {"[snp]", "report_version", "report_version = { at_least = -1 }"},
      {"[snp]", "report_version", "report_version = { at_least = \"3\" }"},
      {"[snp]", "report_version", "report_version = { }"},
      {"[snp]", "report_version", "report_version = { at_least = 3, at_most = 5 }"},
      {"[snp]", "measurement", "measurement = { exactly = \"a5\" }"},
      {"[snp]", "measurement", "measurement = { exactly = \"zz\" }"},
      {"[snp]", "measurement", "measurement = { one_of = [] }"},
      {"[snp]", "measurement", "measurement = { at_least = \"a5\" }"},
      {"[snp]", "measurement", "measurement = { unconstrained = \"\" }"},
      {"[snp]", "measurement", "measurement = { unconstrained = \"  \" }"},
      {"[snp]", "measurement", "measurement = { unconstrained = true }"},
      {"[snp]", "measurement_covers", "measurement_covers = \"everything\""},
      {"[snp]", "debug", "debug = { exactly = 0 }"},
      {"[snp]", "debug", "debug = { one_of = [true, false] }"},
      {"[snp]", "signing_key", "signing_key = { exactly = \"ark\" }"},
      {"[snp]", "minimum_tcb", "minimum_tcb = { exactly = { bootloader = 1 } }"},
      {"[snp]", "minimum_tcb",
       "minimum_tcb = { at_least = { bootloader = 256, tee = 0, snp = 1, microcode = 1 } }"},
      {"[snp]", "crl", "crl = \"never\""},
      {"[security]", "padding", "padding = { exactly = \"\" }"},
      {"[security]", "owner_keys", "owner_keys = { one_of = [] }"},
      {"[security]", "owner_keys", "owner_keys = { exactly = \"22\" }"},
      {"[freshness]", "evidence_age", "evidence_age = { exactly = \"20m\" }"},
      {"[freshness]", "evidence_age", "evidence_age = { unconstrained = \"old is fine\" }"},
      {"[freshness]", "evidence_age", "evidence_age = { at_most = \"20\" }"},
      {"[freshness]", "evidence_age", "evidence_age = { at_most = \"-1m\" }"},
      {"[freshness]", "evidence_age", "evidence_age = { at_most = \"m\" }"},
      {"[freshness]", "evidence_age", "evidence_age = { at_most = \"99999999m\" }"},
      {"[freshness]", "broker_key", "broker_key = { unconstrained = \"any broker\" }"},
      {"[[model]]", "name", "name = \"\""},
      {"[[model]]", "owner_key", "owner_key = { unconstrained = \"anybody\" }"},
      {"[[model]]", "minimum_version", "minimum_version = { exactly = 1 }"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.line);
    expect_refused(with(good, c.section, c.key, c.line), PolicyError::kBadValue);
  }
  expect_refused(good + "[[model]]\nname = \"line-reader\"\nowner_key = { exactly = \"" +
                     std::string(64, '1') + "\" }\nminimum_version = { at_least = 1 }\n",
                 PolicyError::kBadValue, "line-reader");
}

TEST(Policy, RejectsBadValuesOfIntelAndAzure) {
  const std::string good =
      made::with_hardware(made::broker_policy(), made::tdx_sections() + made::azure_section());
  const struct {
    const char* section;
    const char* key;
    const char* line;
  } cases[] = {
      {"[tdx]", "measurement_covers", "measurement_covers = \"enclave\""},
      {"[tdx]", "rtmr1", "rtmr1 = { exactly = \"00\" }"},
      {"[tdx]", "minimum_tcb_svn", "minimum_tcb_svn = { at_least = \"0001\" }"},
      {"[tdx]", "minimum_tcb_svn", "minimum_tcb_svn = { exactly = \"0001\" }"},
      {"[tdx]", "event_log", "event_log = \"never\""},
      {"[tdx]", "tcb_status", "tcb_status = { exactly = \"Revoked\" }"},
      {"[tdx]", "tcb_status", "tcb_status = { one_of = [\"UpToDate\", \"Fine\"] }"},
      {"[tdx]", "tcb_status", "tcb_status = { unconstrained = \"anything goes\" }"},
      {"[tdx]", "advisories", "advisories = { exactly = [\"INTEL-SA-00001\"] }"},
      {"[tdx]", "advisories", "advisories = { one_of = [1] }"},
      {"[tdx]", "evaluation_data_number", "evaluation_data_number = { exactly = 18 }"},
      {"[tdx]", "collateral_age", "collateral_age = { at_most = 30 }"},
      {"[tdx]", "pck_ca", "pck_ca = { exactly = \"root\" }"},
      {"[tdx]", "crl", "crl = \"sometimes\""},
      {"[azure]", "pcrs", "pcrs = []"},
      {"[azure]", "pcrs", "pcrs = [{ index = 24, sha256 = { exactly = \"00\" } }]"},
      {"[azure]", "pcrs", "pcrs = [{ index = 4, sha256 = { exactly = \"00\" } }]"},
      {"[azure]", "pcrs", "pcrs = { exactly = [] }"},
      {"[azure]", "pcrs_cover", "pcrs_cover = \"enclave\""},
      {"[azure]", "secure_boot", "secure_boot = { at_least = true }"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.line);
    expect_refused(with(good, c.section, c.key, c.line), PolicyError::kBadValue);
  }
  const std::string pcr = "{ index = 4, sha256 = { exactly = \"" + std::string(64, '1') + "\" } }";
  expect_refused(with(good, "[azure]", "pcrs", "pcrs = [" + pcr + ", " + pcr + "]"),
                 PolicyError::kBadValue, "each PCR once");
  EXPECT_TRUE(AppraisalPolicy::parse(
      with(good, "[azure]", "pcrs", "pcrs = { unconstrained = \"firmware alone\" }"), "x"));
}

TEST(Policy, RejectsAzureWithoutItsHardwareAndNoHardwareAtAll) {
  const std::string anchors = "[anchors]\naccept = [\"vendor\"]\n";
  expect_refused(made::with_hardware(made::broker_policy(), anchors), PolicyError::kMissingField,
                 "no section [snp], [tdx] or [sgx]");
  const std::string sgx = made::sgx_sections() + made::azure_section();
  expect_refused(made::with_hardware(made::broker_policy(), sgx), PolicyError::kMissingField,
                 "[azure] stands without");
}

TEST(Policy, RejectsAVendorsRootListedAsAnothers) {
  for (const TrustAnchor& vendor : vendor_anchors()) {
    const std::string policy = with(made::broker_policy(), "[[anchors.listed]]", "spki_sha256",
                                    "spki_sha256 = \"" + to_hex(vendor.spki_sha256) + "\"");
    expect_refused(policy, PolicyError::kBadValue, "anchors.listed.spki_sha256");
    EXPECT_NE(AppraisalPolicy::parse(policy, "x").error().remedy().find("accept = [\"vendor\"]"),
              std::string::npos);
  }
}

TEST(Policy, RejectsNoRootAtAll) {
  std::string policy = made::broker_policy();
  const std::size_t from = policy.find("[anchors]");
  const std::size_t to = policy.find("[snp]");
  expect_refused(policy.replace(from, to - from, "[anchors]\naccept = []\n"),
                 PolicyError::kBadValue, "anchors");
  expect_refused(policy.replace(policy.find("accept = []\n"), 12, ""), PolicyError::kMissingField,
                 "anchors.accept");
}

TEST(Policy, TakesHardwareFreshnessAloneAndTrueAlone) {
  std::string policy = made::client_policy();
  const std::size_t from = policy.find("[freshness]");
  const std::size_t to = policy.find("[[model]]");
  const auto freshness = [&](const std::string& body) {
    std::string out = policy;
    return out.replace(from, to - from, "[freshness]\n" + body);
  };
  EXPECT_TRUE(std::holds_alternative<HardwareFreshness>(
      made::parsed(freshness("hardware = true\n")).freshness().value()));
  expect_refused(freshness("hardware = false\n"), PolicyError::kBadValue, "freshness.hardware");
  expect_refused(freshness("hardware = true\nevidence_age = { at_most = \"1h\" }\n"),
                 PolicyError::kUnknownField, "freshness.evidence_age");
  expect_refused(freshness(""), PolicyError::kMissingField, "freshness.evidence_age");
}

TEST(Policy, RejectsAnotherFormatRoleOrSyntax) {
  const std::string good = made::client_policy();
  std::string policy = good;
  expect_refused(policy.replace(policy.find("policy/1"), 8, "policy/2"), PolicyError::kFormat);
  policy = good;
  expect_refused(policy.replace(policy.find("client"), 6, "server"), PolicyError::kFormat);
  expect_refused("format = ", PolicyError::kSyntax, "");
  expect_refused(good + good, PolicyError::kSyntax, "");
  expect_refused(
      with(good, "[snp]", "debug", "debug = { exactly = false }\ndebug = { exactly = true }"),
      PolicyError::kSyntax);
  const auto too_long = AppraisalPolicy::parse(std::string((1 << 20) + 1, '#'), "x");
  EXPECT_TRUE(too_long.error().is(PolicyError::kSyntax));
}

// What docs/policy.md shows is a policy.
TEST(Policy, SamplesOfTheDocumentationParse) {
  const char* source = std::getenv("ENSCONCE_SOURCE_DIR");
  const auto page =
      read_text_file(std::filesystem::path(source == nullptr ? "." : source) / "docs/policy.md");
  ASSERT_TRUE(page) << page.error().to_string();
  int count = 0;
  for (std::size_t at = page->find("```toml\n"); at != std::string::npos;
       at = page->find("```toml\n", at + 1)) {
    const std::size_t from = at + 8;
    const auto parsed = AppraisalPolicy::parse(page->substr(from, page->find("```", from) - from),
                                               "docs/policy.md");
    EXPECT_TRUE(parsed) << parsed.error().to_string();
    ++count;
  }
  EXPECT_EQ(count, 2);
}

}  // namespace
}  // namespace ensconce
