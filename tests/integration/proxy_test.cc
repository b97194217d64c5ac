// `ensconce proxy` as the programs beside it see it: whom it serves, what it sends again, and that
// it fails closed.
#include <atomic>
#include <future>
#include <sstream>
#include <thread>

#include "oblivious.h"

namespace ensconce::whole {
namespace {

using std::chrono::minutes;

class Proxied : public Oblivious {
 protected:
  AttestedProxy proxy(ChannelChoice choice) {
    ProxyOptions options;
    const bool tls = choice == ChannelChoice::kAttestedTls;
    options.url = test::local(tls ? "https" : "http", tls ? server_->port() : middle_.port());
    options.choice = choice;
    return {AppraisalPolicy::parse(client_policy(), "client.toml").value(), std::move(options),
            client_clock_, random_};
  }
  static HttpRequest local(HttpRequest request) {
    request.headers.set("Host", "127.0.0.1:8000");
    return request;
  }
  // Programs that know nothing of us name no bundle.
  static HttpRequest plain_infer() {
    HttpRequest out = infer_request();
    HttpHeaders headers;
    headers.set("Content-Type", "application/json");
    headers.set("Host", "localhost:8000");
    out.headers = headers;
    return out;
  }
};

TEST_F(Proxied, AnswersProgramsThatKnowNothing) {
  for (const auto choice :
       {ChannelChoice::kAttestedTls, ChannelChoice::kOblivious, ChannelChoice::kObliviousChunked}) {
    AttestedProxy one = proxy(choice);
    const HttpResponse answer = one.handle(plain_infer());
    EXPECT_EQ(answer.status, 200) << as_text(answer.body);
    EXPECT_EQ(one.handle(local(get("/v2/health/ready"))).status, 200);
    EXPECT_EQ(one.handle(local(get("/v2/models/none"))).status, 404);
    const HttpResponse status = one.handle(local(get(std::string(kProxyStatusPath))));
    EXPECT_THAT(std::string(as_text(status.body)), ::testing::HasSubstr("\"verified\":true"));
    EXPECT_THAT(std::string(as_text(status.body)), ::testing::HasSubstr("simulated"));
  }
}

TEST_F(Proxied, ServesThisMachineAlone) {
  AttestedProxy one = proxy(ChannelChoice::kAttestedTls);
  HttpRequest request = plain_infer();
  request.headers.set("Host", "attacker.example");
  EXPECT_EQ(one.handle(request).status, 403);
  request = plain_infer();
  for (const char* origin : {"https://attacker.example", "http://localhost:3000",
                             "https://localhost:8000", "http://127.0.0.1:8000", "null", ""}) {
    request.headers.set("Origin", origin);
    const HttpResponse refused = one.handle(request);
    EXPECT_EQ(refused.status, 403) << origin;
    EXPECT_THAT(std::string(as_text(refused.body)), ::testing::HasSubstr("proxy.cross_site"));
  }
  request.headers.set("Origin", "http://localhost:8000");  // as Host says
  EXPECT_EQ(one.handle(request).status, 200);
}

TEST_F(Proxied, ServesNoPageOfAnotherSite) {
  AttestedProxy one = proxy(ChannelChoice::kAttestedTls);
  const auto status_for = [&](const char* site) {
    HttpRequest request = plain_infer();
    request.headers.set("Sec-Fetch-Site", site);
    return one.handle(request).status;
  };
  EXPECT_EQ(status_for("cross-site"), 403);
  EXPECT_EQ(status_for("same-site"), 403);  // another port is another page
  EXPECT_EQ(status_for("same-origin"), 200);
  EXPECT_EQ(status_for("none"), 200);
  HttpRequest for_openai = plain_infer();
  for_openai.target = "/v1/embeddings";
  for_openai.headers.set("Sec-Fetch-Site", "cross-site");
  EXPECT_THAT(std::string(as_text(one.handle(for_openai).body)),
              ::testing::HasSubstr(R"("type":"ensconce_proxy")"));
}

// CutOff begins a body and fails.
class CutOff final : public BodySource {
 public:
  Result<bool> next(Bytes& out) override {
    if (std::exchange(begun_, true)) {
      return Error(NetError::kClosed, "as the test wants");
    }
    out = Bytes(10, 'x');
    return true;
  }

