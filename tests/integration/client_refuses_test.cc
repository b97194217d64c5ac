// What a client refuses before an input leaves it, each by its own code. The genuine worker serves
// on (Whole::TearDown).
#include <gmock/gmock.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "ensconce/attestation/verify/error.h"
#include "ensconce/codec/base64.h"
#include "ensconce/crypto/x509.h"
#include "tls_fixture.h"
#include "whole.h"

namespace ensconce::whole {
namespace {

using std::chrono::minutes;

// MadeWorker is a worker whose every word a test may choose. As made, it tells the truth: what is
// refused is refused for the one thing that was changed.
class MadeWorker {
 public:
  MadeWorker(const SharedClock& clock, Random& random, AttestedWorker& genuine)
      : clock_(clock),
        genuine_(genuine),
        session(Ed25519PrivateKey::generate(random)),
        receipt_signer(Ed25519PrivateKey::generate(random)) {
    beacon = {random.array<32>(), clock.now(), random.array<16>()};
    statement.tls_key_hash = sha384(tls.public_key().spki_der());
    statement.boot_id = beacon.boot_id;
    statement.epoch = 1;
    statement.keys.tls = {statement.tls_key_hash};
    statement.keys.session = session.public_key();
    statement.keys.release = EcPrivateKey::generate(Curve::kP256).public_key().point();
    statement.keys.receipt = receipt_signer.public_key();
    statement.software = "ensconce-worker made";
    statement.security = {"none",
                          "shared",
                          std::string(kWholeSandbox),
                          {owner().public_key()},
                          broker_key().public_key()};
    const BundleHeader& header = whole::genuine().result.header;
    model = {
        header.name, header.version, whole::genuine().result.manifest_digest, header.owner_key, {}};
    lease = {{},          model.manifest_digest,     session.public_key(),
             clock.now(), clock.now() + minutes(60), 1};
  }

  [[nodiscard]] TlsIdentity identity() const {
    CertificateBuilder builder;
    builder.subject_cn("made").serial(1).validity(kNow, kNow + std::chrono::hours(1));
    return {builder.key(tls.public_key()).self_sign(tls).der(), tls.pkcs8_der()};
  }

  HttpResponse handle(const HttpRequest& request, const ConnectionInfo& connection) {
    const std::string_view path = path_of(request.target);
    HttpResponse out;
    if (path == kEvidencePath) {
      out.body = to_bytes(write_evidence_document(
          document(query_of(request.target)->at("nonce"), connection.exporter)));
    } else if (path == kServedListPath) {
      out.body = served(query_of(request.target)->at("statement"));
    } else {
      out = with_receipt(request, connection);
    }
    if (edit_answer) {
      edit_answer(out);
    }
    return out;
  }

 private:
  const SharedClock& clock_;
  AttestedWorker& genuine_;

 public:
  Processor processor;
  EcPrivateKey tls = EcPrivateKey::generate(Curve::kP256);
  Ed25519PrivateKey session;
  Beacon beacon;
  Ed25519PrivateKey beacon_signer = broker_key();
  Statement statement;  // its challenge is filled in
  ChannelKind proof_kind = ChannelKind::kTlsExporter;
  std::function<void(EvidenceDocument&)> edit_document;
  ServedModel model;  // its lease is filled in
  Lease lease;
  Ed25519PrivateKey lease_signer = broker_key();
  std::function<void(ServedList&)> edit_list;
  std::optional<Ed25519PrivateKey> list_signer;
  std::function<void(Receipt&)> edit_receipt;
  Ed25519PrivateKey receipt_signer;
  std::function<void(HttpResponse&)> edit_answer;

 private:
  [[nodiscard]] EvidenceDocument document(const std::string& nonce, const ByteArray<32>& exporter) {
    const ByteArray<32> own = to_array<32>(from_hex(nonce).value()).value();
    EvidenceDocument out;
    out.beacon = sign_beacon(beacon, beacon_signer);
    Statement said = statement;
    said.challenge = beacon_challenge(*out.beacon);
    out.statement = encode_statement(said);
    HardwareEvidence hardware = processor.attest(report_data_for(out.statement)).value();
    out.evidence = {std::move(hardware.evidence)};
    out.endorsements = std::move(hardware.endorsements);
    out.session =
        prove_session(session, proof_kind, own, exporter, sha256(out.statement), clock_.now());
    if (edit_document) {
      edit_document(out);
    }
    return out;
  }

  // The genuine worker computes; its receipt is its own and not of this boot.
  [[nodiscard]] HttpResponse with_receipt(const HttpRequest& request,
                                          const ConnectionInfo& connection) {
    HttpResponse out = genuine_.handle(request, connection);
    const auto value = out.headers.get(kReceiptHeader);
    if (!value) {
      return out;
    }
    Receipt receipt = read_receipt_unverified(base64_decode(*value).value()).value();
    receipt.boot_id = statement.boot_id;
    if (edit_receipt) {
      edit_receipt(receipt);
    }
    out.headers.set(std::string(kReceiptHeader),
                    base64_encode(sign_receipt(receipt_signer, receipt)));
    return out;
  }

