#include "ensconce/channel/receipt.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "ensconce/base/file.h"
#include "ensconce/codec/cbor.h"
#include "ensconce/codec/json.h"
#include "ensconce/crypto/cose.h"

namespace ensconce {
namespace {

ByteArray<32> filled(std::uint8_t value) {
  ByteArray<32> out{};
  out.fill(value);
  return out;
}

ReceiptKey key_of(std::uint8_t value) { return ReceiptKey::from(filled(value)).value(); }

class ReceiptTest : public ::testing::Test {
 protected:
  ReceiptTest() {
    receipt_.manifest_digest = filled(1);
    receipt_.statement_digest = filled(2);
    receipt_.measurement = Bytes(48, 3);
    receipt_.model_name = "line-reader";
    receipt_.model_version = 4;
    receipt_.request_digest = filled(5);
    receipt_.response_digest = filled(6);
    receipt_.time = {1'795'000'000'000};
    receipt_.sequence = 7;
    receipt_.boot_id.fill(8);
    expected_ = {receipt_.boot_id,        receipt_.measurement,   receipt_.manifest_digest,
                 receipt_.model_name,     receipt_.model_version, receipt_.request_digest,
                 receipt_.response_digest};
  }

  [[nodiscard]] std::string verdict() const {
    const auto matched = match_receipt(receipt_, expected_);
    return matched ? "accepted" : std::string(matched.error().id());
  }

