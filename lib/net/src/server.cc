#include "ensconce/net/server.h"

#include <algorithm>
#include <array>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/vector_body.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "ensconce/base/log.h"
#include "http_text.h"
#include "tls.h"

namespace ensconce {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kReadStep = std::size_t{128} * 1024;
constexpr std::size_t kBodyStep = std::size_t{256} * 1024;
constexpr std::size_t kRecord = std::size_t{16} * 1024;
constexpr std::size_t kLingerBytes = std::size_t{8} * 1024 * 1024;
constexpr std::chrono::milliseconds kGoodbye{1'000};
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// WipingAllocator leaves nothing of an input behind in freed memory.
template <typename T>
struct WipingAllocator {
  using value_type = T;
  WipingAllocator() = default;
  template <typename U>
  explicit WipingAllocator(const WipingAllocator<U>&) {}
  T* allocate(std::size_t n) { return std::allocator<T>().allocate(n); }
  void deallocate(T* p, std::size_t n) {
    wipe(p, n * sizeof(T));
    std::allocator<T>().deallocate(p, n);
  }
  friend bool operator==(const WipingAllocator&, const WipingAllocator&) { return true; }
};

using Buffer = beast::basic_flat_buffer<WipingAllocator<char>>;
using Parser = http::request_parser<http::vector_body<std::uint8_t, WipingAllocator<std::uint8_t>>>;
using TlsStream = asio::ssl::stream<beast::tcp_stream>;

// Session is what the server knows of one connection. Both calls run on the connection's strand.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session() = default;
  virtual ~Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  virtual void start() = 0;
  virtual void drain() = 0;  // end after the request in flight
  virtual void abort() = 0;  // end now
};

std::string text_of(const tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + address + "]" : address) + ":" +
         std::to_string(endpoint.port());
}

struct Refusal {
  int status;
  std::string_view message;
};

Refusal refusal_of(const error_code& ec) {
  if (ec == http::error::header_limit || ec == http::error::buffer_overflow) {
    return {431, "header too large"};
  }
  if (ec == http::error::body_limit) {
    return {413, "body too large"};
  }
  if (ec == http::error::bad_version) {
    return {505, "HTTP version not supported"};
  }
  return {400, "malformed request"};
}

// check_head holds what the parser leaves to us.
std::optional<Refusal> check_head(const HttpRequest& request, unsigned version) {
  const HttpHeaders& headers = request.headers;
  if (version != 11) {
    return Refusal{505, "HTTP version not supported"};
  }
  if (!is_target(request.target) || headers.count("Host") != 1 ||
      headers.count("Content-Length") > 1) {
    return Refusal{400, "malformed request"};
  }
  if (const auto coding = headers.get("Transfer-Encoding")) {
    // RFC 9112 section 6.1: two framings of one message are an attempt at smuggling.
    if (headers.count("Content-Length") != 0 || headers.count("Transfer-Encoding") != 1) {
      return Refusal{400, "malformed request"};
    }
    if (!same_name(*coding, "chunked")) {
      return Refusal{501, "transfer coding not implemented"};
    }
  }
  if (const auto expect = headers.get("Expect"); expect && !same_name(*expect, "100-continue")) {
    return Refusal{417, "expectation not supported"};
  }
  return std::nullopt;
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(ServerOptions options, HttpHandler handler)
      : options_(std::move(options)),
        handler_(std::move(handler)),
        pool_(std::max(options_.handler_threads, 1U)),
        ioc_(static_cast<int>(std::max(options_.io_threads, 1U))),
        acceptor_(asio::make_strand(ioc_)),
        retry_(acceptor_.get_executor()) {}

  Result<void> start();
  void stop();
  Result<void> set_identity(const TlsIdentity& identity);
  [[nodiscard]] std::uint16_t port() const { return port_; }

  [[nodiscard]] const ServerLimits& limits() const { return options_.limits; }
  [[nodiscard]] bool inline_handlers() const { return options_.handler_threads == 0; }
  asio::thread_pool& pool() { return pool_; }
  HttpResponse handle(const HttpRequest& request, const ConnectionInfo& info) const;
  void forget(const Session* session);

 private:
  void accept();
  void accepted(tcp::socket socket);
  template <typename F>
  void for_each_session(F f);

  ServerOptions options_;
  HttpHandler handler_;
  std::uint16_t port_ = 0;

  std::mutex identity_mutex_;
  std::shared_ptr<asio::ssl::context> identity_;  // shared with connections being set up

  std::mutex mutex_;
  std::condition_variable changed_;
  struct Entry {
    std::weak_ptr<Session> session;
    asio::any_io_executor executor;
  };
  std::unordered_map<const Session*, Entry> sessions_;
  bool stopping_ = false;
  bool accept_paused_ = false;

  std::mutex stop_mutex_;
  bool stopped_ = false;

  asio::thread_pool pool_;
  asio::io_context ioc_;
  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  std::vector<std::thread> threads_;
  template <typename Stream>
  class Connection;
};