  [[nodiscard]] Bytes served(const std::string& statement_digest) {
    ServedList list;
    list.statement_digest = to_array<32>(from_hex(statement_digest).value()).value();
    list.sequence = 1;
    list.models = {model};
    list.models.front().lease = sign_lease(lease_signer, lease);
    if (edit_list) {
      edit_list(list);
    }
    return sign_served_list(list_signer ? *list_signer : session, list);
  }
};

class ClientRefuses : public Whole {
 protected:
  ConnectOutcome reach(const PolicySays& says = {}) {
    const auto server =
        serve(made_.identity(), [this](const HttpRequest& request, const ConnectionInfo& info) {
          return made_.handle(request, info);
        });
    ConnectOutcome outcome = connect(server->port(), says);
    if (outcome.client) {
      answer_ = infer(**outcome.client, says.model);
    }
    return outcome;
  }
  // reach_model connects, which must work, and returns what came of the request.
  Result<AttestedClient::Answer> reach_model(const PolicySays& says = {}) {
    const ConnectOutcome outcome = reach(says);
    if (!outcome.client) {
      return outcome.client.error();
    }
    return *std::move(answer_);
  }

  MadeWorker made_{clock_, random_, *worker_};
  std::optional<Result<AttestedClient::Answer>> answer_;
};

TEST_F(ClientRefuses, NothingOfAMadeWorkerThatTellsTheTruth) {
  const auto answer = reach_model();
  ASSERT_TRUE(answer) << answer.error().to_string();
}

// ---- Evidence ----------------------------------------------------------------------------------

TEST_F(ClientRefuses, ADebuggableGuest) {
  made_.processor.report.policy |= std::uint64_t{1} << 19U;
  EXPECT_TRUE(refused_with(reach(), AttestationError::kDebug));
}

TEST_F(ClientRefuses, AMeasurementThePolicyDoesNotName) {
  made_.processor.report.measurement[47] ^= 1;
  EXPECT_TRUE(refused_with(reach(), AttestationError::kMeasurement));
}

TEST_F(ClientRefuses, ASimulatedRootThePolicyDoesNotList) {
  EXPECT_TRUE(refused_with(connect({.root = other_pki().ark().spki_sha256()}),
                           AttestationError::kArkPinned));
}

TEST_F(ClientRefuses, AnExpiredChipCertificate) {
  client_clock_.set(kChipCertificateEnds + Millis(1000));
  EXPECT_TRUE(refused_with(connect(), AttestationError::kCertExpired));
  client_clock_.set(kNow);
}

TEST_F(ClientRefuses, EachSignedFieldOfTheReportChanged) {
  struct Change {
    const char* field;
    void (*make)(SnpReport&);
    AttestationError code = AttestationError::kReportSignature;
  };
  // The rest of the chain is judged before the signature, and each kind of key has a chain of its
  // own.
  const std::vector<Change> changes{
      {"version", [](SnpReport& r) { r.version = 5; }},
      {"guest_svn", [](SnpReport& r) { r.guest_svn ^= 1; }},
      {"policy", [](SnpReport& r) { r.policy ^= std::uint64_t{1} << 16U; }},
      {"family_id", [](SnpReport& r) { r.family_id[0] ^= 1; }},
      {"image_id", [](SnpReport& r) { r.image_id[0] ^= 1; }},
      {"vmpl", [](SnpReport& r) { r.vmpl ^= 1; }},
      {"current_tcb", [](SnpReport& r) { r.current_tcb[0] ^= 1; }},
      {"platform_info", [](SnpReport& r) { r.platform_info ^= 1; }},
      {"author_key_enabled", [](SnpReport& r) { r.author_key_enabled = !r.author_key_enabled; }},
      {"chip_key_masked", [](SnpReport& r) { r.chip_key_masked = !r.chip_key_masked; }},
      {"signing_key", [](SnpReport& r) { r.signing_key = SnpSigningKey::kVlek; },
       AttestationError::kChainNames},
      {"report_data", [](SnpReport& r) { r.report_data[0] ^= 1; }},
      {"measurement", [](SnpReport& r) { r.measurement[0] ^= 1; }},
      {"host_data", [](SnpReport& r) { r.host_data[0] ^= 1; }},
      {"id_key_digest", [](SnpReport& r) { r.id_key_digest[0] ^= 1; }},
      {"author_key_digest", [](SnpReport& r) { r.author_key_digest[0] ^= 1; }},
      {"report_id", [](SnpReport& r) { r.report_id[0] ^= 1; }},
      {"report_id_ma", [](SnpReport& r) { r.report_id_ma[0] ^= 1; }},
      {"reported_tcb", [](SnpReport& r) { r.reported_tcb[0] ^= 1; }},
      {"cpuid_family", [](SnpReport& r) { r.cpuid_family ^= 1; }},
      {"cpuid_model", [](SnpReport& r) { r.cpuid_model ^= 1; }},
      {"cpuid_stepping", [](SnpReport& r) { r.cpuid_stepping ^= 1; }},
      {"chip_id", [](SnpReport& r) { r.chip_id[0] ^= 1; }},
      {"committed_tcb", [](SnpReport& r) { r.committed_tcb[0] ^= 1; }},
      {"current_firmware", [](SnpReport& r) { r.current_firmware.build ^= 1; }},
      {"committed_firmware", [](SnpReport& r) { r.committed_firmware.build ^= 1; }},
      {"launch_tcb", [](SnpReport& r) { r.launch_tcb[0] ^= 1; }},
      {"signature_r", [](SnpReport& r) { r.signature_r[47] ^= 1; }},
      {"signature_s", [](SnpReport& r) { r.signature_s[47] ^= 1; }},
  };
  std::atomic<const Change*> change = nullptr;
  made_.edit_document = [&](EvidenceDocument& document) {
    SnpReport report = parse_snp_report(document.evidence.front().data).value();
    change.load()->make(report);
    document.evidence.front().data = write_snp_report(report);
  };
  const auto server =
      serve(made_.identity(), [this](const HttpRequest& request, const ConnectionInfo& info) {
        return made_.handle(request, info);
      });
  for (const Change& each : changes) {
    change = &each;
    EXPECT_TRUE(refused_with(connect(server->port()), each.code)) << each.field;
  }
}

TEST_F(ClientRefuses, AStatementTheReportWasNotMadeFor) {
  made_.edit_document = [&](EvidenceDocument& document) {
    Statement other = made_.statement;
    other.challenge = beacon_challenge(*document.beacon);
    other.keys.session = key_of(9).public_key();
    document.statement = encode_statement(other);
  };
  EXPECT_TRUE(refused_with(reach(), AttestationError::kReportData));
}

TEST_F(ClientRefuses, ADocumentWithoutASnpReport) {
  made_.edit_document = [](EvidenceDocument& document) { document.evidence.clear(); };
  EXPECT_TRUE(refused_with(reach(), ChannelError::kNoEvidence));
}

TEST_F(ClientRefuses, AServerThatOffersNoEvidence) {
  const auto server = serve(test::make_identity(), [](const HttpRequest&, const ConnectionInfo&) {
    return json_error(404, "no such path");
  });
  EXPECT_TRUE(refused_with(connect(server->port()), ChannelError::kNoEvidence));
}

TEST_F(ClientRefuses, SomethingElseInPlaceOfADocument) {
  const auto server = serve(test::make_identity(), [](const HttpRequest&, const ConnectionInfo&) {
    return HttpResponse{200, {}, to_bytes("{\"format\":\"other\"}")};
  });
  EXPECT_TRUE(refused_with(connect(server->port()), ChannelError::kBadDocument));
}

// ---- Freshness ---------------------------------------------------------------------------------

TEST_F(ClientRefuses, ABeaconThatIsTooOld) {
  client_clock_.advance(minutes(20));
  EXPECT_TRUE(connect().client);
  client_clock_.advance(Millis(1));
  EXPECT_TRUE(refused_with(connect(), AttestationError::kFreshnessAge));
  client_clock_.set(kNow);
}

TEST_F(ClientRefuses, ABeaconFromAheadOfItsClock) {
  client_clock_.set(kNow - minutes(2) - Millis(1));
  EXPECT_TRUE(refused_with(connect(), AttestationError::kFreshnessFuture));
  client_clock_.set(kNow);
}

TEST_F(ClientRefuses, ABeaconOfAnotherBroker) {
  made_.beacon_signer = key_of(9);
  EXPECT_TRUE(refused_with(reach(), AttestationError::kBeaconSignature));
}

TEST_F(ClientRefuses, ABeaconForAnotherBoot) {
  made_.beacon.boot_id[0] ^= 1;
  EXPECT_TRUE(refused_with(reach(), AttestationError::kFreshnessBootId));
}

TEST_F(ClientRefuses, AFreshBeaconBesideStaleEvidence) {
  made_.edit_document = [&](EvidenceDocument& document) {
    Beacon newer = made_.beacon;
    newer.random[0] ^= 1;
    document.beacon = sign_beacon(newer, broker_key());
  };
  EXPECT_TRUE(refused_with(reach(), AttestationError::kFreshnessChallenge));
}

TEST_F(ClientRefuses, EvidenceWithoutABeacon) {
  made_.edit_document = [](EvidenceDocument& document) { document.beacon.reset(); };
  EXPECT_TRUE(refused_with(reach(), AttestationError::kFreshnessKnown));
}

TEST_F(ClientRefuses, EvidenceForAnotherNonceWhereItAskedForItsOwn) {
  const PolicySays own{.freshness = "hardware = true\n"};
  EXPECT_TRUE(refused_with(reach(own), AttestationError::kFreshnessChallenge));
  const ConnectOutcome genuine = connect(own);
  EXPECT_TRUE(genuine.client) << genuine.client.error().to_string();
}

TEST_F(ClientRefuses, AnAffirmationThatHasEnded) {
  const ConnectOutcome outcome = connect();
  ASSERT_TRUE(outcome.client);
  client_clock_.advance(minutes(20) + Millis(1));
  EXPECT_TRUE(refused_with(infer(**outcome.client), ChannelError::kNotAffirmed));
  client_clock_.set(kNow);
  EXPECT_TRUE(infer(**outcome.client));
}

// ---- Session -----------------------------------------------------------------------------------

TEST_F(ClientRefuses, ADocumentPlayedAgain) {
  std::mutex mutex;
  std::optional<HttpResponse> first;
  const auto server = serve(worker_->tls_identity(),
                            [&](const HttpRequest& request, const ConnectionInfo& connection) {
                              if (path_of(request.target) != kEvidencePath) {
                                return worker_->handle(request, connection);
                              }
                              const std::lock_guard lock(mutex);
                              if (!first) {
                                first = worker_->handle(request, connection);
                              }
                              return *first;
                            });
  EXPECT_TRUE(connect(server->port()).client);
  EXPECT_TRUE(refused_with(connect(server->port()), ChannelError::kProofNonce));
}

TEST_F(ClientRefuses, ASessionProofOfTheOtherKind) {
  made_.proof_kind = ChannelKind::kOhttpKey;
  EXPECT_TRUE(refused_with(reach(), ChannelError::kProofKind));
}

TEST_F(ClientRefuses, ASessionProofForAnotherSession) {
  // Whoever holds the worker's TLS key, but not its session key, ends the client's connection and
  // asks the worker over one of his own.
  const auto relay = serve(
      worker_->tls_identity(),
      [this](const HttpRequest& request, const ConnectionInfo&) { return exchange(request); });
  EXPECT_TRUE(refused_with(connect(relay->port()), ChannelError::kProofBinding));
}

TEST_F(ClientRefuses, ASessionProofOverAnotherStatement) {
  made_.edit_document = [](EvidenceDocument& d) { d.session->statement_digest[0] ^= 1; };
  EXPECT_TRUE(refused_with(reach(), ChannelError::kProofStatement));
}

TEST_F(ClientRefuses, ASessionProofByAnotherKey) {
  made_.edit_document = [](EvidenceDocument& d) {
    const SessionProof& p = *d.session;
    d.session = prove_session(key_of(9), p.kind, p.nonce, p.binding, p.statement_digest, p.time);
  };
  EXPECT_TRUE(refused_with(reach(), ChannelError::kProofSignature));
}

TEST_F(ClientRefuses, ADocumentWithoutASessionProof) {
  made_.edit_document = [](EvidenceDocument& d) { d.session.reset(); };
  EXPECT_TRUE(refused_with(reach(), ChannelError::kNoSessionProof));
}

TEST_F(ClientRefuses, ARelayThatForwardsTheGenuineWorkersEvidence) {
  std::atomic<int> other_requests = 0;
  const auto relay =
      serve(test::make_identity(), [&](const HttpRequest& request, const ConnectionInfo&) {
        other_requests += path_of(request.target) == kEvidencePath ? 0 : 1;
        return exchange(request);
      });
  EXPECT_TRUE(refused_with(connect(relay->port()), ChannelError::kForeignTlsKey));
  EXPECT_EQ(other_requests, 0);
}

// OldServer speaks TLS as OpenSSL would by itself, to one client.
class OldServer {
 public:
  OldServer(int max_version, std::size_t num_tickets)
      : listening_(test::listen_on_loopback()),
        thread_([this, max_version, num_tickets] { run(max_version, num_tickets); }) {}
  [[nodiscard]] std::uint16_t port() const { return listening_.second; }

