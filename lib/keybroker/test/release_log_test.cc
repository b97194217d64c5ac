#include "ensconce/keybroker/release_log.h"

#include <gtest/gtest.h>

#include "broker_fixture.h"
#include "ensconce/codec/cbor.h"

namespace ensconce {
namespace {

LogEntry full_entry() {
  LogEntry entry;
  entry.time = made::kNow;
  entry.decision = LogDecision::kRelease;
  entry.code = "c";
  entry.key_id = ByteArray<16>{1};
  entry.manifest = Sha256Digest{2};
  entry.name = "n";
  entry.version = 3;
  entry.owner = Ed25519PublicKey{{4}};
  entry.policy = "p";
  entry.policy_sha256 = Sha256Digest{5};
  entry.measurement = Bytes{6};
  entry.origin = "simulated";
  entry.statement = Sha256Digest{7};
  entry.session = Ed25519PublicKey{{8}};
  entry.lease_id = ByteArray<16>{9};
  entry.admin_nonce = ByteArray<16>{10};
  entry.verdict = "{}";
  entry.count = 11;
  return entry;
}

TEST(ReleaseLog, ReadsWhatItWrote) {
  for (const LogEntry& entry : {LogEntry{}, full_entry()}) {
    EXPECT_EQ(parse_log_entry(encode_log_entry(entry)).value(), entry);
  }
  for (int i = 0; i <= static_cast<int>(LogDecision::kMinimumVersion); ++i) {
    LogEntry entry;
    entry.decision = static_cast<LogDecision>(i);
    EXPECT_EQ(parse_log_entry(encode_log_entry(entry)).value(), entry);
  }
}

TEST(ReleaseLog, RejectsUnknownVersionsDecisionsAndMembers) {
  const auto entry = [](const char* name, const cbor::Value& value) {
    cbor::Map map{{"v", 1}, {"time", 0}, {"decision", "release"}, {"code", ""}};
    for (auto& [key, present] : map) {
      if (key == cbor::Value(name)) {
        present = value;
        return cbor::encode(map);
      }
    }
    map.emplace_back(name, value);
    return cbor::encode(map);
  };
  EXPECT_TRUE(parse_log_entry(entry("v", 1)));
  for (const Bytes& bytes :
       {entry("v", 2), entry("decision", "x"), entry("more", 1), entry("key_id", Bytes(15))}) {
    EXPECT_TRUE(parse_log_entry(bytes).error().is(KeyBrokerError::kMalformed));
  }
}

TEST(ReleaseLog, RejectsAHeadSignedByAnotherOrChanged) {
  const LogHead head{5, Sha256Digest{1}, made::kNow};
  Bytes message = sign_log_head(made::broker_key(), head);
  EXPECT_EQ(verify_log_head(made::broker_key().public_key(), message).value(), head);
  EXPECT_TRUE(verify_log_head(made::owner().public_key(), message)
                  .error()
                  .is(KeyBrokerError::kUntrustedAnswer));
  message.back() ^= 1;
  EXPECT_TRUE(verify_log_head(made::broker_key().public_key(), message)
                  .error()
                  .is(KeyBrokerError::kUntrustedAnswer));
  EXPECT_TRUE(
      verify_log_head(made::broker_key().public_key(), {}).error().is(KeyBrokerError::kMalformed));
}

}  // namespace
}  // namespace ensconce