 private:
  bool begun_ = false;
};

TEST_F(Proxied, SendsNothingAgainThatMayHaveBeenActedOn) {
  AttestedProxy one = proxy(ChannelChoice::kOblivious);
  ASSERT_EQ(one.handle(plain_infer()).status, 200);
  middle_.forget();
  middle_.on_response = [](HttpResponse& response) {
    response.stream = std::make_shared<CutOff>();
  };
  const HttpResponse answer = one.handle(plain_infer());
  EXPECT_EQ(answer.status, 502);
  EXPECT_THAT(std::string(as_text(answer.body)), ::testing::HasSubstr("may have acted on it"));
  EXPECT_EQ(middle_.requests().size(), 1U);
  middle_.on_response = nullptr;
  EXPECT_EQ(one.handle(plain_infer()).status, 200);
}

// Liar ends TLS in front of the worker: it passes every request on, and of those that are large
// enough keeps the answer, says that the key is gone, and closes. One connection at a time.
class Liar {
 public:
  static constexpr std::size_t kLarge = 16'384;
  explicit Liar(std::function<HttpResponse(const HttpRequest&)> to_worker)
      : to_worker_(std::move(to_worker)), thread_([this] { run(); }) {}
  ~Liar() {
    ::shutdown(listener_.first.get(), SHUT_RDWR);
    thread_.join();
  }
  Liar(const Liar&) = delete;
  Liar& operator=(const Liar&) = delete;
  [[nodiscard]] std::uint16_t port() const { return listener_.second; }
  std::atomic<int> executed = 0;  // of the large ones

 private:
  void run() {
    for (;;) {
      const Fd fd(::accept(listener_.first.get(), nullptr, nullptr));
      if (fd.get() < 0) {
        return;
      }
      std::string came;
      while (serve(fd, came)) {
      }
    }
  }
  static bool read_to(const Fd& fd, std::string& came, std::size_t len) {
    std::array<char, 16'384> piece{};
    while (came.size() < len) {
      const auto n = ::recv(fd.get(), piece.data(), piece.size(), 0);
      if (n <= 0) {
        return false;
      }
      came.append(piece.data(), static_cast<std::size_t>(n));
    }
    return true;
  }
  // serve answers one request and says whether the connection goes on.
  bool serve(const Fd& fd, std::string& came) {
    while (came.find("\r\n\r\n") == std::string::npos) {
      if (!read_to(fd, came, came.size() + 1)) {
        return false;
      }
    }
    std::istringstream head(came.substr(0, came.find("\r\n\r\n")));
    came.erase(0, came.find("\r\n\r\n") + 4);
    HttpRequest request;
    head >> request.method >> request.target;
    std::string line;
    std::getline(head, line);
    while (std::getline(head, line)) {
      const std::size_t colon = line.find(": ");
      const std::size_t end = line.find_last_not_of('\r') + 1;
      request.headers.add(line.substr(0, colon), line.substr(colon + 2, end - colon - 2));
    }
    const std::size_t len =
        std::stoul(std::string(request.headers.get("Content-Length").value_or("0")));
    if (!read_to(fd, came, len)) {
      return false;
    }
    request.body = to_bytes(came.substr(0, len));
    came.erase(0, len);
    HttpResponse response = to_worker_(request);
    for (bool more = response.stream != nullptr; more;) {
      Bytes piece;
      more = response.stream->next(piece).value();
      response.body.insert(response.body.end(), piece.begin(), piece.end());
    }
    const bool lie = request.body.size() > kLarge;
    if (lie) {
      executed += response.status == 200 ? 1 : 0;
      response = {};
      response.status = 400;
      response.headers.set("Connection", "close");
      response.body = to_bytes(R"({"type":")" + std::string(kOhttpKeyProblem) + R"("})");
    }
    std::string out = "HTTP/1.1 " + std::to_string(response.status) +
                      " x\r\nContent-Length: " + std::to_string(response.body.size()) + "\r\n";
    for (const HttpHeader& field : response.headers.all()) {
      out.append(field.name).append(": ").append(field.value).append("\r\n");
    }
    test::send_text(fd, out + "\r\n" + std::string(as_text(response.body)));
    return !lie;
  }

