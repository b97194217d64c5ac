#include "ensconce/keybroker/config.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "ensconce/base/file.h"

namespace ensconce {
namespace {

const std::string kOwners = "owner_keys = [\"" + std::string(64, 'a') + "\"]\n";
const std::string kGood = "format = \"ensconce-broker/1\"\n" + kOwners;

TEST(BrokerConfig, ReadsEveryKey) {
  const BrokerConfig config =
      parse_broker_config(kGood + "listen = \"[::1]:0\"\nstate = \"s\"\nlease_seconds = 60\n", "t")
          .value();
  EXPECT_EQ(config.address, "[::1]");
  EXPECT_EQ(config.port, 0);
  EXPECT_EQ(config.state, "s");
  EXPECT_EQ(config.lease_seconds, 60U);
  EXPECT_EQ(config.owner_keys.size(), 1U);
}

TEST(BrokerConfig, ReadsWhereItsSecureProcessorIs) {
  EXPECT_FALSE(parse_broker_config(kGood, "t")->attester.has_value());
  const auto attested = parse_broker_config(kGood + "tsm_root = \"tsm\"\n", "t");
  ASSERT_TRUE(attested->attester.has_value());
  EXPECT_EQ(attested->attester->tsm_root, "tsm");
  EXPECT_EQ(attested->attester->attester, AttesterKind::kConfigfsTsm);
  EXPECT_EQ(parse_broker_config(kGood + "attester = \"auto\"\n", "t")->attester->attester,
            AttesterKind::kAuto);
  EXPECT_FALSE(parse_broker_config(kGood + "tpm = \"/dev/tpm0\"\n", "t"));
  const auto owners = [](int n) {
    std::string out = "format = \"ensconce-broker/1\"\nowner_keys = [";
    for (int i = 0; i < n; ++i) {
      out += "\"" + std::string(64, 'a') + "\",";
    }
    return out + "]\n";
  };
  const std::string tsm = "tsm_root = \"tsm\"\n";
  EXPECT_TRUE(parse_broker_config(owners(17), "t"));
  EXPECT_TRUE(parse_broker_config(owners(16) + tsm, "t"));
  const auto many = parse_broker_config(owners(17) + tsm, "t");
  ASSERT_FALSE(many);
  EXPECT_TRUE(many.error().is(KeyBrokerError::kConfig));
}

TEST(BrokerConfig, ReadsHowMuchSandboxIsDemanded) {
  EXPECT_EQ(parse_broker_config(kGood, "t")->sandbox, SandboxMode::kAuto);
  EXPECT_EQ(parse_broker_config(kGood + "sandbox = \"required\"\n", "t")->sandbox,
            SandboxMode::kRequired);
  const auto none = parse_broker_config(kGood + "sandbox = \"none\"\n", "t");
  ASSERT_FALSE(none);
  EXPECT_TRUE(none.error().is(KeyBrokerError::kConfig));
}

TEST(BrokerConfig, DigestCoversWhatNobodyPins) {
  const auto digest = [](const std::string& more) {
    return parse_broker_config(kGood + more, "t").value().deployment_digest;
  };
  EXPECT_NE(digest("listen = \"127.0.0.1:1\"\n"), digest("listen = \"127.0.0.1:2\"\n"));
  EXPECT_NE(digest("lease_seconds = 60\n"), digest("lease_seconds = 61\n"));
  EXPECT_EQ(digest("state = \"a\"\n"), digest("state = \"b\"\n"));
}

TEST(BrokerConfig, BindsLoopbackByDefault) {
  EXPECT_EQ(parse_broker_config(kGood, "t")->address, "127.0.0.1");
}

TEST(BrokerConfig, RejectsWhatItDoesNotKnow) {
  for (const std::string& text :
       {std::string(), kOwners, std::string("format = \"ensconce-broker/1\"\n"),
        "format = \"ensconce-broker/2\"\n" + kOwners, kGood + "lisen = \"127.0.0.1:1\"\n",
        kGood + "listen = \"127.0.0.1\"\n", kGood + "listen = \":1\"\n",
        kGood + "listen = \"127.0.0.1:65536\"\n", kGood + "lease_seconds = 0\n",
        kGood + "lease_seconds = 86401\n", kGood + "= 1", kGood + "tsm_root = \"\"\n",
        kGood + "tsm_root = 1\n", std::string("format = \"ensconce-broker/1\"\nowner_keys = []\n"),
        std::string("format = \"ensconce-broker/1\"\nowner_keys = [\"aa\"]\n")}) {
    const auto config = parse_broker_config(text, "t");
    ASSERT_FALSE(config) << text;
    EXPECT_TRUE(config.error().is(KeyBrokerError::kConfig)) << text;
  }
}

TEST(BrokerConfig, ReadsTheSampleOfItsPage) {
  const char* root = std::getenv("ENSCONCE_SOURCE_DIR");
  ASSERT_NE(root, nullptr);
  const std::string page =
      read_text_file(std::filesystem::path(root) / "docs/config-broker.md").value();
  const std::size_t start = page.find("```toml\n") + 8;
  const std::string sample = page.substr(start, page.find("```", start) - start);
  const auto config = parse_broker_config(sample, "docs/config-broker.md");
  EXPECT_TRUE(config) << config.error().to_string();
}

}  // namespace
}  // namespace ensconce