 private:
  void run(int max_version, std::size_t num_tickets) const {
    const Fd fd(::accept(listening_.first.get(), nullptr, nullptr));
    const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_method()),
                                                                    SSL_CTX_free);
    test::use_identity(context.get(), test::make_identity());
    SSL_CTX_set_max_proto_version(context.get(), max_version);
    SSL_CTX_set_num_tickets(context.get(), num_tickets);
    const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context.get()), SSL_free);
    SSL_set_fd(ssl.get(), fd.get());
    char block[4096];
    if (SSL_accept(ssl.get()) == 1 && SSL_read(ssl.get(), block, sizeof(block)) > 0) {
      constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
      SSL_write(ssl.get(), kAnswer.data(), static_cast<int>(kAnswer.size()));
      SSL_shutdown(ssl.get());
    }
  }

  std::pair<Fd, std::uint16_t> listening_;
  std::jthread thread_;
};

TEST_F(ClientRefuses, Tls12) {
  const OldServer server(TLS1_2_VERSION, 0);
  EXPECT_TRUE(refused_with(connect(server.port()), NetError::kTlsVersion));
}

TEST_F(ClientRefuses, ATlsTicket) {
  const OldServer server(TLS1_3_VERSION, 1);
  EXPECT_TRUE(refused_with(connect(server.port()), NetError::kTlsTicket));
  const OldServer without(TLS1_3_VERSION, 0);
  EXPECT_TRUE(refused_with(connect(without.port()), ChannelError::kBadDocument));
}

