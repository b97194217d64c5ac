// A worker that demands evidence of its broker: what it refuses before it says anything, each by
// its own code; and that keys, leases and models come from one that is affirmed.
#include <gmock/gmock.h>

#include "ensconce/attestation/verify/error.h"
#include "ensconce/base/file.h"
#include "ensconce/keybroker/error.h"
#include "ensconce/net/error.h"
#include "shown_broker.h"
#include "tls_fixture.h"

namespace ensconce::whole {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kEvidenceAsked = "GET /.well-known/ensconce/evidence";

class BrokerAffirmed : public Whole {
 protected:
  explicit BrokerAffirmed(std::uint64_t lease_seconds = 3600) : Whole(lease_seconds) {
    broker_.targets.clear();
  }

  static PolicySays says() {
    PolicySays out;
    out.measurement = broker_measurement();
    out.freshness = "hardware = true\n";
    return out;
  }
  static AppraisalPolicy parsed(const std::string& text) {
    return AppraisalPolicy::parse(text, "broker-policy.toml").value();
  }
  std::unique_ptr<PinnedBroker> link(std::optional<AppraisalPolicy> policy) {
    return link_to(shown_.port(), std::move(policy));
  }
  std::unique_ptr<PinnedBroker> link_to(std::uint16_t port, std::optional<AppraisalPolicy> policy) {
    return std::make_unique<PinnedBroker>(
        ExpectedBroker{test::local("https", port), shown_.pin(), broker_key().public_key(),
                       std::move(policy)},
        clock_, random_);
  }
  Result<std::unique_ptr<AttestedWorker>> boot_over(PinnedBroker& broker) {
    return AttestedWorker::boot(
        config(), {clock_, random_, processor_, broker, engines(), std::string(kWholeSandbox)});
  }
  // boot_by boots a worker whose policy for the broker says that.
  Result<std::unique_ptr<AttestedWorker>> boot_by(const std::string& policy) {
    const auto broker = link(parsed(policy));
    return boot_over(*broker);
  }
  Result<std::unique_ptr<AttestedWorker>> boot_by(const PolicySays& policy = says()) {
    return boot_by(peer_policy(policy));
  }
  // nothing_was_said holds when all that reached the broker was the question for its evidence.
  ::testing::AssertionResult nothing_was_said() {
    const std::vector<std::string> asked = shown_.asked();
    if (asked == std::vector<std::string>{kEvidenceAsked} && broker_.targets.size() <= 1) {
      return ::testing::AssertionSuccess();
    }
    return ::testing::AssertionFailure() << ::testing::PrintToString(asked);
  }

  // edited answers with the attester's document, changed.
  void edit_document(const std::function<void(EvidenceDocument&)>& edit) {
    shown_.instead = [this, edit](const HttpRequest& request, const ConnectionInfo& connection) {
      HttpResponse out = shown_.attester->answer(request, connection);
      EvidenceDocument document = parse_evidence_document(as_text(out.body)).value();
      edit(document);
      out.body = to_bytes(write_evidence_document(document));
      return out;
    };
  }

