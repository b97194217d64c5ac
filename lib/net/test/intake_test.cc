// Bodies that somebody takes as they arrive.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <stdexcept>

#include "ensconce/net/client.h"
#include "ensconce/net/server.h"
#include "tls_fixture.h"

namespace ensconce {
namespace {

using test::dial;
using test::local;
using test::read_until_closed;
using test::send_text;

// Upper makes capitals of what comes, and refuses '!' at once and '?' at the end.
class Upper final : public BodyIntake {
 public:
  explicit Upper(std::atomic<int>& alive) : alive_(alive) { ++alive_; }
  ~Upper() override { --alive_; }
  std::unique_ptr<HttpResponse> take(ByteView piece, Bytes& body) override {
    EXPECT_FALSE(piece.empty());
    settled_ = true;
    for (const std::uint8_t c : piece) {
      if (c == '!') {
        return std::make_unique<HttpResponse>(json_error(418, "at once"));
      }
      asks_ = asks_ || c == '?';
      if (c != ' ') {
        body.push_back(c >= 'a' && c <= 'z' ? static_cast<std::uint8_t>(c - 'a' + 'A') : c);
      }
    }
    return nullptr;
  }
  std::unique_ptr<HttpResponse> finish(Bytes& body) override {
    if (asks_) {
      return std::make_unique<HttpResponse>(json_error(418, "at the end"));
    }
    taken_ = std::move(body);
    return nullptr;
  }
  [[nodiscard]] bool settled() const override { return settled_; }
  [[nodiscard]] const Bytes& taken() const { return taken_; }

 private:
  std::atomic<int>& alive_;
  bool settled_ = false;
  bool asks_ = false;
  Bytes taken_;
};

// Throwing throws where its target says.
class Throwing final : public BodyIntake {
 public:
  explicit Throwing(const std::string& target) : target_(target) {}
  std::unique_ptr<HttpResponse> take(ByteView piece, Bytes& body) override {
    act("take");
    body.insert(body.end(), piece.begin(), piece.end());
    return nullptr;
  }
  std::unique_ptr<HttpResponse> finish(Bytes& /*body*/) override {
    act("finish");
    return nullptr;
  }
  [[nodiscard]] bool settled() const override { return false; }