TEST_F(ClientRefuses, PlainHttp) {
  const AppraisalPolicy policy = AppraisalPolicy::parse(client_policy(), "client.toml").value();
  EXPECT_TRUE(refused_with(AttestedClient::connect(test::local("http", server_->port()), policy, {},
                                                   client_clock_, random_),
                           NetError::kBadUrl));
}

// ---- Served list and models --------------------------------------------------------------------

TEST_F(ClientRefuses, AServedListOfAnotherStatement) {
  made_.edit_list = [](ServedList& list) { list.statement_digest[0] ^= 1; };
  EXPECT_TRUE(refused_with(reach(), ChannelError::kServedStatement));
}

TEST_F(ClientRefuses, AServedListByAnotherKey) {
  made_.list_signer.emplace(key_of(9));
  EXPECT_TRUE(refused_with(reach(), ChannelError::kServedSignature));
}

TEST_F(ClientRefuses, AModelOfAnotherOwner) {
  made_.model.owner = other_owner().public_key();
  EXPECT_TRUE(refused_with(reach_model(), ChannelError::kModelOwner));
}

TEST_F(ClientRefuses, AnOlderVersionThanItsPolicys) {
  const ConnectOutcome outcome = connect({.minimum_version = 2});
  ASSERT_TRUE(outcome.client);
  EXPECT_TRUE(refused_with(infer(**outcome.client), ChannelError::kModelRolledBack));
}

