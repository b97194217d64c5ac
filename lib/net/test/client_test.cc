#include "ensconce/net/client.h"

#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <thread>

#include "../src/tls.h"
#include "ensconce/base/random.h"
#include "tls_fixture.h"

namespace ensconce {
namespace {

using namespace std::chrono_literals;
using test::local;
using test::read_until_closed;
using test::send_text;

HttpRequest get(std::string target = "/") { return {"GET", std::move(target), {}, {}}; }

// Peer is a hand-made server: it accepts one connection and does with it what the test says.
class Peer {
 public:
  explicit Peer(std::function<void(const Fd&)> script) {
    auto [fd, port] = test::listen_on_loopback();
    port_ = port;
    thread_ = std::thread([listener = std::move(fd), script = std::move(script)] {
      const Fd connection(::accept(listener.get(), nullptr, nullptr));
      const timeval limit{10, 0};
      ::setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
      script(connection);
    });
  }
  ~Peer() { thread_.join(); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  std::uint16_t port_ = 0;
  std::thread thread_;
};

void read_head(const Fd& fd) {
  std::string seen;
  for (char c = 0; !seen.ends_with("\r\n\r\n") && ::recv(fd.get(), &c, 1, 0) == 1;) {
    seen.push_back(c);
  }
}

// Answering reads one request and answers with those bytes, then closes.
std::function<void(const Fd&)> answering(std::string bytes) {
  return [bytes = std::move(bytes)](const Fd& fd) {
    read_head(fd);
    send_text(fd, bytes);
  };
}

// TlsScript runs a TLS server made with OpenSSL alone: handshake, one request, one answer.
struct TlsScript {
  int max_version = 0;
  std::size_t tickets = 0;
  bool say_goodbye = true;
  std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  std::string* server_name = nullptr;

