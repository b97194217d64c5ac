#include <gtest/gtest.h>

#include "ensconce/channel/evidence_document.h"
#include "ensconce/channel/served_list.h"
#include "ensconce/channel/tls_binding.h"
#include "ensconce/codec/base64.h"
#include "ensconce/crypto/cose.h"

namespace ensconce {
namespace {

constexpr Instant kNow{1'795'000'000'000};

ByteArray<32> filled(std::uint8_t value) {
  ByteArray<32> out{};
  out.fill(value);
  return out;
}

class ChannelTest : public ::testing::Test {
 protected:
  SeededRandom random_{1};
  Ed25519PrivateKey session_ = Ed25519PrivateKey::generate(random_);
  Ed25519PrivateKey broker_ = Ed25519PrivateKey::generate(random_);
  Ed25519PrivateKey owner_ = Ed25519PrivateKey::generate(random_);
  Ed25519PrivateKey stranger_ = Ed25519PrivateKey::generate(random_);
};

// ---- session proof ----

class SessionProofTest : public ChannelTest {
 protected:
  SessionProof proof_ =
      prove_session(session_, ChannelKind::kTlsExporter, filled(1), filled(2), filled(3), kNow);
  SessionExpectation expected_{ChannelKind::kTlsExporter, filled(1), filled(2), filled(3),
                               session_.public_key()};
};

TEST_F(SessionProofTest, AcceptsItsOwnSession) {
  EXPECT_TRUE(verify_session(proof_, expected_).has_value());
}

TEST_F(SessionProofTest, RejectsTheOtherKindOfChannel) {
  expected_.kind = ChannelKind::kOhttpKey;
  EXPECT_TRUE(verify_session(proof_, expected_).error().is(ChannelError::kProofKind));
}

TEST_F(SessionProofTest, RejectsAProofOfOneKindRelabelledAsTheOther) {
  proof_.kind = ChannelKind::kOhttpKey;
  expected_.kind = ChannelKind::kOhttpKey;
  EXPECT_TRUE(verify_session(proof_, expected_).error().is(ChannelError::kProofSignature));
}

TEST_F(SessionProofTest, RejectsAnotherNonce) {
  expected_.nonce = filled(9);
  EXPECT_TRUE(verify_session(proof_, expected_).error().is(ChannelError::kProofNonce));
}

TEST_F(SessionProofTest, RejectsAnotherSession) {
  expected_.binding = filled(9);
  EXPECT_TRUE(verify_session(proof_, expected_).error().is(ChannelError::kProofBinding));
}

TEST_F(SessionProofTest, RejectsAnotherStatement) {
  expected_.statement_digest = filled(9);
  EXPECT_TRUE(verify_session(proof_, expected_).error().is(ChannelError::kProofStatement));
}

TEST_F(SessionProofTest, RejectsAnotherKey) {
  expected_.session_key = stranger_.public_key();
  EXPECT_TRUE(verify_session(proof_, expected_).error().is(ChannelError::kProofSignature));
}

TEST_F(SessionProofTest, RejectsAChangedTime) {
  proof_.time.unix_ms += 1;
  EXPECT_TRUE(verify_session(proof_, expected_).error().is(ChannelError::kProofSignature));
}

TEST_F(SessionProofTest, SignsExactlyTheBytesOfItsPage) {
  ByteWriter w;
  w.raw(as_bytes("ensconce-session/1")).u8(0).u8(1).raw(filled(1)).raw(filled(2)).raw(filled(3));
  w.u64_be(static_cast<std::uint64_t>(kNow.unix_ms));
  EXPECT_TRUE(ed25519_verify(session_.public_key(), w.bytes(), proof_.signature).has_value());
}

// ---- evidence document ----

class EvidenceDocumentTest : public ChannelTest {
 protected:
  EvidenceDocument document() const {
    EvidenceDocument out;
    out.statement = Bytes{1, 2, 3};
    out.beacon = Bytes{4, 5};
    out.evidence = {{"snp", Bytes(8, 7)}};
    out.endorsements = {{"application/pkix-cert", Bytes{1}}};
    out.missing = {"crl"};
    out.session =
        prove_session(session_, ChannelKind::kTlsExporter, filled(1), filled(2), filled(3), kNow);
    return out;
  }
  static std::string refusal(const std::string& text) {
    const auto parsed = parse_evidence_document(text);
    return parsed ? "accepted" : std::string(parsed.error().id());
  }
};

TEST_F(EvidenceDocumentTest, RoundTrips) {
  EXPECT_EQ(parse_evidence_document(write_evidence_document(document())).value(), document());
  EvidenceDocument bare = document();
  bare.beacon.reset();
  bare.session.reset();
  EXPECT_EQ(parse_evidence_document(write_evidence_document(bare)).value(), bare);
}

TEST_F(EvidenceDocumentTest, CarriesAGatewaysKeyInVersion2) {
  EvidenceDocument with_key = document();
  with_key.ohttp_key = Bytes{1, 2, 3};
  const std::string text = write_evidence_document(with_key);
  EXPECT_NE(text.find("ensconce-evidence/2"), std::string::npos);
  EXPECT_EQ(parse_evidence_document(text).value(), with_key);
  // Version 1 has no key, version 2 is never without.
  std::string one = text;
  one.replace(one.find("evidence/2"), 10, "evidence/1");
  EXPECT_TRUE(parse_evidence_document(one).error().is(ChannelError::kBadDocument));
  std::string two = write_evidence_document(document());
  two.replace(two.find("evidence/1"), 10, "evidence/2");
  EXPECT_TRUE(parse_evidence_document(two).error().is(ChannelError::kBadDocument));
  with_key.ohttp_key = Bytes();
  EXPECT_TRUE(parse_evidence_document(write_evidence_document(with_key))
                  .error()
                  .is(ChannelError::kBadDocument));
  with_key.ohttp_key = Bytes(4097);
  EXPECT_TRUE(parse_evidence_document(write_evidence_document(with_key))
                  .error()
                  .is(ChannelError::kBadDocument));
}

TEST_F(EvidenceDocumentTest, RejectsEveryMissingMember) {
  const std::string text = write_evidence_document(document());
  for (const std::string name :
       {"format", "statement", "beacon", "evidence", "endorsements", "missing", "session", "type",
        "data", "kind", "nonce", "binding", "statement_digest", "time_ms", "signature"}) {
    std::string changed = text;
    const std::size_t at = changed.find("\"" + name + "\":");
    ASSERT_NE(at, std::string::npos) << name;
    changed.replace(at, name.size() + 2, "\"x" + name.substr(1) + "\"");
    EXPECT_EQ(refusal(changed), "channel.document") << name;
  }
}

TEST_F(EvidenceDocumentTest, RejectsUnknownAndRepeatedMembers) {
  const std::string text = write_evidence_document(document());
  EXPECT_EQ(refusal(R"({"more":1,)" + text.substr(1)), "channel.document");
  EXPECT_EQ(refusal(R"({"format":"ensconce-evidence/1",)" + text.substr(1)), "channel.document");
  EXPECT_EQ(refusal(text + " {}"), "channel.document");
}

TEST_F(EvidenceDocumentTest, RejectsAnotherFormat) {
  std::string text = write_evidence_document(document());
  text.replace(text.find("evidence/1"), 10, "evidence/2");
  EXPECT_EQ(refusal(text), "channel.document");
}

TEST_F(EvidenceDocumentTest, RejectsAKindThatIsNone) {
  std::string text = write_evidence_document(document());
  text.replace(text.find("\"kind\":1"), 8, "\"kind\":4");
  EXPECT_EQ(refusal(text), "channel.document");
}

TEST_F(EvidenceDocumentTest, RejectsTooManyItemsAndTooManyBytes) {
  EvidenceDocument many = document();
  many.evidence.assign(9, many.evidence.front());
  EXPECT_EQ(refusal(write_evidence_document(many)), "channel.document");
  EvidenceDocument long_one = document();
  long_one.endorsements.assign(17, long_one.endorsements.front());
  EXPECT_EQ(refusal(write_evidence_document(long_one)), "channel.document");
  EvidenceDocument big = document();
  big.statement.assign(kMaxEvidenceDocument, 1);
  EXPECT_EQ(refusal(write_evidence_document(big)), "channel.document");
}

// ---- what a verifier asks ----

TEST_F(EvidenceDocumentTest, IsAskedForByANonce) {
  EXPECT_EQ(evidence_target(filled(0xab), false),
            "/.well-known/ensconce/evidence?nonce=" + to_hex(filled(0xab)));
  EXPECT_EQ(evidence_target(filled(0xab), true),
            "/.well-known/ensconce/evidence?nonce=" + to_hex(filled(0xab)) + "&freshness=hardware");
}

TEST_F(EvidenceDocumentTest, IsTakenFromAnAnswerOfStatus200Alone) {
  const std::string text = write_evidence_document(document());
  EXPECT_TRUE(read_evidence_answer(200, as_bytes(text)));
  const auto refused = [&](int status, ChannelError code) {
    return read_evidence_answer(status, as_bytes(text)).error().is(code);
  };
  EXPECT_TRUE(refused(404, ChannelError::kNoEvidence));
  EXPECT_TRUE(refused(401, ChannelError::kNoEvidence));
  EXPECT_TRUE(refused(206, ChannelError::kNoEvidence));
  EXPECT_TRUE(refused(429, ChannelError::kBusy));
  EXPECT_TRUE(refused(503, ChannelError::kBusy));
  EXPECT_TRUE(read_evidence_answer(200, as_bytes("{}")).error().is(ChannelError::kBadDocument));
}

TEST_F(ChannelTest, ABrokersStatementNamesTheKeyItSignsByAsItsOwn) {
  Statement statement;
  statement.keys.receipt = broker_.public_key();
  statement.security.broker_key = broker_.public_key();
  EXPECT_TRUE(require_broker_key(statement, std::nullopt));
  EXPECT_TRUE(require_broker_key(statement, broker_.public_key()));
  const auto refused = [&](const std::optional<Ed25519PublicKey>& expected) {
    const auto held = require_broker_key(statement, expected);
    return !held && held.error().is(ChannelError::kBrokerKey);
  };
  EXPECT_TRUE(refused(stranger_.public_key()));
  statement.keys.receipt = stranger_.public_key();  // a worker's: the broker is somebody else
  EXPECT_TRUE(refused(std::nullopt));
  EXPECT_TRUE(refused(broker_.public_key()));
  EXPECT_TRUE(refused(stranger_.public_key()));
}

// ---- lease and served list ----

class ServedListTest : public ChannelTest {
 protected:
  Lease lease_{
      ByteArray<16>{}, filled(5), session_.public_key(), kNow, kNow + std::chrono::hours(1), 2};
  Ed25519PublicKey broker_key_ = broker_.public_key();
  Ed25519PublicKey session_key_ = session_.public_key();