TEST_F(ClientRefuses, AnOlderVersionThanTheBrokers) {
  made_.lease.minimum_version = 2;
  EXPECT_TRUE(refused_with(reach_model(), ChannelError::kModelRolledBack));
}

TEST_F(ClientRefuses, AModelItsPolicyDoesNotName) {
  const ConnectOutcome outcome = connect({.model = "other"});
  ASSERT_TRUE(outcome.client);
  EXPECT_TRUE(refused_with(infer(**outcome.client), ChannelError::kModelNotInPolicy));
}

TEST_F(ClientRefuses, AModelThatIsNotServed) {
  EXPECT_TRUE(refused_with(reach_model({.model = "other"}), ChannelError::kModelNotServed));
}

TEST_F(ClientRefuses, ALeaseThatHasEndedByItsOwnClock) {
  made_.lease.not_after = clock_.now() + minutes(5);
  client_clock_.advance(minutes(5));
  const auto still = reach_model();
  EXPECT_TRUE(still) << still.error().to_string();
  client_clock_.advance(Millis(1));
  EXPECT_TRUE(refused_with(reach_model(), ChannelError::kLeaseExpired));
}

TEST_F(ClientRefuses, ALeaseOfAnotherBroker) {
  made_.lease_signer = key_of(9);
  EXPECT_TRUE(refused_with(reach_model(), ChannelError::kLeaseSignature));
}

TEST_F(ClientRefuses, ALeaseOfAnotherWorker) {
  made_.lease.session_key = key_of(9).public_key();
  EXPECT_TRUE(refused_with(reach_model(), ChannelError::kLeaseSession));
}

TEST_F(ClientRefuses, ALeaseForAnotherBundle) {
  made_.lease.manifest_digest[0] ^= 1;
  EXPECT_TRUE(refused_with(reach_model(), ChannelError::kLeaseManifest));
}

TEST_F(ClientRefuses, AnAnswerThatNamesAnotherBundle) {
  const auto server =
      serve(made_.identity(), [this](const HttpRequest& request, const ConnectionInfo& info) {
        HttpResponse out = made_.handle(request, info);
        if (out.headers.get(kBundleHeader)) {
          out.headers.set(std::string(kBundleHeader), std::string(64, '0'));
        }
        return out;
      });
  const ConnectOutcome outcome = connect(server->port());
  ASSERT_TRUE(outcome.client);
  EXPECT_TRUE(refused_with(infer(**outcome.client), ChannelError::kUnexpectedAnswer));
}

// ---- Receipt -----------------------------------------------------------------------------------

TEST_F(ClientRefuses, NothingOfAGenuineReceiptAndKeepsIt) {
  const ConnectOutcome outcome = connect();
  ASSERT_TRUE(outcome.client);
  AttestedClient& client = **outcome.client;
  const auto first = infer(client);
  const auto second = infer(client);
  ASSERT_TRUE(first) << first.error().to_string();
  ASSERT_TRUE(second) << second.error().to_string();
  const Statement& statement = client.affirmed().statement();
  const Receipt receipt = verify_receipt(statement.keys.receipt, first->receipt).value();
  EXPECT_EQ(receipt.statement_digest, client.affirmed().statement_sha256());
  EXPECT_EQ(receipt.boot_id, statement.boot_id);
  EXPECT_EQ(receipt.measurement, to_bytes(ByteView(measurement())));
  EXPECT_EQ(receipt.manifest_digest, genuine().result.manifest_digest);
  EXPECT_EQ(receipt.model_name, kModel);
  EXPECT_EQ(receipt.model_version, 1U);
  EXPECT_EQ(receipt.time, clock_.now());
  EXPECT_GT(verify_receipt(statement.keys.receipt, second->receipt)->sequence, receipt.sequence);
  EXPECT_FALSE(first->receipt_key.equals(second->receipt_key));
  EXPECT_EQ(sha256(parse_evidence_document(client.evidence_document())->statement),
            receipt.statement_digest);
}

TEST_F(ClientRefuses, NothingOfAReceiptOfALaterEpochOfTheSameBoot) {
  const ConnectOutcome outcome = connect();
  ASSERT_TRUE(outcome.client);
  clock_.advance(minutes(10));
  client_clock_.advance(minutes(10));
  worker_->maintain();
  const auto answer = infer(**outcome.client);
  ASSERT_TRUE(answer) << answer.error().to_string();
  EXPECT_NE(read_receipt_unverified(answer->receipt)->statement_digest,
            (*outcome.client)->affirmed().statement_sha256());
}

