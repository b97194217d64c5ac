#include "ensconce/server/ohttp_gateway.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "ensconce/codec/json.h"
#include "ensconce/net/client.h"
#include "ensconce/net/server.h"
#include "ensconce/server/error.h"
#include "freed_memory.h"

namespace ensconce {
namespace {

class OhttpGatewayTest : public ::testing::Test {
 protected:
  static constexpr std::size_t kMaxSeen = 8;
  OhttpGatewayTest() { gateway_.install(key_, nullptr); }

  static HttpRequest outer(bool chunked, Bytes body) {
    HttpRequest out{"POST", "/.well-known/ohttp-gateway", {}, std::move(body)};
    out.headers.set("Content-Type",
                    std::string(chunked ? kOhttpChunkedRequestType : kOhttpRequestType));
    return out;
  }
  // Head, a chunk of 20 bytes, and the final one; or all of it at once.
  HttpRequest sealed(bool chunked) {
    auto sealer = OhttpRequestSealer::start(key_->key().config, chunked, random_).value();
    const Bytes plain = write_binary_request({"GET", "https", "", "/path", {}, {}, {}});
    if (!chunked) {
      return outer(false, sealer.seal(plain));
    }
    Bytes body = sealer.chunks().prefix();
    sealer.chunks().seal(ByteView(plain).first(5), false, body);
    sealer.chunks().seal(ByteView(plain).subspan(5), true, body);
    return outer(true, std::move(body));
  }
  // garbage has the head of a request and nothing behind it that opens.
  static HttpRequest garbage(HttpRequest request) {
    for (std::size_t i = 7 + 32; i < request.body.size(); ++i) {
      request.body[i] ^= i == 7 + 32 ? 0 : 1;  // but the length of the first chunk
    }
    return request;
  }
  static std::string title(const HttpResponse& response) {
    const auto body = json::parse(as_text(response.body));
    const json::Value* title = body ? body->find("title") : nullptr;
    return title != nullptr ? title->as_text("title").value() : "none";
  }

  ManualClock clock_{Instant{0}};
  SystemRandom random_;
  std::atomic<int> answered_ = 0;
  std::function<void()> meanwhile_;  // within the handler
  Bytes answer_ = Bytes(40, 'a');
  std::shared_ptr<GatewayKey> key_ =
      std::make_shared<GatewayKey>(hpke::Kem::kX25519, random_, kMaxSeen);
  OhttpGateway gateway_{clock_,
                        random_,
                        Padding::none(),
                        [this](const HttpRequest&) {
                          ++answered_;
                          if (meanwhile_) {
                            meanwhile_();
                          }
                          HttpResponse out;
                          out.body = answer_;
                          return out;
                        },
                        {100'000, std::chrono::seconds(30), 16'384}};
};

TEST_F(OhttpGatewayTest, AKeyCountsWhatItOpened) {
  GatewayKey key(hpke::Kem::kX25519, random_, 4);
  EXPECT_EQ(key.remember(Bytes{1}), GatewayKey::Seen::kNew);
  EXPECT_FALSE(key.filling());
  EXPECT_EQ(key.remember(Bytes{2}), GatewayKey::Seen::kNew);
  EXPECT_TRUE(key.filling());
  EXPECT_EQ(key.remember(Bytes{1}), GatewayKey::Seen::kReplayed);
  key.remember(Bytes{3});
  key.remember(Bytes{4});
  EXPECT_EQ(key.remember(Bytes{5}), GatewayKey::Seen::kFull);
  EXPECT_EQ(key.remember(Bytes{2}), GatewayKey::Seen::kReplayed);
  key.forget(Bytes{2});
  EXPECT_EQ(key.remember(Bytes{2}), GatewayKey::Seen::kNew);
}

TEST_F(OhttpGatewayTest, AFullKeyOpensNothing) {
  for (std::size_t i = 0; i < kMaxSeen; ++i) {
    EXPECT_EQ(gateway_.wants_key(), i >= kMaxSeen / 2);
    EXPECT_EQ(gateway_.handle(sealed(i % 2 == 0)).status, 200);
  }
  const HttpResponse refused = gateway_.handle(sealed(false));
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(title(refused), "ohttp.key_full");
}

// Random that gives the same first byte several times.
class Stubborn final : public Random {
 public:
  void fill(MutableByteView out) override {
    if (out.size() > 1) {
      system_.fill(out);
    } else {
      out[0] = static_cast<std::uint8_t>(drawn_++ / 3);
    }
  }