template <typename Stream>
class HttpServer::Impl::Connection final : public Session {
 public:
  static constexpr bool kTls = std::is_same_v<Stream, TlsStream>;

  template <typename... Args>
  Connection(Impl& server, Args&&... args) : server_(server), stream_(std::forward<Args>(args)...) {
    error_code ec;
    const tcp::endpoint peer = lowest().socket().remote_endpoint(ec);
    info_.peer = ec ? std::string() : text_of(peer);
    info_.tls = kTls;
    buffer_.reserve(kReadStep);
  }
  ~Connection() override {
    wipe(request_.body.data(), request_.body.size());
    wipe(response_.body.data(), response_.body.size());
    wipe(head_.data(), head_.size());
    server_.forget(this);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void start() override {
    if constexpr (kTls) {
      idle_ = true;
      lowest().expires_after(server_.limits().handshake_timeout);
      stream_.async_handshake(asio::ssl::stream_base::server,
                              [self = self()](const error_code& ec) { self->on_handshake(ec); });
    } else {
      wait_for_request();
    }
  }

  void drain() override {
    draining_ = true;
    if (idle_) {
      lowest().close();
    }
  }

  void abort() override { lowest().close(); }

 private:
  std::shared_ptr<Connection> self() {
    return std::static_pointer_cast<Connection>(shared_from_this());
  }
  beast::tcp_stream& lowest() { return beast::get_lowest_layer(stream_); }

  void on_handshake(const error_code& ec) {
    if (ec) {
      log_debug("a TLS handshake failed");
      return;
    }
    if constexpr (kTls) {
      SSL* ssl = stream_.native_handle();
      if (!tls::check_established(ssl)) {
        return;
      }
      const auto binding = tls::channel_binding(ssl);
      if (!binding) {
        return;
      }
      info_.exporter = *binding;
    }
    wait_for_request();
  }

  void wait_for_request() {
    if (draining_) {
      close();
      return;
    }
    parser_.emplace();
    parser_->header_limit(
        static_cast<std::uint32_t>(std::min<std::size_t>(server_.limits().max_header, UINT32_MAX)));
    parser_->body_limit(server_.limits().max_body);
    request_ = HttpRequest{};
    if (buffer_.size() > 0) {
      begin_request();
      return;
    }
    idle_ = true;
    lowest().expires_after(server_.limits().idle_timeout);
    read_into_buffer(&Connection::begin_request);
  }

  void begin_request() {
    idle_ = false;
    lowest().expires_after(server_.limits().request_timeout);
    parse_head();
  }

  void read_into_buffer(void (Connection::*then)()) {
    const std::size_t room = std::max(kRecord, buffer_.capacity() - buffer_.size());
    stream_.async_read_some(buffer_.prepare(room),
                            [self = self(), then](const error_code& ec, std::size_t n) {
                              if (ec) {
                                // Nothing can be answered: the peer is gone, too slow, or broke
                                // TLS.
                                self->close();
                                return;
                              }
                              self->buffer_.commit(n);
                              self->touched_ += n;
                              ((*self).*then)();
                            });
  }

  // feed gives the parser what there is; true when `done` holds after it.
  template <typename Done>
  bool feed(Done done, void (Connection::*again)()) {
    while (!done()) {
      error_code ec;
      const std::size_t n = buffer_.size() == 0 ? 0 : parser_->put(buffer_.data(), ec);
      buffer_.consume(n);
      if (ec && ec != http::error::need_more) {
        const Refusal why = refusal_of(ec);
        refuse(why);
        return false;
      }
      if (done()) {
        break;
      }
      if (buffer_.size() > server_.limits().max_header + kReadStep) {
        refuse({431, "header too large"});  // a chunk header without end
        return false;
      }
      if (n == 0 || ec || buffer_.size() == 0) {
        read_into_buffer(again);
        return false;
      }
    }
    return true;
  }

  void parse_head() {
    if (feed([this] { return parser_->is_header_done(); }, &Connection::parse_head)) {
      on_head();
    }
  }

  void on_head() {
    const auto& message = parser_->get();
    request_.method = std::string(message.method_string());
    request_.target = std::string(message.target());
    for (const auto& field : message) {
      request_.headers.add(std::string(field.name_string()), std::string(field.value()));
    }
    keep_alive_ = parser_->keep_alive();
    if (const auto why = check_head(request_, message.version())) {
      refuse(*why);
      return;
    }
    const std::uint64_t len = parser_->content_length().value_or(0);
    if (len > server_.limits().max_body) {
      refuse({413, "body too large"});
      return;
    }
    const bool wants_body = parser_->chunked() || len > 0;
    if (wants_body && buffer_.size() == 0 && request_.headers.get("Expect").has_value()) {
      asio::async_write(stream_, asio::buffer(kContinue),
                        [self = self()](const error_code& ec, std::size_t) {
                          if (ec) {
                            self->close();
                          } else {
                            self->read_body();
                          }
                        });
      return;
    }
    read_body();
  }

  void read_body() {
    if (parser_->chunked()) {
      read_chunked();
      return;
    }
    // Past the head the parser is left out: bytes go from the socket to where they stay. The memory
    // is touched only as bytes arrive.
    const auto len = static_cast<std::size_t>(parser_->content_length().value_or(0));
    request_.body.reserve(len);
    const std::size_t have = std::min(len, buffer_.size());
    const auto* data = static_cast<const std::uint8_t*>(buffer_.data().data());
    request_.body.assign(data, data + have);
    buffer_.consume(have);
    body_len_ = len;
    filled_ = have;
    read_rest();
  }

  void read_rest() {
    if (filled_ == body_len_) {
      dispatch();
      return;
    }
    Bytes& body = request_.body;
    if (filled_ == body.size()) {
      body.resize(filled_ + std::min(body_len_ - filled_, kBodyStep));
    }
    stream_.async_read_some(asio::buffer(body.data() + filled_, body.size() - filled_),
                            [self = self()](const error_code& ec, std::size_t n) {
                              if (ec) {
                                self->close();
                                return;
                              }
                              self->filled_ += n;
                              self->read_rest();
                            });
  }

  void read_chunked() {
    if (feed([this] { return parser_->is_done(); }, &Connection::read_chunked)) {
      // The fields were taken before the body, so trailers add none.
      const auto& body = parser_->get().body();
      request_.body.assign(body.begin(), body.end());
      dispatch();
    }
  }

  void dispatch() {
    lowest().expires_never();
    parser_.reset();
    if (server_.inline_handlers()) {
      run_handler();
      respond();
      return;
    }
    asio::post(server_.pool(), [self = self()] {
      self->run_handler();
      asio::post(self->stream_.get_executor(), [self] { self->respond(); });
    });
  }

  void run_handler() {
    response_ = server_.handle(request_, info_);
    wipe(request_.body.data(), request_.body.size());
  }

  void refuse(const Refusal& why) {
    keep_alive_ = false;
    response_ = json_error(why.status, why.message);
    respond();
  }

  void respond() {
    if (draining_) {
      keep_alive_ = false;
    }
    const std::string_view connection = keep_alive_ ? "" : "Connection: close\r\n";
    if (!write_head(connection)) {
      log_error("a handler's answer has a status or header that may not be sent");
      response_ = json_error(500, "internal error");
      write_head(connection);
    }
    // The first piece of the body shares the head's TLS record.
    const std::size_t room = head_.size() < kRecord ? kRecord - head_.size() : 0;
    const std::size_t first = std::min(response_.body.size(), room);
    const ByteView body(response_.body);
    head_.append(as_text(body.first(first)));
    const ByteView rest = body.subspan(first);
    lowest().expires_after(server_.limits().response_timeout);
    const auto on_sent = [self = self()](const error_code& ec, std::size_t) { self->on_sent(ec); };
    if (rest.empty()) {
      asio::async_write(stream_, asio::buffer(head_), on_sent);
    } else {
      const std::array<asio::const_buffer, 2> pieces{asio::buffer(head_),
                                                     asio::const_buffer(rest.data(), rest.size())};
      asio::async_write(stream_, pieces, on_sent);
    }
  }

  bool write_head(std::string_view connection) {
    const int status = response_.status;
    if (status < 200 || status > 599) {
      return false;
    }
    head_ = "HTTP/1.1 " + std::to_string(status) + " ";
    head_ += reason_of(status);
    head_ += "\r\n";
    if (!append_headers(response_.headers, "", head_)) {
      return false;
    }
    if (status == 204 || status == 304) {
      wipe(response_.body.data(), response_.body.size());
      response_.body.clear();  // RFC 9110 section 8.6: these have no content and no length
    } else {
      head_ += "Content-Length: " + std::to_string(response_.body.size()) + "\r\n";
    }
    head_ += connection;
    head_ += "\r\n";
    return true;
  }

  void on_sent(const error_code& ec) {
    wipe(response_.body.data(), response_.body.size());
    wipe(head_.data(), head_.size());
    response_ = HttpResponse{};
    if (buffer_.size() == 0 && touched_ > 0) {
      const auto used = buffer_.prepare(std::min(touched_, buffer_.capacity()));
      wipe(used.data(), used.size());
      touched_ = 0;
    }
    if (ec || !keep_alive_) {
      close();
      return;
    }
    wait_for_request();
  }

  // close says goodbye in TLS, then reads on for a moment: closing with unread bytes would reset
  // the connection and take our last answer with it.
  void close() {
    idle_ = false;
    parser_.reset();
    if (!lowest().socket().is_open()) {
      return;
    }
    lowest().expires_after(kGoodbye);
    if constexpr (kTls) {
      stream_.async_shutdown([self = self()](const error_code&) { self->linger(); });
    } else {
      linger();
    }
  }

  void linger() {
    error_code ec;
    lowest().socket().shutdown(tcp::socket::shutdown_send, ec);
    if (ec) {
      return;
    }
    buffer_.consume(buffer_.size());
    lowest().expires_after(kGoodbye);
    discard();
  }

  void discard() {
    lowest().async_read_some(buffer_.prepare(kReadStep),
                             [self = self()](const error_code& ec, std::size_t n) {
                               self->discarded_ += n;
                               if (!ec && self->discarded_ < kLingerBytes) {
                                 self->discard();
                               }
                             });
  }

  Impl& server_;
  Stream stream_;
  ConnectionInfo info_;
  Buffer buffer_;
  std::optional<Parser> parser_;
  HttpRequest request_;
  HttpResponse response_;
  std::string head_;
  std::size_t body_len_ = 0;
  std::size_t filled_ = 0;
  std::size_t touched_ = 0;  // bytes of buffer_ that held input since it was wiped
  std::size_t discarded_ = 0;
  bool keep_alive_ = false;
  bool idle_ = false;  // nothing of a request has come yet
  bool draining_ = false;
};

Result<void> HttpServer::Impl::start() {
  if (options_.tls.has_value()) {
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
  for (unsigned i = 0; i < std::max(options_.io_threads, 1U); ++i) {
    threads_.emplace_back([this] {
      const auto work = asio::make_work_guard(ioc_);
      for (;;) {
        try {
          ioc_.run();
          return;
        } catch (const std::exception&) {
          log_error("a connection ended by an exception");
        }
      }
    });
  }
  return ok();
}

Result<void> HttpServer::Impl::set_identity(const TlsIdentity& identity) {
  ENSC_TRY_ASSIGN(tls::ContextPtr context, tls::make_server_context(identity));
  auto made = std::make_shared<asio::ssl::context>(context.get());
  (void)context.release();
  const std::lock_guard lock(identity_mutex_);
  identity_ = std::move(made);
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
    accept_paused_ = sessions_.size() >= options_.limits.max_connections;
    if (accept_paused_) {
      return;
    }
  }
  acceptor_.async_accept(asio::make_strand(ioc_), [this](const error_code& ec, tcp::socket socket) {
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
  std::shared_ptr<asio::ssl::context> identity;
  {
    const std::lock_guard lock(identity_mutex_);
    identity = identity_;
  }
  const asio::any_io_executor executor = socket.get_executor();
  std::shared_ptr<Session> session;
  if (identity) {
    session = std::make_shared<Connection<TlsStream>>(*this, beast::tcp_stream(std::move(socket)),
                                                      *identity);
  } else {
    session = std::make_shared<Connection<beast::tcp_stream>>(*this, std::move(socket));
  }
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      return;
    }
    sessions_.emplace(session.get(), Entry{session, executor});
  }
  asio::dispatch(executor, [session] { session->start(); });
}

void HttpServer::Impl::forget(const Session* session) {
  const std::lock_guard lock(mutex_);
  sessions_.erase(session);
  if (accept_paused_ && !stopping_) {
    accept_paused_ = false;
    asio::post(acceptor_.get_executor(), [this] { accept(); });
  }
  changed_.notify_all();
}

template <typename F>
void HttpServer::Impl::for_each_session(F f) {
  std::vector<std::pair<std::shared_ptr<Session>, asio::any_io_executor>> open;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, entry] : sessions_) {
      if (auto session = entry.session.lock()) {
        open.emplace_back(std::move(session), entry.executor);
      }
    }
  }
  for (auto& [session, executor] : open) {
    asio::post(executor, [session = std::move(session), f] { f(*session); });
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
  for_each_session([](Session& session) { session.drain(); });
  const auto all_gone = [this] { return sessions_.empty(); };
  {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, options_.limits.drain_timeout, all_gone);
  }
  for_each_session([](Session& session) { session.abort(); });
  pool_.join();
  if (!threads_.empty()) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, all_gone);
  }
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
  return impl_->set_identity(identity);
}
void HttpServer::stop() { impl_->stop(); }

}  // namespace ensconce