  ServedList list() {
    return {filled(3),
            4,
            {{"line-reader", 2, filled(5), owner_.public_key(), sign_lease(broker_, lease_)}}};
  }
  ModelExpectation expectation() { return {"line-reader", {owner_.public_key()}, 1}; }
  std::string verdict(Instant now = kNow) {
    const auto model = appraise_served_model(list(), expectation(), broker_key_, session_key_, now);
    return model ? "accepted" : std::string(model.error().id());
  }
};

TEST_F(ServedListTest, RoundTripsAndIsAccepted) {
  const Bytes message = sign_served_list(session_, list());
  EXPECT_EQ(verify_served_list(session_key_, filled(3), message).value(), list());
  EXPECT_EQ(verdict(), "accepted");
}

TEST_F(ServedListTest, RejectsAnotherSigner) {
  const Bytes message = sign_served_list(stranger_, list());
  EXPECT_TRUE(verify_served_list(session_key_, filled(3), message)
                  .error()
                  .is(ChannelError::kServedSignature));
}

TEST_F(ServedListTest, RejectsAnotherStatement) {
  const Bytes message = sign_served_list(session_, list());
  EXPECT_TRUE(verify_served_list(session_key_, filled(9), message)
                  .error()
                  .is(ChannelError::kServedStatement));
}

TEST_F(ServedListTest, RejectsAnyChangedBit) {
  const Bytes message = sign_served_list(session_, list());
  for (std::size_t i = 0; i < message.size(); ++i) {
    Bytes changed = message;
    changed[i] ^= 1U;
    EXPECT_FALSE(verify_served_list(session_key_, filled(3), changed).has_value()) << i;
  }
}

TEST_F(ServedListTest, RejectsAModelListedTwice) {
  ServedList twice = list();
  twice.models.push_back(twice.models.front());
  EXPECT_TRUE(verify_served_list(session_key_, filled(3), sign_served_list(session_, twice))
                  .error()
                  .is(ChannelError::kBadServedList));
}

TEST_F(ServedListTest, RejectsALeaseInPlaceOfAServedList) {
  const Bytes lease = sign_lease(session_, lease_);
  EXPECT_FALSE(verify_served_list(session_key_, filled(3), lease).has_value());
}

TEST_F(ServedListTest, RejectsAModelThatIsNotServed) {
  const auto model = appraise_served_model(list(), {"other", {owner_.public_key()}, 1}, broker_key_,
                                           session_key_, kNow);
  EXPECT_TRUE(model.error().is(ChannelError::kModelNotServed));
}

TEST_F(ServedListTest, RejectsAnotherOwnersBundle) {
  const auto model = appraise_served_model(list(), {"line-reader", {stranger_.public_key()}, 1},
                                           broker_key_, session_key_, kNow);
  EXPECT_TRUE(model.error().is(ChannelError::kModelOwner));
}

TEST_F(ServedListTest, RejectsAnOlderVersionThanThePolicys) {
  const auto model = appraise_served_model(list(), {"line-reader", {owner_.public_key()}, 3},
                                           broker_key_, session_key_, kNow);
  EXPECT_TRUE(model.error().is(ChannelError::kModelRolledBack));
}

TEST_F(ServedListTest, RejectsAnOlderVersionThanTheBrokers) {
  lease_.minimum_version = 3;
  EXPECT_EQ(verdict(), "channel.model.version");
}

TEST_F(ServedListTest, RejectsALeaseOfAnotherBroker) {
  broker_key_ = stranger_.public_key();
  EXPECT_EQ(verdict(), "channel.lease.signature");
}

TEST_F(ServedListTest, RejectsALeaseOfAnotherWorker) {
  lease_.session_key = stranger_.public_key();
  EXPECT_EQ(verdict(), "channel.lease.session");
}

TEST_F(ServedListTest, RejectsALeaseForAnotherBundle) {
  lease_.manifest_digest = filled(6);
  EXPECT_EQ(verdict(), "channel.lease.manifest");
}

TEST_F(ServedListTest, RejectsAnEndedLeaseByTheClientsOwnClock) {
  EXPECT_EQ(verdict(lease_.not_after), "accepted");
  EXPECT_EQ(verdict(lease_.not_after + Millis(1)), "channel.lease.expired");
}

TEST_F(ServedListTest, RejectsALeaseWithoutItsForm) {
  const Bytes no_form = cose_sign1(broker_, "ensconce-lease/1", Bytes{0xa0});
  EXPECT_TRUE(verify_lease(broker_key_, no_form).error().is(ChannelError::kBadLease));
  EXPECT_TRUE(verify_lease(broker_key_, Bytes{1, 2}).error().is(ChannelError::kBadLease));
}

}  // namespace
}  // namespace ensconce
