// An owner's tool that demands evidence of the broker before it says anything: above all, before it
// gives a content key away. The tool is the shipped program, so the clock is the machine's.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>

#include "ensconce/base/file.h"
#include "run_tool.h"
#include "shown_broker.h"
#include "tls_fixture.h"

namespace ensconce::whole {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kEvidenceAsked = "GET /.well-known/ensconce/evidence";

// pki_of_now is a chip whose certificates hold by the machine's clock.
const SnpPki& pki_of_now() {
  static const SnpPki made = [] {
    SnpPkiOptions options;
    options.rsa_bits = 2048;
    SystemRandom random;
    return SnpPki::generate(options, random, SystemClock().now());
  }();
  return made;
}

class OwnerRefuses : public ::testing::Test {
 protected:
  OwnerRefuses() {
    std::filesystem::create_directories(folder_);
    std::filesystem::create_directories(folder_ / "model");
    write_file_atomically(folder_ / "model" / "weights.bin", Bytes(5000, 7)).value();
    write_file_atomically(
        folder_ / "owner.key",
        as_bytes("ensconce-key-ed25519-seed/1 " + to_hex(owner().seed().expose()) + "\n"), 0600)
        .value();
    inside_.add_policy(owner());
    inside_.targets.clear();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static PolicySays says() {
    PolicySays out;
    out.root = pki_of_now().ark().spki_sha256();
    out.measurement = broker_measurement();
    out.freshness = "hardware = true\n";
    return out;
  }
  // run adds to a command what names the broker, and the policy for its evidence.
  Ran run(std::vector<std::string> command, const std::optional<PolicySays>& policy) {
    for (const std::string& word :
         {std::string("--broker"), "https://127.0.0.1:" + std::to_string(shown_.port()),
          std::string("--broker-pin"), to_hex(shown_.pin()), std::string("--owner-key"),
          (folder_ / "owner.key").string()}) {
      command.push_back(word);
    }
    if (policy) {
      const auto path = folder_ / "broker-policy.toml";
      write_file_atomically(path, as_bytes(peer_policy(*policy))).value();
      command.emplace_back("--broker-policy");
      command.push_back(path.string());
    }
    return run_tool(folder_, std::move(command));
  }
  Ran seal(const std::optional<PolicySays>& policy = says()) {
    return run({"model", "seal", (folder_ / "model").string(), "--out", bundle().string(), "--name",
                "mixer", "--version", "1", "--policy", "workers"},
               policy);
  }
  [[nodiscard]] std::filesystem::path bundle() const { return folder_ / "mixer.sealed"; }
  // keys are those the broker has; asked by the tool, which trusts the pin for that.
  std::size_t keys() {
    const Ran listed = run({"broker", "key", "list"}, std::nullopt);
    EXPECT_EQ(listed.code, 0) << listed.err;
    const json::Value answer = listed.json();
    const json::Value* list = answer.find("keys");
    return list == nullptr ? 99 : list->as_array("keys").value()->size();
  }
  // refused holds when the tool said why, gave nothing, and left no bundle that nobody can open.
  void expect_refused(const Ran& ran, Stage stage, std::string_view id) {
    EXPECT_EQ(ran.code, exit_code_of(stage)) << ran.err;
    EXPECT_THAT(ran.err, HasSubstr(std::string(id)));
    EXPECT_THAT(ran.err, HasSubstr("the broker was not affirmed"));
    EXPECT_THAT(shown_.asked(), Each(kEvidenceAsked));
    EXPECT_FALSE(shown_.asked().empty());
    EXPECT_FALSE(std::filesystem::exists(bundle()));
    EXPECT_EQ(keys(), 0U);
    shown_.forget_what_was_asked();
  }

  const std::filesystem::path folder_ = scratch("owner");
  SystemClock clock_;
  SystemRandom random_;
  const EcPrivateKey tls_ = EcPrivateKey::generate(Curve::kP256);
  Broker inside_{clock_, random_, 3600, sha256(tls_.public_key().spki_der())};
  ShownBroker shown_{inside_, tls_, clock_, random_, pki_of_now()};
};

TEST_F(OwnerRefuses, NothingOfABrokerThatIsAffirmed) {
  const Ran sealed = seal();
  EXPECT_EQ(sealed.code, 0) << sealed.err;
  EXPECT_TRUE(std::filesystem::exists(bundle()));
  EXPECT_EQ(shown_.asked().front(), kEvidenceAsked);
  EXPECT_EQ(keys(), 1U);
  const Ran listed = run({"broker", "key", "list"}, says());
  EXPECT_EQ(listed.code, 0) << listed.err;
  // The head of the log must be signed by the key that was attested, whatever the broker names.
  const Ran log = run({"broker", "log"}, says());
  EXPECT_EQ(log.code, 0) << log.err;
  EXPECT_EQ(log.text("broker_key"), to_hex(broker_key().public_key().bytes));
  EXPECT_THAT(shown_.asked(), Not(Contains("GET /ensconce/v1/identity")));
}

TEST_F(OwnerRefuses, ToGiveAKeyToAnotherMeasurement) {
  shown_.processor.report.measurement = measurement();
  expect_refused(seal(), Stage::kPolicy, "snp.measurement");
}

TEST_F(OwnerRefuses, ToGiveAKeyToABrokerWithoutEvidence) {
  shown_.attester.reset();
  expect_refused(seal(), Stage::kChannel, "channel.no_evidence");
}

TEST_F(OwnerRefuses, ToGiveAKeyToADebuggableBroker) {
  shown_.processor.report.policy |= std::uint64_t{1} << 19U;
  expect_refused(seal(), Stage::kPolicy, "snp.debug");
}

TEST_F(OwnerRefuses, ToGiveAKeyUnderARootItsPolicyDoesNotList) {
  PolicySays other = says();
  other.root = other_pki().ark().spki_sha256();
  expect_refused(seal(other), Stage::kSignature, "snp.chain.ark_pinned");
}

TEST_F(OwnerRefuses, ToGiveAKeyThroughARelay) {
  shown_.instead = [this](const HttpRequest& request, const ConnectionInfo& connection) {
    ConnectionInfo another = connection;
    another.exporter[0] ^= 1;
    return shown_.attester->answer(request, another);
  };
  expect_refused(seal(), Stage::kChannel, "channel.session.binding");
}

TEST_F(OwnerRefuses, ToSayAnythingElseToABrokerThatIsNotAffirmed) {
  shown_.processor.report.measurement = measurement();
  const auto release = folder_ / "release.toml";
  std::string text = client_policy(says());
  text.replace(text.find("\"client\""), 8, "\"broker\"");
  text.erase(text.find("[freshness]"));
  write_file_atomically(release, as_bytes(text)).value();
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"broker", "policy", "set", "other", release.string()},
        std::vector<std::string>{"broker", "policy", "list"},
        std::vector<std::string>{"broker", "key", "list"},
        std::vector<std::string>{"broker", "key", "revoke", std::string(32, '0')},
        std::vector<std::string>{"broker", "model", "minimum", "mixer", "2"},
        std::vector<std::string>{"broker", "log"}}) {
    expect_refused(run(command, says()), Stage::kPolicy, "snp.measurement");
  }
}

TEST_F(OwnerRefuses, AnotherSigningKeyThanItWasTold) {
  const Ran ran = run({"broker", "log", "--broker-key", std::string(64, '1')}, says());
  expect_refused(ran, Stage::kChannel, "channel.broker_key");
}

TEST_F(OwnerRefuses, APolicyThatIsNotForBrokers) {
  const auto path = folder_ / "client.toml";
  write_file_atomically(path, as_bytes(client_policy(says()))).value();
  const Ran ran = run({"broker", "key", "list", "--broker-policy", path.string()}, std::nullopt);
  EXPECT_EQ(ran.code, exit_code_of(Stage::kUsage)) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("policy.format"));
  EXPECT_TRUE(shown_.asked().empty());
}

}  // namespace
}  // namespace ensconce::whole
