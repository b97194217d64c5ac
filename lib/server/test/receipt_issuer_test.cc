#include "ensconce/server/receipt_issuer.h"

#include <gtest/gtest.h>

#include "ensconce/channel/evidence_document.h"
#include "ensconce/codec/base64.h"
#include "ensconce/server/error.h"

namespace ensconce {
namespace {

class ReceiptIssuerTest : public ::testing::Test {
 protected:
  ReceiptIssuerTest() {
    boot_.fill(1);
    manifest_.fill(2);
    subject_.statement_digest.fill(3);
    subject_.measurement = Bytes(48, 4);
    registry_.put({"mixer", 5, manifest_, {}, {}, {}, nullptr});
    request_ = {"POST", "/v2/models/mixer/infer", {}, Bytes{1, 2}};
    request_.headers.set("Content-Type", "application/json");
    request_.headers.set(std::string(kReceiptKeyHeader), kKey);
    answer_.body = Bytes{3};
    answer_.headers.set(std::string(kBundleHeader), to_hex(manifest_));
  }

  HttpResponse answer() {
    return issuer_.answer(
        request_,
        [this] {
          ++handled_;
          return answer_;
        },
        [this] { return subject_; });
  }
  [[nodiscard]] Receipt receipt_of(const HttpResponse& response) const {
    const std::string text(response.headers.get(kReceiptHeader).value_or(""));
    return verify_receipt(key_.public_key(), base64_decode(text).value()).value();
  }

  inline static const std::string kKey = std::string(62, '0') + "aF";

  ManualClock clock_{Instant{1000}};
  SeededRandom random_{1};
  Ed25519PrivateKey key_ = Ed25519PrivateKey::generate(random_);
  ByteArray<16> boot_{};
  Sha256Digest manifest_{};
  ReceiptSubject subject_;
  ModelRegistry registry_;
  ReceiptIssuer issuer_{key_, {}, registry_, clock_};
  HttpRequest request_;
  HttpResponse answer_;
  int handled_ = 0;
};

TEST_F(ReceiptIssuerTest, PutsAReceiptOnTheAnswerOfAModel) {
  ReceiptIssuer issuer(key_, boot_, registry_, clock_);
  const HttpResponse response = issuer.answer(
      request_, [this] { return answer_; }, [this] { return subject_; });
  EXPECT_EQ(response.body, answer_.body);
  const ReceiptKey key = ReceiptKey::from(from_hex(kKey).value()).value();
  Receipt expected;
  expected.manifest_digest = manifest_;
  expected.statement_digest = subject_.statement_digest;
  expected.measurement = subject_.measurement;
  expected.model_name = "mixer";
  expected.model_version = 5;
  expected.request_digest = request_digest(
      key, {"POST", "/v2/models/mixer/infer", "", "application/json", ""}, Bytes{1, 2});
  expected.response_digest = response_digest(key, {200, "", "", to_hex(manifest_)}, Bytes{3});
  expected.time = {1000};
  expected.sequence = 1;
  expected.boot_id = boot_;
  EXPECT_EQ(receipt_of(response), expected);
}

TEST_F(ReceiptIssuerTest, CountsItsReceipts) {
  EXPECT_EQ(receipt_of(answer()).sequence, 1U);
  answer_.status = 500;
  answer();
  answer_.status = 200;
  EXPECT_EQ(receipt_of(answer()).sequence, 2U);
}

TEST_F(ReceiptIssuerTest, SignsUnderAClockBeforeTheEpoch) {
  clock_.set(Instant{-5});
  EXPECT_EQ(receipt_of(answer()).time, Instant{0});
}

TEST_F(ReceiptIssuerTest, PutsNoneWhereNoneWasAskedFor) {
  request_.headers = {};
  EXPECT_EQ(answer().headers.count(kReceiptHeader), 0U);
  EXPECT_EQ(handled_, 1);
}

TEST_F(ReceiptIssuerTest, PutsNoneWhereNoModelAnswered) {
  answer_.status = 503;
  EXPECT_EQ(answer().headers.count(kReceiptHeader), 0U);
  answer_.status = 200;
  answer_.headers = {};
  EXPECT_EQ(answer().headers.count(kReceiptHeader), 0U);
}

TEST_F(ReceiptIssuerTest, PutsNoneForABundleThatIsNotServed) {
  registry_.remove("mixer");
  EXPECT_EQ(answer().headers.count(kReceiptHeader), 0U);
}

TEST_F(ReceiptIssuerTest, RefusesAKeyThatIsNoneBeforeAnythingRuns) {
  for (const std::string& key : {std::string(), std::string("00"), std::string(63, '0'),
                                 std::string(66, '0'), std::string(64, 'x')}) {
    request_.headers.set(std::string(kReceiptKeyHeader), key);
    EXPECT_EQ(answer().status, 400) << key;
    EXPECT_TRUE(ReceiptIssuer::key_of(request_).error().is(ServerError::kBadReceiptKey)) << key;
  }
  request_.headers.set(std::string(kReceiptKeyHeader), kKey);
  request_.headers.add(std::string(kReceiptKeyHeader), kKey);
  EXPECT_EQ(answer().status, 400);
  EXPECT_EQ(handled_, 0);
}

}  // namespace
}  // namespace ensconce