  void operator()(const Fd& fd) const {
    SSL_CTX* context = SSL_CTX_new(TLS_server_method());
    test::use_identity(context, test::make_identity());
    SSL_CTX_set_max_proto_version(context, max_version);
    SSL_CTX_set_num_tickets(context, tickets);
    SSL* ssl = SSL_new(context);
    SSL_set_fd(ssl, fd.get());
    if (SSL_accept(ssl) == 1) {
      if (server_name != nullptr) {
        const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        *server_name = name == nullptr ? "(none)" : name;
      }
      char block[4096];
      if (SSL_read(ssl, block, sizeof(block)) > 0) {
        SSL_write(ssl, answer.data(), static_cast<int>(answer.size()));
        if (say_goodbye) {
          SSL_shutdown(ssl);
        }
      }
    }
    SSL_free(ssl);
    SSL_CTX_free(context);
    ERR_clear_error();
  }
};

// read_client_hello takes one record.
void read_client_hello(const Fd& fd) {
  std::string header(5, '\0');
  ::recv(fd.get(), header.data(), header.size(), MSG_WAITALL);
  std::string hello(static_cast<std::size_t>(static_cast<unsigned char>(header[3])) << 8 |
                        static_cast<unsigned char>(header[4]),
                    '\0');
  ::recv(fd.get(), hello.data(), hello.size(), MSG_WAITALL);
}

TEST(HttpClientTls, RejectsAServerThatOnlySpeaksTls12) {
  TlsScript script;
  script.max_version = TLS1_2_VERSION;
  const Peer peer(script);
  const auto client = HttpClient::connect(local("https", peer.port()));
  ASSERT_FALSE(client.has_value());
  EXPECT_TRUE(client.error().is(NetError::kTlsVersion)) << client.error().to_string();
}

TEST(HttpClientTls, RejectsAServerThatChoosesTls12Unasked) {
  const Peer peer([](const Fd& fd) {
    read_client_hello(fd);
    // ServerHello: 1.2, random, no session id, ECDHE_RSA_WITH_AES_128_GCM_SHA256, no extension.
    send_text(fd, std::string("\x16\x03\x03\x00\x2a\x02\x00\x00\x26\x03\x03", 11) +
                      std::string(32, 'r') + std::string("\x00\xc0\x2f\x00", 4));
    read_until_closed(fd);
  });
  const auto client = HttpClient::connect(local("https", peer.port()));
  ASSERT_FALSE(client.has_value());
  EXPECT_TRUE(client.error().is(NetError::kTlsVersion)) << client.error().to_string();
}

TEST(HttpClientTls, RejectsAServerThatSendsTickets) {
  TlsScript script;
  script.tickets = 1;
  const Peer peer(script);
  auto client = HttpClient::connect(local("https", peer.port())).value();
  const auto response = client->request(get());
  ASSERT_FALSE(response.has_value());
  EXPECT_TRUE(response.error().is(NetError::kTlsTicket)) << response.error().to_string();
  EXPECT_FALSE(client->open());
  EXPECT_TRUE(client->request(get()).error().is(NetError::kClosed));
}

TEST(HttpClientTls, IgnoresTicketsWhereNothingRestsOnThem) {
  TlsScript script;
  script.tickets = 2;
  const Peer peer(script);
  auto client =
      HttpClient::connect(local("https", peer.port()), {}, ServerTickets::kIgnored).value();
  EXPECT_EQ(as_text(client->request(get())->body), "ok");
}

TEST(HttpClientTls, AcceptsTheSameServerWithoutTickets) {
  const Peer peer{TlsScript{}};
  auto client = HttpClient::connect(local("https", peer.port())).value();
  EXPECT_EQ(as_text(client->request(get())->body), "ok");
}

TEST(HttpClientTls, PinsTheServersKey) {
  TlsIdentity identity = test::make_identity();
  ClientOptions right;
  right.pinned_spki_sha256 = test::spki_sha256(identity);
  ClientOptions wrong;
  wrong.pinned_spki_sha256 = right.pinned_spki_sha256;
  (*wrong.pinned_spki_sha256)[31] ^= 1;
  ServerOptions options;
  options.tls = std::move(identity);
  const auto server =
      HttpServer::start(std::move(options), [](const HttpRequest&, const ConnectionInfo&) {
        return HttpResponse{};
      }).value();
  EXPECT_TRUE(HttpClient::connect(local("https", server->port()), right).has_value());
  EXPECT_TRUE(
      HttpClient::connect(local("https", server->port()), wrong).error().is(NetError::kTlsPin));
  EXPECT_TRUE(
      HttpClient::connect(local("http", server->port()), right).error().is(NetError::kTlsPin));
}

TEST(HttpClientTls, NamesTheServerUnlessItIsAnAddress) {
  for (const auto& [host, expected] :
       {std::pair("127.0.0.1", "(none)"), std::pair("localhost", "localhost")}) {
    std::string name;
    {
      TlsScript script;
      script.server_name = &name;
      const Peer peer(script);
      auto client = HttpClient::connect({"https", host, peer.port(), "/"});
      ASSERT_TRUE(client.has_value()) << client.error().to_string();
      EXPECT_EQ((*client)->request(get())->status, 200);
    }
    EXPECT_EQ(name, expected);
  }
}

TEST(HttpClientTls, SendsNothingButTheHelloBeforeTheHandshakeIsDone) {
  std::string sent;
  {
    const Peer peer([&](const Fd& fd) {
      read_client_hello(fd);
      send_text(fd, std::string("\x15\x03\x03\x00\x02\x02\x28", 7));  // alert: handshake_failure
      sent = read_until_closed(fd);
    });
    const auto client = HttpClient::connect(local("https", peer.port()));
    ASSERT_FALSE(client.has_value());
    EXPECT_TRUE(client.error().is(NetError::kTlsHandshake)) << client.error().to_string();
  }
  EXPECT_EQ(sent, "");
}

TEST(HttpClientTls, RejectsPlainTextInPlaceOfAHandshake) {
  const Peer peer([](const Fd& fd) { send_text(fd, "HTTP/1.1 200 OK\r\n\r\n"); });
  const auto client = HttpClient::connect(local("https", peer.port()));
  EXPECT_TRUE(client.error().is(NetError::kTlsHandshake)) << client.error().to_string();
}

TEST(HttpClientTls, RejectsABodyThatEndsWithoutTlsEnding) {
  TlsScript script;
  script.say_goodbye = false;
  script.answer = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\npart";
  const Peer peer(script);
  auto client = HttpClient::connect(local("https", peer.port())).value();
  EXPECT_TRUE(client->request(get()).error().is(NetError::kClosed));
}

// established_pair runs a handshake in memory, resuming `session` if there is one.
struct Pair {
  tls::SessionPtr client;
  tls::SessionPtr server;
};
Pair established_pair(SSL_CTX* client_context, SSL_CTX* server_context, SSL_SESSION* session) {
  Pair out{tls::SessionPtr(SSL_new(client_context)), tls::SessionPtr(SSL_new(server_context))};
  BIO* a = nullptr;
  BIO* b = nullptr;
  BIO_new_bio_pair(&a, 0, &b, 0);
  SSL_set_bio(out.client.get(), a, a);
  SSL_set_bio(out.server.get(), b, b);
  SSL_set_connect_state(out.client.get());
  SSL_set_accept_state(out.server.get());
  if (session != nullptr) {
    SSL_set_session(out.client.get(), session);
  }
  for (int i = 0; i < 10; ++i) {
    SSL_do_handshake(out.client.get());
    SSL_do_handshake(out.server.get());
  }
  char byte = 'x';
  SSL_write(out.server.get(), &byte, 1);
  SSL_read(out.client.get(), &byte, 1);  // takes the tickets in
  return out;
}

TEST(CheckEstablished, RejectsResumedSessionsAndOlderVersions) {
  tls::start_without_configuration();
  const tls::ContextPtr server(SSL_CTX_new(TLS_server_method()));
  test::use_identity(server.get(), test::make_identity());
  const tls::ContextPtr client(SSL_CTX_new(TLS_client_method()));

  const Pair first = established_pair(client.get(), server.get(), nullptr);
  EXPECT_TRUE(tls::check_established(first.client.get()).has_value());
  SSL_SESSION* session = SSL_get1_session(first.client.get());
  const Pair second = established_pair(client.get(), server.get(), session);
  SSL_SESSION_free(session);
  const auto resumed = tls::check_established(second.client.get());
  ASSERT_FALSE(resumed.has_value());
  EXPECT_TRUE(resumed.error().is(NetError::kTlsResumed));

  SSL_CTX_set_max_proto_version(client.get(), TLS1_2_VERSION);
  const Pair old = established_pair(client.get(), server.get(), nullptr);
  const auto version = tls::check_established(old.client.get());
  ASSERT_FALSE(version.has_value());
  EXPECT_TRUE(version.error().is(NetError::kTlsVersion));
}

TEST(HttpClient, ReadsChunkedAndInterimAnswers) {
  const Peer peer(
      answering("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nTransfer-Encoding: "
                "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"));
  auto client = HttpClient::connect(local("http", peer.port())).value();
  const auto response = client->request(get());
  ASSERT_TRUE(response.has_value()) << response.error().to_string();
  EXPECT_EQ(response->status, 201);
  EXPECT_EQ(as_text(response->body), "abcde");
}

TEST(HttpClient, ReadsABodyThatEndsWithTheConnection) {
  const Peer peer(answering("HTTP/1.1 200 OK\r\n\r\nrest"));
  auto client = HttpClient::connect(local("http", peer.port())).value();
  EXPECT_EQ(as_text(client->request(get())->body), "rest");
  EXPECT_FALSE(client->open());
}

struct BadAnswer {
  const char* name;
  std::string bytes;
  NetError code;
};
class Answer : public testing::TestWithParam<BadAnswer> {};

TEST_P(Answer, IsRejectedAndTheConnectionGivenUp) {
  const Peer peer(answering(GetParam().bytes));
  ClientOptions options;
  options.max_response_header = 1024;
  options.max_response_body = 1000;
  auto client = HttpClient::connect(local("http", peer.port()), options).value();
  const auto response = client->request(get());
  ASSERT_FALSE(response.has_value());
  EXPECT_TRUE(response.error().is(GetParam().code)) << response.error().to_string();
  EXPECT_FALSE(client->open());
}

const std::string kOk = "HTTP/1.1 200 OK\r\n";
INSTANTIATE_TEST_SUITE_P(
    Each, Answer,
    testing::Values(
        BadAnswer{"Nothing", "", NetError::kClosed},
        BadAnswer{"Garbage", "\x16\x03\x01garbage\r\n\r\n", NetError::kHttpMalformed},
        BadAnswer{"CutHead", "HTTP/1.1 200 OK\r\nCont", NetError::kHttpMalformed},
        BadAnswer{"CutBody", kOk + "Content-Length: 5\r\n\r\nabc", NetError::kHttpMalformed},
        BadAnswer{"CutChunks", kOk + "Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
                  NetError::kHttpMalformed},
        BadAnswer{"NoLastChunk", kOk + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                  NetError::kHttpMalformed},
        BadAnswer{"CutLastChunk", kOk + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
                  NetError::kHttpMalformed},
        BadAnswer{"LengthAndCoding",
                  kOk + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                  NetError::kHttpMalformed},
        BadAnswer{"BytesAfter", kOk + "Content-Length: 1\r\n\r\nab", NetError::kHttpMalformed},
        BadAnswer{"LongBody", kOk + "Content-Length: 1001\r\n\r\n", NetError::kHttpTooLarge},
        BadAnswer{"LongChunks",
                  kOk + "Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + std::string(1001, 'a') +
                      "\r\n0\r\n\r\n",
                  NetError::kHttpTooLarge},
        BadAnswer{"LongRest", kOk + "\r\n" + std::string(1001, 'a'), NetError::kHttpTooLarge},
        BadAnswer{"LongHeader", kOk + "X: " + std::string(2000, 'a') + "\r\n\r\n",
                  NetError::kHttpTooLarge},
        BadAnswer{"InterimForEver",
                  "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\n"
                  "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
                  NetError::kHttpMalformed}),
    [](const auto& each) { return std::string(each.param.name); });

// A body that is handed on is judged like one that is held.
TEST_P(Answer, IsRejectedAlsoWhenItIsStreamed) {
  const Peer peer(answering(GetParam().bytes));
  ClientOptions options;
  options.max_response_header = 1024;
  options.max_response_body = 1000;
  auto client = HttpClient::connect(local("http", peer.port()), options).value();
  std::size_t seen = 0;
  const auto response =
      test::streamed(*client, get(), [&](ByteView piece) { seen += piece.size(); });
  ASSERT_FALSE(response.has_value());
  EXPECT_TRUE(response.error().is(GetParam().code)) << response.error().to_string();
  EXPECT_LE(seen, 1000U);
  EXPECT_FALSE(client->open());
}

TEST(HttpClientStream, TakesChunkedMeasuredAndOpenEndedBodies) {
  for (const std::string framed :
       {"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        "Content-Length: 5\r\n\r\nabcde", "\r\nabcde"}) {
    const Peer peer(answering("HTTP/1.1 100 Continue\r\n\r\n" + kOk + framed));
    auto client = HttpClient::connect(local("http", peer.port())).value();
    std::string seen;
    const auto response =
        test::streamed(*client, get(), [&](ByteView piece) { seen += as_text(piece); });
    ASSERT_TRUE(response.has_value()) << response.error().to_string();
    EXPECT_EQ(seen, "abcde");
    EXPECT_TRUE(response->body.empty());
  }
}

TEST(HttpClientStream, ReturnsAnswersOtherThan2xxWhole) {
  for (const std::string status : {"300", "404", "503"}) {
    for (const std::string framed : {"Content-Length: 3\r\n\r\nwhy",
                                     "Transfer-Encoding: chunked\r\n\r\n3\r\nwhy\r\n0\r\n\r\n"}) {
      const Peer peer(answering("HTTP/1.1 " + status + " No\r\n" + framed));
      auto client = HttpClient::connect(local("http", peer.port())).value();
      const auto response = test::streamed(*client, get(), [](ByteView) { FAIL(); });
      ASSERT_TRUE(response.has_value()) << response.error().to_string();
      EXPECT_EQ(std::to_string(response->status), status);
      EXPECT_EQ(as_text(response->body), "why");
    }
  }
}

// pulled reads a whole answer piece by piece.
Result<std::string> pulled(HttpClient& client, int* status = nullptr) {
  ENSC_TRY_ASSIGN(const HttpResponse head, client.begin(get()));
  if (status != nullptr) {
    *status = head.status;
  }
  std::string out(as_text(head.body));
  for (bool more = head.status < 300; more;) {
    EXPECT_FALSE(client.open());
    Bytes piece;
    ENSC_TRY_ASSIGN(more, client.next_piece(piece));
    out += as_text(piece);
  }
  return out;
}

TEST(HttpClientStream, IsPulledPieceByPiece) {
  for (const char* answer :
       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde", "HTTP/1.1 200 OK\r\n\r\nabcde",
        "HTTP/1.1 100 Continue\r\n\r\n"
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde"}) {
    const Peer peer(answering(answer));
    auto client = HttpClient::connect(local("http", peer.port())).value();
    EXPECT_EQ(pulled(*client).value(), "abcde") << answer;
    Bytes none;
    EXPECT_TRUE(client->next_piece(none).error().is(NetError::kClosed));
  }
}

TEST(HttpClientStream, IsPulledAsItComes) {
  std::promise<void> first_seen;
  const Peer peer([&](const Fd& fd) {
    read_head(fd);
    send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
    send_text(fd, "ab");
    first_seen.get_future().wait();
    send_text(fd, "cd");
    read_until_closed(fd);
  });
  auto client = HttpClient::connect(local("http", peer.port())).value();
  ASSERT_TRUE(client->begin(get()));
  Bytes first;
  EXPECT_TRUE(client->next_piece(first).value());
  EXPECT_EQ(as_text(first).substr(0, 1), "a");  // with the rest still to be sent
  first_seen.set_value();
  Bytes rest = first;
  while (client->next_piece(rest).value()) {
  }
  EXPECT_EQ(as_text(rest), "abcd");
  EXPECT_TRUE(client->open());
}

TEST(HttpClientStream, ThatIsCutOffWhilePulledIsAnError) {
  for (const char* answer : {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                             "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
                             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX",
                             "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc"}) {
    const Peer peer(answering(answer));
    auto client = HttpClient::connect(local("http", peer.port())).value();
    EXPECT_TRUE(pulled(*client).error().is(NetError::kHttpMalformed)) << answer;
    EXPECT_FALSE(client->open());
    EXPECT_FALSE(client->request(get()));
  }
}

TEST(HttpClientStream, OtherAnswersAreWholeWhenPulled) {
  const Peer peer(answering("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"));
  auto client = HttpClient::connect(local("http", peer.port())).value();
  int status = 0;
  EXPECT_EQ(pulled(*client, &status).value(), "no");
  EXPECT_EQ(status, 404);
}

TEST(HttpClientStream, RejectsChunksThatEndWithoutTlsEnding) {
  TlsScript script;
  script.say_goodbye = false;
  script.answer = kOk + "Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n";
  const Peer peer(script);
  auto client = HttpClient::connect(local("https", peer.port())).value();
  std::string seen;
  const auto response =
      test::streamed(*client, get(), [&](ByteView piece) { seen += as_text(piece); });
  EXPECT_EQ(seen, "part");
  EXPECT_TRUE(response.error().is(NetError::kClosed)) << response.error().to_string();
}

TEST(HttpClientStream, LimitsTheWaitForEachPieceAndNotTheWhole) {
  ClientOptions options;
  options.request_timeout = 300ms;
  const auto trickle = [](int pieces) {
    return [pieces](const Fd& fd) {
      read_head(fd);
      send_text(fd, kOk + "Transfer-Encoding: chunked\r\n\r\n");
      for (int i = 0; i < pieces; ++i) {
        std::this_thread::sleep_for(60ms);
        send_text(fd, "1\r\nx\r\n");
      }
      if (pieces > 1) {
        send_text(fd, "0\r\n\r\n");
      }
      read_until_closed(fd);
    };
  };
  for (const int pieces : {8, 1}) {
    const Peer peer(trickle(pieces));
    auto client = HttpClient::connect(local("http", peer.port()), options).value();
    const auto response = test::streamed(*client, get(), [](ByteView) {});
    if (pieces > 1) {
      EXPECT_TRUE(response.has_value()) << response.error().to_string();
    } else {
      EXPECT_TRUE(response.error().is(NetError::kTimeout));
    }
    client.reset();
  }
}

TEST(HttpClientStream, LimitsTheWaitForAPieceThatComesInBits) {
  ClientOptions options;
  options.request_timeout = 300ms;
  const Peer peer([](const Fd& fd) {
    read_head(fd);
    send_text(fd, kOk + "Transfer-Encoding: chunked\r\n\r\n1;");
    for (int i = 0; i < 20; ++i) {
      std::this_thread::sleep_for(60ms);
      send_text(fd, "x");
    }
    send_text(fd, "\r\nx\r\n0\r\n\r\n");
    read_until_closed(fd);
  });
  auto client = HttpClient::connect(local("http", peer.port()), options).value();
  ASSERT_TRUE(client->begin(get()));
  Bytes piece;
  const auto more = client->next_piece(piece);
  ASSERT_FALSE(more);
  EXPECT_TRUE(more.error().is(NetError::kTimeout)) << more.error().to_string();
  client.reset();
}

// Pulled is a request body that gives its one piece `times` times.
class Pulled final : public BodySource {
 public:
  Pulled(std::size_t len, int times) : len_(len), times_(times) {}
  Result<bool> next(Bytes& out) override {
    out.assign(len_, 'p');
    return --times_ > 0;
  }

 private:
  std::size_t len_;
  int times_;
};

TEST(HttpClientStream, SendsAPulledBodyInChunks) {
  std::string sent;
  {
    const Peer peer([&](const Fd& fd) {
      char block[4096];
      while (!sent.ends_with("0\r\n\r\n")) {
        const ssize_t n = ::recv(fd.get(), block, sizeof(block), 0);
        if (n <= 0) {
          break;
        }
        sent.append(block, static_cast<std::size_t>(n));
      }
      send_text(fd, kOk + "Content-Length: 0\r\n\r\n");
    });
    auto client = HttpClient::connect(local("http", peer.port())).value();
    HttpRequest request{"POST", "/", {{"Content-Length", "7"}}, {}, nullptr};
    request.stream = std::make_shared<Pulled>(3, 2);
    EXPECT_EQ(client->request(request)->status, 200);
  }
  EXPECT_TRUE(
      sent.ends_with("\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nppp\r\n3\r\nppp\r\n0\r\n\r\n"))
      << sent;
  EXPECT_EQ(sent.find("Content-Length"), sent.npos);
}

TEST(HttpClientStream, ReturnsAnEarlyRefusalOfAPulledBody) {
  const Peer peer([](const Fd& fd) {
    read_head(fd);
    send_text(fd,
              "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    ::shutdown(fd.get(), SHUT_WR);
    read_until_closed(fd);
  });
  auto client = HttpClient::connect(local("http", peer.port())).value();
  HttpRequest request{"POST", "/", {}, {}, nullptr};
  request.stream = std::make_shared<Pulled>(100'000, 20);
  const auto response = client->request(request);
  ASSERT_TRUE(response.has_value()) << response.error().to_string();
  EXPECT_EQ(response->status, 413);
  EXPECT_FALSE(client->open());
}

TEST(HttpClient, GivesUpAtItsTimeLimits) {
  ClientOptions options;
  options.connect_timeout = 50ms;
  options.request_timeout = 50ms;
  {
    const Peer mute([](const Fd& fd) { read_until_closed(fd); });
    const auto client = HttpClient::connect(local("https", mute.port()), options);
    EXPECT_TRUE(client.error().is(NetError::kTimeout)) << client.error().to_string();
  }
  {
    const Peer half([](const Fd& fd) {
      send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
      read_until_closed(fd);
    });
    auto client = HttpClient::connect(local("http", half.port()), options).value();
    EXPECT_TRUE(client->request(get()).error().is(NetError::kTimeout));
    client.reset();
  }
}

// eventually_closed waits for what the peer does on its thread.
::testing::AssertionResult eventually_closed(const HttpClient& client) {
  const auto until = std::chrono::steady_clock::now() + 10s;
  while (client.open()) {
    if (std::chrono::steady_clock::now() > until) {
      return ::testing::AssertionFailure() << "still open";
    }
    std::this_thread::yield();
  }
  return ::testing::AssertionSuccess();
}

TEST(HttpClient, SeesThatTheServerEndedTheConnectionMeanwhile) {
  const Peer peer(answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  auto client = HttpClient::connect(local("http", peer.port())).value();
  EXPECT_TRUE(client->open());
  EXPECT_EQ(as_text(client->request(get())->body), "ok");
  EXPECT_TRUE(eventually_closed(*client));
  EXPECT_TRUE(client->request(get()).error().is(NetError::kClosed));
  EXPECT_FALSE(client->sent_whole());
}

TEST(HttpClientTls, SeesThatTheServerEndedTheConnectionMeanwhile) {
  for (const bool say_goodbye : {true, false}) {
    TlsScript script;
    script.tickets = 2;
    script.say_goodbye = say_goodbye;
    const Peer peer(script);
    auto client =
        HttpClient::connect(local("https", peer.port()), {}, ServerTickets::kIgnored).value();
    for (int i = 0; i < 1000; ++i) {  // while the tickets come
      ASSERT_TRUE(client->open());
    }
    EXPECT_EQ(as_text(client->request(get())->body), "ok");
    EXPECT_TRUE(client->sent_whole());
    EXPECT_TRUE(eventually_closed(*client));
  }
}

TEST(HttpClient, SaysWhetherARequestLeftWhole) {
  constexpr std::size_t kLarge = std::size_t{32} * 1024 * 1024;
  const HttpRequest large{"POST", "/", {}, Bytes(kLarge), nullptr};
  {
    const Peer peer([](const Fd& fd) { read_head(fd); });  // and closes on the body
    auto client = HttpClient::connect(local("http", peer.port())).value();
    EXPECT_FALSE(client->request(large).has_value());
    EXPECT_FALSE(client->sent_whole());
  }
  {
    const Peer peer([](const Fd& fd) {
      read_head(fd);
      std::string body(kLarge, '\0');
      ::recv(fd.get(), body.data(), body.size(), MSG_WAITALL);
    });
    auto client = HttpClient::connect(local("http", peer.port())).value();
    EXPECT_FALSE(client->request(large).has_value());
    EXPECT_TRUE(client->sent_whole());
  }
}

// The handler answers when the client has said that the request left: it would never, if the client
// waited for the answer first.
TEST(HttpClientTls, CallsOnSentBeforeItWaitsForTheAnswer) {
  ServerOptions options;
  options.tls = test::make_identity();
  std::promise<void> sent;
  auto server =
      HttpServer::start(std::move(options), [&](const HttpRequest& request, const ConnectionInfo&) {
        const bool said = sent.get_future().wait_for(10s) == std::future_status::ready;
        HttpResponse answer;
        answer.status = said ? 200 : 500;
        answer.body = request.body;
        return answer;
      }).value();
  auto client = HttpClient::connect(local("https", server->port())).value();
  HttpRequest request{"POST", "/", {}, Bytes(400'000)};  // some gatherings of records, and a rest
  SeededRandom(1).fill(request.body);
  int times = 0;
  request.on_sent = [&] {
    ++times;
    sent.set_value();
  };
  const auto answer = client->request(request);
  ASSERT_TRUE(answer.has_value()) << answer.error().to_string();
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, request.body);
  EXPECT_EQ(times, 1);
}

TEST(HttpClient, DoesNotCallOnSentForARequestThatDidNotLeaveWhole) {
  const Peer peer([](const Fd& fd) { read_head(fd); });  // and closes on the body
  auto client = HttpClient::connect(local("http", peer.port())).value();
  HttpRequest large{"POST", "/", {}, Bytes(std::size_t{32} * 1024 * 1024)};
  bool called = false;
  large.on_sent = [&] { called = true; };
  EXPECT_FALSE(client->request(large).has_value());
  EXPECT_FALSE(called);
}

TEST(HttpClient, ReportsARefusedConnection) {
  std::uint16_t port = 0;
  {
    auto [fd, free_port] = test::listen_on_loopback();
    port = free_port;
  }
  EXPECT_TRUE(HttpClient::connect(local("http", port)).error().is(NetError::kConnect));
}

TEST(HttpClient, RejectsRequestsThatWouldInjectAHeader) {
  const Peer peer([](const Fd& fd) { read_until_closed(fd); });
  auto client = HttpClient::connect(local("http", peer.port())).value();
  HttpRequest bad_value = get();
  bad_value.headers.add("X", "a\r\nY: b");
  HttpRequest bad_name = get();
  bad_name.headers.add("X:", "a");
  HttpRequest bad_method = get();
  bad_method.method = "GET /";
  for (const HttpRequest& bad :
       {bad_value, bad_name, bad_method, get("/a b"), get("a"), get("/\r\nX: y"), get("")}) {
    EXPECT_TRUE(client->request(bad).error().is(NetError::kInvalidArgument));
    EXPECT_TRUE(client->open());
  }
}

}  // namespace
}  // namespace ensconce