TEST_F(ClientRefuses, NothingOfAReceiptWhereItAskedForFreshHardwareEvidence) {
  const ConnectOutcome outcome = connect({.freshness = "hardware = true\n"});
  ASSERT_TRUE(outcome.client) << outcome.client.error().to_string();
  const auto answer = infer(**outcome.client);
  EXPECT_TRUE(answer) << answer.error().to_string();
}

TEST_F(ClientRefuses, AnAnswerWithoutAReceipt) {
  // As of a worker that knows no receipts, or something that takes the header off.
  const auto server =
      serve(worker_->tls_identity(), [this](HttpRequest request, const ConnectionInfo& info) {
        HttpHeaders headers;
        for (const HttpHeader& field : request.headers.all()) {
          if (field.name != kReceiptKeyHeader) {
            headers.add(field.name, field.value);
          }
        }
        request.headers = headers;
        return worker_->handle(request, info);
      });
  const ConnectOutcome outcome = connect(server->port());
  ASSERT_TRUE(outcome.client);
  EXPECT_TRUE(refused_with(infer(**outcome.client), ChannelError::kNoReceipt));
}

TEST_F(ClientRefuses, AReceiptThatIsNone) {
  made_.edit_answer = [](HttpResponse& answer) {
    if (answer.headers.get(kReceiptHeader)) {
      answer.headers.set(std::string(kReceiptHeader), "not base64");
    }
  };
  EXPECT_TRUE(refused_with(reach_model(), ChannelError::kBadReceipt));
  made_.edit_answer = [](HttpResponse& answer) {
    if (answer.headers.get(kReceiptHeader)) {
      answer.headers.set(std::string(kReceiptHeader), "AAAA");
    }
  };
  EXPECT_TRUE(refused_with(reach_model(), ChannelError::kBadReceipt));
}

TEST_F(ClientRefuses, AReceiptByAnotherKey) {
  made_.receipt_signer = key_of(9);
  EXPECT_TRUE(refused_with(reach_model(), ChannelError::kReceiptSignature));
}

TEST_F(ClientRefuses, AReceiptOfAnotherBoot) {
  made_.edit_receipt = [](Receipt& receipt) { receipt.boot_id[0] ^= 1; };
  EXPECT_TRUE(refused_with(reach_model(), ChannelError::kReceiptStatement));
}

TEST_F(ClientRefuses, AReceiptOfOtherCode) {
  made_.edit_receipt = [](Receipt& receipt) { receipt.measurement[0] ^= 1; };
  EXPECT_TRUE(refused_with(reach_model(), ChannelError::kReceiptMeasurement));
}

TEST_F(ClientRefuses, AReceiptOfAnotherBundle) {
  made_.edit_receipt = [](Receipt& receipt) { receipt.manifest_digest[0] ^= 1; };
  EXPECT_TRUE(refused_with(reach_model(), ChannelError::kReceiptManifest));
}

TEST_F(ClientRefuses, AReceiptOfAnotherModelOrVersion) {
  made_.edit_receipt = [](Receipt& receipt) { receipt.model_name = "other"; };
  EXPECT_TRUE(refused_with(reach_model(), ChannelError::kReceiptModel));
  made_.edit_receipt = [](Receipt& receipt) { receipt.model_version = 2; };
  EXPECT_TRUE(refused_with(reach_model(), ChannelError::kReceiptModel));
}

TEST_F(ClientRefuses, AReceiptThatDoesNotCount) {
  made_.edit_receipt = [](Receipt& receipt) { receipt.sequence = 0; };
  EXPECT_TRUE(refused_with(reach_model(), ChannelError::kReceiptSequence));
}

// Something sits between the channel and the worker, and has not the receipt key.
class ClientInTheMiddle : public ClientRefuses {
 protected:
  // ask connects through the middle and asks as often as `times`; the last answer counts.
  Result<AttestedClient::Answer> ask(const std::function<void(HttpRequest&)>& edit_request,
                                     const std::function<void(HttpResponse&)>& edit_response,
                                     int times = 1) {
    const auto server =
        serve(worker_->tls_identity(), [&](HttpRequest request, const ConnectionInfo& info) {
          const bool inference = request.method == "POST";
          if (inference && edit_request) {
            edit_request(request);
          }
          HttpResponse out = worker_->handle(request, info);
          if (inference && edit_response) {
            edit_response(out);
          }
          return out;
        });
    const ConnectOutcome outcome = connect(server->port());
    for (int i = 1; i < times; ++i) {
      EXPECT_TRUE(infer(**outcome.client));
    }
    return infer(**outcome.client);
  }
};

TEST_F(ClientInTheMiddle, IsRefusedNothingWhereNothingIsChanged) { EXPECT_TRUE(ask({}, {}, 2)); }

TEST_F(ClientInTheMiddle, IsRefusedAChangedRequest) {
  EXPECT_TRUE(refused_with(ask([](HttpRequest& request) { request.body.back() ^= 0x40; }, {}),
                           ChannelError::kReceiptRequest));
}

TEST_F(ClientInTheMiddle, IsRefusedAnotherKeyForTheDigests) {
  EXPECT_TRUE(refused_with(ask(
                               [](HttpRequest& request) {
                                 request.headers.set(std::string(kReceiptKeyHeader),
                                                     std::string(64, 'a'));
                               },
                               {}),
                           ChannelError::kReceiptRequest));
}