  std::function<HttpResponse(const HttpRequest&)> to_worker_;
  std::pair<Fd, std::uint16_t> listener_ = test::listen_on_loopback();
  std::thread thread_;
};

TEST_F(Proxied, OfALieThatTheKeyIsGoneComesOneRepetition) {
  for (const auto choice : {ChannelChoice::kOblivious, ChannelChoice::kObliviousChunked}) {
    Liar liar(
        [this](const HttpRequest& request) { return worker_->handle_in_the_open(request, {}); });
    ProxyOptions options;
    options.url = test::local("http", liar.port());
    options.choice = choice;
    AttestedProxy one{AppraisalPolicy::parse(client_policy(), "client.toml").value(),
                      std::move(options), client_clock_, random_};
    ASSERT_EQ(one.handle(plain_infer()).status, 200);  // leaves an idle channel
    HttpRequest request = plain_infer();
    request.headers.set("X-Filler", std::string(Liar::kLarge, 'x'));
    const HttpResponse answer = one.handle(request);
    EXPECT_EQ(liar.executed, 2);
    EXPECT_EQ(answer.status, 502);
    EXPECT_THAT(std::string(as_text(answer.body)), ::testing::HasSubstr("may have acted on it"));
  }
}

TEST_F(Proxied, TellsOfATimeOutAndDoesNotSendAgain) {
  std::promise<void> end;
  ProxyOptions options;
  options.url = test::local("http", middle_.port());
  options.choice = ChannelChoice::kOblivious;
  options.client.request_timeout = std::chrono::milliseconds(300);
  AttestedProxy one{AppraisalPolicy::parse(client_policy(), "client.toml").value(),
                    std::move(options), client_clock_, random_};
  ASSERT_EQ(one.handle(plain_infer()).status, 200);
  int asked = 0;
  middle_.on_request = [&](HttpRequest&) {
    ++asked;
    end.get_future().wait();
  };
  const HttpResponse answer = one.handle(plain_infer());
  end.set_value();
  EXPECT_EQ(answer.status, 504) << as_text(answer.body);
  EXPECT_EQ(asked, 1);
  middle_.begin_again();
  middle_.on_request = nullptr;
}

TEST_F(Proxied, AConnectionThatWasEndedMeanwhileIsReplaced) {
  AttestedProxy one = proxy(ChannelChoice::kObliviousChunked);
  ASSERT_EQ(one.handle(plain_infer()).status, 200);
  middle_.begin_again();
  EXPECT_EQ(one.handle(plain_infer()).status, 200);
}

TEST_F(Proxied, RefusesAModelThePolicyDoesNotName) {
  AttestedProxy one = proxy(ChannelChoice::kAttestedTls);
  HttpRequest request = plain_infer();
  request.target = "/v2/models/other/infer";
  const HttpResponse answer = one.handle(request);
  EXPECT_EQ(answer.status, 404);
  EXPECT_THAT(std::string(as_text(answer.body)), ::testing::HasSubstr("channel.model"));
}

// ---- Streamed answers --------------------------------------------------------------------------

class ProxyStreams : public Proxied {
 protected:
  static constexpr std::size_t kRows = 4000;
  ProxyStreams() {
    server_ = HttpServer::start(ServerOptions{}, [this](const HttpRequest& request,
                                                        const ConnectionInfo&) {
                return proxy_.handle(request);
              }).value();
  }
  // An answer of some 200 KB.
  static HttpRequest large() {
    std::string body = R"({"inputs":[{"name":"x","shape":[)" + std::to_string(kRows) +
                       R"(,4],"datatype":"FP32","data":[0)";
    for (std::size_t i = 1; i < kRows * 4; ++i) {
      body += i % 3 == 0 ? ",0.3" : ",-0.7";
    }
    HttpRequest out = plain_infer();
    out.body = to_bytes(body + "]}]}");
    return out;
  }
  // all_of gives every byte that a program gets, to the connection's end.
  std::string all_of(const HttpRequest& request) {
    const Fd fd = test::dial(server_->port());
    test::send_text(fd, "POST " + request.target +
                            " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                            "Content-Type: application/json\r\nContent-Length: " +
                            std::to_string(request.body.size()) + "\r\n\r\n");
    test::send_text(fd, as_text(request.body));
    return test::read_until_closed(fd);
  }
  // broken_off holds for a body that nobody can take for a whole one.
  static ::testing::AssertionResult broken_off(const std::string& all) {
    if (all.find("HTTP/1.1 200 OK\r\n") == 0 &&
        all.find("Transfer-Encoding: chunked\r\n") != std::string::npos &&
        !all.ends_with("0\r\n\r\n")) {
      return ::testing::AssertionSuccess();
    }
    return ::testing::AssertionFailure()
           << all.size() << " bytes: " << all.substr(0, 400) << " … "
           << all.substr(all.size() - std::min<std::size_t>(all.size(), 20));
  }

