#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <future>
#include <stdexcept>
#include <thread>

#include "ensconce/net/client.h"
#include "ensconce/net/server.h"
#include "tls_fixture.h"

namespace ensconce {
namespace {

using namespace std::chrono_literals;
using test::dial;
using test::local;
using test::read_until_closed;
using test::send_text;

// Pieces gives what it was made with, then ends, fails or throws.
class Pieces final : public BodySource {
 public:
  enum class End : std::uint8_t { kWithLastPiece, kAfterLastPiece, kFails, kThrows };
  explicit Pieces(std::deque<std::string> pieces, End end = End::kAfterLastPiece)
      : pieces_(std::move(pieces)), end_(end) {}
  Result<bool> next(Bytes& out) override {
    EXPECT_TRUE(out.empty());
    if (pieces_.empty()) {
      switch (end_) {
        case End::kFails:
          return Error(NetError::kInvalidArgument, "as the test wants");
        case End::kThrows:
          throw std::runtime_error("secret text");
        default:
          return false;
      }
    }
    const ByteView piece = as_bytes(pieces_.front());
    out.insert(out.end(), piece.begin(), piece.end());
    pieces_.pop_front();
    return end_ != End::kWithLastPiece || !pieces_.empty();
  }

 private:
  std::deque<std::string> pieces_;
  End end_;
};

// Calls is a source that is a function.
class Calls final : public BodySource {
 public:
  explicit Calls(std::function<Result<bool>(Bytes&)> next) : next_(std::move(next)) {}
  Result<bool> next(Bytes& out) override { return next_(out); }