  const EcPrivateKey tls_ = EcPrivateKey::generate(Curve::kP256);
  ShownBroker shown_{broker_, tls_, clock_, random_};
};

TEST_F(BrokerAffirmed, ReleasesItsKeysAndTheModelIsServed) {
  const auto broker = link(parsed(peer_policy(says())));
  const auto worker = boot_over(*broker);
  ASSERT_TRUE(worker) << worker.error().to_string();
  EXPECT_EQ((*worker)->handle(infer_request(), {}).status, 200);
  EXPECT_THAT(shown_.asked(),
              ElementsAre(kEvidenceAsked, "POST /ensconce/v1/beacon", "POST /kbs/v0/auth",
                          "POST /kbs/v0/attest", HasSubstr("GET /kbs/v0/resource/ensconce/")));
  ASSERT_NE(broker->affirmed(), nullptr);
  EXPECT_EQ(broker->affirmed()->measurement(), to_bytes(ByteView(broker_measurement())));
  EXPECT_EQ(broker->affirmed()->statement().keys.receipt, broker_key().public_key());
}

TEST_F(BrokerAffirmed, IsNotAskedForEvidenceWithoutAPolicy) {
  const auto broker = link(std::nullopt);
  ASSERT_TRUE(boot_over(*broker));
  EXPECT_THAT(shown_.asked(), ::testing::Not(Contains(kEvidenceAsked)));
  EXPECT_EQ(broker->affirmed(), nullptr);
}

// ---- What is refused ---------------------------------------------------------------------------

TEST_F(BrokerAffirmed, NotWithAnotherMeasurement) {
  shown_.processor.report.measurement = measurement();  // a worker's
  const auto worker = boot_by();
  ASSERT_TRUE(refused_with(worker, AttestationError::kMeasurement));
  EXPECT_THAT(worker.error().to_string(), HasSubstr("bbbb"));  // what was expected
  EXPECT_THAT(worker.error().to_string(), HasSubstr("a5a5"));  // what came
  EXPECT_TRUE(nothing_was_said());
}

TEST_F(BrokerAffirmed, NotWithoutEvidence) {
  shown_.attester.reset();
  const auto worker = boot_by();
  ASSERT_TRUE(refused_with(worker, ChannelError::kNoEvidence));
  EXPECT_THAT(worker.error().remedy(), HasSubstr("tsm_root"));
  EXPECT_TRUE(nothing_was_said());
}

TEST_F(BrokerAffirmed, NotInADebuggableGuest) {
  shown_.processor.report.policy |= std::uint64_t{1} << 19U;
  EXPECT_TRUE(refused_with(boot_by(), AttestationError::kDebug));
  EXPECT_TRUE(nothing_was_said());
}

TEST_F(BrokerAffirmed, NotUnderASimulatedRootThatIsNotListed) {
  std::string policy = peer_policy(says());
  const std::size_t from = policy.find("accept = []");
  policy.replace(from, policy.find("[snp]") - from, "accept = [\"vendor\"]\n");
  EXPECT_TRUE(refused_with(boot_by(policy), AttestationError::kArkPinned));
  EXPECT_TRUE(nothing_was_said());
}

TEST_F(BrokerAffirmed, NotByAWorkersEvidence) {
  shown_.instead = [this](const HttpRequest& request, const ConnectionInfo& connection) {
    return worker_->handle(request, connection);
  };
  EXPECT_TRUE(refused_with(boot_by(), AttestationError::kMeasurement));
  EXPECT_TRUE(nothing_was_said());
  // Nor where both are measured alike.
  shown_.forget_what_was_asked();
  PolicySays alike = says();
  alike.measurement = measurement();
  clock_.advance(seconds(2));  // the worker makes no more reports
  EXPECT_TRUE(refused_with(boot_by(alike), ChannelError::kForeignTlsKey));
  EXPECT_TRUE(nothing_was_said());
}

// A worker names its broker's key too, as somebody else's.
TEST_F(BrokerAffirmed, NotByAStatementOfAWorkersKindForItsOwnTlsKey) {
  const Ed25519PrivateKey session = key_of(20);
  shown_.instead = [&](const HttpRequest& request, const ConnectionInfo& connection) {
    const auto nonce =
        to_array<32>(from_hex(query_of(request.target)->at("nonce")).value()).value();
    EvidenceDocument document =
        parse_evidence_document(as_text(shown_.attester->answer(request, connection).body)).value();
    Statement statement = parse_statement(document.statement).value();
    statement.keys.session = session.public_key();
    statement.keys.receipt = key_of(21).public_key();
    document = document_of(attest_statement(shown_.processor, statement, std::nullopt).value());
    document.session = prove_session(session, ChannelKind::kTlsExporter, nonce, connection.exporter,
                                     sha256(document.statement), clock_.now());
    HttpResponse out;
    out.body = to_bytes(write_evidence_document(document));
    return out;
  };
  EXPECT_TRUE(refused_with(boot_by(), ChannelError::kBrokerKey));
  EXPECT_TRUE(nothing_was_said());
}

TEST_F(BrokerAffirmed, NotWhenItSignsByAnotherKey) {
  shown_.attest_as(key_of(9).public_key());
  EXPECT_TRUE(refused_with(boot_by(), AttestationError::kSecurityBrokerKey));
  shown_.forget_what_was_asked();
  PolicySays open = says();
  open.broker = key_of(9).public_key();
  const auto worker = boot_by(open);
  ASSERT_TRUE(refused_with(worker, ChannelError::kBrokerKey));
  EXPECT_THAT(worker.error().to_string(), HasSubstr(to_hex(broker_key().public_key().bytes)));
  EXPECT_TRUE(nothing_was_said());
}

TEST_F(BrokerAffirmed, NotThroughARelayThatHasItsTlsKey) {
  const auto relay =
      serve(shown_.identity(), [this](const HttpRequest& request, const ConnectionInfo&) {
        return HttpClient::connect(test::local("https", shown_.port()))
            .value()
            ->request(get(request.target))
            .value();
      });
  const auto broker = link_to(relay->port(), parsed(peer_policy(says())));
  EXPECT_TRUE(refused_with(boot_over(*broker), ChannelError::kProofBinding));
  EXPECT_TRUE(nothing_was_said());
}

TEST_F(BrokerAffirmed, NotUnderAnotherTlsKeyThanThePinned) {
  const auto relay =
      serve(test::make_identity(), [this](const HttpRequest& request, const ConnectionInfo& info) {
        return shown_.attester->answer(request, info);
      });
  const auto broker = link_to(relay->port(), parsed(peer_policy(says())));
  EXPECT_TRUE(refused_with(boot_over(*broker), NetError::kTlsPin));
  EXPECT_TRUE(shown_.asked().empty());
}

TEST_F(BrokerAffirmed, NotByEvidenceMadeForAnothersNonce) {
  shown_.instead = [this](const HttpRequest& request, const ConnectionInfo& connection) {
    HttpRequest other = request;
    other.target =
        std::string(kEvidencePath) + "?nonce=" + std::string(64, '1') + "&freshness=hardware";
    return shown_.attester->answer(other, connection);
  };
  EXPECT_TRUE(refused_with(boot_by(), AttestationError::kFreshnessChallenge));
  shown_.forget_what_was_asked();
  // Nor by that of its epoch, which says nothing of its age.
  shown_.instead = [this](const HttpRequest& request, const ConnectionInfo& connection) {
    HttpRequest other = request;
    other.target = other.target.substr(0, other.target.find('&'));
    return shown_.attester->answer(other, connection);
  };
  EXPECT_TRUE(refused_with(boot_by(), AttestationError::kFreshnessChallenge));
  EXPECT_TRUE(nothing_was_said());
}

TEST_F(BrokerAffirmed, NotWithoutASessionProofOfItsKind) {
  edit_document([](EvidenceDocument& document) { document.session.reset(); });
  EXPECT_TRUE(refused_with(boot_by(), ChannelError::kNoSessionProof));
  edit_document([](EvidenceDocument& document) { document.session->kind = ChannelKind::kTlsPeer; });
  EXPECT_TRUE(refused_with(boot_by(), ChannelError::kProofKind));
  edit_document([](EvidenceDocument& document) { document.session->time.unix_ms += 1; });
  EXPECT_TRUE(refused_with(boot_by(), ChannelError::kProofSignature));
  EXPECT_THAT(shown_.asked(), ::testing::Each(kEvidenceAsked));
}

TEST_F(BrokerAffirmed, IsTriedAgainLaterWhenItsProcessorIsBusy) {
  for (std::int64_t i = 0; i < kBrokerReportBurst; ++i) {
    ASSERT_TRUE(link(parsed(peer_policy(says())))->connect()) << i;
  }
  shown_.forget_what_was_asked();
  const auto worker = boot_by();
  ASSERT_TRUE(refused_with(worker, KeyBrokerError::kUnavailable));
  EXPECT_THAT(worker.error().to_string(), HasSubstr("channel.busy"));
  EXPECT_TRUE(nothing_was_said());
  clock_.advance(kBrokerReportPause);
  EXPECT_TRUE(boot_by());
}

// ---- Leases ------------------------------------------------------------------------------------

class BrokerAffirmed60 : public BrokerAffirmed {
 protected:
  BrokerAffirmed60() : BrokerAffirmed(60) {
    link_ = link(parsed(peer_policy(says())));
    leased_ = boot_over(*link_).value();
    shown_.forget_what_was_asked();
  }
  void advance(Millis by) {
    clock_.advance(by);
    client_clock_.advance(by);
    worker_->maintain();
  }
  long times(const std::string& what) {
    const std::vector<std::string> asked = shown_.asked();
    return std::count_if(asked.begin(), asked.end(),
                         [&](const std::string& one) { return one.starts_with(what); });
  }
  long leases() { return times("GET /kbs/v0/resource/ensconce/lease/"); }

