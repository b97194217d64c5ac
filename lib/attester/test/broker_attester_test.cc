#include "ensconce/attester/broker_attester.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "ensconce/attester/error.h"
#include "ensconce/codec/json.h"
#include "ensconce/tee/error.h"

namespace ensconce {
namespace {

constexpr Instant kNow{1'795'000'000'000};

// Device gives a piece of evidence that names what it was asked for, or fails.
class Device final : public EvidenceProvider {
 public:
  Result<HardwareEvidence> attest(const ByteArray<64>& report_data) override {
    EXPECT_EQ(++inside, 1) << "one report at a time";
    ++reports;
    --inside;
    if (fails) {
      return Error(TeeError::kBadAnswer, "told to fail");
    }
    return HardwareEvidence{{"snp", to_bytes(ByteView(report_data))}, {}, {"crl"}};
  }
  [[nodiscard]] std::string name() const override { return "fake"; }
  std::atomic<int> inside = 0;
  std::atomic<int> reports = 0;
  std::atomic<bool> fails = false;
};

class BrokerAttesterTest : public ::testing::Test {
 protected:
  BrokerAttesterTest() {
    self_.tls_key_hash.fill(0x11);
    self_.signing_key = Ed25519PrivateKey::generate(random_).public_key();
    self_.owner_keys = {Ed25519PrivateKey::generate(random_).public_key()};
    self_.deployment_digest.fill(0x66);
    self_.sandbox = "files+calls";
    connection_.tls = true;
    connection_.exporter.fill(0x77);
    attester_ = BrokerAttester::start(self_, device_, clock_, random_).value();
  }
  HttpResponse ask(const std::string& query, std::string method = "GET") {
    return attester_->answer({std::move(method), std::string(kEvidencePath) + query, {}, {}},
                             connection_);
  }
  EvidenceDocument document(const std::string& query) {
    const HttpResponse response = ask(query);
    EXPECT_EQ(response.status, 200) << as_text(response.body);
    return parse_evidence_document(as_text(response.body)).value();
  }
  static Statement statement_of(const EvidenceDocument& document) {
    return parse_statement(document.statement).value();
  }
  static std::string error_of(const HttpResponse& response) {
    const json::Value body = json::parse(as_text(response.body)).value();
    const std::string text = body.find("error")->as_text("error").value();
    return text.substr(0, text.find(':'));
  }
  void expect_proof(const EvidenceDocument& document, const ByteArray<32>& nonce) {
    EXPECT_TRUE(verify_session(*document.session,
                               {ChannelKind::kTlsExporter, nonce, connection_.exporter,
                                sha256(document.statement), statement_of(document).keys.session}));
  }