 private:
  SystemRandom system_;
  int drawn_ = 0;
};

TEST_F(OhttpGatewayTest, ASuccessorHasAnotherKeyId) {
  Stubborn random;
  const GatewayKey first(hpke::Kem::kX25519, random, 1);
  const GatewayKey second(hpke::Kem::kX25519, random, 1, &first);
  EXPECT_EQ(first.key().config.key_id, 0);
  EXPECT_EQ(second.key().config.key_id, 1);
}

// ---- Garbage -----------------------------------------------------------------------------------

TEST_F(OhttpGatewayTest, GarbageTakesNoRoom) {
  for (const bool chunked : {false, true}) {
    for (std::size_t i = 0; i < 2 * kMaxSeen; ++i) {
      EXPECT_EQ(title(gateway_.handle(garbage(sealed(chunked)))), "ohttp.decrypt");
      HttpRequest short_one = sealed(chunked);
      short_one.body.resize(7 + 32);
      EXPECT_NE(gateway_.handle(short_one).status, 200);
    }
  }
  EXPECT_FALSE(gateway_.wants_key());
  EXPECT_EQ(answered_, 0);
  EXPECT_EQ(gateway_.handle(sealed(false)).status, 200);
}

TEST_F(OhttpGatewayTest, AfterGarbageOfTheSameKeyARequestIsOpenedOnce) {
  for (const bool chunked : {false, true}) {
    answered_ = 0;
    const HttpRequest genuine = sealed(chunked);
    EXPECT_EQ(title(gateway_.handle(garbage(genuine))), "ohttp.decrypt");
    EXPECT_EQ(gateway_.handle(genuine).status, 200);
    EXPECT_EQ(title(gateway_.handle(genuine)), "ohttp.replayed");
    EXPECT_EQ(title(gateway_.handle(garbage(genuine))), "ohttp.replayed");
    EXPECT_EQ(title(gateway_.handle(genuine)), "ohttp.replayed");
    EXPECT_EQ(answered_, 1);
  }
}

TEST_F(OhttpGatewayTest, WhatOpenedInPartIsRemembered) {
  const HttpRequest genuine = sealed(true);
  HttpRequest cut = genuine;
  cut.body.pop_back();
  EXPECT_EQ(title(gateway_.handle(cut)), "ohttp.decrypt");  // of the final chunk alone
  EXPECT_EQ(title(gateway_.handle(genuine)), "ohttp.replayed");
  EXPECT_EQ(answered_, 0);
}

TEST_F(OhttpGatewayTest, ARequestInFlightIsNotOpenedAgain) {
  for (const bool chunked : {false, true}) {
    const HttpRequest genuine = sealed(chunked);
    meanwhile_ = [&] {
      EXPECT_EQ(title(gateway_.handle(garbage(genuine))), "ohttp.replayed");
      EXPECT_EQ(title(gateway_.handle(genuine)), "ohttp.replayed");
    };
    EXPECT_EQ(gateway_.handle(genuine).status, 200);
  }
  EXPECT_EQ(answered_, 2);
}

TEST_F(OhttpGatewayTest, ThreadsThatRaceForARequestOpenItOnce) {
  for (const bool chunked : {false, true}) {
    answered_ = 0;
    const HttpRequest genuine = sealed(chunked);
    const HttpRequest fake = garbage(genuine);
    std::atomic<int> opened = 0;
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 200; ++i) {
          opened += gateway_.handle((i + t) % 2 == 0 ? fake : genuine).status == 200 ? 1 : 0;
        }
      });
    }
    threads.clear();
    EXPECT_EQ(opened, 1);
    EXPECT_EQ(answered_, 1);
  }
}

// ---- Plaintext ---------------------------------------------------------------------------------

TEST_F(OhttpGatewayTest, NothingOfARequestStaysBehind) {
  constexpr std::string_view kWord = "a-word-that-must-not-stay-behind";
  const std::vector<BinaryRequest> requests{
      {"POST", "https", "", "/path", {{"key", std::string(kWord)}}, to_bytes(kWord), {}},
      {"POST", "https", "", "path", {}, to_bytes(kWord), {}},    // no path
      {"POST", "https", "", "/pa th", {}, to_bytes(kWord), {}},  // no binary HTTP
  };
  for (const BinaryRequest& request : requests) {
    for (const bool chunked : {false, true}) {
      Bytes plain = write_binary_request(request);
      auto sealer = OhttpRequestSealer::start(key_->key().config, chunked, random_).value();
      Bytes body;
      if (chunked) {
        body = sealer.chunks().prefix();
        sealer.chunks().seal(ByteView(plain).first(plain.size() - 1), false, body);
        sealer.chunks().seal(ByteView(plain).last(1), true, body);
      } else {
        body = sealer.seal(plain);
      }
      wipe(plain.data(), plain.size());
      const HttpRequest sealed = outer(chunked, std::move(body));
      const test::FreedMemory freed(kWord);
      EXPECT_EQ(gateway_.handle(sealed).status, 200);
      EXPECT_EQ(test::FreedMemory::found(), 0U) << request.path << chunked;
    }
  }
}