  std::unique_ptr<PinnedBroker> link_;
  std::unique_ptr<AttestedWorker> leased_;
};

TEST_F(BrokerAffirmed60, RenewsOverTheConnectionItWasAffirmedOn) {
  advance(seconds(20));
  leased_->maintain();
  EXPECT_EQ(leases(), 1);
  EXPECT_EQ(times(kEvidenceAsked), 0);
}

TEST_F(BrokerAffirmed60, IsAffirmedAgainBeforeItRenewsOnceTheAffirmationHasEnded) {
  advance(kBrokerAffirmationLife);
  leased_->maintain();
  EXPECT_EQ(leases(), 1);
  EXPECT_EQ(times(kEvidenceAsked), 1);
  EXPECT_EQ(shown_.asked().front(), kEvidenceAsked);
}

TEST_F(BrokerAffirmed60, IsAffirmedAgainByTheWallClock) {
  clock_.set(kNow + kOwnNonceLife + Millis(1));
  ASSERT_TRUE(link_->connect());
  EXPECT_EQ(times(kEvidenceAsked), 1);
  ASSERT_TRUE(link_->connect());
  EXPECT_EQ(times(kEvidenceAsked), 1);
  clock_.set(kNow);
}

// The host that sets the wall clock back makes no affirmation last.
TEST_F(BrokerAffirmed60, IsAffirmedAgainByTheBootClock) {
  advance(kBrokerAffirmationLife);
  clock_.set(kNow);
  client_clock_.set(kNow);
  leased_->maintain();
  EXPECT_EQ(times(kEvidenceAsked), 1);
  clock_.set(kNow + kBrokerAffirmationLife);
  client_clock_.set(kNow + kBrokerAffirmationLife);
}

TEST_F(BrokerAffirmed60, RenewsNothingOnceItIsRefused) {
  advance(kBrokerAffirmationLife - seconds(1));
  leased_->maintain();
  ASSERT_EQ(leases(), 1);
  shown_.processor.report.measurement[0] ^= 1;
  shown_.forget_what_was_asked();
  advance(seconds(61));
  leased_->maintain();
  EXPECT_GE(times(kEvidenceAsked), 1);
  EXPECT_THAT(shown_.asked(), ::testing::Each(kEvidenceAsked));
  EXPECT_TRUE(answered(leased_->handle(infer_request(), {}), 503, "server.lease_ended"));
  // The right one again: the next attempt brings the worker back.
  shown_.processor.report.measurement[0] ^= 1;
  advance(seconds(5));
  leased_->maintain();
  EXPECT_EQ(leased_->handle(infer_request(), {}).status, 200);
}

// ---- The policy --------------------------------------------------------------------------------

TEST_F(BrokerAffirmed, OnlyByAPolicyForPeersWithHardwareFreshness) {
  const auto read = [](const std::string& text) {
    const auto path = scratch("broker-policy.toml");
    write_file_atomically(path, as_bytes(text)).value();
    return read_broker_policy(path);
  };
  EXPECT_TRUE(read(peer_policy(says())));
  EXPECT_TRUE(refused_with(read(client_policy(says())), PolicyError::kFormat));
  EXPECT_TRUE(refused_with(read(peer_policy()), PolicyError::kBadValue));  // a beacon's age
  EXPECT_TRUE(refused_with(read("role = \"peer\"\n"), PolicyError::kMissingField));
  EXPECT_FALSE(read_broker_policy(scratch("no-such-policy.toml")));
}

}  // namespace
}  // namespace ensconce::whole
