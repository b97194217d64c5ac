// tests/vectors/evidence_document.json, which shares no code with what is tested.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "ensconce/base/file.h"
#include "ensconce/channel/evidence_document.h"
#include "ensconce/codec/json.h"

namespace ensconce {
namespace {

class EvidenceDocumentVectors : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* source = std::getenv("ENSCONCE_SOURCE_DIR");
    const std::filesystem::path root = source == nullptr ? "." : source;
    const auto file = read_text_file(root / "tests/vectors/evidence_document.json");
    ASSERT_TRUE(file) << file.error().to_string();
    vector_ = json::parse(*file).value();
    key_.bytes = to_array<32>(bytes(vector_, "session_key")).value();
  }
  static std::string text(const json::Value& value, std::string_view name) {
    return value.find(name)->as_text(name).value();
  }
  static Bytes bytes(const json::Value& value, std::string_view name) {
    return from_hex(text(value, name)).value();
  }
  [[nodiscard]] const json::Array& list(std::string_view name) const {
    return **vector_.find(name)->as_array(name);
  }
  static SessionProof proof_of(const json::Value& value) {
    return {static_cast<ChannelKind>(value.find("kind")->as_uint("kind").value()),
            to_array<32>(bytes(value, "nonce")).value(),
            to_array<32>(bytes(value, "binding")).value(),
            to_array<32>(bytes(value, "statement_digest")).value(),
            {value.find("time_ms")->as_int("time_ms").value()},
            to_array<64>(bytes(value, "signature")).value()};
  }
  [[nodiscard]] SessionExpectation expectation_of(const json::Value& value) const {
    return {static_cast<ChannelKind>(value.find("kind")->as_uint("kind").value()),
            to_array<32>(bytes(value, "nonce")).value(),
            to_array<32>(bytes(value, "binding")).value(),
            to_array<32>(bytes(value, "statement_digest")).value(), key_};
  }

  json::Value vector_;
  Ed25519PublicKey key_;
};

TEST_F(EvidenceDocumentVectors, ProofsOfEveryKindAreWhatIsWrittenHere) {
  const auto key = Ed25519PrivateKey::from_seed(bytes(vector_, "session_key_seed")).value();
  EXPECT_EQ(key.public_key(), key_);
  ASSERT_EQ(list("proofs").size(), 3U);
  for (const json::Value& value : list("proofs")) {
    const SessionProof proof = proof_of(value);
    EXPECT_TRUE(verify_session(proof, expectation_of(value))) << text(value, "channel");
    EXPECT_EQ(prove_session(key, proof.kind, proof.nonce, proof.binding, proof.statement_digest,
                            proof.time),
              proof);
    EXPECT_TRUE(ed25519_verify(key_, bytes(value, "signed"), proof.signature));
    EXPECT_EQ(bytes(value, "signed").size(), 124U);
  }
}

TEST_F(EvidenceDocumentVectors, DocumentsAreRead) {
  const EvidenceDocument two = parse_evidence_document(text(vector_, "version_2")).value();
  EXPECT_EQ(two.statement, bytes(vector_, "statement"));
  EXPECT_EQ(two.ohttp_key, bytes(vector_, "ohttp_key"));
  ASSERT_TRUE(two.session);
  EXPECT_EQ(*two.session, proof_of(list("proofs")[1]));
  EXPECT_TRUE(equal(two.session->binding, sha256(*two.ohttp_key)));
  EXPECT_EQ(parse_evidence_document(write_evidence_document(two)).value(), two);
  const EvidenceDocument one = parse_evidence_document(text(vector_, "version_1")).value();
  EXPECT_FALSE(one.ohttp_key);
  EXPECT_EQ(*one.session, proof_of(list("proofs")[0]));
}

TEST_F(EvidenceDocumentVectors, AreRefusedAsTheySay) {
  EXPECT_EQ(list("refused").size(), 12U);
  for (const json::Value& bad : list("refused")) {
    const auto parsed = parse_evidence_document(text(bad, "document"));
    ASSERT_FALSE(parsed) << text(bad, "why");
    EXPECT_EQ(parsed.error().id(), text(bad, "code")) << text(bad, "why");
  }
  EXPECT_EQ(list("unlike").size(), 8U);
  for (const json::Value& bad : list("unlike")) {
    const auto verified =
        verify_session(proof_of(*bad.find("proof")), expectation_of(*bad.find("expected")));
    ASSERT_FALSE(verified) << text(bad, "why");
    EXPECT_EQ(verified.error().id(), text(bad, "code")) << text(bad, "why");
  }
}

}  // namespace
}  // namespace ensconce