 private:
  std::function<Result<bool>(Bytes&)> next_;
};

HttpResponse streaming(std::shared_ptr<BodySource> source) {
  HttpResponse response;
  response.stream = std::move(source);
  return response;
}

std::unique_ptr<HttpServer> serve(ServerOptions options, HttpHandler handler) {
  auto server = HttpServer::start(std::move(options), std::move(handler));
  EXPECT_TRUE(server.has_value());
  return *std::move(server);
}

HttpRequest get(std::string target = "/") { return {"GET", std::move(target), {}, {}}; }

// answer_of asks on a connection of its own and returns all that comes, head first.
std::string answer_of(std::uint16_t port, const std::string& method = "GET") {
  const Fd fd = dial(port);
  send_text(fd, method + " / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  return read_until_closed(fd);
}

std::string body_of(const std::string& answer) {
  return answer.substr(answer.find("\r\n\r\n") + 4);
}

class Streamed : public testing::TestWithParam<std::tuple<bool, unsigned>> {
 protected:
  ServerOptions options() {
    ServerOptions out;
    if (std::get<0>(GetParam())) {
      out.tls = test::make_identity();
    }
    out.handler_threads = std::get<1>(GetParam());
    return out;
  }
  [[nodiscard]] Url url(const HttpServer& server) const {
    return local(std::get<0>(GetParam()) ? "https" : "http", server.port());
  }
};

TEST_P(Streamed, BringsPiecesOfEverySizeAndTheConnectionLivesOn) {
  std::deque<std::string> pieces;
  std::string whole;
  for (const std::size_t len : {1, 0, 1000, 16372, 16384, 16385, 0, 200'000, 3'000'000, 5}) {
    pieces.emplace_back(len, static_cast<char>('a' + pieces.size()));
    whole += pieces.back();
  }
  const auto server = serve(options(), [&](const HttpRequest& request, const ConnectionInfo&) {
    return streaming(std::make_shared<Pieces>(pieces, request.target == "/last"
                                                          ? Pieces::End::kWithLastPiece
                                                          : Pieces::End::kAfterLastPiece));
  });
  auto client = HttpClient::connect(url(*server)).value();
  for (const char* target : {"/", "/last", "/"}) {
    const auto response = client->request(get(target));
    ASSERT_TRUE(response.has_value()) << response.error().to_string();
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->headers.get("Transfer-Encoding"), "chunked");
    EXPECT_FALSE(response->headers.get("Content-Length").has_value());
    EXPECT_TRUE(as_text(response->body) == whole);
    std::string seen;
    const auto streamed =
        test::streamed(*client, get(target), [&](ByteView piece) { seen += as_text(piece); });
    ASSERT_TRUE(streamed.has_value()) << streamed.error().to_string();
    EXPECT_TRUE(streamed->body.empty());
    EXPECT_TRUE(seen == whole);
    EXPECT_TRUE(client->open());
  }
}

TEST_P(Streamed, BringsEachPieceBeforeTheNextIsAskedFor) {
  // The source makes the second piece only once the client has the first.
  std::promise<void> seen;
  int asked = 0;
  const auto server = serve(options(), [&](const HttpRequest&, const ConnectionInfo&) {
    return streaming(std::make_shared<Calls>([&](Bytes& out) -> Result<bool> {
      if (asked++ > 0 && seen.get_future().wait_for(10s) != std::future_status::ready) {
        return Error(NetError::kTimeout, "the first piece never arrived");
      }
      out.push_back(static_cast<std::uint8_t>('0' + asked));
      return asked < 2;
    }));
  });
  auto client = HttpClient::connect(url(*server)).value();
  std::string got;
  const auto response = test::streamed(*client, get(), [&](ByteView piece) {
    if (got.empty()) {
      seen.set_value();
    }
    got += as_text(piece);
  });
  ASSERT_TRUE(response.has_value()) << response.error().to_string();
  EXPECT_EQ(got, "12");
}

TEST_P(Streamed, ThatFailsIsSeenToBeCutOffAndTheServerServesOn) {
  for (const auto end : {Pieces::End::kFails, Pieces::End::kThrows}) {
    for (const std::deque<std::string>& pieces :
         {std::deque<std::string>{}, std::deque<std::string>{"part"}}) {
      const auto server = serve(options(), [&](const HttpRequest& request, const ConnectionInfo&) {
        return request.target == "/well" ? HttpResponse{}
                                         : streaming(std::make_shared<Pieces>(pieces, end));
      });
      auto client = HttpClient::connect(url(*server)).value();
      std::string seen;
      const auto response =
          test::streamed(*client, get(), [&](ByteView piece) { seen += as_text(piece); });
      ASSERT_FALSE(response.has_value());
      EXPECT_TRUE(response.error().is(NetError::kHttpMalformed)) << response.error().to_string();
      EXPECT_EQ(seen, pieces.empty() ? "" : "part");
      EXPECT_FALSE(client->open());
      auto again = HttpClient::connect(url(*server)).value();
      EXPECT_TRUE(again->request(get()).error().is(NetError::kHttpMalformed));
      auto other = HttpClient::connect(url(*server)).value();
      EXPECT_EQ(other->request(get("/well"))->status, 200);
    }
  }
}

TEST_P(Streamed, WithoutEndIsEndedByStop) {
  ServerOptions hurried = options();
  hurried.limits.drain_timeout = 50ms;
  std::promise<void> ended;
  // The source lives as long as the answer does.
  struct Endless final : BodySource {
    explicit Endless(std::promise<void>& done) : ended(done) {}
    ~Endless() override { ended.set_value(); }
    Result<bool> next(Bytes& out) override {
      out.assign(1000, 'x');
      return true;
    }
    std::promise<void>& ended;
  };
  const auto server = serve(std::move(hurried), [&](const HttpRequest&, const ConnectionInfo&) {
    return streaming(std::make_shared<Endless>(ended));
  });
  std::promise<void> begun;
  auto reader = std::async(std::launch::async, [&] {
    auto client = HttpClient::connect(url(*server)).value();
    bool first = true;
    return test::streamed(*client, get(), [&](ByteView) {
      if (std::exchange(first, false)) {
        begun.set_value();
      }
    });
  });
  begun.get_future().wait();
  server->stop();
  EXPECT_EQ(ended.get_future().wait_for(0s), std::future_status::ready);
  EXPECT_FALSE(reader.get().has_value());
}

TEST_P(Streamed, RequestsArriveWhole) {
  const auto server = serve(options(), [](const HttpRequest& request, const ConnectionInfo&) {
    EXPECT_EQ(request.stream, nullptr);
    HttpResponse response;
    response.body = request.body;
    return response;
  });
  auto client = HttpClient::connect(url(*server)).value();
  const std::string large(300'000, 'l');
  for (const std::deque<std::string>& pieces :
       {std::deque<std::string>{}, {"a", "", "bc"}, {large, "x", large}, {"", ""}}) {
    for (const auto end : {Pieces::End::kWithLastPiece, Pieces::End::kAfterLastPiece}) {
      HttpRequest request{"POST", "/", {}, to_bytes("left out"), nullptr};
      request.stream = std::make_shared<Pieces>(pieces, end);
      const auto response = client->request(request);
      ASSERT_TRUE(response.has_value()) << response.error().to_string();
      std::string whole;
      for (const std::string& piece : pieces) {
        whole += piece;
      }
      EXPECT_TRUE(as_text(response->body) == whole);
      EXPECT_TRUE(client->open());
    }
  }
}

TEST_P(Streamed, RequestsThatFailNeverReachTheHandler) {
  std::atomic<int> handled = 0;
  const auto server = serve(options(), [&](const HttpRequest&, const ConnectionInfo&) {
    ++handled;
    return HttpResponse{};
  });
  HttpRequest request{"POST", "/", {}, {}, nullptr};
  request.stream = std::make_shared<Pieces>(std::deque<std::string>{"part"}, Pieces::End::kFails);
  auto client = HttpClient::connect(url(*server)).value();
  const auto response = client->request(request);
  ASSERT_FALSE(response.has_value());
  EXPECT_TRUE(response.error().is(NetError::kInvalidArgument)) << response.error().to_string();
  EXPECT_FALSE(client->open());
  client.reset();
  server->stop();
  EXPECT_EQ(handled, 0);
}

INSTANTIATE_TEST_SUITE_P(All, Streamed, testing::Combine(testing::Bool(), testing::Values(0U, 2U)));

TEST(Stream, IsOneChunkAPieceWithoutEmptyOnes) {
  const auto server = serve({}, [](const HttpRequest&, const ConnectionInfo&) {
    HttpResponse response = streaming(
        std::make_shared<Pieces>(std::deque<std::string>{"", "abc", "", "0123456789abcdef!"}));
    response.body = to_bytes("left out");
    response.headers.add("Content-Length", "3");
    response.headers.add("Transfer-Encoding", "gzip");
    return response;
  });
  const std::string answer = answer_of(server->port());
  EXPECT_EQ(answer,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
            "3\r\nabc\r\n11\r\n0123456789abcdef!\r\n0\r\n\r\n");
}

TEST(Stream, ThatFailsHasNoLastChunk) {
  const auto server = serve({}, [](const HttpRequest&, const ConnectionInfo&) {
    return streaming(std::make_shared<Pieces>(std::deque<std::string>{"abc"}, Pieces::End::kFails));
  });
  EXPECT_EQ(body_of(answer_of(server->port())), "3\r\nabc\r\n");
}

TEST(Stream, IsNotAskedWhereAnAnswerHasNoBody) {
  std::atomic<int> asked = 0;
  std::atomic<int> status = 200;
  const auto server = serve({}, [&](const HttpRequest& request, const ConnectionInfo&) {
    HttpResponse response;
    response.status = status;
    if (request.method == "HEAD" && status == 201) {
      response.body = to_bytes("four");
      return response;
    }
    response.stream = std::make_shared<Calls>([&](Bytes&) -> Result<bool> {
      ++asked;
      return false;
    });
    return response;
  });
  EXPECT_EQ(answer_of(server->port(), "HEAD"),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
  status = 201;
  EXPECT_EQ(answer_of(server->port(), "HEAD"),
            "HTTP/1.1 201 Created\r\nContent-Length: 4\r\nConnection: close\r\n\r\n");
  status = 204;
  EXPECT_EQ(answer_of(server->port()), "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(asked, 0);
}

TEST(Stream, OfAReaderThatReadsNothingIsCutOffWithFewPiecesAsked) {
  constexpr std::size_t kPiece = 64 * 1024;
  std::atomic<std::size_t> asked = 0;
  std::promise<void> gone;
  struct Counted final : BodySource {
    Counted(std::atomic<std::size_t>& n, std::promise<void>& done) : asked(n), gone(done) {}
    ~Counted() override { gone.set_value(); }
    Result<bool> next(Bytes& out) override {
      ++asked;
      out.assign(kPiece, 'x');
      return true;
    }
    std::atomic<std::size_t>& asked;
    std::promise<void>& gone;
  };
  ServerOptions options;
  options.limits.response_timeout = 200ms;
  const auto server = serve(std::move(options), [&](const HttpRequest&, const ConnectionInfo&) {
    return streaming(std::make_shared<Counted>(asked, gone));
  });
  const Fd fd = dial(server->port());
  send_text(fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_EQ(gone.get_future().wait_for(10s), std::future_status::ready);
  // The kernel's buffers of both ends took some; the rest was never made.
  EXPECT_GE(asked, 1U);
  EXPECT_LT(asked * kPiece, std::size_t{32} * 1024 * 1024);
  EXPECT_FALSE(body_of(read_until_closed(fd)).ends_with("0\r\n\r\n"));
}

TEST(Stream, ThatWaitsForItsSourceHoldsUpNobodyElse) {
  std::promise<void> asked;
  std::promise<void> release;
  ServerOptions options;  // one I/O thread, two for handlers
  options.limits.response_timeout = 50ms;
  const auto server =
      serve(std::move(options), [&](const HttpRequest& request, const ConnectionInfo&) {
        if (request.target == "/other") {
          return HttpResponse{};
        }
        return streaming(std::make_shared<Calls>([&](Bytes& out) -> Result<bool> {
          asked.set_value();
          release.get_future().wait();
          out.push_back('x');
          return false;
        }));
      });
  auto waiting = std::async(std::launch::async, [&] {
    return HttpClient::connect(local("http", server->port())).value()->request(get());
  });
  asked.get_future().wait();
  auto client = HttpClient::connect(local("http", server->port())).value();
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(client->request(get("/other"))->status, 200);
  }
  // A source may take longer than the socket may.
  EXPECT_EQ(waiting.wait_for(100ms), std::future_status::timeout);
  release.set_value();
  const auto response = waiting.get();
  ASSERT_TRUE(response.has_value()) << response.error().to_string();
  EXPECT_EQ(as_text(response->body), "x");
}

TEST(Stream, ThatWaitsTooLongForAHandlerThreadIsCutOff) {
  std::promise<void> entered;
  std::promise<void> release;
  ServerOptions options;
  options.handler_threads = 1;
  options.limits.queue_timeout = 100ms;
  const auto server =
      serve(std::move(options), [&](const HttpRequest& request, const ConnectionInfo&) {
        if (request.target == "/block") {
          entered.set_value();
          release.get_future().wait();
          return HttpResponse{};
        }
        return streaming(std::make_shared<Calls>([](Bytes& out) -> Result<bool> {
          out.assign(1000, 'x');
          return true;
        }));
      });
  std::promise<void> begun;
  auto endless = std::async(std::launch::async, [&] {
    ClientOptions large;
    large.max_response_body = std::size_t{1} << 40;
    auto client = HttpClient::connect(local("http", server->port()), large).value();
    bool first = true;
    return test::streamed(*client, get(), [&](ByteView) {
      if (std::exchange(first, false)) {
        begun.set_value();
      }
    });
  });
  begun.get_future().wait();
  auto blocked = std::async(std::launch::async, [&] {
    return HttpClient::connect(local("http", server->port())).value()->request(get("/block"));
  });
  EXPECT_EQ(entered.get_future().wait_for(10s), std::future_status::ready);
  const auto response = endless.get();
  release.set_value();
  ASSERT_FALSE(response.has_value());
  EXPECT_TRUE(response.error().is(NetError::kHttpMalformed)) << response.error().to_string();
  EXPECT_EQ(blocked.get()->status, 200);
}

}  // namespace
}  // namespace ensconce
