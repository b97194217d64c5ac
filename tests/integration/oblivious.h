#pragma once

#include <gmock/gmock.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "ensconce/client/proxy.h"
#include "ensconce/ohttp/message.h"
#include "tls_fixture.h"
#include "whole.h"

// The oblivious channel with somebody in the middle.
namespace ensconce::whole {

// Middle ends no TLS of the worker's: it is the balancer, or whoever sits where one would.
class Middle {
 public:
  using ToWorker = std::function<HttpResponse(const HttpRequest&)>;
  explicit Middle(ToWorker to_worker) : to_worker_(std::move(to_worker)) { begin(); }
  // begin_again ends every connection and comes back on the same port.
  void begin_again() {
    server_->stop();
    begin();
  }
  [[nodiscard]] std::uint16_t port() const { return server_->port(); }

  std::function<void(HttpRequest&)> on_request;
  std::function<void(HttpResponse&)> on_response;  // of sealed requests
  std::function<void(HttpResponse&)> on_document;
  // on_piece is told of each piece of a streamed answer before it goes on, and passes it on as it
  // comes: true for more, false to end the body there.
  std::function<Result<bool>(std::size_t index, Bytes& piece, bool more)> on_piece;

  [[nodiscard]] std::vector<HttpRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  [[nodiscard]] std::vector<HttpResponse> responses() const {
    const std::lock_guard lock(mutex_);
    return responses_;
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    requests_.clear();
    responses_.clear();
  }

 private:
  class Pieces final : public BodySource {
   public:
    Pieces(std::shared_ptr<BodySource> from, decltype(Middle::on_piece) on_piece)
        : from_(std::move(from)), on_piece_(std::move(on_piece)) {}
    Result<bool> next(Bytes& out) override {
      ENSC_TRY_ASSIGN(const bool more, from_->next(out));
      return on_piece_(index_++, out, more);
    }

   private:
    std::shared_ptr<BodySource> from_;
    decltype(Middle::on_piece) on_piece_;
    std::size_t index_ = 0;
  };
  void begin() {
    ServerOptions options;
    options.port = server_ ? server_->port() : 0;
    server_.reset();
    server_ = HttpServer::start(std::move(options), [this](const HttpRequest& request,
                                                           const ConnectionInfo&) {
                return pass(request);
              }).value();
  }
  HttpResponse pass(HttpRequest request) {
    const bool sealed = path_of(request.target) == kGatewayPath;
    if (sealed && on_request) {
      on_request(request);
    }
    HttpResponse response = to_worker_(request);
    if (sealed && on_piece && response.stream != nullptr) {
      response.stream = std::make_shared<Pieces>(response.stream, on_piece);
      return response;
    }
    if (const auto stream = std::exchange(response.stream, nullptr)) {
      for (bool more = true; more;) {
        Bytes piece;
        more = stream->next(piece).value();
        response.body.insert(response.body.end(), piece.begin(), piece.end());
      }
    }
    if (sealed && on_response) {
      on_response(response);
    }
    if (!sealed && on_document) {
      on_document(response);
    }
    const std::lock_guard lock(mutex_);
    requests_.push_back(std::move(request));
    responses_.push_back(response);
    return response;
  }

  ToWorker to_worker_;
  mutable std::mutex mutex_;
  std::vector<HttpRequest> requests_;
  std::vector<HttpResponse> responses_;
  std::unique_ptr<HttpServer> server_;
};

class Oblivious : public Whole {
 protected:
  Oblivious()
      : middle_([this](const HttpRequest& request) {
          return worker_->handle_in_the_open(request, {});
        }) {}

  ConnectOutcome connect_through(ChannelChoice choice = ChannelChoice::kOblivious,
                                 const PolicySays& says = {}) {
    const AppraisalPolicy policy =
        AppraisalPolicy::parse(client_policy(says), "client.toml").value();
    return AttestedClient::connect(test::local("http", middle_.port()), policy, {}, client_clock_,
                                   random_, choice);
  }
  std::unique_ptr<AttestedClient> client(ChannelChoice choice = ChannelChoice::kOblivious) {
    PolicySays says;
    says.padding = padding_;
    ConnectOutcome outcome = connect_through(choice, says);
    EXPECT_TRUE(outcome.client) << outcome.client.error().to_string();
    return *std::move(outcome.client);
  }
  void restart(const std::function<void(WorkerConfig&)>& change = {}) {
    WorkerConfig changed = config();
    if (change) {
      change(changed);
    }
    padding_ = changed.padding.to_string();
    start(changed);
  }
  void pass(Millis time) {
    clock_.advance(time);
    client_clock_.advance(time);
    worker_->maintain();
  }
  // sealed is one request for a model, as the client sent it.
  HttpRequest sealed_request(ChannelChoice choice = ChannelChoice::kOblivious) {
    const auto one = client(choice);
    middle_.forget();
    EXPECT_TRUE(infer(*one));
    return middle_.requests().back();
  }
  HttpResponse send(const HttpRequest& outer) { return worker_->handle_in_the_open(outer, {}); }

  Middle middle_;
  std::string padding_ = "none";  // of the worker's statement
};

inline ::testing::AssertionResult problem(const HttpResponse& response, int status,
                                          std::string_view id,
                                          std::string_view type = "about:blank") {
  const auto body = json::parse(as_text(response.body));
  if (response.status == status && body && body->find("title")->as_text("title").value() == id &&
      body->find("type")->as_text("type").value() == type &&
      response.headers.get("Content-Type") == "application/problem+json") {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure()
         << response.status << " " << as_text(response.body).substr(0, 300);
}

}  // namespace ensconce::whole