  SeededRandom random_{1};
  Ed25519PrivateKey key_ = Ed25519PrivateKey::generate(random_);
  Ed25519PrivateKey stranger_ = Ed25519PrivateKey::generate(random_);
  Receipt receipt_;
  ReceiptExpectation expected_;
};

TEST_F(ReceiptTest, RoundTrips) {
  const Bytes message = sign_receipt(key_, receipt_);
  EXPECT_LE(message.size(), kMaxReceipt);
  EXPECT_EQ(verify_receipt(key_.public_key(), message).value(), receipt_);
  EXPECT_EQ(read_receipt_unverified(message).value(), receipt_);
}

TEST_F(ReceiptTest, RejectsAnotherSigner) {
  const auto refused = verify_receipt(key_.public_key(), sign_receipt(stranger_, receipt_));
  EXPECT_TRUE(refused.error().is(ChannelError::kReceiptSignature));
  EXPECT_EQ(refused.error().stage(), Stage::kSignature);
}

TEST_F(ReceiptTest, RejectsAnyChangedBit) {
  const Bytes message = sign_receipt(key_, receipt_);
  for (std::size_t i = 0; i < message.size(); ++i) {
    Bytes changed = message;
    changed[i] ^= 1U;
    EXPECT_FALSE(verify_receipt(key_.public_key(), changed).has_value()) << i;
  }
}

TEST_F(ReceiptTest, RejectsWhatIsNoReceipt) {
  for (const Bytes& message : {Bytes(), Bytes{1, 2}, Bytes(kMaxReceipt + 1)}) {
    const auto verified = verify_receipt(key_.public_key(), message);
    EXPECT_TRUE(verified.error().is(ChannelError::kBadReceipt));
    EXPECT_EQ(verified.error().stage(), Stage::kForm);
    EXPECT_TRUE(read_receipt_unverified(message).error().is(ChannelError::kBadReceipt));
  }
}

TEST_F(ReceiptTest, RejectsATimeBeforeTheEpoch) {
  cbor::Map payload = **cbor::decode(cose_payload_unverified(sign_receipt(key_, receipt_)).value())
                            ->as_map("receipt");
  for (auto& [name, value] : payload) {
    if (name == cbor::Value("time")) {
      value = cbor::Value(-1);
    }
  }
  const Bytes message = cose_sign1(key_, "ensconce-receipt/1", cbor::encode(payload));
  EXPECT_TRUE(verify_receipt(key_.public_key(), message).error().is(ChannelError::kBadReceipt));
}

TEST_F(ReceiptTest, MatchesWhatIsExpected) { EXPECT_EQ(verdict(), "accepted"); }

TEST_F(ReceiptTest, MatchesAnotherStatementOfTheSameBoot) {
  receipt_.statement_digest = filled(9);
  EXPECT_EQ(verdict(), "accepted");
}

TEST_F(ReceiptTest, RejectsEachDifferenceByItsOwnCode) {
  const auto refused = [&](auto change) {
    const Receipt genuine = receipt_;
    change(receipt_);
    std::string code = verdict();
    receipt_ = genuine;
    return code;
  };
  EXPECT_EQ(refused([](Receipt& r) { r.boot_id[0] ^= 1; }), "channel.receipt.statement");
  EXPECT_EQ(refused([](Receipt& r) { r.measurement[0] ^= 1; }), "channel.receipt.measurement");
  EXPECT_EQ(refused([](Receipt& r) { r.measurement.resize(32); }), "channel.receipt.measurement");
  EXPECT_EQ(refused([](Receipt& r) { r.manifest_digest[0] ^= 1; }), "channel.receipt.manifest");
  EXPECT_EQ(refused([](Receipt& r) { r.model_name = "other"; }), "channel.receipt.model");
  EXPECT_EQ(refused([](Receipt& r) { r.model_version += 1; }), "channel.receipt.model");
  EXPECT_EQ(refused([](Receipt& r) { r.request_digest[0] ^= 1; }), "channel.receipt.request");
  EXPECT_EQ(refused([](Receipt& r) { r.response_digest[0] ^= 1; }), "channel.receipt.response");
}

// ---- Digests -----------------------------------------------------------------------------------

TEST(ReceiptDigests, CoverEveryPart) {
  const ReceiptKey key = key_of(1);
  const Bytes body{1, 2, 3};
  const ReceiptedRequest head{"POST", "/v2/models/m/infer", "2", "application/json", "ab"};
  const Sha256Digest digest = request_digest(key, head, body);
  const std::vector<ReceiptedRequest> changed{
      {"PUT", head.target, head.header_length, head.content_type, head.bundle},
      {head.method, "/v2/models/n/infer", head.header_length, head.content_type, head.bundle},
      {head.method, head.target, "", head.content_type, head.bundle},
      {head.method, head.target, head.header_length, "text/plain", head.bundle},
      {head.method, head.target, head.header_length, head.content_type, "ac"},
      // The same bytes, with the border elsewhere.
      {head.method, head.target, "2a", "pplication/json", head.bundle}};
  for (std::size_t i = 0; i < changed.size(); ++i) {
    EXPECT_NE(request_digest(key, changed[i], body), digest) << i;
  }
  EXPECT_NE(request_digest(key, head, Bytes{1, 2}), digest);
  EXPECT_NE(request_digest(key_of(2), head, body), digest);

  const ReceiptedResponse answer{200, "2", "application/json", "ab"};
  const Sha256Digest answered = response_digest(key, answer, body);
  EXPECT_NE(response_digest(key, {201, "2", "application/json", "ab"}, body), answered);
  EXPECT_NE(response_digest(key, {200, "", "application/json", "ab"}, body), answered);
  EXPECT_NE(response_digest(key, {200, "2", "text/plain", "ab"}, body), answered);
  EXPECT_NE(response_digest(key, {200, "2", "application/json", ""}, body), answered);
  EXPECT_NE(response_digest(key, answer, Bytes{1, 2}), answered);
  EXPECT_NE(response_digest(key_of(2), answer, body), answered);
}

TEST(ReceiptDigests, TakeBodiesInPieces) {
  const ReceiptKey key = key_of(1);
  const Bytes body{1, 2, 3};
  const ReceiptedRequest head{"POST", "/", "", "", ""};
  RequestDigest request(key, head);
  request.update(ByteView(body).first(1));
  request.update(ByteView(body).subspan(1));
  EXPECT_EQ(request.finish(), request_digest(key, head, body));
  ResponseDigest response(key, {});
  response.update(body);
  EXPECT_EQ(response.finish(), response_digest(key, {}, body));
}

// ---- Vectors -----------------------------------------------------------------------------------

class ReceiptVectors : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* source = std::getenv("ENSCONCE_SOURCE_DIR");
    const std::filesystem::path root = source == nullptr ? "." : source;
    const auto text = read_text_file(root / "tests/vectors/receipt.json");
    ASSERT_TRUE(text) << text.error().to_string();
    vector_ = json::parse(*text).value();
    public_.bytes = to_array<32>(bytes(vector_, "receipt_key")).value();
  }
  static std::string text(const json::Value& value, std::string_view name) {
    return value.find(name)->as_text(name).value();
  }
  static Bytes bytes(const json::Value& value, std::string_view name) {
    return from_hex(text(value, name)).value();
  }
  [[nodiscard]] std::string verdict(ByteView message) const {
    const auto verified = verify_receipt(public_, message);
    return verified ? "accepted" : std::string(verified.error().id());
  }