  AttestedProxy proxy_ = proxy(ChannelChoice::kObliviousChunked);
  std::unique_ptr<HttpServer> server_;  // of the proxy
};

TEST_F(ProxyStreams, AreHandedOnAsTheyCome) {
  std::promise<void> first_seen;
  middle_.on_piece = [&](std::size_t index, Bytes&, bool more) -> Result<bool> {
    if (index == 2) {
      first_seen.get_future().wait();  // for a program that got what came before
    }
    return more;
  };
  auto client = HttpClient::connect(test::local("http", server_->port())).value();
  HttpRequest request = large();
  const auto head = client->begin(request);
  ASSERT_TRUE(head) << head.error().to_string();
  EXPECT_EQ(head->status, 200);
  EXPECT_EQ(head->headers.get("Content-Type"), "application/json");
  Bytes all;
  ASSERT_TRUE(client->next_piece(all).value());
  EXPECT_GT(all.size(), 1000U);
  first_seen.set_value();
  while (client->next_piece(all).value()) {
  }
  middle_.on_piece = nullptr;
  // The same as what comes whole.
  const HttpResponse whole = proxy(ChannelChoice::kOblivious).handle(request);
  EXPECT_EQ(as_text(whole.body), as_text(all));
  EXPECT_EQ(proxy_.handle(plain_infer()).stream, nullptr);  // short answers come whole
}

TEST_F(ProxyStreams, ThatEndEarlyNeverLookWhole) {
  EXPECT_TRUE(all_of(large()).ends_with("0\r\n\r\n"));
  using OnPiece = std::function<Result<bool>(std::size_t, Bytes&, bool)>;
  const std::vector<OnPiece> attacks{
      [](std::size_t index, Bytes&, bool more) -> Result<bool> {  // ended, properly for HTTP
        return more && index < 3;
      },
      [](std::size_t, Bytes& piece, bool more) -> Result<bool> {  // all but the final chunk
        if (!more) {
          piece.clear();
        }
        return more;
      },
      [](std::size_t index, Bytes&, bool more) -> Result<bool> {  // the connection breaks
        return index < 3 ? Result<bool>(more) : Error(NetError::kClosed, "as the test wants");
      },
      [](std::size_t, Bytes& piece, bool more) -> Result<bool> {  // the end is changed
        piece.back() ^= more ? 0 : 1;
        return more;
      },
      [](std::size_t index, Bytes& piece, bool more) -> Result<bool> {  // a chunk is left out
        if (index == 3) {
          piece.clear();
        }
        return more;
      },
      [](std::size_t, Bytes& piece, bool more) -> Result<bool> {  // something behind the end
        if (!more) {
          piece.push_back(0);
        }
        return more;
      },
  };
  for (const OnPiece& attack : attacks) {
    middle_.on_piece = attack;
    EXPECT_TRUE(broken_off(all_of(large())));
    middle_.on_piece = nullptr;
    ASSERT_TRUE(all_of(large()).ends_with("0\r\n\r\n"));  // on a new channel
  }
}

// Behind the content come frames of zeros, and by then every byte of it has come.
TEST_F(ProxyStreams, OfPaddedAnswersSomethingIsMissingUntilTheEnd) {
  restart([](WorkerConfig& c) { c.padding = Padding::bucket(std::uint64_t{1} << 20).value(); });
  PolicySays says;
  says.padding = padding_;
  ProxyOptions options;
  options.url = test::local("http", middle_.port());
  options.choice = ChannelChoice::kObliviousChunked;
  AttestedProxy one{AppraisalPolicy::parse(client_policy(says), "client.toml").value(),
                    std::move(options), client_clock_, random_};
  const auto taken = [&](Bytes& out) -> Result<void> {
    HttpResponse answer = one.handle(large());
    EXPECT_EQ(answer.status, 200);
    for (bool more = true; more;) {
      Bytes piece;
      ENSC_TRY_ASSIGN(more, answer.stream->next(piece));
      out.insert(out.end(), piece.begin(), piece.end());
    }
    return ok();
  };
  Bytes whole;
  ASSERT_TRUE(taken(whole));
  middle_.on_piece = [](std::size_t, Bytes& piece, bool more) -> Result<bool> {
    if (!more) {
      piece.clear();  // all but the final chunk
    }
    return more;
  };
  Bytes cut;
  const auto ended = taken(cut);
  middle_.on_piece = nullptr;
  EXPECT_TRUE(refused_with(ended, OhttpError::kTruncated));
  EXPECT_GT(cut.size(), whole.size() / 2);
  EXPECT_LT(cut.size(), whole.size());
  EXPECT_TRUE(std::equal(cut.begin(), cut.end(), whole.begin()));
  restart();
}

// The worker's code is another one by now, as its receipts say: found out at the end, and the
// program must notice.
TEST_F(ProxyStreams, WithoutAReceiptThatHoldsAreBrokenOff) {
  ASSERT_TRUE(all_of(large()).ends_with("0\r\n\r\n"));
  middle_.on_piece = [](std::size_t, Bytes&, bool more) -> Result<bool> { return more; };
  const SnpReport report = processor_.report;
  processor_.report.measurement[0] ^= 1;
  clock_.advance(minutes(10));
  worker_->maintain();
  EXPECT_TRUE(broken_off(all_of(large())));
  const HttpResponse brief = proxy_.handle(plain_infer());  // whole, so nothing of it is shown
  EXPECT_EQ(brief.status, 502);
  EXPECT_EQ(as_text(brief.body).find("outputs"), std::string_view::npos);
  middle_.on_piece = nullptr;
  processor_.report = report;
  client_clock_.advance(minutes(10));
  clock_.advance(minutes(10));
  client_clock_.advance(minutes(10));
  worker_->maintain();
}

TEST_F(ProxyStreams, WithAKeyOfTheProgramsOwnComeWholeWithTheirReceipt) {
  HttpRequest request = large();
  request.headers.set(std::string(kReceiptKeyHeader), std::string(64, 'a'));
  const HttpResponse answer = proxy_.handle(request);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.stream, nullptr);
  EXPECT_TRUE(answer.headers.get(kReceiptHeader));
}

TEST_F(Proxied, FailsClosedWhenTheWorkerChanged) {
  AttestedProxy one = proxy(ChannelChoice::kObliviousChunked);
  ASSERT_EQ(one.handle(plain_infer()).status, 200);
  const SnpReport report = processor_.report;
  processor_.report.measurement[0] ^= 1;
  pass(minutes(18));
  const HttpResponse answer = one.handle(plain_infer());
  EXPECT_EQ(answer.status, 502);
  EXPECT_THAT(std::string(as_text(answer.body)), ::testing::HasSubstr("snp.measurement"));
  processor_.report = report;
  pass(minutes(11));
  EXPECT_EQ(one.handle(plain_infer()).status, 200);
}

TEST_F(Proxied, SaysThatNobodyIsThere) {
  AttestedProxy one = proxy(ChannelChoice::kAttestedTls);
  server_->stop();
  const HttpResponse answer = one.handle(plain_infer());
  EXPECT_EQ(answer.status, 503) << as_text(answer.body);
  restart();
}

}  // namespace
}  // namespace ensconce::whole
