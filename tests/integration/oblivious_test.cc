// The oblivious channel through somebody in the middle, who sees every byte and changes what a test
// says: each attack is refused by its own code, and the genuine worker serves on.
#include <gmock/gmock.h>

#include <thread>

#include "ensconce/base/file.h"
#include "ensconce/server/error.h"
#include "oblivious.h"

namespace ensconce::whole {
namespace {

using std::chrono::minutes;

// ---- It works ----------------------------------------------------------------------------------

TEST_F(Oblivious, AnswersWholeAndChunked) {
  for (const auto choice : {ChannelChoice::kOblivious, ChannelChoice::kObliviousChunked}) {
    const auto one = client(choice);
    for (int i = 0; i < 3; ++i) {
      const auto answer = infer(*one);
      ASSERT_TRUE(answer) << answer.error().to_string();
      EXPECT_EQ(answer->outputs.size(), 1U);
    }
  }
}

TEST_F(Oblivious, WorksOverP256) {
  restart([](WorkerConfig& c) { c.ohttp_kem = hpke::Kem::kP256; });
  EXPECT_TRUE(infer(*client()));
}

TEST_F(Oblivious, WorksOnTheWorkersOwnListenerToo) {
  const AppraisalPolicy policy = AppraisalPolicy::parse(client_policy(), "client.toml").value();
  const ConnectOutcome outcome =
      AttestedClient::connect(test::local("https", server_->port()), policy, {}, client_clock_,
                              random_, ChannelChoice::kOblivious);
  ASSERT_TRUE(outcome.client) << outcome.client.error().to_string();
  EXPECT_TRUE(infer(**outcome.client));
}

// ---- Who is in the middle sees nothing ---------------------------------------------------------

TEST_F(Oblivious, NothingOfTheInsideShowsOutside) {
  const auto one = client();
  middle_.forget();
  HttpRequest inner = infer_request();
  inner.headers.set("Authorization", "Bearer inner-canary");
  ASSERT_TRUE(one->forward(inner));
  HttpRequest bodyless = get("/v2/models/" + std::string(kModel) + "?canary-query");
  ASSERT_TRUE(one->forward(bodyless));
  const std::string digest = to_hex(genuine().result.manifest_digest);
  ASSERT_EQ(middle_.requests().size(), 2U);
  for (const HttpRequest& seen : middle_.requests()) {
    EXPECT_EQ(seen.method, "POST");
    EXPECT_EQ(seen.target, kGatewayPath);
    std::string all(as_text(seen.body));
    for (const HttpHeader& header : seen.headers.all()) {
      all += header.name + ": " + header.value + "\n";
    }
    for (const std::string& inside :
         {std::string("canary"), std::string(kModel), digest, std::string("infer"),
          std::string("Authorization"), std::string("ensconce-bundle")}) {
      EXPECT_EQ(all.find(inside), std::string::npos) << inside;
    }
  }
  for (const HttpResponse& seen : middle_.responses()) {
    EXPECT_EQ(seen.status, 200);
    EXPECT_FALSE(seen.headers.get(kBundleHeader));
    EXPECT_EQ(as_text(seen.body).find(kModel), std::string_view::npos);
  }
}

TEST_F(Oblivious, OuterHeadersDoNotEnter) {
  middle_.on_request = [](HttpRequest& outer) {
    outer.headers.set(std::string(kBundleHeader), std::string(64, '0'));
    outer.headers.set("X-Injected", "outer");
  };
  EXPECT_TRUE(infer(*client()));  // the bundle that counts is the inner one
}

TEST_F(Oblivious, AnErrorInsideIsSealed) {
  const auto one = client();
  middle_.forget();
  const auto answer = one->forward(get("/v2/models/none"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 404);
  EXPECT_EQ(middle_.responses().back().status, 200);
}

TEST_F(Oblivious, TheOpenListenerTakesNothingInTheOpen) {
  EXPECT_TRUE(answered(send(infer_request()), 403, "server.sealed_only"));
  EXPECT_TRUE(answered(send(get("/v2/models/" + std::string(kModel))), 403, "server.sealed_only"));
  EXPECT_TRUE(answered(send(get(std::string(kServedListPath))), 403, "server.sealed_only"));
  EXPECT_EQ(send(get("/v2/health/live")).status, 200);
}

// What a balancer learns: which worker answered, by the name that requests for it carry.
TEST_F(Oblivious, EveryAnswerNamesTheWorker) {
  const auto name_in = [](const HttpResponse& response) {
    return std::string(response.headers.get(kWorkerHeader).value_or("none"));
  };
  const std::string evidence = std::string(kEvidencePath) + "?nonce=" + std::string(64, 'a');
  const HttpRequest request = sealed_request();
  const std::string name(request.headers.get(kWorkerHeader).value());
  EXPECT_EQ(name.size(), 16U);
  EXPECT_EQ(name_in(middle_.responses().back()), name);
  EXPECT_EQ(name_in(send(get(evidence + "&channel=ohttp"))), name);
  EXPECT_EQ(name_in(send(get(evidence))), "none");  // of no gateway key, so of no name
  EXPECT_EQ(name_in(send(get(std::string(kGatewayPath)))), name);
  EXPECT_EQ(name_in(send(request)), name);  // refused, as it was here before
  HttpRequest foreign = request;
  foreign.headers.set(std::string(kWorkerHeader), std::string(16, '0'));
  EXPECT_TRUE(problem(send(foreign), 400, "ohttp.foreign_key", kOhttpKeyProblem));
  EXPECT_EQ(name_in(send(foreign)), name);
}

TEST_F(Oblivious, AnAnswerByThePreviousKeyCarriesItsName) {
  const auto one = client();
  middle_.forget();
  clock_.advance(kChannelKeyLife);
  worker_->maintain();
  ASSERT_TRUE(infer(*one));
  ASSERT_EQ(middle_.requests().size(), 1U);
  const HttpRequest request = middle_.requests().back();
  const auto name = request.headers.get(kWorkerHeader);
  const HttpResponse answer = middle_.responses().back();
  EXPECT_EQ(answer.headers.get(kWorkerHeader), name);
  const HttpResponse keys = send(get(std::string(kGatewayPath)));
  EXPECT_NE(keys.headers.get(kWorkerHeader), name);
  client_clock_.advance(kChannelKeyLife);
}

// ---- Lengths -----------------------------------------------------------------------------------

TEST_F(Oblivious, BucketsHideLengths) {
  restart([](WorkerConfig& c) { c.padding = Padding::bucket(4096).value(); });
  for (const auto choice : {ChannelChoice::kOblivious, ChannelChoice::kObliviousChunked}) {
    const auto one = client(choice);
    middle_.forget();
    for (const char* id : {"a", "a-much-longer-id-that-comes-back-in-the-answer"}) {
      const std::string body = R"({"id":")" + std::string(id) +
                               R"(","inputs":[{"name":"x","shape":[1,4],"datatype":"FP32",)"
                               R"("data":[1,2,3,4]}]})";
      const auto answer = one->forward(infer_request(body));
      ASSERT_TRUE(answer);
      EXPECT_EQ(answer->status, 200);
    }
    const auto requests = middle_.requests();
    const auto responses = middle_.responses();
    ASSERT_EQ(requests.size(), 2U);
    EXPECT_EQ(requests[0].body.size(), requests[1].body.size());
    EXPECT_EQ(responses[0].body.size(), responses[1].body.size());
  }
  restart();
}

TEST_F(Oblivious, APolicyCanDemandThatLengthsAreHidden) {
  restart([](WorkerConfig& c) { c.padding = Padding::padme(); });
  EXPECT_TRUE(refused_with(connect_through(), AttestationError::kSecurityPadding));
  PolicySays says;
  says.padding = "padme";
  EXPECT_TRUE(connect_through(ChannelChoice::kOblivious, says).client);
  // Over attested TLS lengths would show: the client sends none, and such a worker takes none.
  const ConnectOutcome tls = connect(says);
  ASSERT_TRUE(tls.client) << tls.client.error().to_string();
  EXPECT_TRUE(refused_with(infer(**tls.client), ChannelError::kLengthsShown));
  EXPECT_TRUE(answered(exchange(infer_request()), 421, "server.lengths_shown"));
  restart();
}

// ---- Replays -----------------------------------------------------------------------------------

TEST_F(Oblivious, ARequestIsOpenedOnce) {
  for (const auto choice : {ChannelChoice::kOblivious, ChannelChoice::kObliviousChunked}) {
    const HttpRequest request = sealed_request(choice);
    EXPECT_TRUE(problem(send(request), 409, "ohttp.replayed"));
    HttpRequest changed = request;  // of another body, with the same key
    changed.body.back() ^= 1;
    EXPECT_TRUE(problem(send(changed), 409, "ohttp.replayed"));
  }
}

TEST_F(Oblivious, ARequestIsNotOpenedAfterARestart) {
  const HttpRequest request = sealed_request();
  restart();
  EXPECT_TRUE(problem(send(request), 400, "ohttp.foreign_key", kOhttpKeyProblem));
}

TEST_F(Oblivious, ARequestIsNotOpenedAfterItsKey) {
  const HttpRequest request = sealed_request();
  for (int i = 0; i < 2; ++i) {
    pass(kChannelKeyLife);
    EXPECT_TRUE(i == 0 ? problem(send(request), 409, "ohttp.replayed")
                       : problem(send(request), 400, "ohttp.foreign_key", kOhttpKeyProblem));
  }
}

TEST_F(Oblivious, AnAnswerIsOfItsOwnRequestAlone) {
  for (const auto choice : {ChannelChoice::kOblivious, ChannelChoice::kObliviousChunked}) {
    const auto one = client(choice);
    middle_.forget();
    ASSERT_TRUE(infer(*one));
    const HttpResponse first = middle_.responses().back();
    middle_.on_response = [&](HttpResponse& response) { response = first; };
    EXPECT_TRUE(refused_with(infer(*one), OhttpError::kDecrypt));
    middle_.on_response = nullptr;
  }
}

// ---- Cut, reordered, duplicated ----------------------------------------------------------------

// pieces are the prefix of a chunked message and its chunks with their lengths.
std::vector<Bytes> pieces(const Bytes& message, std::size_t prefix) {
  std::vector<Bytes> out{{message.begin(), message.begin() + static_cast<std::ptrdiff_t>(prefix)}};
  std::size_t at = prefix;
  while (at < message.size()) {
    const std::size_t form = std::size_t{1} << (message[at] >> 6U);
    std::size_t len = message[at] & 0x3fU;
    for (std::size_t i = 1; i < form; ++i) {
      len = len << 8U | message[at + i];
    }
    const std::size_t end = len == 0 ? message.size() : at + form + len;
    out.emplace_back(message.begin() + static_cast<std::ptrdiff_t>(at),
                     message.begin() + static_cast<std::ptrdiff_t>(end));
    at = end;
  }
  return out;
}

Bytes joined(const std::vector<Bytes>& parts, std::size_t count) {
  Bytes out;
  for (std::size_t i = 0; i < count; ++i) {
    out.insert(out.end(), parts[i].begin(), parts[i].end());
  }
  return out;
}

using Edit = std::function<void(std::vector<Bytes>&)>;

TEST_F(Oblivious, AnswersThatWereCutOrMixedAreRefused) {
  // Three frames and the end. A channel whose answer does not open is given up.
  restart([](WorkerConfig& c) { c.padding = Padding::bucket(std::uint64_t{4} * 16384).value(); });
  constexpr std::size_t kNonce = 16;
  for (std::size_t keep = 0; keep <= 4; ++keep) {
    const auto one = client(ChannelChoice::kObliviousChunked);
    middle_.on_response = [&](HttpResponse& response) {
      const auto parts = pieces(response.body, kNonce);
      ASSERT_EQ(parts.size(), 5U);
      response.body = joined(parts, keep);
    };
    EXPECT_TRUE(refused_with(infer(*one), OhttpError::kTruncated)) << keep;
    middle_.on_response = nullptr;
  }
  const std::vector<Edit> edits{
      [](auto& parts) { std::swap(parts[1], parts[2]); },
      [](auto& parts) { parts.insert(parts.begin() + 1, parts[1]); },
      [](auto& parts) { parts.erase(parts.begin() + 2); },
      [](auto& parts) { parts.insert(parts.begin() + 4, parts[3]); },
  };
  for (const Edit& edit : edits) {
    const auto one = client(ChannelChoice::kObliviousChunked);
    middle_.on_response = [&](HttpResponse& response) {
      auto parts = pieces(response.body, kNonce);
      edit(parts);
      response.body = joined(parts, parts.size());
    };
    EXPECT_TRUE(refused_with(infer(*one), OhttpError::kDecrypt));
    middle_.on_response = nullptr;
  }
  restart();
}

// Trickle gives a body byte by byte, and fails before long.
class Trickle final : public BodySource {
 public:
  explicit Trickle(Bytes bytes) : bytes_(std::move(bytes)) {}
  Result<bool> next(Bytes& out) override {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    if (at_ == 100) {
      return Error(NetError::kClosed, "nobody waits for so long");
    }
    out = {bytes_[at_++]};
    return true;
  }

 private:
  const Bytes bytes_;
  std::size_t at_ = 0;
};

TEST_F(Oblivious, AnAnswerThatTricklesIsGivenUp) {
  ClientOptions options;
  options.request_timeout = std::chrono::milliseconds(1000);
  const AppraisalPolicy policy = AppraisalPolicy::parse(client_policy(), "client.toml").value();
  const auto one =
      *AttestedClient::connect(test::local("http", middle_.port()), policy, options, client_clock_,
                               random_, ChannelChoice::kObliviousChunked)
           .client;
  middle_.on_response = [](HttpResponse& response) {
    response.stream = std::make_shared<Trickle>(std::exchange(response.body, {}));
  };
  EXPECT_TRUE(refused_with(infer(*one), NetError::kTimeout));
  middle_.on_response = nullptr;
}

TEST_F(Oblivious, RequestsThatWereCutOrMixedAreRefused) {
  restart([](WorkerConfig& c) { c.padding = Padding::bucket(std::uint64_t{3} * 16384).value(); });
  constexpr std::size_t kHead = 7 + 32;
  const auto attempt = [&](const Edit& edit) {
    HttpResponse answer;
    const auto one = client(ChannelChoice::kObliviousChunked);
    middle_.on_request = [&](HttpRequest& request) {
      auto parts = pieces(request.body, kHead);
      EXPECT_EQ(parts.size(), 4U);
      edit(parts);
      request.body = joined(parts, parts.size());
    };
    middle_.on_response = [&](HttpResponse& response) { answer = response; };
    EXPECT_FALSE(infer(*one));
    middle_.on_request = nullptr;
    middle_.on_response = nullptr;
    return answer;
  };
  for (std::size_t keep = 1; keep <= 3; ++keep) {
    EXPECT_TRUE(problem(attempt([&](auto& parts) { parts.resize(keep); }), 400, "ohttp.truncated"));
  }
  EXPECT_TRUE(
      problem(attempt([](auto& parts) { std::swap(parts[1], parts[2]); }), 403, "ohttp.decrypt"));
  EXPECT_TRUE(problem(attempt([](auto& parts) { parts.insert(parts.begin() + 1, parts[1]); }), 403,
                      "ohttp.decrypt"));
  restart();
}

// ---- Keys --------------------------------------------------------------------------------------

TEST_F(Oblivious, AnotherKeyInTheWorkersPlaceIsRefused) {
  GatewayKey other(hpke::Kem::kX25519, random_, 8);
  middle_.on_document = [&](HttpResponse& response) {
    auto document = parse_evidence_document(as_text(response.body)).value();
    document.ohttp_key = other.key().config.encoded;
    response.body = to_bytes(write_evidence_document(document));
  };
  EXPECT_TRUE(refused_with(connect_through(), ChannelError::kForeignOhttpKey));
  // Without a key, with the proof of another kind, for another nonce.
  middle_.on_document = [&](HttpResponse& response) {
    auto document = parse_evidence_document(as_text(response.body)).value();
    document.ohttp_key.reset();
    response.body = to_bytes(write_evidence_document(document));
  };
  EXPECT_TRUE(refused_with(connect_through(), ChannelError::kForeignOhttpKey));
  middle_.on_document = [&](HttpResponse& response) {
    auto document = parse_evidence_document(as_text(response.body)).value();
    document.session->kind = ChannelKind::kTlsExporter;
    response.body = to_bytes(write_evidence_document(document));
  };
  EXPECT_TRUE(refused_with(connect_through(), ChannelError::kProofKind));
  middle_.on_document = [&](HttpResponse& response) {
    auto document = parse_evidence_document(as_text(response.body)).value();
    document.session.reset();
    response.body = to_bytes(write_evidence_document(document));
  };
  EXPECT_TRUE(refused_with(connect_through(), ChannelError::kNoSessionProof));
  middle_.on_document = nullptr;
}

TEST_F(Oblivious, EvidenceOfAnotherTimeIsRefused) {
  const HttpResponse old =
      send(get(std::string(kEvidencePath) + "?nonce=" + std::string(64, 'a') + "&channel=ohttp"));
  middle_.on_document = [&](HttpResponse& response) { response = old; };
  EXPECT_TRUE(refused_with(connect_through(), ChannelError::kProofNonce));
  middle_.on_document = nullptr;
}

// Evidence of the worker, shown by somebody who wants the requests for himself: over TLS it is the
// exporter that differs, here the key.
TEST_F(Oblivious, AProofOfTheOtherChannelIsRefused) {
  middle_.on_document = [&](HttpResponse& response) {
    auto document = parse_evidence_document(as_text(response.body)).value();
    const auto nonce = document.session->nonce;
    auto tls = fetch_document(nonce);
    tls.ohttp_key = document.ohttp_key;
    response.body = to_bytes(write_evidence_document(tls));
  };
  EXPECT_TRUE(refused_with(connect_through(), ChannelError::kProofKind));
  middle_.on_document = nullptr;
}

TEST_F(Oblivious, ANewKeyIsFoundWithoutTheCallersHelp) {
  const auto one = client();
  ASSERT_TRUE(infer(*one));
  restart();  // all its keys are new
  EXPECT_TRUE(infer(*one));
}

// Whoever answers before the rest of a request was sent ends the connection, as a worker that is
// reached directly does.
class Direct : public Oblivious {
 protected:
  Direct() { listen(); }
  void listen() {
    ServerOptions options;
    options.port = listener_ ? listener_->port() : 0;
    listener_.reset();
    options.intake = [this](const HttpRequest& head) { return worker_->intake(head); };
    listener_ = HttpServer::start(std::move(options), [this](const HttpRequest& request,
                                                             const ConnectionInfo&) {
                  return worker_->handle_in_the_open(request, {});
                }).value();
  }
  std::unique_ptr<AttestedClient> client(ChannelChoice choice) {
    const AppraisalPolicy policy = AppraisalPolicy::parse(client_policy(), "client.toml").value();
    return *AttestedClient::connect(test::local("http", listener_->port()), policy, {},
                                    client_clock_, random_, choice)
                .client;
  }
  static HttpRequest request_of(std::size_t rows) {
    std::string body = R"({"inputs":[{"name":"x","shape":[)" + std::to_string(rows) +
                       R"(,4],"datatype":"FP32","data":[0)";
    for (std::size_t i = 1; i < rows * 4; ++i) {
      body += ",0.25";
    }
    return infer_request(body + "]}]}");
  }
  std::unique_ptr<HttpServer> listener_;
};

TEST_F(Direct, ANewKeyIsFoundWithoutTheCallersHelp) {
  for (const auto choice : {ChannelChoice::kOblivious, ChannelChoice::kObliviousChunked}) {
    for (const std::size_t rows : {1U, 20'000U}) {  // in one piece, and in many
      const auto one = client(choice);
      HttpRequest request = request_of(rows);
      request.headers.set(std::string(kBundleHeader),
                          to_hex(one->served().models.front().manifest_digest));
      ASSERT_EQ(one->forward(request)->status, 200);
      restart();  // all its keys are new
      const auto answer = one->forward(request);
      ASSERT_TRUE(answer) << rows << answer.error().to_string();
      EXPECT_EQ(answer->status, 200) << as_text(answer->body);
      EXPECT_TRUE(one->open());
    }
  }
}

TEST_F(Direct, AConnectionThatWasClosedIsReplacedAtRenewal) {
  const auto one = client(ChannelChoice::kOblivious);
  listen();
  EXPECT_FALSE(one->open());
  const auto renewed = one->renew();
  ASSERT_TRUE(renewed) << renewed.error().to_string();
  EXPECT_TRUE(one->open());
  EXPECT_TRUE(infer(*one));
}

// Bound to another worker, whose served list somebody in the middle keeps back: what the first was
// affirmed for holds of neither.
TEST_F(Oblivious, AHalfRenewedChannelSendsNothing) {
  const auto one = client();
  ASSERT_TRUE(infer(*one));
  restart();
  int sealed = 0;
  middle_.on_response = [&](HttpResponse& response) {
    ++sealed;
    response = {};
    response.status = 400;
    response.headers.set("Content-Type", "application/problem+json");
    response.body = to_bytes(R"({"type":")" + std::string(kOhttpKeyProblem) + R"("})");
  };
  EXPECT_FALSE(infer(*one));
  EXPECT_EQ(sealed, 2);  // the request for the key that is gone, and the list
  EXPECT_FALSE(one->open());
  EXPECT_FALSE(infer(*one));
  EXPECT_EQ(sealed, 2);
  middle_.on_response = nullptr;
}

TEST_F(Oblivious, AHiccupAtRenewalIsNoRefusal) {
  const auto one = client();
  middle_.on_document = [](HttpResponse& response) { response.status = 502; };
  client_clock_.advance(minutes(16));
  EXPECT_TRUE(infer(*one));  // what was affirmed lasts until it ends
  middle_.on_document = nullptr;
  client_clock_.set(kNow);
}

TEST_F(Oblivious, KeysRotateWithOverlap) {
  const auto one = client();
  clock_.advance(kChannelKeyLife);
  worker_->maintain();
  const auto before = middle_.requests().size();
  EXPECT_TRUE(infer(*one));  // by the previous key, without another look at the evidence
  EXPECT_EQ(middle_.requests().size(), before + 1);
  client_clock_.advance(kChannelKeyLife);
  const auto two = client();
  EXPECT_NE(two->affirmed().statement().keys.ohttp.front(),
            one->affirmed().statement().keys.ohttp.front());
  EXPECT_EQ(two->affirmed().statement().keys.ohttp.back(),
            one->affirmed().statement().keys.ohttp.front());
}

// Strangers fill a key, while the broker is away: the next one is named by new evidence over the
// same beacon, and TLS is as it was.
TEST_F(Oblivious, AKeyThatFillsIsReplacedAlone) {
  restart([](WorkerConfig& c) { c.max_sealed_requests = 8; });
  const auto one = client();  // its served list, sealed, is the first
  const TlsIdentity tls = worker_->tls_identity();
  broker_.available = false;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(infer(*one));
  }
  worker_->maintain();
  EXPECT_EQ(worker_->tls_identity().certificate_der, tls.certificate_der);
  const auto before = middle_.requests().size();
  EXPECT_TRUE(infer(*one));  // by what is the previous key now
  EXPECT_EQ(middle_.requests().size(), before + 1);
  const auto two = client();
  const Statement& first = one->affirmed().statement();
  const Statement& second = two->affirmed().statement();
  ASSERT_EQ(second.keys.ohttp.size(), 2U);
  EXPECT_EQ(second.keys.ohttp.back(), first.keys.ohttp.front());
  EXPECT_NE(second.keys.ohttp.front(), first.keys.ohttp.front());
  EXPECT_EQ(second.keys.tls, first.keys.tls);
  EXPECT_EQ(second.challenge, first.challenge);
  EXPECT_TRUE(infer(*two));
  broker_.available = true;
  restart();
}

TEST_F(Oblivious, TheGatewayTakesItsOwnMethodsAndTypes) {
  HttpRequest request{"PUT", std::string(kGatewayPath), {}, {}};
  EXPECT_TRUE(problem(send(request), 405, "server.method"));
  request.method = "POST";
  EXPECT_TRUE(problem(send(request), 415, "server.media_type"));
  request.headers.set("Content-Type", std::string(kOhttpRequestType));
  EXPECT_TRUE(problem(send(request), 400, "ohttp.form"));
  request.method = "GET";
  const HttpResponse keys = send(request);
  EXPECT_EQ(keys.headers.get("Content-Type"), kOhttpKeysType);
  EXPECT_EQ(parse_key_configs(keys.body).value().size(), 1U);
}

// ---- Attested TLS renewed ----------------------------------------------------------------------

TEST_F(Oblivious, AttestedTlsOutlivesEvidenceAndKeys) {
  const AppraisalPolicy policy = AppraisalPolicy::parse(client_policy(), "client.toml").value();
  const ConnectOutcome outcome = connect();
  ASSERT_TRUE(outcome.client);
  AttestedClient& one = **outcome.client;
  const Sha256Digest first = one.affirmed().statement_sha256();
  for (int i = 0; i < 4; ++i) {
    pass(minutes(18));
    const auto answer = infer(one);
    ASSERT_TRUE(answer) << answer.error().to_string();
  }
  EXPECT_NE(one.affirmed().statement_sha256(), first);
  EXPECT_EQ(one.affirmed().statement().keys.tls.size(), 2U);  // its own key is the previous one
}

TEST_F(Oblivious, AWorkerThatChangedIsRefusedOnRenewal) {
  const ConnectOutcome outcome = connect();
  ASSERT_TRUE(outcome.client);
  AttestedClient& one = **outcome.client;
  ASSERT_TRUE(infer(one));
  const SnpReport report = processor_.report;
  processor_.report.measurement[0] ^= 1;
  pass(minutes(18));
  EXPECT_TRUE(refused_with(infer(one), AttestationError::kMeasurement));
  // For good: also when the evidence is right again.
  processor_.report = report;
  pass(minutes(11));
  EXPECT_TRUE(refused_with(infer(one), AttestationError::kMeasurement));
  EXPECT_FALSE(one.open());
  restart();
}

// ---- Both ends attested ------------------------------------------------------------------------

class Mutual : public Oblivious {
 protected:
  Mutual() {
    const auto path = scratch("peers.toml");
    EXPECT_TRUE(write_file_atomically(path, as_bytes(peer_policy())));
    WorkerConfig judging = config();
    judging.peer_policy = path;
    start(judging);
    other_ = boot(config()).value();
  }
  // A connection of the other worker to this one.
  ConnectOutcome connect_as(TlsIdentity identity) {
    ClientOptions options;
    options.identity = std::move(identity);
    const AppraisalPolicy policy = AppraisalPolicy::parse(client_policy(), "client.toml").value();
    return AttestedClient::connect(test::local("https", server_->port()), policy, options,
                                   client_clock_, random_);
  }
  static Result<void> introduce(AttestedClient& client, AttestedWorker& worker) {
    return client.introduce([&](const ByteArray<32>& nonce, const ByteArray<32>& exporter) {
      return worker.introduce(nonce, exporter);
    });
  }
  static ::testing::AssertionResult says(const Result<void>& result, std::string_view id) {
    if (!result && result.error().detail().find(id) != std::string::npos) {
      return ::testing::AssertionSuccess();
    }
    return ::testing::AssertionFailure() << (result ? "admitted" : result.error().to_string());
  }

  std::unique_ptr<AttestedWorker> other_;
};

TEST_F(Mutual, TwoWorkersAffirmEachOther) {
  const ConnectOutcome outcome = connect_as(other_->tls_identity());
  ASSERT_TRUE(outcome.client) << outcome.client.error().to_string();
  EXPECT_TRUE(introduce(**outcome.client, *other_));
  EXPECT_TRUE(infer(**outcome.client));
}

TEST_F(Mutual, WhoWasAdmittedIsKnownUntilTheConnectionEnds) {
  std::atomic<std::uint64_t> id = 0;
  const auto server = serve(worker_->tls_identity(),
                            [&](const HttpRequest& request, const ConnectionInfo& connection) {
                              id = connection.id;
                              return worker_->handle(request, connection);
                            });
  ClientOptions options;
  options.identity = other_->tls_identity();
  const AppraisalPolicy policy = AppraisalPolicy::parse(client_policy(), "client.toml").value();
  const ConnectOutcome outcome = AttestedClient::connect(test::local("https", server->port()),
                                                         policy, options, client_clock_, random_);
  ASSERT_TRUE(outcome.client);
  const auto peer = [&] {
    ConnectionInfo connection;
    connection.id = id;
    return worker_->peer_of(connection);
  };
  EXPECT_FALSE(peer());
  ASSERT_TRUE(introduce(**outcome.client, *other_));
  ASSERT_TRUE(peer());
  EXPECT_EQ(peer()->measurement(), to_bytes(ByteView(measurement())));
  worker_->forget_connection(id);
  EXPECT_FALSE(peer());
  ASSERT_TRUE(introduce(**outcome.client, *other_));
  ASSERT_TRUE(peer());
  pass(minutes(21));  // past the affirmation, whose evidence may be 20 minutes old
  EXPECT_FALSE(peer());
}

TEST_F(Mutual, APolicyOfAnotherRoleEndsTheBoot) {
  const auto path = scratch("no-peers.toml");
  ASSERT_TRUE(write_file_atomically(path, as_bytes(client_policy())));
  WorkerConfig judging = config();
  judging.peer_policy = path;
  EXPECT_TRUE(refused_with(boot(judging), ServerError::kConfig));
}

TEST_F(Mutual, AClientWithoutEvidenceIsStillServed) { EXPECT_TRUE(infer(*client())); }

TEST_F(Mutual, AKeyTheStatementDoesNotNameIsRefused) {
  const auto third = boot(config()).value();
  const ConnectOutcome outcome = connect_as(third->tls_identity());
  ASSERT_TRUE(outcome.client);
  EXPECT_TRUE(says(introduce(**outcome.client, *other_), "channel.tls_key"));
}

TEST_F(Mutual, NoCertificateIsRefused) {
  const ConnectOutcome outcome = connect();
  ASSERT_TRUE(outcome.client);
  EXPECT_TRUE(says(introduce(**outcome.client, *other_), "channel.peer_certificate"));
}

TEST_F(Mutual, EvidenceOfAnotherConnectionIsRefused) {
  const ConnectOutcome outcome = connect_as(other_->tls_identity());
  ASSERT_TRUE(outcome.client);
  const auto relayed =
      outcome.client.value()->introduce([&](const ByteArray<32>& nonce, const ByteArray<32>&) {
        return other_->introduce(nonce, ByteArray<32>{1});
      });
  EXPECT_TRUE(says(relayed, "channel.session.binding"));
  const auto old =
      outcome.client.value()->introduce([&](const ByteArray<32>&, const ByteArray<32>& exporter) {
        return other_->introduce(ByteArray<32>{2}, exporter);
      });
  EXPECT_TRUE(says(old, "channel.session.nonce"));
  // What a worker says to its clients does not pass for what it says to a peer.
  const auto reflected = outcome.client.value()->introduce(
      [&](const ByteArray<32>& nonce, const ByteArray<32>& exporter) {
        auto document = other_->introduce(nonce, exporter).value();
        document.session->kind = ChannelKind::kTlsExporter;
        return Result<EvidenceDocument>(document);
      });
  EXPECT_TRUE(says(reflected, "channel.session.kind"));
}

TEST_F(Mutual, AnotherMeasurementIsRefused) {
  const ConnectOutcome outcome = connect_as(other_->tls_identity());
  ASSERT_TRUE(outcome.client);
  const SnpReport report = processor_.report;
  processor_.report.measurement[0] ^= 1;
  clock_.advance(minutes(11));
  client_clock_.advance(minutes(11));
  other_->maintain();
  EXPECT_TRUE(says(introduce(**outcome.client, *other_), "snp.measurement"));
  processor_.report = report;
}

}  // namespace
}  // namespace ensconce::whole
