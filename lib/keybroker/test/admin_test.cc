#include "ensconce/keybroker/admin.h"

#include <gtest/gtest.h>

#include "broker_fixture.h"
#include "ensconce/codec/base64.h"
#include "ensconce/transparency/merkle_tree.h"

namespace ensconce {
namespace {

using made::BrokerHouse;

const std::string kRevoke = "keys/" + std::string(BrokerHouse::kKeyId) + "/revoke";

class BrokerAdmin : public testing::Test {
 protected:
  void SetUp() override { house.set_policy(); }
  Error refused(const WireRequest& request) { return made::refusal(house.broker->handle(request)); }
  WireRequest list() { return house.signed_by(made::owner(), "GET", "keys"); }
  BrokerHouse house;
};

TEST_F(BrokerAdmin, ListsWhatAnOwnerRegistered) {
  house.add_key({{"max_uses", 5}});
  const WireResponse answer = house.ask(made::owner(), "GET", "keys");
  const json::Value body = json::parse(as_text(answer.body)).value();
  const json::Array& keys = *body.find("keys")->as_array("keys").value();
  ASSERT_EQ(keys.size(), 1U);
  EXPECT_EQ(keys[0].find("key_id")->as_text("").value(), BrokerHouse::kKeyId);
  EXPECT_EQ(keys[0].find("max_uses")->as_uint("").value(), 5U);
  EXPECT_EQ(keys[0].find("revoked")->as_bool("").value(), false);
  EXPECT_EQ(keys[0].find("key"), nullptr);
}

// ---- Who may ----------------------------------------------------------------------------------

TEST_F(BrokerAdmin, RefusesAnUnsignedRequest) {
  for (const char* header : {"ensconce-admin-key", "ensconce-admin-time", "ensconce-admin-nonce",
                             "ensconce-admin-signature"}) {
    WireRequest request = list();
    request.headers.erase(header);
    EXPECT_TRUE(refused(request).is(KeyBrokerError::kUnauthorised)) << header;
    request = list();
    request.headers[header] = "x";
    EXPECT_TRUE(refused(request).is(KeyBrokerError::kUnauthorised)) << header;
  }
  EXPECT_EQ(house.broker->handle({"GET", "/ensconce/v1/admin/keys", {}, {}}).status, 401);
}

TEST_F(BrokerAdmin, RefusesASignerTheConfigurationDoesNotList) {
  const auto stranger = Ed25519PrivateKey::from_seed(Bytes(32, 0x45)).value();
  EXPECT_TRUE(refused(house.signed_by(stranger, "GET", "keys")).is(KeyBrokerError::kUnauthorised));
}

TEST_F(BrokerAdmin, RefusesARequestThatWasChangedAfterSigning) {
  WireRequest body = house.signed_by(made::owner(), "POST", "models/line-reader/minimum-version",
                                     json::Object{{"version", 1}});
  body.body = to_bytes(R"({"version":2})");
  EXPECT_TRUE(refused(body).is(KeyBrokerError::kUnauthorised));
  WireRequest target = list();
  target.target = "/ensconce/v1/admin/policies";
  EXPECT_TRUE(refused(target).is(KeyBrokerError::kUnauthorised));
  WireRequest method = list();
  method.method = "POST";
  EXPECT_TRUE(refused(method).is(KeyBrokerError::kUnauthorised));
  WireRequest time = list();
  time.headers["ensconce-admin-time"] = std::to_string(made::kNow.unix_ms + 1);
  EXPECT_TRUE(refused(time).is(KeyBrokerError::kUnauthorised));
  WireRequest nonce = list();
  nonce.headers["ensconce-admin-nonce"] = std::string(32, '0');
  EXPECT_TRUE(refused(nonce).is(KeyBrokerError::kUnauthorised));
}

TEST_F(BrokerAdmin, RefusesARequestSignedForAnotherBroker) {
  const WireRequest request =
      sign_admin_request({"GET", "/ensconce/v1/admin/keys", {}, {}}, made::owner(),
                         Sha256Digest{0x98}, house.clock.now(), house.random);
  EXPECT_TRUE(refused(request).is(KeyBrokerError::kUnauthorised));
}

TEST_F(BrokerAdmin, RefusesARequestSeenBefore) {
  const WireRequest request = list();
  EXPECT_EQ(house.broker->handle(request).status, 200);
  EXPECT_TRUE(refused(request).is(KeyBrokerError::kReplayed));
}

TEST_F(BrokerAdmin, RefusesAChangeSeenBeforeARestart) {
  const WireRequest request =
      house.signed_by(made::owner(), "POST", "policies",
                      json::Object{{"name", "line-reader"}, {"toml", made::policy()}});
  EXPECT_EQ(house.broker->handle(request).status, 200);
  ASSERT_TRUE(house.reopen());
  EXPECT_TRUE(refused(request).is(KeyBrokerError::kReplayed));
  // Whenever it comes: the log remembers as long as the time would still pass.
  house.clock.advance(kAdminWindow);
  ASSERT_TRUE(house.reopen());
  EXPECT_TRUE(refused(request).is(KeyBrokerError::kReplayed));
}

TEST_F(BrokerAdmin, RemembersARequestToTheLastMomentItsTimeIsAccepted) {
  // Signed as far ahead as may be, and sent again as late as may be.
  house.clock.set(house.clock.now() + kAdminWindow);
  const WireRequest look = list();
  const WireRequest change =
      house.signed_by(made::owner(), "POST", "policies",
                      json::Object{{"name", "line-reader"}, {"toml", made::policy()}});
  house.clock.set(house.clock.now() - kAdminWindow);
  EXPECT_EQ(house.broker->handle(look).status, 200);
  EXPECT_EQ(house.broker->handle(change).status, 200);
  house.clock.advance(2 * kAdminWindow);
  EXPECT_TRUE(refused(look).is(KeyBrokerError::kReplayed));
  EXPECT_TRUE(refused(change).is(KeyBrokerError::kReplayed));
  ASSERT_TRUE(house.reopen());
  EXPECT_TRUE(refused(change).is(KeyBrokerError::kReplayed));
}

TEST_F(BrokerAdmin, RefusesAStaleRequestAndOneFromTheFuture) {
  const WireRequest request = list();
  house.clock.advance(kAdminWindow + Millis(1));
  EXPECT_TRUE(refused(request).is(KeyBrokerError::kReplayed));
  const WireRequest late = list();
  house.clock.set(house.clock.now() - kAdminWindow - Millis(1));
  EXPECT_TRUE(refused(late).is(KeyBrokerError::kReplayed));
  house.clock.set(house.clock.now() + Millis(1));
  EXPECT_EQ(house.broker->handle(late).status, 200);
}

// ---- An owner's own ---------------------------------------------------------------------------

TEST_F(BrokerAdmin, RefusesAKeyOfABundleSealedByAnother) {
  const json::Object body =
      house.key_body({{"owner", to_hex(made::other_owner().public_key().bytes)}});
  EXPECT_TRUE(refused(house.signed_by(made::owner(), "POST", "keys", body))
                  .is(KeyBrokerError::kUnauthorised));
}

TEST_F(BrokerAdmin, HidesAnOwnersKeysPoliciesAndEntriesFromAnother) {
  house.add_key();
  const auto ask = [&](const char* path) {
    return std::string(as_text(house.ask(made::other_owner(), "GET", path).body));
  };
  EXPECT_EQ(ask("keys"), R"({"keys":[]})");
  EXPECT_EQ(ask("policies"), R"({"policies":[]})");
  EXPECT_TRUE(refused(house.signed_by(made::other_owner(), "POST", kRevoke))
                  .is(KeyBrokerError::kNoSuchKey));
  const json::Value log = json::parse(ask("log")).value();
  const json::Array& entries = *log.find("entries")->as_array("entries").value();
  ASSERT_EQ(entries.size(), 2U);
  MerkleTree tree;
  for (const json::Value& entry : entries) {
    EXPECT_TRUE(entry.find("entry")->is_null());
    tree.append(
        to_array<32>(from_hex(entry.find("leaf")->as_text("leaf").value()).value()).value());
  }
  EXPECT_EQ(tree.root(), house.broker->log_head().root);
}

TEST_F(BrokerAdmin, ShowsNoOwnerWhatWasWrittenOfAStrangersWorker) {
  const made::Worker worker;
  house.add_key({{"key_id", std::string(32, 'b')}});
  EXPECT_TRUE(house.obtain(worker).error().is(KeyBrokerError::kNoSuchKey));
  LogEntry plain = house.entries().back();
  EXPECT_EQ(plain.code, "keybroker.no_such_key");
  EXPECT_EQ(plain.owner, std::nullopt);
  // As brokers wrote them before.
  LogEntry verdict = plain;
  verdict.verdict = "{}";
  LogEntry measurement = plain;
  measurement.measurement = to_bytes(ByteView(made::measurement()));
  LogEntry session = plain;
  session.session = worker.session.public_key();
  for (const LogEntry& entry : {verdict, measurement, session}) {
    house.memory.log_.push_back(encode_log_entry(entry));
  }
  ASSERT_TRUE(house.reopen());
  for (const Ed25519PrivateKey& key : {made::owner(), made::other_owner()}) {
    const json::Value log = json::parse(as_text(house.ask(key, "GET", "log?from=2").body)).value();
    const json::Array& entries = *log.find("entries")->as_array("entries").value();
    ASSERT_EQ(entries.size(), 4U);
    EXPECT_EQ(entries[0].find("entry")->as_text("entry").value(),
              base64_encode(encode_log_entry(plain)));
    for (std::size_t i = 1; i < 4; ++i) {
      EXPECT_TRUE(entries[i].find("entry")->is_null()) << i;
      EXPECT_EQ(entries[i].find("leaf")->as_text("leaf").value(),
                to_hex(leaf_hash(house.memory.log_[2 + i])));
    }
  }
  EXPECT_FALSE(plain.verdict || plain.measurement || plain.session);
}

TEST_F(BrokerAdmin, KeepsOwnersPoliciesOfOneNameApart) {
  const json::Object body =
      house.key_body({{"owner", to_hex(made::other_owner().public_key().bytes)}});
  EXPECT_TRUE(refused(house.signed_by(made::other_owner(), "POST", "keys", body))
                  .is(KeyBrokerError::kNoSuchPolicy));
}

// ---- What may be set --------------------------------------------------------------------------

TEST_F(BrokerAdmin, RefusesAKeyIdTwice) {
  house.add_key();
  const WireRequest again = house.signed_by(made::owner(), "POST", "keys", house.key_body());
  EXPECT_TRUE(refused(again).is(KeyBrokerError::kConflict));
}

TEST_F(BrokerAdmin, RefusesAMinimumVersionThatFalls) {
  const auto set = [&](int version) {
    return house.signed_by(made::owner(), "POST", "models/line-reader/minimum-version",
                           json::Object{{"version", version}});
  };
  EXPECT_EQ(house.broker->handle(set(3)).status, 200);
  EXPECT_EQ(house.broker->handle(set(3)).status, 200);
  EXPECT_TRUE(refused(set(2)).is(KeyBrokerError::kConflict));
}

TEST_F(BrokerAdmin, RefusesAPolicyThatDoesNotParseOrIsForClients) {
  const auto set = [&](const std::string& name, const std::string& toml) {
    return refused(house.signed_by(made::owner(), "POST", "policies",
                                   json::Object{{"name", name}, {"toml", toml}}));
  };
  EXPECT_TRUE(set("p", "role = \"broker\"").is(KeyBrokerError::kMalformed));
  EXPECT_TRUE(set("p", made::replaced(made::policy(), "role = \"broker\"", "role = \"client\""))
                  .is(KeyBrokerError::kMalformed));
  const std::string client =
      made::replaced(made::policy(), "role = \"broker\"", "role = \"client\"") +
      "[freshness]\nhardware = true\n[[model]]\nname = \"m\"\nowner_key = { exactly = \"" +
      to_hex(made::owner().public_key().bytes) + "\" }\nminimum_version = { at_least = 1 }\n";
  EXPECT_TRUE(set("p", client).is(KeyBrokerError::kMalformed));
  EXPECT_TRUE(set("P", made::policy()).is(KeyBrokerError::kMalformed));
}

TEST_F(BrokerAdmin, RefusesKeysWithoutTheirForm) {
  const std::vector<std::pair<std::string, json::Value>> changes = {
      {"key_id", "00"},
      {"key_id", "000102030405060708090A0B0C0D0E0F"},
      {"key", "AAAA"},
      {"key", "!"},
      {"name", "A"},
      {"name", ""},
      {"version", -1},
      {"manifest", "00"},
      {"lease_seconds", 0},
      {"lease_seconds", 86401},
      {"not_after", "soon"},
      {"max_uses", "2"},
      {"more", 1}};
  for (const auto& [name, value] : changes) {
    EXPECT_TRUE(
        refused(house.signed_by(made::owner(), "POST", "keys", house.key_body({{name, value}})))
            .is(KeyBrokerError::kMalformed))
        << name;
  }
  EXPECT_EQ(house.entries().size(), 1U);  // the policy
}

TEST_F(BrokerAdmin, PagesTheLog) {
  house.add_key();
  const json::Value page =
      json::parse(as_text(house.ask(made::owner(), "GET", "log?from=1&limit=5").body)).value();
  const json::Array& entries = *page.find("entries")->as_array("entries").value();
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].find("index")->as_uint("").value(), 1U);
  EXPECT_TRUE(
      refused(house.signed_by(made::owner(), "GET", "log?to=1")).is(KeyBrokerError::kMalformed));
}

}  // namespace
}  // namespace ensconce