 private:
  void act(std::string_view where) const {
    if (target_ == "/throw/" + std::string(where)) {
      throw std::runtime_error("secret text");
    }
    if (target_ == "/throw-int/" + std::string(where)) {
      throw 1;
    }
  }
  const std::string target_;
};

class Intake : public ::testing::TestWithParam<unsigned> {
 protected:
  Intake() {
    ServerOptions options;
    options.handler_threads = GetParam();
    options.limits.max_body_bytes_in_flight = std::size_t{4} * 1024 * 1024;
    options.intake = [this](const HttpRequest& head) -> std::shared_ptr<BodyIntake> {
      if (head.target.starts_with("/throw")) {
        return std::make_shared<Throwing>(head.target);
      }
      return head.target == "/upper" ? std::make_shared<Upper>(alive_) : nullptr;
    };
    server_ = HttpServer::start(std::move(options), [this](const HttpRequest& request,
                                                           const ConnectionInfo&) {
                ++handled_;
                HttpResponse out;
                if (auto* upper = dynamic_cast<Upper*>(request.intake.get())) {
                  out.body = upper->taken();
                } else {
                  out.body = request.body;
                }
                return out;
              }).value();
  }
  HttpResponse post(HttpClient& client, Bytes body, bool chunked) {
    class Source final : public BodySource {
     public:
      explicit Source(Bytes bytes) : bytes_(std::move(bytes)) {}
      Result<bool> next(Bytes& out) override {
        const std::size_t len = std::min<std::size_t>(bytes_.size() - at_, 100'000);
        out.assign(bytes_.begin() + static_cast<std::ptrdiff_t>(at_),
                   bytes_.begin() + static_cast<std::ptrdiff_t>(at_ + len));
        at_ += len;
        return at_ < bytes_.size();
      }

     private:
      Bytes bytes_;
      std::size_t at_ = 0;
    };
    HttpRequest request{"POST", "/upper", {}, {}, nullptr};
    if (chunked) {
      request.stream = std::make_shared<Source>(std::move(body));
    } else {
      request.body = std::move(body);
    }
    return client.request(request).value();
  }
  [[nodiscard]] HttpClient& client() {
    client_ = HttpClient::connect(local("http", server_->port())).value();
    return *client_;
  }

  std::atomic<int> alive_ = 0;
  std::atomic<int> handled_ = 0;
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<HttpClient> client_;
};

TEST_P(Intake, MakesTheBodyOfWhatArrives) {
  HttpClient& one = client();
  for (const bool chunked : {false, true}) {
    for (const std::size_t len : {std::size_t{1}, std::size_t{5}, std::size_t{3'000'000}}) {
      EXPECT_EQ(post(one, Bytes(len, 'a'), chunked).body, Bytes(len, 'A'));
      EXPECT_EQ(alive_, 0);
    }
  }
  HttpRequest other{"POST", "/other", {}, to_bytes("abc"), nullptr};
  EXPECT_EQ(as_text(one.request(other)->body), "abc");
  EXPECT_TRUE(one.open());
}

TEST_P(Intake, RefusesBeforeTheRestIsSent) {
  for (const char* framing : {"Content-Length: 1000000", "Transfer-Encoding: chunked"}) {
    const Fd fd = dial(server_->port());
    send_text(fd, std::string("POST /upper HTTP/1.1\r\nHost: h\r\n") + framing + "\r\n\r\n");
    send_text(fd, framing[0] == 'C' ? "abc!" : "4\r\nabc!\r\n");  // and no more
    const std::string answer = read_until_closed(fd);
    EXPECT_EQ(answer.substr(0, 12), "HTTP/1.1 418") << framing;
    EXPECT_NE(answer.find("at once"), std::string::npos);
    EXPECT_NE(answer.find("Connection: close"), std::string::npos);
  }
  EXPECT_EQ(handled_, 0);
}

TEST_P(Intake, RefusesAtTheEndAndTheConnectionLivesOn) {
  HttpClient& one = client();
  for (const bool chunked : {false, true}) {
    EXPECT_EQ(post(one, to_bytes("abc?"), chunked).status, 418);
    EXPECT_TRUE(one.open());
  }
  EXPECT_EQ(handled_, 0);
  EXPECT_EQ(alive_, 0);
}

TEST_P(Intake, RefusesWhatCameWholeAndTheConnectionLivesOn) {
  const Fd fd = dial(server_->port());
  const std::string fields = " HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n";
  send_text(fd, "POST /upper" + fields + "\r\nabc!POST /upper" + fields +
                    "Connection: close\r\n\r\nabcd");
  const std::string answers = read_until_closed(fd);
  EXPECT_EQ(answers.substr(0, 12), "HTTP/1.1 418");
  EXPECT_NE(answers.find("HTTP/1.1 200"), std::string::npos) << answers;
  EXPECT_TRUE(answers.ends_with("ABCD"));
}

TEST_P(Intake, ThatThrowsIsABare500AndTheServerServesOn) {
  for (const char* target :
       {"/throw/take", "/throw/finish", "/throw-int/take", "/throw-int/finish"}) {
    const HttpRequest request{"POST", target, {}, to_bytes("abc"), nullptr};
    const auto answer = client().request(request);
    ASSERT_TRUE(answer) << target;
    EXPECT_EQ(answer->status, 500) << target;
    EXPECT_EQ(as_text(answer->body), R"({"error":"internal error"})");
  }
  EXPECT_EQ(handled_, 0);
  EXPECT_EQ(post(client(), to_bytes("abc"), false).status, 200);
}

TEST_P(Intake, IsGoneWithTheConnection) {
  {
    const Fd fd = dial(server_->port());
    send_text(fd, "POST /upper HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
    ::shutdown(fd.get(), SHUT_WR);
    read_until_closed(fd);
  }
  server_->stop();
  EXPECT_EQ(alive_, 0);
  EXPECT_EQ(handled_, 0);
}

TEST_P(Intake, CountsAgainstTheBudget) {
  HttpRequest large{"POST", "/upper", {}, Bytes(std::size_t{5} * 1024 * 1024, 'a'), nullptr};
  const auto answer = client().request(large);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 503);
  HttpClient& one = client();
  EXPECT_EQ(post(one, Bytes(std::size_t{3} * 1024 * 1024, 'a'), false).status, 200);
}

// A body that comes faster than it is taken, and another connection of the same thread.
TEST(IntakeTurns, OfAFastBodyLeaveOthersTheirs) {
  struct Seen {
    std::promise<void> begun;            // the body's third piece is being taken
    std::promise<void> other_asked;      // over the other connection
    std::atomic<std::size_t> given = 0;  // of the body, to the kernel at least
    std::atomic<bool> other_answered = false;
    std::atomic<bool> in_between = false;
  } seen;
  static constexpr std::size_t kPiece = std::size_t{32} * 1024;
  static constexpr std::size_t kWhole = 100 * kPiece;
  class Fast final : public BodySource {
   public:
    explicit Fast(Seen& seen) : seen_(seen) {}
    Result<bool> next(Bytes& out) override {
      seen_.given = at_;
      seen_.given.notify_all();
      out.assign(kPiece, 'a');
      at_ += kPiece;
      return at_ < kWhole;
    }

   private:
    Seen& seen_;
    std::size_t at_ = 0;
  };
  class Behind final : public BodyIntake {  // takes a piece only when the next is there
   public:
    explicit Behind(Seen& seen) : seen_(seen) {}
    std::unique_ptr<HttpResponse> take(ByteView piece, Bytes& /*body*/) override {
      taken_ += piece.size();
      if (++pieces_ == 3) {
        seen_.begun.set_value();
        seen_.other_asked.get_future().wait();
      }
      for (std::size_t given = seen_.given; given <= taken_ && taken_ + 2 * kPiece < kWhole;
           given = seen_.given) {
        seen_.given.wait(given);
      }
      return nullptr;
    }
    std::unique_ptr<HttpResponse> finish(Bytes& /*body*/) override {
      seen_.in_between = seen_.other_answered.load();
      return nullptr;
    }
    [[nodiscard]] bool settled() const override { return true; }

   private:
    Seen& seen_;
    std::size_t taken_ = 0;
    int pieces_ = 0;
  };
  ServerOptions options;
  options.handler_threads = 0;
  options.intake = [&](const HttpRequest&) { return std::make_shared<Behind>(seen); };
  const auto server =
      HttpServer::start(std::move(options), [&](const HttpRequest& request, const ConnectionInfo&) {
        seen.other_answered = seen.other_answered || request.target == "/asked";
        return HttpResponse{};
      }).value();
  auto body = std::async(std::launch::async, [&] {
    HttpRequest request{"POST", "/", {}, {}, nullptr};
    request.stream = std::make_shared<Fast>(seen);
    return HttpClient::connect(local("http", server->port())).value()->request(request)->status;
  });
  seen.begun.get_future().wait();
  const Fd fd = dial(server->port());
  send_text(fd, "GET /asked HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  seen.other_asked.set_value();
  EXPECT_EQ(body.get(), 200);
  EXPECT_EQ(read_until_closed(fd).substr(0, 12), "HTTP/1.1 200");
  EXPECT_TRUE(seen.in_between);
}

// Busy is a server whose only handler thread waits for release().
class Busy : public ::testing::Test {
 protected:
  void start(std::chrono::milliseconds request_timeout, std::chrono::milliseconds queue_timeout) {
    ServerOptions options;
    options.handler_threads = 1;
    options.limits.request_timeout = request_timeout;
    options.limits.queue_timeout = queue_timeout;
    options.intake = [this](const HttpRequest&) { return std::make_shared<Upper>(alive_); };
    server_ = HttpServer::start(std::move(options), [this](const HttpRequest& request,
                                                           const ConnectionInfo&) {
                HttpResponse out;
                if (request.target == "/block") {
                  entered_.set_value();
                  release_.get_future().wait();
                } else if (auto* upper = dynamic_cast<Upper*>(request.intake.get())) {
                  out.body = upper->taken();
                }
                return out;
              }).value();
    blocked_ = dial(server_->port());
    send_text(blocked_, "GET /block HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    entered_.get_future().wait();
  }
  [[nodiscard]] Fd begin() const {
    Fd fd = dial(server_->port());
    send_text(fd,
              "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 6\r\n\r\nabc");
    return fd;
  }
  std::atomic<int> alive_ = 0;
  std::promise<void> entered_;
  std::promise<void> release_;
  std::unique_ptr<HttpServer> server_;
  Fd blocked_;
};

TEST_F(Busy, TimeSpentWaitingForAThreadIsNotTheClients) {
  start(std::chrono::milliseconds(500), std::chrono::minutes(1));
  const Fd waiting = begin();
  const Fd later = dial(server_->port());
  send_text(later, "POST / HTTP/1.1\r\nHost:");  // and no more: its time is over after the other's
  EXPECT_EQ(read_until_closed(later), "");
  release_.set_value();
  // These wait for the same threads, so afterwards the first piece is taken, and a time that was
  // over would have ended the connection.
  auto other = HttpClient::connect(local("http", server_->port())).value();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(other->request({"GET", "/", {}, {}, nullptr})->status, 200);
  }
  send_text(waiting, "def");
  EXPECT_TRUE(read_until_closed(waiting).ends_with("\r\n\r\nABCDEF"));
}

TEST_F(Busy, APieceThatWaitsTooLongIsRefused) {
  start(std::chrono::minutes(1), std::chrono::milliseconds(100));
  const std::string answer = read_until_closed(begin());
  EXPECT_EQ(answer.substr(0, 12), "HTTP/1.1 503") << answer;
  EXPECT_EQ(alive_, 0);
  release_.set_value();
  EXPECT_EQ(read_until_closed(blocked_).substr(0, 12), "HTTP/1.1 200");
}

INSTANTIATE_TEST_SUITE_P(OnThreads, Intake, ::testing::Values(0U, 2U));

}  // namespace
}  // namespace ensconce
