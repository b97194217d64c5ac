#include "ensconce/net/server.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "connection.h"
#include "ensconce/base/log.h"
#include "tls.h"

namespace ensconce {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// give_way lets this thread run after those that serve whoever is in already.
void give_way() {
  constexpr int kNice = 5;
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kNice);
}

std::uint64_t next_id() {
  // Of the process, so that one handler may serve several servers. Only its being unique matters.
  static std::atomic<std::uint64_t> last = 0;
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

// Impl accepts connections and keeps count of them, from start to stop.
class HttpServer::Impl final : public internal::ConnectionHost {
 public:
  Impl(ServerOptions options, HttpHandler handler)
      : options_(std::move(options)),
        handler_(std::move(handler)),
        body_budget_(options_.limits.max_body_bytes_in_flight),
        has_tls_(options_.tls.has_value()),
        pool_(std::max(options_.handler_threads, 1U)),
        ioc_(static_cast<int>(std::max(options_.io_threads, 1U))),
        handshakes_(static_cast<int>(std::max(options_.io_threads, 1U))),
        acceptor_(asio::make_strand(door())),
        retry_(acceptor_.get_executor()) {}

  Result<void> start();
  void stop();
  Result<void> set_identity(const TlsIdentity& identity);
  [[nodiscard]] bool has_tls() const { return has_tls_; }
  [[nodiscard]] std::uint16_t port() const { return port_; }

  [[nodiscard]] const ServerLimits& limits() const override { return options_.limits; }
  [[nodiscard]] bool inline_handlers() const override { return options_.handler_threads == 0; }
  [[nodiscard]] bool at_once(const HttpRequest& request) const override {
    return inline_handlers() || (options_.at_once && options_.at_once(request));
  }
  [[nodiscard]] std::shared_ptr<BodyIntake> intake(const HttpRequest& head) const override {
    return options_.intake ? options_.intake(head) : nullptr;
  }
  asio::thread_pool& pool() override { return pool_; }
  internal::BodyBudget& body_budget() override { return body_budget_; }
  [[nodiscard]] HttpResponse handle(const HttpRequest& request,
                                    const ConnectionInfo& info) const override;
  void established(internal::ServerStream stream, ConnectionInfo info) override;
  void forget(const void* connection, std::optional<std::uint64_t> ended) override;

 private:
  // door is where connections are accepted: before the handshake, if there is one.
  asio::io_context& door() { return has_tls_ ? handshakes_ : ioc_; }
  void run_threads();
  void accept();
  void accepted(tcp::socket socket);
  void begin(const std::shared_ptr<internal::Connection>& connection);
  template <typename F>
  void for_each_connection(F f);

  ServerOptions options_;
  HttpHandler handler_;
  internal::BodyBudget body_budget_;
  std::uint16_t port_ = 0;

  std::mutex identity_mutex_;
  tls::ContextPtr identity_;  // each SSL counts its own reference

  std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_map<const void*, std::weak_ptr<internal::Connection>> connections_;
  bool stopping_ = false;
  bool accept_paused_ = false;

  std::mutex stop_mutex_;
  bool stopped_ = false;

  const bool has_tls_;
  asio::thread_pool pool_;
  asio::io_context ioc_;
  asio::io_context handshakes_;
  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  std::vector<std::thread> threads_;
};

Result<void> HttpServer::Impl::start() {
  if (has_tls_) {
    ENSC_TRY(set_identity(*options_.tls));
    options_.tls.reset();  // wiped; OpenSSL has its own copy
  }
  error_code ec;
  const asio::ip::address address = asio::ip::make_address(options_.address, ec);
  if (ec) {
    return Error(NetError::kBind, "not an IP address: " + options_.address);
  }
  const tcp::endpoint endpoint(address, options_.port);
  acceptor_.open(endpoint.protocol(), ec);
  if (!ec) {
    acceptor_.set_option(tcp::acceptor::reuse_address(true), ec);
  }
  if (!ec) {
    acceptor_.bind(endpoint, ec);
  }
  if (!ec) {
    acceptor_.listen(asio::socket_base::max_listen_connections, ec);
  }
  if (ec) {
    return Error(NetError::kBind,
                 options_.address + ":" + std::to_string(options_.port) + ": " + ec.message());
  }
  port_ = acceptor_.local_endpoint(ec).port();
  asio::post(acceptor_.get_executor(), [this] { accept(); });
  run_threads();
  return ok();
}

void HttpServer::Impl::run_threads() {
  const auto run = [](asio::io_context& context) {
    const auto work = asio::make_work_guard(context);
    for (;;) {
      try {
        context.run();
        return;
      } catch (const std::exception&) {
        log_error("a connection ended by an exception");
      }
    }
  };
  for (unsigned i = 0; i < std::max(options_.io_threads, 1U); ++i) {
    threads_.emplace_back([this, run] { run(ioc_); });
    if (has_tls_) {
      threads_.emplace_back([this, run] {
        give_way();
        run(handshakes_);
      });
    }
  }
}

Result<void> HttpServer::Impl::set_identity(const TlsIdentity& identity) {
  ENSC_TRY_ASSIGN(tls::ContextPtr context,
                  tls::make_server_context(identity, options_.ask_client_certificate
                                                         ? tls::ClientCertificate::kAsked
                                                         : tls::ClientCertificate::kNotAsked));
  const std::lock_guard lock(identity_mutex_);
  identity_ = std::move(context);
  return ok();
}

HttpResponse HttpServer::Impl::handle(const HttpRequest& request,
                                      const ConnectionInfo& info) const {
  try {
    return handler_(request, info);
  } catch (const std::exception&) {
    log_error("a request handler threw");  // what() may quote the peer
  } catch (...) {
    log_error("a request handler threw something that is no exception");
  }
  return json_error(500, "internal error");
}

void HttpServer::Impl::accept() {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      return;
    }
    accept_paused_ = connections_.size() >= options_.limits.max_connections;
    if (accept_paused_) {
      return;
    }
  }
  acceptor_.async_accept(asio::make_strand(door()),
                         [this](const error_code& ec, tcp::socket socket) {
                           if (ec == asio::error::operation_aborted) {
                             return;
                           }
                           if (ec) {  // out of descriptors, most likely
                             retry_.expires_after(std::chrono::milliseconds(100));
                             retry_.async_wait([this](const error_code&) { accept(); });
                             return;
                           }
                           accepted(std::move(socket));
                           accept();
                         });
}