  json::Value vector_;
  Ed25519PublicKey public_;
};

TEST_F(ReceiptVectors, AreWhatIsWrittenHere) {
  const json::Value& fields = *vector_.find("fields");
  Receipt receipt;
  receipt.manifest_digest = to_array<32>(bytes(fields, "manifest")).value();
  receipt.statement_digest = to_array<32>(bytes(fields, "statement")).value();
  receipt.measurement = bytes(fields, "measurement");
  receipt.model_name = text(fields, "model");
  receipt.model_version = fields.find("model_version")->as_uint("model_version").value();
  receipt.request_digest = to_array<32>(bytes(fields, "request")).value();
  receipt.response_digest = to_array<32>(bytes(fields, "response")).value();
  receipt.time.unix_ms = fields.find("time")->as_int("time").value();
  receipt.sequence = fields.find("sequence")->as_uint("sequence").value();
  receipt.boot_id = to_array<16>(bytes(fields, "boot")).value();
  const auto key = Ed25519PrivateKey::from_seed(bytes(vector_, "receipt_key_seed")).value();
  EXPECT_EQ(key.public_key(), public_);
  const Bytes message = bytes(vector_, "receipt");
  EXPECT_EQ(to_hex(sign_receipt(key, receipt)), to_hex(message));
  EXPECT_EQ(verify_receipt(public_, message).value(), receipt);
  EXPECT_EQ(cose_payload_unverified(message).value(), bytes(vector_, "payload"));
}

TEST_F(ReceiptVectors, HaveTheseDigests) {
  const ReceiptKey key = ReceiptKey::from(bytes(vector_, "key")).value();
  const json::Value& fields = *vector_.find("fields");
  const json::Value& request = *vector_.find("request");
  const std::string method = text(request, "method");
  const std::string target = text(request, "target");
  const std::string length = text(request, "inference_header_content_length");
  const std::string type = text(request, "content_type");
  const std::string bundle = text(request, "ensconce_bundle");
  EXPECT_EQ(
      to_hex(request_digest(key, {method, target, length, type, bundle}, bytes(request, "body"))),
      text(fields, "request"));
  const json::Value& response = *vector_.find("response");
  const std::string response_type = text(response, "content_type");
  EXPECT_EQ(text(response, "status"), "200");
  EXPECT_EQ(to_hex(response_digest(key, {200, "", response_type, bundle}, bytes(response, "body"))),
            text(fields, "response"));
}

TEST_F(ReceiptVectors, AreAcceptedAndRefusedAsTheySay) {
  for (const json::Value& good : **vector_.find("accepted")->as_array("accepted")) {
    EXPECT_EQ(verdict(bytes(good, "receipt")), "accepted") << text(good, "why");
  }
  const auto& refused = **vector_.find("refused")->as_array("refused");
  EXPECT_EQ(refused.size(), 26U);
  for (const json::Value& bad : refused) {
    EXPECT_EQ(verdict(bytes(bad, "receipt")), text(bad, "code")) << text(bad, "why");
  }
}

}  // namespace
}  // namespace ensconce
