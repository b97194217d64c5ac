#include "ensconce/net/server.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

#include "ensconce/net/client.h"
#include "tls_fixture.h"

namespace ensconce {
namespace {

using namespace std::chrono_literals;
using test::dial;
using test::local;
using test::read_until_closed;
using test::send_text;

// Echo answers with the body it got, and says what it saw of method, target and exporter.
HttpResponse echo(const HttpRequest& request, const ConnectionInfo& info) {
  if (request.target == "/throw") {
    throw std::runtime_error("secret text");
  }
  if (request.target == "/throw-int") {
    throw 1;
  }
  HttpResponse response;
  if (request.target == "/inject") {
    response.headers.add("X", "a\r\nSet-Cookie: b");
    return response;
  }
  if (request.target == "/no-content") {
    response.status = 204;
    return response;
  }
  response.headers.add("X-Seen", request.method + " " + request.target);
  response.headers.add("X-Exporter", to_hex(info.exporter));
  response.headers.add("X-Late", std::string(request.headers.get("X-Late").value_or("none")));
  response.body = request.body;
  return response;
}

std::unique_ptr<HttpServer> serve(ServerOptions options, HttpHandler handler = echo) {
  auto server = HttpServer::start(std::move(options), std::move(handler));
  EXPECT_TRUE(server.has_value());
  return *std::move(server);
}

ServerOptions small() {
  ServerOptions options;
  options.limits.max_header = 1024;
  options.limits.max_body = 1000;
  return options;
}

HttpRequest post(std::string target, Bytes body) {
  return {"POST", std::move(target), {}, std::move(body)};
}

int status_of(std::string_view answer) {
  constexpr std::string_view kStart = "HTTP/1.1 ";
  return answer.starts_with(kStart) ? std::atoi(std::string(answer.substr(9, 3)).c_str()) : 0;
}

std::size_t count_of(std::string_view text, std::string_view what) {
  std::size_t n = 0;
  for (auto at = text.find(what); at != text.npos; at = text.find(what, at + what.size())) {
    ++n;
  }
  return n;
}

const std::string kPost = "POST / HTTP/1.1\r\nHost: h\r\n";
const std::string kOneChunk = "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
constexpr std::string_view kInterim = "HTTP/1.1 100 Continue\r\n\r\n";

// answer_of posts what `framed` says of the body, and the body, on a connection of its own.
std::string answer_of(std::uint16_t port, const std::string& framed) {
  const Fd fd = dial(port);
  send_text(fd, kPost + "Connection: close\r\n" + framed);
  return read_until_closed(fd);
}

// interim_of sends the head of a POST alone and returns once the server has taken it.
std::string interim_of(const Fd& fd, const std::string& fields) {
  send_text(fd, kPost + fields + "\r\nExpect: 100-continue\r\n\r\n");
  std::string out(kInterim.size(), '\0');
  const ssize_t n = ::recv(fd.get(), out.data(), out.size(), MSG_WAITALL);
  out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return out;
}

class Transport : public testing::TestWithParam<std::tuple<bool, unsigned>> {
 protected:
  ServerOptions options() {
    ServerOptions out;
    if (std::get<0>(GetParam())) {
      out.tls = test::make_identity();
    }
    out.handler_threads = std::get<1>(GetParam());
    return out;
  }
  [[nodiscard]] std::string_view scheme() const {
    return std::get<0>(GetParam()) ? "https" : "http";
  }
};

TEST_P(Transport, AnswersManyRequestsOfEverySizeOnOneConnection) {
  const auto server = serve(options());
  auto client = HttpClient::connect(local(scheme(), server->port())).value();
  for (const std::size_t len : {0, 1, 1000, 16384, 16385, 200000, 3000000}) {
    Bytes body(len);
    for (std::size_t i = 0; i < len; ++i) {
      body[i] = static_cast<std::uint8_t>(i * 31 + i / 251);
    }
    const auto response = client->request(post("/a?b=c", body));
    ASSERT_TRUE(response.has_value()) << response.error().to_string();
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->headers.get("x-seen"), "POST /a?b=c");
    EXPECT_EQ(response->body, body);
    EXPECT_TRUE(client->open());
  }
}

TEST_P(Transport, AnswersEightConnectionsAtOnce) {
  ServerOptions many = options();
  many.io_threads = 2;
  const auto server = serve(std::move(many));
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      auto client = HttpClient::connect(local(scheme(), server->port())).value();
      for (int i = 0; i < 25; ++i) {
        const Bytes body(static_cast<std::size_t>(t * 5000 + i), static_cast<std::uint8_t>(t));
        const auto response = client->request(post("/", body));
        right += response.has_value() && response->body == body ? 1 : 0;
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(right, 8 * 25);
}

TEST_P(Transport, AnswersWhatTheHandlerThrowsWithABare500AndServesOn) {
  const auto server = serve(options());
  auto client = HttpClient::connect(local(scheme(), server->port())).value();
  for (const char* target : {"/throw", "/throw-int", "/inject"}) {
    const auto response = client->request(post(target, {}));
    ASSERT_TRUE(response.has_value());
    EXPECT_EQ(response->status, 500);
    EXPECT_EQ(as_text(response->body), "{\"error\":\"internal error\"}");
    EXPECT_FALSE(response->headers.get("Set-Cookie").has_value());
  }
  EXPECT_EQ(client->request(post("/", {1}))->status, 200);
}

TEST_P(Transport, AnswersARequestInFlightWhenStopped) {
  std::promise<void> entered;
  std::promise<void> release;
  const auto server = serve(options(), [&](const HttpRequest&, const ConnectionInfo&) {
    entered.set_value();
    release.get_future().wait();
    return HttpResponse{};
  });
  auto client = HttpClient::connect(local(scheme(), server->port())).value();
  auto idle = HttpClient::connect(local(scheme(), server->port()));
  auto answer = std::async(std::launch::async, [&] { return client->request(post("/", {})); });
  entered.get_future().wait();
  auto first = std::async(std::launch::async, [&] { server->stop(); });
  auto second = std::async(std::launch::async, [&] { server->stop(); });
  EXPECT_EQ(first.wait_for(20ms), std::future_status::timeout);
  release.set_value();
  const auto response = answer.get();
  ASSERT_TRUE(response.has_value()) << response.error().to_string();
  EXPECT_EQ(response->status, 200);
  client.reset();
  first.get();
  second.get();
  server->stop();
  EXPECT_FALSE(dial(server->port()).valid());
}

INSTANTIATE_TEST_SUITE_P(All, Transport,
                         testing::Combine(testing::Bool(), testing::Values(0U, 2U)));

TEST(HttpServer, GivesBothSidesTheSameExporter) {
  ServerOptions options;
  options.tls = test::make_identity();
  const Bytes certificate = options.tls->certificate_der;
  const auto server = serve(std::move(options));
  auto a = HttpClient::connect(local("https", server->port())).value();
  auto b = HttpClient::connect(local("https", server->port())).value();
  EXPECT_EQ(a->request(post("/", {}))->headers.get("X-Exporter"), to_hex(a->info().exporter));
  EXPECT_TRUE(a->info().tls);
  EXPECT_EQ(a->info().peer_certificate_der, certificate);
  EXPECT_FALSE(all_zero(a->info().exporter));
  EXPECT_NE(a->info().exporter, b->info().exporter);
}

// Each of these is answered, closed, and leaves the server serving.
struct BadRequest {
  const char* name;
  std::string bytes;
  int status;
};
class Malformed : public testing::TestWithParam<BadRequest> {};

TEST_P(Malformed, IsRefusedAndTheServerServesOn) {
  std::atomic<int> handled = 0;
  const auto server = serve(small(), [&](const HttpRequest& request, const ConnectionInfo& info) {
    ++handled;
    return echo(request, info);
  });
  {
    const Fd fd = dial(server->port());
    send_text(fd, GetParam().bytes);
    const std::string answer = read_until_closed(fd);
    EXPECT_EQ(status_of(answer), GetParam().status) << answer;
    EXPECT_EQ(count_of(answer, "HTTP/1.1 "), 1U) << answer;
    EXPECT_NE(answer.find("{\"error\":\""), answer.npos) << answer;
    EXPECT_EQ(handled, 0);
  }
  auto client = HttpClient::connect(local("http", server->port())).value();
  EXPECT_EQ(client->request(post("/", {1}))->status, 200);
}

INSTANTIATE_TEST_SUITE_P(
    Each, Malformed,
    testing::Values(
        BadRequest{"Garbage", "\x16\x03\x01\x02\x01\x01\r\n\r\n", 400},
        BadRequest{"LengthAndCoding",
                   kPost + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        BadRequest{"CodingAndLength",
                   kPost + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", 400},
        BadRequest{"TwoLengths", kPost + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
        BadRequest{"SameLengthTwice", kPost + "Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
                   400},
        BadRequest{"NegativeLength", kPost + "Content-Length: -1\r\n\r\n", 400},
        BadRequest{"HugeLength", kPost + "Content-Length: 99999999999999999999\r\n\r\n", 400},
        BadRequest{"LongLength", kPost + "Content-Length: 1001\r\n\r\n", 413},
        BadRequest{"LongChunks",
                   kPost + "Transfer-Encoding: chunked\r\n\r\n200\r\n" + std::string(512, 'a') +
                       "\r\n200\r\n" + std::string(512, 'a') + "\r\n0\r\n\r\n",
                   413},
        BadRequest{"BadChunk", kPost + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
        BadRequest{"OtherCoding", kPost + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
        BadRequest{"TwoCodings",
                   kPost + "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
                   400},
        BadRequest{
            "ChunkedTwice",
            kPost + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400},
        BadRequest{"GzipThenChunked",
                   kPost + "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                   501},
        BadRequest{"LongHeader", kPost + "X: " + std::string(2000, 'a') + "\r\n\r\n", 431},
        BadRequest{"HeaderWithoutEnd", kPost + "X: " + std::string(400000, 'a'), 431},
        BadRequest{"ChunkHeaderWithoutEnd",
                   kPost + "Transfer-Encoding: chunked\r\n\r\n1;x=" + std::string(400000, 'a'),
                   431},
        BadRequest{"NoHost", "GET / HTTP/1.1\r\n\r\n", 400},
        BadRequest{"TwoHosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        BadRequest{"AbsoluteTarget", "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        BadRequest{"OldVersion", "GET / HTTP/1.0\r\nHost: h\r\n\r\n", 505},
        BadRequest{"BareLineFeed", "GET / HTTP/1.1\r\nHost: h\n\n", 400},
        BadRequest{"SpaceBeforeColon", "GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400},
        BadRequest{"OtherExpectation", kPost + "Expect: magic\r\nContent-Length: 1\r\n\r\na", 417}),
    [](const auto& each) { return std::string(each.param.name); });

TEST(HttpServer, RefusesALargeBodyBeforeItComes) {
  const auto server = serve(small());
  auto client = HttpClient::connect(local("http", server->port())).value();
  const auto response = client->request(post("/", Bytes(4'000'000)));
  ASSERT_TRUE(response.has_value()) << response.error().to_string();
  EXPECT_EQ(response->status, 413);
  EXPECT_FALSE(client->open());
}

TEST(HttpServer, RefusesBodiesOverTheBudgetOfAllConnectionsUntilItIsFree) {
  ServerOptions options = small();
  options.limits.max_body_bytes_in_flight = 1000;
  const auto server = serve(std::move(options));
  const auto slow = [&](std::size_t len) {
    Fd fd = dial(server->port());
    EXPECT_EQ(interim_of(fd, "Content-Length: " + std::to_string(len)), kInterim);
    return fd;
  };
  const Fd first = slow(500);
  const Fd second = slow(500);
  const std::string refused = answer_of(server->port(), "Content-Length: 1\r\n\r\na");
  EXPECT_EQ(status_of(refused), 503) << refused;
  EXPECT_TRUE(refused.ends_with("{\"error\":\"server busy\"}")) << refused;
  EXPECT_EQ(status_of(answer_of(server->port(), kOneChunk)), 503);
  EXPECT_EQ(status_of(answer_of(server->port(), "Content-Length: 0\r\n\r\n")), 200);

  // The server closes its side when it has let go of the body.
  for (const Fd* fd : {&first, &second}) {
    ::shutdown(fd->get(), SHUT_WR);
    EXPECT_EQ(read_until_closed(*fd), "");
  }
  auto client = HttpClient::connect(local("http", server->port())).value();
  for (int i = 0; i < 2; ++i) {  // a body answered is a body let go
    EXPECT_EQ(client->request(post("/", Bytes(1000)))->status, 200);
  }
  EXPECT_EQ(status_of(answer_of(server->port(), kOneChunk)), 200);
}

TEST(HttpServer, CountsABodyUntilItsHandlerReturns) {
  for (const std::string& framed :
       {"Content-Length: 700\r\n\r\n" + std::string(700, 'a'),
        "Transfer-Encoding: chunked\r\n\r\n2bc\r\n" + std::string(700, 'a') + "\r\n0\r\n\r\n"}) {
    std::promise<void> entered;
    std::promise<void> release;
    ServerOptions options = small();
    options.limits.max_body_bytes_in_flight = 1000;
    const auto server =
        serve(std::move(options), [&](const HttpRequest& request, const ConnectionInfo& info) {
          if (request.body.size() == 700) {
            entered.set_value();
            release.get_future().wait();
          }
          return echo(request, info);
        });
    const Fd fd = dial(server->port());
    send_text(fd, kPost + "Connection: close\r\n" + framed);
    entered.get_future().wait();
    const std::string other = "Content-Length: 400\r\n\r\n" + std::string(400, 'b');
    EXPECT_EQ(status_of(answer_of(server->port(), other)), 503);
    EXPECT_EQ(status_of(answer_of(server->port(), kOneChunk)), 200);
    release.set_value();
    const std::string answer = read_until_closed(fd);
    EXPECT_TRUE(answer.ends_with("\r\n\r\n" + std::string(700, 'a'))) << answer;
    EXPECT_EQ(status_of(answer_of(server->port(), other)), 200);
  }
}

TEST(HttpServer, RefusesAChunkedBodyThatOutgrowsTheBudget) {
  ServerOptions options;
  options.limits.max_body_bytes_in_flight = 100'000;
  const auto server = serve(std::move(options));
  const std::string chunk = "2710\r\n" + std::string(10'000, 'c') + "\r\n";
  std::string framed = "Transfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 11; ++i) {
    framed += chunk;
  }
  EXPECT_EQ(status_of(answer_of(server->port(), framed + "0\r\n\r\n")), 503);
  auto client = HttpClient::connect(local("http", server->port())).value();
  EXPECT_EQ(client->request(post("/", Bytes(100'000)))->status, 200);
}

TEST(HttpServer, GathersAChunkedBodyUpToTheWholeBudget) {
  ServerOptions options;
  options.limits.max_body = 1'000'000;
  options.limits.max_body_bytes_in_flight = 1'000'000;
  const auto server = serve(std::move(options));
  std::string framed = "Transfer-Encoding: chunked\r\n\r\n";
  std::string body;
  for (int i = 0; i < 100; ++i) {
    body += std::string(10'000, static_cast<char>('!' + i % 90));
    framed += "2710\r\n" + body.substr(body.size() - 10'000) + "\r\n";
  }
  for (int i = 0; i < 2; ++i) {
    const std::string answer = answer_of(server->port(), framed + "0\r\n\r\n");
    EXPECT_EQ(status_of(answer), 200);
    EXPECT_TRUE(answer.ends_with("\r\n\r\n" + body));
  }
}

TEST(HttpServer, RefusesARequestThatWaitedTooLongForAHandler) {
  std::promise<void> entered;
  std::promise<void> release;
  std::atomic<int> others = 0;
  ServerOptions options = small();
  options.handler_threads = 1;
  options.limits.queue_timeout = 500ms;
  options.limits.max_body_bytes_in_flight = 1000;
  const auto server =
      serve(std::move(options), [&](const HttpRequest& request, const ConnectionInfo& info) {
        if (request.target == "/block") {
          entered.set_value();
          release.get_future().wait();
        } else {
          ++others;
        }
        return echo(request, info);
      });
  const Fd blocked = dial(server->port());
  send_text(blocked, "GET /block HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  ASSERT_EQ(entered.get_future().wait_for(10s), std::future_status::ready);

  const std::string whole = "Content-Length: 1000\r\n\r\n" + std::string(1000, 'a');
  const std::string refused = answer_of(server->port(), whole);
  EXPECT_EQ(status_of(refused), 503) << refused;
  EXPECT_TRUE(refused.ends_with("{\"error\":\"server busy\"}")) << refused;
  // Its body is gone although the handler's thread is still blocked.
  const Fd next = dial(server->port());
  EXPECT_EQ(interim_of(next, "Connection: close\r\nContent-Length: 1000"), kInterim);

  release.set_value();
  // A handler that had begun in time was let finish, however long it took.
  EXPECT_EQ(status_of(read_until_closed(blocked)), 200);
  send_text(next, std::string(1000, 'a'));
  EXPECT_EQ(status_of(read_until_closed(next)), 200);
  EXPECT_EQ(others, 1);  // the pool takes tasks in order: the refused one came before this
}

TEST(HttpServer, AnswersAtOnceWhatIsSaidToTakeNoWork) {
  std::promise<void> entered;
  std::promise<void> release;
  ServerOptions options = small();
  options.handler_threads = 1;
  options.limits.queue_timeout = 500ms;
  options.at_once = [](const HttpRequest& request) { return request.target == "/health"; };
  const auto server =
      serve(std::move(options), [&](const HttpRequest& request, const ConnectionInfo& info) {
        if (request.target == "/block") {
          entered.set_value();
          release.get_future().wait();
        }
        return echo(request, info);
      });
  const Fd blocked = dial(server->port());
  send_text(blocked, "GET /block HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  ASSERT_EQ(entered.get_future().wait_for(10s), std::future_status::ready);
  for (const auto& [target, status] : {std::pair("/health", 200), std::pair("/other", 503)}) {
    const Fd other = dial(server->port());
    send_text(other,
              "GET " + std::string(target) + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(status_of(read_until_closed(other)), status) << target;
  }
  release.set_value();
  EXPECT_EQ(status_of(read_until_closed(blocked)), 200);
}

TEST(HttpServer, ServesOnAfterGarbageInsteadOfTls) {
  ServerOptions options;
  options.tls = test::make_identity();
  const auto server = serve(std::move(options));
  const Fd fd = dial(server->port());
  send_text(fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(status_of(read_until_closed(fd)), 0);
  EXPECT_TRUE(HttpClient::connect(local("https", server->port())).has_value());
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  const auto server = serve({});
  const Fd fd = dial(server->port());
  send_text(fd,
            "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"
            "POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
            "POST /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n"
            "GET /4 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  const std::string answer = read_until_closed(fd);
  EXPECT_EQ(count_of(answer, "HTTP/1.1 200 OK"), 4U) << answer;
  EXPECT_LT(answer.find("GET /1"), answer.find("POST /2"));
  EXPECT_LT(answer.find("\r\n\r\nabc"), answer.find("POST /3"));
  EXPECT_LT(answer.find("\r\n\r\nde"), answer.find("GET /4"));
}

TEST(HttpServer, ReadsChunksAndTakesNoFieldFromATrailer) {
  const auto server = serve({});
  const Fd fd = dial(server->port());
  send_text(fd,
            "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-Late: here\r\n\r\n");
  const std::string answer = read_until_closed(fd);
  EXPECT_EQ(status_of(answer), 200);
  EXPECT_TRUE(answer.ends_with("\r\n\r\nabcdefg")) << answer;
  EXPECT_NE(answer.find("X-Late: none"), answer.npos) << answer;
}

TEST(HttpServer, AnswersExpectContinue) {
  const auto server = serve({});
  const Fd fd = dial(server->port());
  send_text(fd,
            "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: 100-continue\r\n"
            "Content-Length: 3\r\n\r\n");
  std::string interim(25, '\0');
  ASSERT_EQ(::recv(fd.get(), interim.data(), interim.size(), MSG_WAITALL), 25);
  EXPECT_EQ(interim, "HTTP/1.1 100 Continue\r\n\r\n");
  send_text(fd, "abc");
  EXPECT_TRUE(read_until_closed(fd).ends_with("\r\n\r\nabc"));
}

TEST(HttpServer, SendsNoLengthWithNoContent) {
  const auto server = serve({});
  auto client = HttpClient::connect(local("http", server->port())).value();
  const auto response = client->request({"GET", "/no-content", {}, {}});
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->status, 204);
  EXPECT_FALSE(response->headers.get("Content-Length").has_value());
  EXPECT_EQ(client->request(post("/", {1}))->status, 200);
}

TEST(HttpServer, ClosesConnectionsThatAreTooSlow) {
  ServerOptions options;
  options.limits.idle_timeout = 50ms;
  options.limits.request_timeout = 50ms;
  const auto server = serve(std::move(options));
  for (const std::string& begun :
       {std::string(), std::string("GET / HT"), kPost + "Content-Length: 5\r\n\r\nabc",
        kPost + "Transfer-Encoding: chunked\r\n\r\n5\r\nab"}) {
    const Fd fd = dial(server->port());
    send_text(fd, begun);
    EXPECT_EQ(read_until_closed(fd), "") << begun;
  }
}

TEST(HttpServer, ClosesASlowHandshake) {
  ServerOptions options;
  options.tls = test::make_identity();
  options.limits.handshake_timeout = 50ms;
  const auto server = serve(std::move(options));
  const Fd fd = dial(server->port());
  send_text(fd, "\x16\x03\x01");
  EXPECT_EQ(read_until_closed(fd), "");
}

TEST(HttpServer, AcceptsNoMoreConnectionsThanItsLimit) {
  ServerOptions options;
  options.limits.max_connections = 1;
  const auto server = serve(std::move(options));
  auto first = HttpClient::connect(local("http", server->port())).value();
  ASSERT_EQ(first->request(post("/", {}))->status, 200);
  ClientOptions hurried;
  hurried.request_timeout = 50ms;
  auto second = HttpClient::connect(local("http", server->port()), hurried).value();
  EXPECT_TRUE(second->request(post("/", {})).error().is(NetError::kTimeout));
  second.reset();
  first.reset();
  auto third = HttpClient::connect(local("http", server->port())).value();
  EXPECT_EQ(third->request(post("/", {}))->status, 200);
}

TEST(HttpServer, GivesNewConnectionsTheNewIdentity) {
  ServerOptions options;
  options.tls = test::make_identity();
  const auto server = serve(std::move(options));
  auto before = HttpClient::connect(local("https", server->port())).value();
  TlsIdentity next = test::make_identity();
  const Bytes certificate = next.certificate_der;
  ASSERT_TRUE(server->set_identity(std::move(next)).has_value());
  auto after = HttpClient::connect(local("https", server->port())).value();
  EXPECT_EQ(after->info().peer_certificate_der, certificate);
  EXPECT_NE(before->info().peer_certificate_der, certificate);
  EXPECT_EQ(before->request(post("/", {}))->status, 200);
}

TEST(HttpServer, TakesNoIdentityWithoutTls) {
  const auto server = serve(ServerOptions{});
  EXPECT_TRUE(server->set_identity(test::make_identity()).error().is(NetError::kInvalidArgument));
}

TEST(HttpServer, RejectsIdentitiesThatDoNotFit) {
  TlsIdentity mixed = test::make_identity();
  mixed.private_key_der =
      test::make_identity().private_key_der.size() == 0
          ? SecretBytes()
          : SecretBytes::copy_of(test::make_identity().private_key_der.expose());
  TlsIdentity trailing = test::make_identity();
  trailing.certificate_der.push_back(0);
  TlsIdentity empty;
  for (TlsIdentity* bad : {&mixed, &trailing, &empty}) {
    ServerOptions options;
    options.tls = std::move(*bad);
    const auto server = HttpServer::start(std::move(options), echo);
    ASSERT_FALSE(server.has_value());
    EXPECT_TRUE(server.error().is(NetError::kTlsIdentity));
  }
}

TEST(HttpServer, RejectsAnAddressItCannotListenOn) {
  ServerOptions options;
  options.address = "example";
  EXPECT_TRUE(HttpServer::start(std::move(options), echo).error().is(NetError::kBind));
  const auto server = serve({});
  ServerOptions taken;
  taken.port = server->port();
  EXPECT_TRUE(HttpServer::start(std::move(taken), echo).error().is(NetError::kBind));
}

TEST(HttpServer, TellsConnectionsApartAndWhenEachHasEnded) {
  struct Told {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::uint64_t> asked;
    std::multiset<std::uint64_t> closed;
  } told;
  const auto options = [&] {
    ServerOptions out;
    out.tls = test::make_identity();
    out.on_closed = [&](std::uint64_t id) {
      const std::lock_guard lock(told.mutex);
      told.closed.insert(id);
      told.changed.notify_all();
      throw std::runtime_error("nobody is there to catch it");
    };
    return out;
  };
  const auto handler = [&](const HttpRequest&, const ConnectionInfo& info) {
    const std::lock_guard lock(told.mutex);
    EXPECT_EQ(told.closed.count(info.id), 0U);
    told.asked.push_back(info.id);
    return HttpResponse{};
  };
  const auto closed_within = [&](std::size_t n) {
    std::unique_lock lock(told.mutex);
    return told.changed.wait_for(lock, 10s, [&] { return told.closed.size() >= n; });
  };
  const auto one = serve(options(), handler);
  const auto two = serve(options(), handler);
  auto a = HttpClient::connect(local("https", one->port())).value();
  auto b = HttpClient::connect(local("https", one->port())).value();
  auto c = HttpClient::connect(local("https", two->port())).value();
  for (const auto* client : {&a, &b, &c, &a}) {
    EXPECT_EQ((*client)->request(post("/", {}))->status, 200);
  }
  EXPECT_EQ(a->info().id, 0U);
  ASSERT_EQ(told.asked.size(), 4U);
  EXPECT_EQ(told.asked[0], told.asked[3]);
  EXPECT_EQ(std::set<std::uint64_t>(told.asked.begin(), told.asked.end()).size(), 3U);
  EXPECT_EQ(std::count(told.asked.begin(), told.asked.end(), 0U), 0);

  a.reset();
  EXPECT_TRUE(closed_within(1));
  EXPECT_EQ(told.closed, std::multiset<std::uint64_t>{told.asked[0]});
  send_text(dial(one->port()), "no handshake");  // one that no handler hears of
  EXPECT_TRUE(closed_within(2));
  one->stop();
  two->stop();
  EXPECT_EQ(told.closed.size(), 4U);
  for (const std::uint64_t id : told.asked) {
    EXPECT_EQ(told.closed.count(id), 1U);
  }
}

struct TicketCount {
  int seen = 0;
};
void count_tickets(int write, int, int type, const void* data, size_t len, SSL*, void* arg) {
  if (write == 0 && type == SSL3_RT_HANDSHAKE && len > 0 &&
      *static_cast<const unsigned char*>(data) == SSL3_MT_NEWSESSION_TICKET) {
    ++static_cast<TicketCount*>(arg)->seen;
  }
}

// handshake_with runs a hand-made client and returns what it read after one request.
std::string handshake_with(std::uint16_t port, int max_version, TicketCount* tickets,
                           std::string* suite) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_max_proto_version(context, max_version);
  SSL_CTX_set_msg_callback(context, count_tickets);
  SSL_CTX_set_msg_callback_arg(context, tickets);
  SSL* ssl = SSL_new(context);
  const Fd fd = dial(port);
  SSL_set_fd(ssl, fd.get());
  std::string out;
  if (SSL_connect(ssl) == 1) {
    *suite = SSL_get_cipher_name(ssl);
    const std::string request = "GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    SSL_write(ssl, request.data(), static_cast<int>(request.size()));
    char block[4096];
    for (int n = 0; (n = SSL_read(ssl, block, sizeof(block))) > 0;) {
      out.append(block, static_cast<std::size_t>(n));
    }
    EXPECT_EQ(SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
    EXPECT_EQ(SSL_get_max_early_data(ssl), 0U);
  }
  SSL_free(ssl);
  SSL_CTX_free(context);
  ERR_clear_error();
  return out;
}

TEST(HttpServer, SpeaksTls13AloneAndSendsNoTicket) {
  ServerOptions options;
  options.tls = test::make_identity();
  const auto server = serve(std::move(options));
  TicketCount tickets;
  std::string suite;
  EXPECT_EQ(handshake_with(server->port(), TLS1_2_VERSION, &tickets, &suite), "");
  EXPECT_EQ(status_of(handshake_with(server->port(), TLS1_3_VERSION, &tickets, &suite)), 200);
  EXPECT_EQ(tickets.seen, 0);
  EXPECT_EQ(suite, "TLS_AES_256_GCM_SHA384");
}

}  // namespace
}  // namespace ensconce