TEST_F(ClientInTheMiddle, IsRefusedAChangedAnswer) {
  EXPECT_TRUE(refused_with(ask({}, [](HttpResponse& answer) { answer.body.back() ^= 0x40; }),
                           ChannelError::kReceiptResponse));
  EXPECT_TRUE(refused_with(
      ask({}, [](HttpResponse& answer) { answer.headers.set("Content-Type", "text/plain"); }),
      ChannelError::kReceiptResponse));
}

TEST_F(ClientInTheMiddle, IsRefusedAnEarlierReceipt) {
  std::optional<std::string> first;
  const auto play_again = [&](HttpResponse& answer) {
    if (!first) {
      first = std::string(answer.headers.get(kReceiptHeader).value());
    }
    answer.headers.set(std::string(kReceiptHeader), *first);
  };
  EXPECT_TRUE(refused_with(ask({}, play_again, 2), ChannelError::kReceiptRequest));
}

// ---- Policy ------------------------------------------------------------------------------------

TEST(ClientPolicy, IsRefusedWithAnyFieldMissing) {
  const std::string text = client_policy();
  int fields = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at) + 1;
    const std::string line = text.substr(at, end - at);
    // An empty `accept` says no more than none at all, as long as a root is listed.
    if (line.find(" = ") != std::string::npos && !line.starts_with("accept")) {
      const auto policy = AppraisalPolicy::parse(text.substr(0, at) + text.substr(end), "p");
      EXPECT_TRUE(refused_with(policy, PolicyError::kMissingField)) << line;
      ++fields;
    }
    at = end;
  }
  EXPECT_EQ(fields, 36);
}

TEST(ClientPolicy, IsRefusedWithAnUnknownField) {
  for (const char* section : {"[anchors]\n", "[[anchors.listed]]\n", "[snp]\n", "[security]\n",
                              "[freshness]\n", "[[model]]\n"}) {
    std::string text = client_policy();
    text.insert(text.find(section) + std::string_view(section).size(), "unheard_of = true\n");
    EXPECT_TRUE(refused_with(AppraisalPolicy::parse(text, "p"), PolicyError::kUnknownField))
        << section;
  }
  EXPECT_TRUE(refused_with(AppraisalPolicy::parse("unheard_of = true\n" + client_policy(), "p"),
                           PolicyError::kUnknownField));
}

// ---- Remembered appraisals ---------------------------------------------------------------------

class RemembersAppraisals : public ClientRefuses {
 protected:
  static AppraisalPolicy policy(const PolicySays& says = {}) {
    return AppraisalPolicy::parse(client_policy(says), "client.toml").value();
  }
  ConnectOutcome again(std::uint16_t port, const PolicySays& says = {}) {
    return AttestedClient::connect(test::local("https", port), policy(says), {}, client_clock_,
                                   random_, ChannelChoice::kAttestedTls, &cache_);
  }
  // serve_made serves the made worker with one document's evidence for ever; a real one keeps its
  // own for an epoch.
  std::unique_ptr<HttpServer> serve_made() {
    made_.edit_document = [this](EvidenceDocument& document) {
      if (!kept_) {
        kept_ = document;
      }
      document.evidence = kept_->evidence;
      document.endorsements = kept_->endorsements;
      if (edit_session_) {
        edit_session_(document);
      }
    };
    return serve(made_.identity(), [this](const HttpRequest& request, const ConnectionInfo& info) {
      return made_.handle(request, info);
    });
  }
  [[nodiscard]] bool known(const EvidenceDocument& document, const PolicySays& says = {}) const {
    return cache_.find(AppraisalCache::question(document, policy(says)), client_clock_.now()) !=
           nullptr;
  }

  AppraisalCache cache_;
  std::optional<EvidenceDocument> kept_;
  std::function<void(EvidenceDocument&)> edit_session_;
};

TEST_F(RemembersAppraisals, OfOneWorkerWithinItsEpoch) {
  for (int i = 0; i < 2; ++i) {
    const ConnectOutcome outcome = again(server_->port());
    ASSERT_TRUE(outcome.client) << outcome.client.error().to_string();
    ASSERT_TRUE(outcome.appraisal);
    EXPECT_EQ(outcome.appraisal->outcome(), Outcome::kAffirming);
    EXPECT_TRUE(infer(**outcome.client));
    EXPECT_TRUE(known(parse_evidence_document((*outcome.client)->evidence_document()).value()));
  }
}

// A verdict put where it does not belong shows that it is asked for, and that the channel is judged
// all the same.
TEST_F(RemembersAppraisals, ButNeverWhoseChannelItIs) {
  const EvidenceDocument genuine = fetch_document(random_.array<32>());
  const AttestationResult affirmed =
      appraise_document(genuine, policy(), std::nullopt, client_clock_.now()).result;
  ASSERT_TRUE(affirmed.affirmed());
  made_.processor.report.measurement[0] ^= 1;
  const auto server = serve_made();
  EXPECT_TRUE(refused_with(again(server->port()), AttestationError::kMeasurement));
  ASSERT_TRUE(kept_);
  EXPECT_FALSE(known(*kept_));  // no refusal is kept
  cache_.learn(AppraisalCache::question(*kept_, policy()), affirmed, client_clock_.now());
  EXPECT_TRUE(refused_with(again(server->port()), ChannelError::kForeignTlsKey));
}