// ---- As they arrive ----------------------------------------------------------------------------

class GatewayServer : public OhttpGatewayTest {
 protected:
  GatewayServer() {
    ServerOptions options;
    options.intake = [this](const HttpRequest& head) { return gateway_.intake(head); };
    server_ = HttpServer::start(std::move(options), [this](const HttpRequest& request,
                                                           const ConnectionInfo&) {
                return gateway_.handle(request);
              }).value();
  }
  HttpResponse ask(const HttpRequest& request) {
    auto client = HttpClient::connect({"http", "127.0.0.1", server_->port(), "/"}).value();
    return client->request(request).value();
  }
  // A source that gives a first piece, and waits for the answer before the next.
  class Waiting final : public BodySource {
   public:
    Waiting(Bytes first, std::size_t more) : first_(std::move(first)), more_(more) {}
    Result<bool> next(Bytes& out) override {
      if (!first_.empty()) {
        out = std::exchange(first_, {});
        return true;
      }
      out = Bytes(std::min<std::size_t>(more_, 65'536), 'x');
      more_ -= out.size();
      sent += out.size();
      return more_ > 0;
    }
    std::size_t sent = 0;

   private:
    Bytes first_;
    std::size_t more_;
  };
  std::unique_ptr<HttpServer> server_;
};

TEST_F(GatewayServer, AnswersWhatItTookInAsWhatCameWhole) {
  for (const bool chunked : {false, true}) {
    const HttpRequest request = sealed(chunked);
    const HttpResponse answer = ask(request);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.headers.get("Content-Type"),
              chunked ? kOhttpChunkedResponseType : kOhttpResponseType);
    EXPECT_EQ(title(ask(request)), "ohttp.replayed");
  }
  EXPECT_EQ(answered_, 2);
  HttpRequest cut = sealed(true);
  cut.body.resize(cut.body.size() - 20);
  EXPECT_EQ(title(ask(cut)), "ohttp.truncated");
  EXPECT_EQ(answered_, 2);
}

TEST_F(GatewayServer, RefusesBeforeTheRestIsRead) {
  const HttpRequest genuine = sealed(true);
  ASSERT_EQ(ask(genuine).status, 200);
  HttpRequest foreign = sealed(true);
  foreign.body[0] ^= 1;  // its key_id
  const std::vector<std::pair<HttpRequest, std::string>> cases{
      {genuine, "ohttp.replayed"},
      {foreign, "ohttp.foreign_key"},
      {garbage(sealed(true)), "ohttp.decrypt"},
  };
  for (const auto& [from, why] : cases) {
    const auto rest = std::make_shared<Waiting>(
        Bytes(from.body.begin(), from.body.begin() + 7 + 32 + 1 + 5 + 16), std::size_t{1} << 30);
    HttpRequest request{"POST", from.target, from.headers, {}, nullptr};
    request.stream = rest;
    EXPECT_EQ(title(ask(request)), why);
    EXPECT_LT(rest->sent, std::size_t{64} << 20) << why;
  }
  EXPECT_EQ(answered_, 1);
}

// ---- Slow readers ------------------------------------------------------------------------------

TEST_F(OhttpGatewayTest, ASlowReaderIsCutOff) {
  answer_ = Bytes(5 * 16'384, 'a');
  HttpResponse out = gateway_.handle(sealed(true));
  Bytes piece;
  ASSERT_TRUE(out.stream->next(piece).value());
  clock_.advance(std::chrono::seconds(31));  // 30, and one for what was taken
  ASSERT_TRUE(out.stream->next(piece).value());
  clock_.advance(std::chrono::seconds(1));
  ASSERT_TRUE(out.stream->next(piece).value());
  clock_.advance(std::chrono::seconds(2));
  const auto late = out.stream->next(piece);
  ASSERT_FALSE(late);
  EXPECT_TRUE(late.error().is(ServerError::kSlowReader));
}

TEST_F(OhttpGatewayTest, WhatSlowReadersHoldIsBounded) {
  answer_ = Bytes(60'000, 'a');
  std::vector<HttpResponse> held;
  for (int i = 0; i < 2; ++i) {
    held.push_back(gateway_.handle(sealed(true)));
    ASSERT_EQ(held.back().status, 200);
  }
  const HttpRequest next = sealed(true);
  const HttpResponse refused = gateway_.handle(next);
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(title(refused), "ohttp.busy");
  EXPECT_EQ(answered_, 2);
  held.pop_back();
  EXPECT_EQ(gateway_.handle(next).status, 200);  // it was not opened before
}

}  // namespace
}  // namespace ensconce
