#include "ensconce/keybroker/key_broker.h"

#include <gtest/gtest.h>

#include "broker_fixture.h"
#include "ensconce/attestation/evidence/rcar.h"
#include "ensconce/channel/lease.h"
#include "ensconce/codec/base64.h"
#include "ensconce/crypto/jose.h"
#include "ensconce/transparency/merkle_tree.h"

namespace ensconce {
namespace {

using made::BrokerHouse;
using made::Worker;

class KeyBrokerRelease : public testing::Test {
 protected:
  void SetUp() override {
    house.set_policy();
    house.add_key();
    before = house.entries().size();
  }

  // Expects a refusal by this code, written down once, with this id.
  void expect_refused(const Result<Grant>& grant, KeyBrokerError code, std::string_view id) {
    ASSERT_FALSE(grant);
    EXPECT_TRUE(grant.error().is(code)) << grant.error().to_string();
    const std::vector<LogEntry> entries = house.entries();
    ASSERT_EQ(entries.size(), before + 1);
    EXPECT_EQ(entries.back().decision, LogDecision::kRefusal);
    EXPECT_EQ(entries.back().code, id);
  }

  BrokerHouse house;
  Worker worker;
  std::size_t before = 0;
};

TEST_F(KeyBrokerRelease, ReleasesTheKeyAndALeaseToAnAffirmedWorker) {
  const Result<Grant> grant = house.obtain(worker);
  ASSERT_TRUE(grant) << grant.error().to_string();
  EXPECT_TRUE(equal(grant->key.expose(), house.content_key.expose()));
  const Lease lease = verify_lease(made::broker_key().public_key(), grant->lease).value();
  EXPECT_EQ(lease.manifest_digest, house.manifest);
  EXPECT_EQ(lease.session_key, worker.session.public_key());
  EXPECT_EQ(lease.not_before, made::kNow);
  EXPECT_EQ(lease.not_after, made::kNow + std::chrono::seconds(600));
  EXPECT_EQ(lease.minimum_version, 0U);
  const std::vector<LogEntry> entries = house.entries();
  ASSERT_EQ(entries.size(), before + 1);
  const LogEntry& entry = entries.back();
  EXPECT_EQ(entry.decision, LogDecision::kRelease);
  EXPECT_EQ(entry.code, "");
  EXPECT_EQ(entry.manifest, house.manifest);
  EXPECT_EQ(entry.version, 3U);
  EXPECT_EQ(entry.origin, "simulated");
  EXPECT_EQ(entry.measurement, to_bytes(ByteView(made::measurement())));
  EXPECT_EQ(entry.statement, sha256(worker.statement()));
  EXPECT_EQ(entry.session, worker.session.public_key());
  EXPECT_EQ(entry.lease_id, lease.id);
  EXPECT_EQ(house.observed.back(), entry);
}

TEST_F(KeyBrokerRelease, RenewsALeaseWithoutTheKeyAndWithoutAUse) {
  const Result<Grant> grant = renew_lease(house, house.request_of(worker), worker.attest());
  ASSERT_TRUE(grant) << grant.error().to_string();
  EXPECT_TRUE(grant->key.empty());
  EXPECT_EQ(house.entries().back().decision, LogDecision::kRenewal);
  const WireResponse keys = house.ask(made::owner(), "GET", "keys");
  EXPECT_NE(as_text(keys.body).find("\"uses\":0"), std::string_view::npos);
}

TEST_F(KeyBrokerRelease, SignsAnEarThatSaysNoPolicyWasApplied) {
  std::string token;
  house.on_response = [&](const WireRequest& request, const WireResponse& response) {
    if (request.target == "/kbs/v0/attest") {
      token = json::parse(as_text(response.body))->find("token")->as_text("token").value();
    }
  };
  ASSERT_TRUE(house.obtain(worker));
  const Bytes payload = jws_verify(made::broker_key().public_key(), "JWT", token).value();
  const json::Value ear = json::parse(as_text(payload)).value();
  const json::Value* cpu = ear.find("submods")->find("cpu0");
  EXPECT_EQ(cpu->find("ear.status")->as_text("status").value(), "none");
  EXPECT_EQ(cpu->find("ensconce.origin")->as_text("origin").value(), "simulated");
}

TEST_F(KeyBrokerRelease, RefusesAnotherProtocolVersion) {
  for (const char* version : {"0.1.1", "0.4.1", "=0.4.0", ""}) {
    const WireResponse answer = house.broker->handle(
        {"POST",
         "/kbs/v0/auth",
         {},
         to_bytes(json::write(json::Object{
             {"version", version}, {"tee", "snp"}, {"extra-params", json::Object{}}}))});
    EXPECT_EQ(answer.status, 401);
    EXPECT_TRUE(made::refusal(answer).is(KeyBrokerError::kVersion));
  }
}

// ---- Evidence ---------------------------------------------------------------------------------

TEST_F(KeyBrokerRelease, RefusesEvidenceForAnotherNonce) {
  // The worker answers a nonce of somebody else's, in every respect.
  house.on_response = [](const WireRequest& request, WireResponse& response) {
    if (request.target == "/kbs/v0/auth") {
      response.body = to_bytes(json::write(
          json::Object{{"nonce", base64_encode(Bytes(32, 9))}, {"extra-params", json::Object{}}}));
    }
  };
  expect_refused(house.obtain(worker), KeyBrokerError::kNonce, "rcar.nonce");
}

TEST_F(KeyBrokerRelease, RefusesASecondAttestInOneSession) {
  WireRequest attest;
  house.on_request = [&](const WireRequest& request) {
    if (request.target == "/kbs/v0/attest") {
      attest = request;
    }
  };
  ASSERT_TRUE(house.obtain(worker));
  const WireResponse again = house.broker->handle(attest);
  EXPECT_EQ(again.status, 401);
  EXPECT_TRUE(made::refusal(again).is(KeyBrokerError::kNonce));
}

TEST_F(KeyBrokerRelease, RefusesAnAttestReplayedInAnotherSession) {
  WireRequest attest;
  std::string cookie;
  house.on_request = [&](WireRequest& request) {
    if (request.target == "/kbs/v0/attest") {
      if (attest.target.empty()) {
        attest = request;
      } else {
        request.body = attest.body;
      }
    }
  };
  ASSERT_TRUE(house.obtain(worker));
  before = house.entries().size();
  expect_refused(house.obtain(worker), KeyBrokerError::kNonce, "rcar.nonce");
}

TEST_F(KeyBrokerRelease, RefusesAKeyThatIsNotTheStatementsReleaseKey) {
  const Worker other;
  ReleaseRequest request{BrokerHouse::kKeyId, house.manifest, 3,
                         worker.statement(),  other.release,  made::broker_key().public_key()};
  expect_refused(obtain_key(house, request, worker.attest()), KeyBrokerError::kReleaseKey,
                 "rcar.tee_pubkey");
}

TEST_F(KeyBrokerRelease, RefusesTheStatementOfAnotherWorker) {
  // Exchanged on the way: the report covers the worker's own.
  const Worker other;
  house.on_request = [&](WireRequest& request) {
    if (request.target == "/kbs/v0/attest") {
      request.body = to_bytes(made::replaced(std::string(as_text(request.body)),
                                             base64_encode(worker.statement()),
                                             base64_encode(other.statement())));
    }
  };
  expect_refused(house.obtain(worker), KeyBrokerError::kReportData, "snp.report_data");
}

TEST_F(KeyBrokerRelease, RefusesAReportThatDoesNotCoverWhatWasSent) {
  const AttestFunction attest = [&](const ByteArray<64>& report_data) {
    ByteArray<64> changed = report_data;
    changed[63] ^= 1;
    return worker.attest()(changed);
  };
  expect_refused(obtain_key(house, house.request_of(worker), attest), KeyBrokerError::kReportData,
                 "snp.report_data");
}

TEST_F(KeyBrokerRelease, RefusesAReportTheChipDidNotSign) {
  const AttestFunction attest = [&](const ByteArray<64>& report_data) -> Result<ReleaseEvidence> {
    ReleaseEvidence evidence = worker.attest()(report_data).value();
    evidence.evidence.data[0x90] ^= 1;  // measurement
    return evidence;
  };
  expect_refused(obtain_key(house, house.request_of(worker), attest), KeyBrokerError::kEvidence,
                 "snp.signature");
}

// ---- What strangers may have written down -----------------------------------------------------

class KeyBrokerStrangers : public KeyBrokerRelease {
 protected:
  // One refusal, answered as ever.
  void knock() {
    const AttestFunction attest = [&](const ByteArray<64>& report_data) {
      ReleaseEvidence evidence = worker.attest()(report_data).value();
      evidence.evidence.data[0x90] ^= 1;
      return Result<ReleaseEvidence>(std::move(evidence));
    };
    const Result<Grant> grant = obtain_key(house, house.request_of(worker), attest);
    ASSERT_TRUE(grant.error().is(KeyBrokerError::kEvidence));
    ASSERT_NE(grant.error().detail().find("snp.signature"), std::string::npos);
  }
  // As knock, without the cost of a chain.
  void knock_cheaply() {
    WireResponse auth = house.broker->handle(
        {"POST", "/kbs/v0/auth", {}, to_bytes(R"({"version":"0.4.0","tee":"snp"})")});
    const std::string cookie = auth.headers["set-cookie"];
    const WireResponse answer = house.broker->handle(
        {"POST",
         "/kbs/v0/attest",
         {{"cookie", cookie.substr(0, cookie.find(';'))}},
         to_bytes(made::replaced(attest_body, "\"type\":\"snp\"", "\"type\":\"cca\""))});
    ASSERT_TRUE(made::refusal(answer).is(KeyBrokerError::kEvidence));
  }
  void SetUp() override {
    KeyBrokerRelease::SetUp();
    house.on_request = [&](const WireRequest& request) {
      if (request.target == "/kbs/v0/attest" && attest_body.empty()) {
        attest_body = as_text(request.body);
      }
    };
    ASSERT_TRUE(house.obtain(worker));
    before = house.entries().size();
  }
  std::string attest_body;
};

TEST_F(KeyBrokerStrangers, LeaveACodeAndATimeAndNoMore) {
  knock();
  LogEntry expected;
  expected.time = made::kNow;
  expected.decision = LogDecision::kRefusal;
  expected.code = "snp.signature";
  EXPECT_EQ(house.entries().back(), expected);
  EXPECT_EQ(house.entries().size(), before + 1);
}

TEST_F(KeyBrokerStrangers, AreCountedBeyondOneASecond) {
  for (int i = 0; i < 40; ++i) {
    knock_cheaply();
  }
  EXPECT_EQ(house.entries().size(), before + 10);
  EXPECT_EQ(house.observed.size(), house.entries().size());
  house.clock.advance(std::chrono::milliseconds(999));
  knock_cheaply();
  EXPECT_EQ(house.entries().size(), before + 10);
  house.clock.advance(std::chrono::milliseconds(1));
  // Whoever comes next.
  house.ask(made::owner(), "GET", "keys");
  ASSERT_EQ(house.entries().size(), before + 11);
  EXPECT_EQ(house.entries().back().code, "evidence.unknown");
  EXPECT_EQ(house.entries().back().count, 31U);
  house.clock.advance(std::chrono::seconds(5));
  house.ask(made::owner(), "GET", "keys");
  EXPECT_EQ(house.entries().size(), before + 11);
}

TEST_F(KeyBrokerStrangers, HaveEachCodeCountedApartOldestFirst) {
  for (int i = 0; i < 12; ++i) {
    knock_cheaply();
  }
  knock();
  knock();
  house.clock.advance(std::chrono::seconds(2));
  knock();
  const std::vector<LogEntry> entries = house.entries();
  ASSERT_EQ(entries.size(), before + 12);
  EXPECT_EQ(entries[before + 10].count, 2U);
  EXPECT_EQ(entries[before + 11].code, "snp.signature");
  EXPECT_EQ(entries[before + 11].count, 2U);
  house.clock.advance(std::chrono::seconds(1));
  house.ask(made::owner(), "GET", "keys");
  EXPECT_EQ(house.entries().back().code, "snp.signature");
  EXPECT_EQ(house.entries().back().count, std::nullopt);
}

TEST_F(KeyBrokerStrangers, AreCountedBeyondTenThousandADay) {
  for (int i = 0; i < 10'005; ++i) {
    house.clock.advance(std::chrono::seconds(1));
    knock_cheaply();
  }
  EXPECT_EQ(house.memory.log_.size(), before + 10'000);
  house.clock.advance(std::chrono::hours(24));
  knock_cheaply();
  ASSERT_EQ(house.memory.log_.size(), before + 10'002);
  EXPECT_EQ(parse_log_entry(house.memory.log_[before + 10'000])->count, 5U);
}

TEST_F(KeyBrokerStrangers, AreBoundedAlsoWhenTheyAskForKeysThatAreNotThere) {
  const ReleaseRequest request = {
      std::string(32, 'a'), house.manifest, 3,
      worker.statement(),   worker.release, made::broker_key().public_key()};
  for (int i = 0; i < 12; ++i) {
    EXPECT_TRUE(obtain_key(house, request, worker.attest()).error().is(KeyBrokerError::kNoSuchKey));
  }
  EXPECT_EQ(house.entries().size(), before + 10);
}

TEST_F(KeyBrokerStrangers, AreRefusedAsEverWhenNothingCanBeWritten) {
  house.memory.fails = true;
  knock();
  EXPECT_EQ(house.entries().size(), before);
  house.memory.fails = false;
  house.ask(made::owner(), "GET", "keys");
  ASSERT_EQ(house.entries().size(), before + 1);
  EXPECT_EQ(house.entries().back().code, "snp.signature");
}

TEST_F(KeyBrokerStrangers, DoNotUseUpTheLogOfReleases) {
  for (int i = 0; i < 40; ++i) {
    knock_cheaply();
  }
  before = house.entries().size();
  ASSERT_TRUE(house.obtain(worker));
  EXPECT_EQ(house.entries().size(), before + 1);
}

// ---- Evidence without its form ----------------------------------------------------------------

TEST_F(KeyBrokerRelease, RefusesWhatIsNoReport) {
  const AttestFunction attest = [&](const ByteArray<64>& report_data) -> Result<ReleaseEvidence> {
    ReleaseEvidence evidence = worker.attest()(report_data).value();
    evidence.evidence.data.pop_back();
    return evidence;
  };
  const Result<Grant> grant = obtain_key(house, house.request_of(worker), attest);
  ASSERT_FALSE(grant);
  EXPECT_TRUE(grant.error().is(KeyBrokerError::kEvidence));
}

TEST_F(KeyBrokerRelease, RefusesEvidenceOfAnotherType) {
  const AttestFunction attest = [&](const ByteArray<64>& report_data) -> Result<ReleaseEvidence> {
    ReleaseEvidence evidence = worker.attest()(report_data).value();
    evidence.evidence.type = "cca";
    return evidence;
  };
  EXPECT_TRUE(
      obtain_key(house, house.request_of(worker), attest).error().is(KeyBrokerError::kEvidence));
}

TEST_F(KeyBrokerRelease, RefusesARootNoPolicyLists) {
  worker.pki = &made::other_pki();
  worker.report = worker.pki->report_template();
  worker.report.measurement = made::measurement();
  expect_refused(house.obtain(worker), KeyBrokerError::kEvidence, "snp.chain.ark_pinned");
}

// ---- Policy -----------------------------------------------------------------------------------

TEST_F(KeyBrokerRelease, ReleasesWhateverElseAnotherPolicySaysOfTheRoot) {
  const auto policies = {
      made::replaced(made::policy(), "\nproduct = \"Milan\"", "\nproduct = \"Genoa\""),
      made::replaced(made::policy(), "\"simulated\"", "\"private\"")};
  // Of two owners and of one: whichever is asked first.
  for (const std::string& toml : policies) {
    for (const Ed25519PrivateKey& key : {made::other_owner(), made::owner()}) {
      for (const char* name : {"a", "z"}) {
        ASSERT_EQ(
            house.ask(key, "POST", "policies", json::Object{{"name", name}, {"toml", toml}}).status,
            200);
      }
    }
    const Result<Grant> grant = house.obtain(worker);
    ASSERT_TRUE(grant) << grant.error().to_string();
  }
}

TEST_F(KeyBrokerRelease, DeniesARootThatOnlyAnotherPolicyLists) {
  house.set_policy("other", made::policy(made::other_pki()));
  before = house.entries().size();
  worker.pki = &made::other_pki();
  worker.report = worker.pki->report_template();
  worker.report.measurement = made::measurement();
  expect_refused(house.obtain(worker), KeyBrokerError::kDenied, "anchor.accepted");
}

TEST_F(KeyBrokerRelease, DeniesAnotherMeasurementAndSaysWhichCheck) {
  worker.report.measurement[0] ^= 1;
  const Result<Grant> grant = house.obtain(worker);
  expect_refused(grant, KeyBrokerError::kDenied, "snp.measurement");
  EXPECT_NE(grant.error().detail().find("snp.measurement"), std::string::npos);
  EXPECT_NE(house.entries().back().verdict->find("snp.measurement"), std::string::npos);
}

TEST_F(KeyBrokerRelease, DeniesDebug) {
  worker.report.policy |= std::uint64_t{1} << 19;
  expect_refused(house.obtain(worker), KeyBrokerError::kDenied, "snp.debug");
}

TEST_F(KeyBrokerRelease, DeniesAMeasurementThatDoesNotReachTheWorker) {
  // A policy over firmware alone yields a warning, and a warning opens nothing.
  house.set_policy("line-reader", made::replaced(made::policy(), "\"process\"", "\"firmware\""));
  before = house.entries().size();
  expect_refused(house.obtain(worker), KeyBrokerError::kDenied, "keybroker.denied");
}

TEST_F(KeyBrokerRelease, AppliesTheSameRulesToALease) {
  worker.report.measurement[0] ^= 1;
  expect_refused(renew_lease(house, house.request_of(worker), worker.attest()),
                 KeyBrokerError::kDenied, "snp.measurement");
}

// ---- What the owner set -----------------------------------------------------------------------

TEST_F(KeyBrokerRelease, RefusesAKeyItDoesNotHave) {
  ReleaseRequest request = {std::string(32, 'a'), house.manifest, 3,
                            worker.statement(),   worker.release, made::broker_key().public_key()};
  expect_refused(obtain_key(house, request, worker.attest()), KeyBrokerError::kNoSuchKey,
                 "keybroker.no_such_key");
}

TEST_F(KeyBrokerRelease, RefusesARevokedKeyAndItsLease) {
  ASSERT_EQ(house.ask(made::owner(), "POST", "keys/" + std::string(BrokerHouse::kKeyId) + "/revoke")
                .status,
            200);
  before = house.entries().size();
  expect_refused(house.obtain(worker), KeyBrokerError::kRevoked, "keybroker.revoked");
  before = house.entries().size();
  expect_refused(renew_lease(house, house.request_of(worker), worker.attest()),
                 KeyBrokerError::kRevoked, "keybroker.revoked");
}

TEST_F(KeyBrokerRelease, RefusesAVersionBelowTheMinimum) {
  ASSERT_EQ(house
                .ask(made::owner(), "POST", "models/line-reader/minimum-version",
                     json::Object{{"version", 4}})
                .status,
            200);
  before = house.entries().size();
  expect_refused(house.obtain(worker), KeyBrokerError::kRolledBack, "keybroker.rolled_back");
}

TEST_F(KeyBrokerRelease, NamesTheMinimumVersionInTheLease) {
  ASSERT_EQ(house
                .ask(made::owner(), "POST", "models/line-reader/minimum-version",
                     json::Object{{"version", 3}})
                .status,
            200);
  const Grant grant = house.obtain(worker).value();
  EXPECT_EQ(verify_lease(made::broker_key().public_key(), grant.lease)->minimum_version, 3U);
}

TEST_F(KeyBrokerRelease, RefusesMoreUsesThanAllowedAlsoAfterARestart) {
  house.add_key({{"key_id", std::string(32, 'b')}, {"max_uses", 1}});
  ReleaseRequest request = {std::string(32, 'b'), house.manifest, 3,
                            worker.statement(),   worker.release, made::broker_key().public_key()};
  ASSERT_TRUE(obtain_key(house, request, worker.attest()));
  before = house.entries().size();
  expect_refused(obtain_key(house, request, worker.attest()), KeyBrokerError::kUsesExhausted,
                 "keybroker.uses_exhausted");
  ASSERT_TRUE(house.reopen());
  before = house.entries().size();
  expect_refused(obtain_key(house, request, worker.attest()), KeyBrokerError::kUsesExhausted,
                 "keybroker.uses_exhausted");
  EXPECT_TRUE(renew_lease(house, request, worker.attest()));
}

TEST_F(KeyBrokerRelease, RefusesAKeyPastItsTimeAndCutsTheLeaseBefore) {
  house.add_key({{"key_id", std::string(32, 'b')},
                 {"not_after", to_rfc3339(made::kNow + std::chrono::seconds(60))}});
  ReleaseRequest request = {std::string(32, 'b'), house.manifest, 3,
                            worker.statement(),   worker.release, made::broker_key().public_key()};
  const Grant grant = obtain_key(house, request, worker.attest()).value();
  EXPECT_EQ(verify_lease(made::broker_key().public_key(), grant.lease)->not_after,
            made::kNow + std::chrono::seconds(60));
  house.clock.advance(std::chrono::seconds(60));
  before = house.entries().size();
  expect_refused(obtain_key(house, request, worker.attest()), KeyBrokerError::kExpired,
                 "keybroker.expired");
}

// ---- Sessions ---------------------------------------------------------------------------------

TEST_F(KeyBrokerRelease, RefusesAResourceWithoutASession) {
  const WireRequest request{
      "GET", "/kbs/v0/resource/ensconce/model-key/" + std::string(BrokerHouse::kKeyId), {}, {}};
  const WireResponse answer = house.broker->handle(request);
  EXPECT_EQ(answer.status, 401);
  EXPECT_TRUE(made::refusal(answer).is(KeyBrokerError::kNoSession));
}

TEST_F(KeyBrokerRelease, RefusesAResourceBeforeAttestation) {
  WireResponse auth =
      house.broker->handle({"POST",
                            "/kbs/v0/auth",
                            {},
                            to_bytes(R"({"version":"0.4.0","tee":"snp","extra-params":{}})")});
  const std::string cookie =
      auth.headers["set-cookie"].substr(0, auth.headers["set-cookie"].find(';'));
  const WireResponse answer = house.broker->handle(
      {"GET",
       "/kbs/v0/resource/ensconce/model-key/" + std::string(BrokerHouse::kKeyId),
       {{"cookie", cookie}},
       {}});
  EXPECT_TRUE(made::refusal(answer).is(KeyBrokerError::kNoSession));
}

TEST_F(KeyBrokerRelease, EndsSessionsAfterFiveMinutes) {
  house.on_request = [&](WireRequest& request) {
    if (request.method == "GET") {
      house.clock.advance(std::chrono::minutes(5));
    }
  };
  EXPECT_TRUE(house.obtain(worker).error().is(KeyBrokerError::kNoSession));
  house.on_request = [&](WireRequest& request) {
    if (request.target == "/kbs/v0/attest") {
      house.clock.advance(std::chrono::minutes(5));
    }
  };
  EXPECT_TRUE(house.obtain(worker).error().is(KeyBrokerError::kNoSession));
}

TEST_F(KeyBrokerRelease, DropsTheOldestSessionWhenTheTableIsFull) {
  const WireRequest auth{
      "POST", "/kbs/v0/auth", {}, to_bytes(R"({"version":"0.4.0","tee":"snp","extra-params":{}})")};
  house.on_request = [&](WireRequest& request) {
    if (request.target != "/kbs/v0/attest") {
      return;
    }
    for (std::size_t i = 0; i < kMaxBrokerSessions; ++i) {
      house.clock.advance(Millis(5));
      ASSERT_EQ(house.broker->handle(auth).status, 200);
    }
  };
  EXPECT_TRUE(house.obtain(worker).error().is(KeyBrokerError::kNoSession));
}

TEST_F(KeyBrokerRelease, BoundsSessionsAndBeaconsASecond) {
  const WireRequest auth{
      "POST", "/kbs/v0/auth", {}, to_bytes(R"({"version":"0.4.0","tee":"snp","extra-params":{}})")};
  const WireRequest beacon{"POST",
                           "/ensconce/v1/beacon",
                           {},
                           to_bytes(R"({"boot_id":"00000000000000000000000000000000"})")};
  for (const WireRequest& request : {auth, beacon}) {
    int status = 200;
    for (int i = 0; i < 2000 && status == 200; ++i) {
      status = house.broker->handle(request).status;
    }
    EXPECT_EQ(status, 503);
    house.clock.advance(Millis(100));
    EXPECT_EQ(house.broker->handle(request).status, 200);
  }
}

// ---- Form -------------------------------------------------------------------------------------

TEST_F(KeyBrokerRelease, RefusesAttestMessagesWithoutTheirForm) {
  std::string body;
  house.on_request = [&](const WireRequest& request) {
    if (request.target == "/kbs/v0/attest") {
      body = as_text(request.body);
    }
  };
  ASSERT_TRUE(house.obtain(worker));
  const auto status = [&](const std::string& text) {
    return made::refusal(house.broker->handle({"POST", "/kbs/v0/attest", {}, to_bytes(text)}));
  };
  // As it came it has the form, and lacks the session.
  EXPECT_TRUE(status(body).is(KeyBrokerError::kNoSession));
  for (const std::string& broken :
       {std::string("{}"), body + " x", made::replaced(body, "\"runtime-data\"", "\"runtime\""),
        made::replaced(body, "\"additional_evidence\"", "\"additional\""),
        made::replaced(body, "\"type\":\"snp\"", "\"type\":\"snp\",\"more\":1"),
        made::replaced(body, "{\"runtime-data\"", "{\"init-data\":{},\"runtime-data\""),
        std::string(kMaxBrokerBody + 1, ' ')}) {
    EXPECT_TRUE(status(broken).is(KeyBrokerError::kMalformed));
  }
  // What RCAR defines may have members we do not know.
  EXPECT_TRUE(status(made::replaced(body, "{\"runtime-data\"", "{\"x\":1,\"runtime-data\""))
                  .is(KeyBrokerError::kNoSession));
  EXPECT_TRUE(
      status(made::replaced(body, "{\"runtime-data\"", "{\"init-data\":null,\"runtime-data\""))
          .is(KeyBrokerError::kNoSession));
}

TEST_F(KeyBrokerRelease, AnswersUnknownPathsWith404) {
  for (const char* path : {"/", "/kbs/v0/resource/other/model-key/x", "/ensconce/v1/x"}) {
    const WireResponse answer = house.broker->handle({"GET", path, {}, {}});
    EXPECT_EQ(answer.status, 404);
    EXPECT_TRUE(made::refusal(answer).is(KeyBrokerError::kNoSuchPath));
  }
}

TEST_F(KeyBrokerRelease, TellsNoMoreThanTheIdOfACheck) {
  worker.report.measurement[0] ^= 1;
  std::string body;
  house.on_response = [&](const WireRequest& request, const WireResponse& response) {
    if (request.method == "GET") {
      body = as_text(response.body);
    }
  };
  ASSERT_FALSE(house.obtain(worker));
  EXPECT_EQ(body, R"({"type":"/kbs/v0/errors/PolicyDeny","detail":"snp.measurement"})");
}

// ---- Log and store ----------------------------------------------------------------------------

TEST_F(KeyBrokerRelease, ReleasesNothingThatIsNotWrittenDown) {
  house.on_request = [&](const WireRequest& request) {
    house.memory.fails = request.method == "GET";
  };
  const Result<Grant> grant = house.obtain(worker);
  ASSERT_FALSE(grant);
  EXPECT_TRUE(grant.error().is(KeyBrokerError::kStore));
  EXPECT_EQ(house.entries().size(), before);
}

TEST_F(KeyBrokerRelease, SignsAHeadWhoseRootRecomputes) {
  ASSERT_TRUE(house.obtain(worker));
  worker.report.measurement[0] ^= 1;
  ASSERT_FALSE(house.obtain(worker));
  MerkleTree tree;
  for (const Bytes& bytes : house.memory.log_) {
    tree.append(leaf_hash(bytes));
  }
  const auto head = [&] {
    const WireResponse answer = house.broker->handle({"GET", "/ensconce/v1/log/head", {}, {}});
    return verify_log_head(made::broker_key().public_key(), answer.body).value();
  };
  EXPECT_EQ(head(), (LogHead{tree.size(), tree.root(), made::kNow}));
  ASSERT_TRUE(house.reopen());
  EXPECT_EQ(head(), (LogHead{tree.size(), tree.root(), made::kNow}));
}

TEST_F(KeyBrokerRelease, RemembersRevocationsAndMinimumVersionsAcrossARestart) {
  house.add_key({{"key_id", std::string(32, 'b')}, {"name", "other"}});
  house.ask(made::owner(), "POST", "keys/" + std::string(32, 'b') + "/revoke");
  house.ask(made::owner(), "POST", "models/line-reader/minimum-version",
            json::Object{{"version", 9}});
  ASSERT_TRUE(house.reopen());
  EXPECT_TRUE(house.obtain(worker).error().is(KeyBrokerError::kRolledBack));
  ReleaseRequest request = {std::string(32, 'b'), house.manifest, 3,
                            worker.statement(),   worker.release, made::broker_key().public_key()};
  EXPECT_TRUE(obtain_key(house, request, worker.attest()).error().is(KeyBrokerError::kRevoked));
}

TEST_F(KeyBrokerRelease, RefusesAnotherRootKey) {
  const Result<void> opened = house.reopen(0x78);
  ASSERT_FALSE(opened);
  EXPECT_TRUE(opened.error().is(KeyBrokerError::kStore));
}

TEST_F(KeyBrokerRelease, RefusesAKeyWhoseTermsWereChangedInTheStore) {
  Bytes& terms = house.memory.keys_.front().terms;
  const std::string changed =
      made::replaced(std::string(as_text(terms)), "line-reader", "line-reeder");
  terms = to_bytes(changed);
  house.memory.policies_.push_back({made::owner().public_key(), "line-reeder", made::policy()});
  ASSERT_TRUE(house.reopen());
  expect_refused(house.obtain(worker), KeyBrokerError::kStore, "keybroker.store");
}

}  // namespace
}  // namespace ensconce