void HttpServer::Impl::accepted(tcp::socket socket) {
  error_code ec;
  socket.set_option(tcp::no_delay(true), ec);
  tls::SessionPtr ssl;
  if (has_tls_) {
    const std::lock_guard lock(identity_mutex_);
    ssl = tls::make_server_session(identity_.get(), socket.native_handle());
    if (!ssl) {
      log_error("no memory for a TLS session");
      return;
    }
  }
  internal::ServerStream stream(std::move(socket), std::move(ssl));
  ConnectionInfo info;
  info.id = next_id();
  info.peer = stream.peer();
  info.tls = has_tls_;
  begin(has_tls_ ? internal::make_handshake(*this, std::move(stream), std::move(info))
                 : internal::make_connection(*this, std::move(stream), std::move(info)));
}

void HttpServer::Impl::established(internal::ServerStream stream, ConnectionInfo info) {
  if (!stream.move_to(asio::make_strand(ioc_))) {
    log_error("a connection was lost between two threads");
  }
  begin(internal::make_connection(*this, std::move(stream), std::move(info)));
}

void HttpServer::Impl::begin(const std::shared_ptr<internal::Connection>& connection) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_) {
      connections_.emplace(connection.get(), connection);
    } else {
      return;
    }
  }
  asio::dispatch(connection->executor(), [connection] { connection->start(); });
}

void HttpServer::Impl::forget(const void* connection, std::optional<std::uint64_t> ended) {
  if (ended && options_.on_closed) {
    try {
      options_.on_closed(*ended);
    } catch (...) {
      log_error("what was to be told of a closed connection threw");
    }
  }
  const std::lock_guard lock(mutex_);
  connections_.erase(connection);
  if (accept_paused_ && !stopping_) {
    accept_paused_ = false;
    asio::post(acceptor_.get_executor(), [this] { accept(); });
  }
  changed_.notify_all();
}

template <typename F>
void HttpServer::Impl::for_each_connection(F f) {
  std::vector<std::shared_ptr<internal::Connection>> open;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, weak] : connections_) {
      if (auto connection = weak.lock()) {
        open.push_back(std::move(connection));
      }
    }
  }
  for (auto& connection : open) {
    const asio::any_io_executor executor = connection->executor();
    asio::post(executor, [connection = std::move(connection), f] { f(*connection); });
  }
}

void HttpServer::Impl::stop() {
  const std::lock_guard stop_lock(stop_mutex_);
  if (stopped_) {
    return;
  }
  stopped_ = true;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  asio::post(acceptor_.get_executor(), [this] {
    error_code ec;
    acceptor_.close(ec);
    retry_.cancel();
  });
  for_each_connection([](internal::Connection& connection) { connection.drain(); });
  const auto all_gone = [this] { return connections_.empty(); };
  {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, options_.limits.drain_timeout, all_gone);
  }
  for_each_connection([](internal::Connection& connection) { connection.abort(); });
  // The pool is joined last: what is handed to it after that would never run, nor let go of its
  // connection.
  if (!threads_.empty()) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, all_gone);
  }
  pool_.join();
  handshakes_.stop();
  ioc_.stop();
  for (std::thread& thread : threads_) {
    thread.join();
  }
  threads_.clear();
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() { impl_->stop(); }

Result<std::unique_ptr<HttpServer>> HttpServer::start(ServerOptions options, HttpHandler handler) {
  if (!handler) {
    return Error(NetError::kInvalidArgument, "a server needs a handler");
  }
  tls::start_without_configuration();
  std::unique_ptr<HttpServer> server(
      new HttpServer(std::make_unique<Impl>(std::move(options), std::move(handler))));
  ENSC_TRY(server->impl_->start());
  return server;
}

std::uint16_t HttpServer::port() const { return impl_->port(); }
Result<void> HttpServer::set_identity(TlsIdentity identity) {
  if (!impl_->has_tls()) {
    return Error(NetError::kInvalidArgument, "a server without TLS takes no identity");
  }
  return impl_->set_identity(identity);
}
void HttpServer::stop() { impl_->stop(); }

}  // namespace ensconce
