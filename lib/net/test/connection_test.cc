// Connections that are ended while they begin.
#include "connection.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <chrono>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "tls_fixture.h"

namespace ensconce {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using test::dial;
using test::read_until_closed;

class Host final : public internal::ConnectionHost {
 public:
  [[nodiscard]] const ServerLimits& limits() const override { return limits_; }
  [[nodiscard]] bool inline_handlers() const override { return true; }
  [[nodiscard]] bool at_once(const HttpRequest&) const override { return true; }
  [[nodiscard]] std::shared_ptr<BodyIntake> intake(const HttpRequest&) const override { return {}; }
  asio::thread_pool& pool() override { return pool_; }
  internal::BodyBudget& body_budget() override { return budget_; }
  [[nodiscard]] HttpResponse handle(const HttpRequest&, const ConnectionInfo&) const override {
    return {};
  }
  void established(internal::ServerStream, ConnectionInfo) override {}
  void forget(const void*, std::optional<std::uint64_t> ended) override {
    EXPECT_TRUE(ended.has_value());
    ++forgotten;
  }
  int forgotten = 0;

 private:
  ServerLimits limits_;
  asio::thread_pool pool_{1};
  internal::BodyBudget budget_{1'000'000};
};

// stop() goes through the connections on another thread than the one that puts them in.
TEST(Connection, ThatIsDrainedOrAbortedBeforeItsStartEnds) {
  for (const bool drained : {true, false}) {
    Host host;
    asio::io_context context;
    tcp::acceptor acceptor(context, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    const Fd peer = dial(acceptor.local_endpoint().port());
    ConnectionInfo info;
    info.id = 1;
    auto connection = internal::make_connection(
        host,
        internal::ServerStream(acceptor.accept(asio::any_io_executor(asio::make_strand(context))),
                               nullptr),
        info);
    drained ? connection->drain() : connection->abort();
    connection->start();
    connection.reset();
    context.run_for(std::chrono::seconds(5));
    EXPECT_EQ(host.forgotten, 1);
    EXPECT_EQ(read_until_closed(peer), "");
  }
}

TEST(HttpServer, ThatIsStoppedDuringHandshakesTellsOfEachConnectionOnce) {
  const TlsIdentity identity = test::make_identity();
  for (int round = 0; round < 10; ++round) {
    std::mutex mutex;
    std::map<std::uint64_t, int> closed;
    ServerOptions options;
    options.limits.drain_timeout = std::chrono::minutes(1);
    options.tls = TlsIdentity{identity.certificate_der,
                              SecretBytes::copy_of(identity.private_key_der.expose())};
    options.on_closed = [&](std::uint64_t id) {
      const std::lock_guard lock(mutex);
      ++closed[id];
    };
    const auto server =
        HttpServer::start(std::move(options), [](const HttpRequest&, const ConnectionInfo&) {
          return HttpResponse{};
        }).value();
    std::atomic<int> connected = 0;
    std::vector<std::thread> clients;
    for (int i = 0; i < 4; ++i) {
      clients.emplace_back([&] {
        while (HttpClient::connect(test::local("https", server->port()))) {
          ++connected;
          connected.notify_all();
        }
      });
    }
    const Fd silent = dial(server->port());  // its handshake never begins
    connected.wait(0);
    const auto begun = std::chrono::steady_clock::now();
    server->stop();
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(20));
    for (std::thread& client : clients) {
      client.join();
    }
    EXPECT_FALSE(closed.empty());
    for (const auto& [id, times] : closed) {
      EXPECT_EQ(times, 1) << id;
    }
  }
}

}  // namespace
}  // namespace ensconce