TEST_F(RemembersAppraisals, ButChecksEverySessionProof) {
  const auto server = serve_made();
  ASSERT_TRUE(again(server->port()).client);
  ASSERT_TRUE(known(*kept_));
  edit_session_ = [](EvidenceDocument& document) { document.session->signature[0] ^= 1; };
  EXPECT_TRUE(refused_with(again(server->port()), ChannelError::kProofSignature));
  edit_session_ = [this](EvidenceDocument& document) { document.session = kept_->session; };
  EXPECT_TRUE(refused_with(again(server->port()), ChannelError::kProofNonce));
  edit_session_ = [](EvidenceDocument& document) { document.session->binding[0] ^= 1; };
  EXPECT_TRUE(refused_with(again(server->port()), ChannelError::kProofBinding));
  edit_session_ = [](EvidenceDocument& document) { document.session.reset(); };
  EXPECT_TRUE(refused_with(again(server->port()), ChannelError::kNoSessionProof));
}

TEST_F(RemembersAppraisals, UntilTheAffirmationExpires) {
  const auto server = serve_made();
  const ConnectOutcome first = again(server->port());
  ASSERT_TRUE(first.client);
  const Instant expires = (*first.client)->affirmed().expires();
  const Sha256Digest question = AppraisalCache::question(*kept_, policy());
  EXPECT_NE(cache_.find(question, expires), nullptr);
  EXPECT_EQ(cache_.find(question, expires + Millis(1)), nullptr);
  EXPECT_EQ(cache_.find(question, kNow - Millis(1)), nullptr);  // a clock that was set back
  client_clock_.set(expires + Millis(1));
  EXPECT_TRUE(refused_with(again(server->port()), AttestationError::kFreshnessAge));
  client_clock_.set(kNow);
}

TEST_F(RemembersAppraisals, OfThisVeryDocumentAndPolicyAlone) {
  ASSERT_TRUE(again(server_->port()).client);
  const EvidenceDocument document = fetch_document(random_.array<32>());
  ASSERT_TRUE(known(document));
  EXPECT_FALSE(known(document, {.minimum_version = 2}));
  const std::vector<std::pair<const char*, void (*)(EvidenceDocument&)>> changes{
      {"statement", [](EvidenceDocument& d) { d.statement.back() ^= 1; }},
      {"beacon", [](EvidenceDocument& d) { d.beacon->back() ^= 1; }},
      {"no beacon", [](EvidenceDocument& d) { d.beacon.reset(); }},
      {"empty beacon", [](EvidenceDocument& d) { d.beacon.emplace(); }},
      {"kind of evidence", [](EvidenceDocument& d) { d.evidence.front().type += "2"; }},
      {"evidence", [](EvidenceDocument& d) { d.evidence.front().data.back() ^= 1; }},
      {"more evidence", [](EvidenceDocument& d) { d.evidence.push_back(d.evidence.front()); }},
      {"kind of endorsement", [](EvidenceDocument& d) { d.endorsements.front().type += "2"; }},
      {"endorsement", [](EvidenceDocument& d) { d.endorsements.back().data.back() ^= 1; }},
      {"an endorsement less", [](EvidenceDocument& d) { d.endorsements.pop_back(); }},
      {"order", [](EvidenceDocument& d) { std::swap(d.endorsements[0], d.endorsements[1]); }},
      {"where one ends",
       [](EvidenceDocument& d) {
         d.evidence.front().type.push_back(static_cast<char>(d.evidence.front().data.front()));
         d.evidence.front().data.erase(d.evidence.front().data.begin());
       }},
  };
  for (const auto& [what, change] : changes) {
    EvidenceDocument other = document;
    change(other);
    EXPECT_FALSE(known(other)) << what;
  }
}

TEST_F(RemembersAppraisals, NothingMadeForAVerifiersOwnNonce) {
  const PolicySays says{.freshness = "hardware = true\n"};
  const ConnectOutcome outcome = again(server_->port(), says);
  ASSERT_TRUE(outcome.client) << outcome.client.error().to_string();
  EXPECT_FALSE(
      known(parse_evidence_document((*outcome.client)->evidence_document()).value(), says));
}

TEST_F(RemembersAppraisals, SoManyAndTheOldestGoesFirst) {
  const EvidenceDocument document = fetch_document(random_.array<32>());
  const AttestationResult result = appraise_document(document, policy(), std::nullopt, kNow).result;
  AppraisalCache small(2);
  for (std::uint8_t i = 1; i <= 3; ++i) {
    small.learn({i}, result, kNow);
    small.learn({i}, result, kNow);  // takes no place of its own
  }
  EXPECT_EQ(small.find({1}, kNow), nullptr);
  EXPECT_NE(small.find({2}, kNow), nullptr);
  EXPECT_NE(small.find({3}, kNow), nullptr);
  AppraisalCache none(0);
  none.learn({1}, result, kNow);
  EXPECT_EQ(none.find({1}, kNow), nullptr);
}

}  // namespace
}  // namespace ensconce::whole