  const std::string hex_ = std::string(64, 'a');
  const ByteArray<32> nonce_ = to_array<32>(from_hex(hex_).value()).value();
  ManualClock clock_{kNow, Millis(1000)};
  SystemRandom random_;
  Device device_;
  BrokerSelf self_;
  ConnectionInfo connection_;
  std::unique_ptr<BrokerAttester> attester_;
};

TEST_F(BrokerAttesterTest, NamesItsKeysInTheStatement) {
  const EvidenceDocument shown = document("?nonce=" + hex_ + "&freshness=hardware");
  const Statement statement = statement_of(shown);
  EXPECT_EQ(statement.tls_key_hash, self_.tls_key_hash);
  EXPECT_EQ(statement.keys.tls, std::vector{self_.tls_key_hash});
  EXPECT_TRUE(statement.keys.ohttp.empty());
  EXPECT_EQ(statement.keys.receipt, self_.signing_key);
  EXPECT_EQ(statement.security.broker_key, self_.signing_key);
  EXPECT_EQ(statement.security.owner_keys, self_.owner_keys);
  EXPECT_EQ(statement.security.sandbox, "files+calls");
  EXPECT_EQ(statement.software, std::string("ensconce-broker ") + ENSC_VERSION);
  EXPECT_EQ(statement.deployment_digest, self_.deployment_digest);
  EXPECT_FALSE(shown.beacon);
  EXPECT_EQ(shown.missing, std::vector<std::string>{"crl"});
  // The report vouches for this statement.
  ASSERT_EQ(shown.evidence.size(), 1U);
  EXPECT_EQ(shown.evidence[0].data, to_bytes(ByteView(report_data_for(shown.statement))));
}

TEST_F(BrokerAttesterTest, MakesAReportForAVerifiersNonce) {
  const EvidenceDocument shown = document("?nonce=" + hex_ + "&freshness=hardware");
  EXPECT_EQ(statement_of(shown).challenge, nonce_);
  expect_proof(shown, nonce_);
  EXPECT_EQ(device_.reports, 2);
}

TEST_F(BrokerAttesterTest, AnswersWithTheEvidenceOfItsEpochOtherwise) {
  const EvidenceDocument first = document("?nonce=" + hex_);
  expect_proof(first, nonce_);
  EXPECT_NE(statement_of(first).challenge, nonce_);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(document("?nonce=" + std::string(64, 'b')).statement, first.statement);
  }
  EXPECT_EQ(device_.reports, 1);
  clock_.advance(kBrokerEpoch);
  EXPECT_NE(document("?nonce=" + hex_).statement, first.statement);
  EXPECT_EQ(device_.reports, 2);
}

TEST_F(BrokerAttesterTest, ShowsTheLastEvidenceWhileTheDeviceFails) {
  const EvidenceDocument first = document("?nonce=" + hex_);
  device_.fails = true;
  clock_.advance(kBrokerEpoch);
  EXPECT_EQ(document("?nonce=" + hex_).statement, first.statement);
  EXPECT_EQ(document("?nonce=" + hex_).statement, first.statement);
  EXPECT_EQ(device_.reports, 2);  // not once for each who asks
  device_.fails = false;
  clock_.advance(std::chrono::minutes(1));
  EXPECT_NE(document("?nonce=" + hex_).statement, first.statement);
}

TEST_F(BrokerAttesterTest, BoundsTheReportsStrangersCanCause) {
  const std::string question = "?nonce=" + hex_ + "&freshness=hardware";
  for (std::int64_t i = 0; i < kBrokerReportBurst; ++i) {
    EXPECT_EQ(ask(question).status, 200) << i;
  }
  const HttpResponse refused = ask(question);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(error_of(refused), "attester.throttled");
  clock_.advance(kBrokerReportPause - Millis(1));
  EXPECT_EQ(ask(question).status, 429);
  clock_.advance(Millis(1));
  EXPECT_EQ(ask(question).status, 200);
  EXPECT_EQ(ask(question).status, 429);
  EXPECT_EQ(device_.reports, 1 + kBrokerReportBurst + 1);
  // Who asks for none of their own is answered all the same.
  EXPECT_EQ(ask("?nonce=" + hex_).status, 200);
}

TEST_F(BrokerAttesterTest, MakesOneReportAtATime) {
  std::vector<std::jthread> threads;
  std::atomic<int> answered = 0;
  for (std::int64_t i = 0; i < kBrokerReportBurst; ++i) {
    threads.emplace_back(
        [&] { answered += ask("?nonce=" + hex_ + "&freshness=hardware").status == 200 ? 1 : 0; });
  }
  threads.clear();
  EXPECT_EQ(answered, kBrokerReportBurst);
}

TEST_F(BrokerAttesterTest, ReplacesTheKeyOfSessionProofsAfterADay) {
  const auto session = [&] {
    const EvidenceDocument shown = document("?nonce=" + hex_ + "&freshness=hardware");
    expect_proof(shown, nonce_);
    return statement_of(shown).keys.session;
  };
  const Ed25519PublicKey first = session();
  clock_.advance(kBrokerSessionKeyLife - Millis(1));
  EXPECT_EQ(session(), first);
  clock_.advance(Millis(1));
  EXPECT_NE(session(), first);
}

TEST_F(BrokerAttesterTest, RejectsWhatIsNoQuestion) {
  for (const std::string& query :
       {std::string(), std::string("?nonce="), "?nonce=" + std::string(63, '0'),
        "?nonce=" + std::string(66, '0'), "?nonce=" + std::string(64, 'g'),
        "?nonce=" + hex_ + "&channel=ohttp", "?nonce=" + hex_ + "&freshness=beacon"}) {
    const HttpResponse response = ask(query);
    EXPECT_EQ(response.status, 400) << query;
    EXPECT_EQ(error_of(response), "attester.question") << query;
  }
  EXPECT_EQ(ask("?nonce=" + hex_ + "&nonce=" + hex_).status, 400);
  const HttpResponse post = ask("?nonce=" + hex_, "POST");
  EXPECT_EQ(post.status, 405);
  EXPECT_EQ(error_of(post), "attester.method");
  EXPECT_EQ(device_.reports, 1);
}

TEST_F(BrokerAttesterTest, SaysNothingOfWhyItsDeviceFails) {
  device_.fails = true;
  const HttpResponse response = ask("?nonce=" + hex_ + "&freshness=hardware");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(as_text(response.body), R"({"error":"attester.device"})");
}

TEST_F(BrokerAttesterTest, DoesNotStartWithoutItsDevice) {
  device_.fails = true;
  const auto started = BrokerAttester::start(self_, device_, clock_, random_);
  ASSERT_FALSE(started);
  EXPECT_TRUE(started.error().is(TeeError::kBadAnswer));
}

}  // namespace
}  // namespace ensconce
