#include "ensconce/server/worker_config.h"
#include "ensconce/server/attested_worker.h"

#include <gtest/gtest.h>

#include "ensconce/codec/error.h"
#include "ensconce/server/error.h"

namespace ensconce {
namespace {

std::string good() {
  const std::string key(64, 'a');
  return "format = \"ensconce-worker/1\"\n"
         "listen = \"127.0.0.1:8443\"\n"
         "tsm_root = \"tsm\"\n"
         "owner_keys = [\"" +
         key +
         "\"]\n"
         "epoch_seconds = 60\n"
         "[broker]\n"
         "url = \"https://127.0.0.1:7001\"\n"
         "key = \"" +
         key +
         "\"\n"
         "tls_pin = \"" +
         key +
         "\"\n"
         "[[model]]\n"
         "bundle = \"a.sealed\"\n"
         "minimum_version = 2\n";
}

void expect_refused(const std::string& text) {
  const auto config = parse_worker_config(text, "worker.toml");
  ASSERT_FALSE(config.has_value()) << text;
  EXPECT_TRUE(config.error().is(ServerError::kConfig)) << config.error().to_string();
}

std::string with(const std::string& from, const std::string& to) {
  std::string text = good();
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(AttestedWorker, AnswersAtOnceWhatWaitsForNothing) {
  const auto at_once = [](std::string method, std::string target) {
    return AttestedWorker::answers_at_once({std::move(method), std::move(target), {}, {}});
  };
  EXPECT_TRUE(at_once("GET", "/v2/health/live"));
  EXPECT_TRUE(at_once("GET", "/.well-known/ensconce/evidence?nonce=00"));
  EXPECT_FALSE(at_once("GET", "/.well-known/ensconce/evidence?nonce=00&freshness=hardware"));
  EXPECT_FALSE(at_once("POST", "/v2/health/live"));
  EXPECT_FALSE(at_once("GET", "/v2/models/m/infer"));
}

TEST(WorkerConfig, ReadsEveryKey) {
  const WorkerConfig config = parse_worker_config(good(), "worker.toml").value();
  EXPECT_EQ(config.listen.address, "127.0.0.1");
  EXPECT_EQ(config.listen.port, 8443);
  EXPECT_EQ(config.attester.tsm_root, "tsm");
  EXPECT_EQ(config.epoch, std::chrono::seconds(60));
  EXPECT_EQ(config.broker_url.port, 7001);
  EXPECT_EQ(config.owner_keys.size(), 1U);
  EXPECT_EQ(config.models.at(0).minimum_version, 2U);
}

TEST(WorkerConfig, ReadsWhatIsOptional) {
  const WorkerConfig plain = parse_worker_config(good(), "worker.toml").value();
  EXPECT_FALSE(plain.listen_sealed);
  EXPECT_EQ(plain.padding, Padding::none());
  EXPECT_EQ(plain.ohttp_kem, hpke::Kem::kX25519);
  EXPECT_TRUE(plain.peer_policy.empty());
  EXPECT_TRUE(plain.broker_policy.empty());
  const WorkerConfig config =
      parse_worker_config(
          "listen_sealed = \"[::1]:9000\"\npadding = \"bucket:4096\"\nohttp_kem = \"p256\"\n"
          "peer_policy = \"peers.toml\"\nbroker_policy = \"broker.toml\"\n" +
              good(),
          "worker.toml")
          .value();
  EXPECT_EQ(config.listen_sealed->address, "[::1]");
  EXPECT_EQ(config.listen_sealed->port, 9000);
  EXPECT_EQ(config.padding, Padding::bucket(4096));
  EXPECT_EQ(config.ohttp_kem, hpke::Kem::kP256);
  EXPECT_EQ(config.peer_policy, "peers.toml");
  EXPECT_EQ(config.broker_policy, "broker.toml");
}

TEST(WorkerConfig, ReadsHowMuchSandboxIsDemanded) {
  const auto mode = [](const std::string& line) {
    return parse_worker_config(with("epoch_seconds", line + "epoch_seconds"), "t").value().sandbox;
  };
  EXPECT_EQ(mode(""), SandboxMode::kAuto);
  EXPECT_EQ(mode("sandbox = \"auto\"\n"), SandboxMode::kAuto);
  EXPECT_EQ(mode("sandbox = \"required\"\n"), SandboxMode::kRequired);
  for (const char* other : {"\"none\"", "\"off\"", "\"\"", "false"}) {
    expect_refused(with("epoch_seconds", "sandbox = " + std::string(other) + "\nepoch_seconds"));
  }
}

TEST(WorkerConfig, RejectsOptionalValuesOfAnotherForm) {
  for (const char* line :
       {"listen_sealed = \"127.0.0.1\"\n", "padding = \"bucket:0\"\n", "padding = \"some\"\n",
        "padding = 1\n", "ohttp_kem = \"p521\"\n", "peer_policy = 1\n", "peer_policy = \"\"\n",
        "broker_policy = 1\n", "broker_policy = \"\"\n"}) {
    expect_refused(line + good());
  }
}

TEST(WorkerConfig, RejectsUnknownKeys) {
  expect_refused("more = 1\n" + good());
  expect_refused(good() + "more = 1\n");
  expect_refused(with("[broker]\n", "[broker]\nmore = 1\n"));
}

TEST(WorkerConfig, RejectsMissingKeys) {
  for (const std::string key :
       {"format", "listen", "owner_keys", "url", "key", "tls_pin", "bundle"}) {
    std::string text = "\n" + good();
    const std::string from = "\n" + key + " = ";
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << key;
    expect_refused(text.replace(at, from.size(), "\n# " + key + " = "));
  }
}

TEST(WorkerConfig, RejectsValuesOfAnotherForm) {
  expect_refused(with("127.0.0.1:8443", "127.0.0.1"));
  expect_refused(with("127.0.0.1:8443", "127.0.0.1:99999"));
  expect_refused(with("127.0.0.1:8443", "127.0.0.1:99999999999"));
  expect_refused(with("ensconce-worker/1", "ensconce-worker/2"));
  expect_refused(with("https://127.0.0.1:7001", "ftp://x"));
  expect_refused(with("epoch_seconds = 60", "epoch_seconds = 0"));
  expect_refused(with("minimum_version = 2", "minimum_version = 0"));
  expect_refused(with("owner_keys = [", "owner_keys = [1,"));
  const auto no_toml = parse_worker_config("not toml", "worker.toml");
  EXPECT_TRUE(no_toml.error().is(CodecError::kBadToml));
}

TEST(WorkerConfig, DigestCoversWhatNobodyPinsAndNothingElse) {
  const auto digest = [](const std::string& text) {
    return parse_worker_config(text, "worker.toml").value().deployment_digest;
  };
  EXPECT_NE(digest(good()), digest(with("8443", "8444")));
  EXPECT_NE(digest(good()), digest(with("a.sealed", "b.sealed")));
  EXPECT_EQ(digest(good()), digest(with("epoch_seconds = 60", "epoch_seconds = 61")));
}

}  // namespace
}  // namespace ensconce
