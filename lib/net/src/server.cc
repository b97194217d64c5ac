#include "ensconce/net/server.h"

#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>
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

// BodyBudget counts what bodies hold over all connections. Nothing is published through the
// counter, so its accesses are relaxed.
class BodyBudget {
 public:
  explicit BodyBudget(std::size_t limit) : limit_(limit) {}
  [[nodiscard]] bool take(std::size_t n) {
    std::size_t held = held_.load(std::memory_order_relaxed);
    do {
      if (n > limit_ - held) {
        return false;
      }
    } while (!held_.compare_exchange_weak(held, held + n, std::memory_order_relaxed));
    return true;
  }
  void give_back(std::size_t n) { held_.fetch_sub(n, std::memory_order_relaxed); }

 private:
  const std::size_t limit_;
  std::atomic<std::size_t> held_ = 0;  // never more than limit_
};

// BodySink is where a connection's body is gathered, with its share of the budget.
class BodySink {
 public:
  BodySink(BodyBudget& budget, Bytes& body, std::size_t max_body)
      : budget_(budget), body_(body), max_body_(max_body) {}
  ~BodySink() { drop(); }
  BodySink(const BodySink&) = delete;
  BodySink& operator=(const BodySink&) = delete;

  // reserve makes room for `len` bytes in all, unless the budget has not that much. The memory is
  // touched only as bytes arrive.
  [[nodiscard]] bool reserve(std::size_t len) {
    if (len <= share_) {
      return true;
    }
    if (!budget_.take(len - share_)) {
      return false;
    }
    share_ = len;
    Bytes grown;
    grown.reserve(len);
    grown.assign(body_.begin(), body_.end());
    wipe(body_.data(), body_.size());
    body_ = std::move(grown);
    return true;
  }

  // append takes a piece of a body whose length is not known. The parser keeps the whole within
  // max_body.
  [[nodiscard]] bool append(ByteView piece) {
    const std::size_t len = body_.size() + piece.size();
    if (len > share_ && !reserve(std::max(len, std::min(2 * share_, max_body_)))) {
      return false;
    }
    body_.insert(body_.end(), piece.begin(), piece.end());
    return true;
  }

  // drop wipes and frees the body and gives its share back.
  void drop() {
    wipe(body_.data(), body_.size());
    Bytes().swap(body_);
    if (share_ > 0) {
      budget_.give_back(std::exchange(share_, 0));
    }
  }

 private:
  BodyBudget& budget_;
  Bytes& body_;
  const std::size_t max_body_;
  std::size_t share_ = 0;
};

error_code over_budget() { return make_error_code(boost::system::errc::not_enough_memory); }

// SinkBody lets the parser write a chunked body where the handler reads it.
struct SinkBody {
  using value_type = BodySink*;
  class reader {
   public:
    template <bool kIsRequest, typename Fields>
    reader(http::header<kIsRequest, Fields>& /*head*/, value_type& sink) : sink_(sink) {}
    static void init(const boost::optional<std::uint64_t>& /*len*/, error_code& ec) { ec = {}; }
    template <typename Buffers>
    std::size_t put(const Buffers& buffers, error_code& ec) {
      std::size_t n = 0;
      for (const asio::const_buffer piece : beast::buffers_range_ref(buffers)) {
        if (!sink_->append({static_cast<const std::uint8_t*>(piece.data()), piece.size()})) {
          ec = over_budget();
          return n;
        }
        n += piece.size();
      }
      ec = {};
      return n;
    }
    static void finish(error_code& ec) { ec = {}; }

   private:
    value_type& sink_;
  };
};

using Parser = http::request_parser<SinkBody>;

std::string text_of(const tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + address + "]" : address) + ":" +
         std::to_string(endpoint.port());
}

// clear leaves the memory to be used again, and nothing of the old content in it.
template <typename Container>
void clear(Container& bytes) {
  wipe(bytes.data(), bytes.size());
  bytes.clear();
}

std::uint64_t next_id() {
  // Of the process, so that one handler may serve several servers. Only its being unique matters.
  static std::atomic<std::uint64_t> last = 0;
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

struct Refusal {
  int status;
  std::string_view message;
};

constexpr Refusal kBusy{503, "server busy"};

Refusal refusal_of(const error_code& ec) {
  if (ec == over_budget()) {
    return kBusy;
  }
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

// check_head holds what the parser leaves to us. The parser refuses a length beside a coding
// and a coding after `chunked` (RFC 9112 section 6.1: two framings of one message are smuggling)
// and a length over the limit.
std::optional<Refusal> check_head(const HttpRequest& request, unsigned version) {
  const HttpHeaders& headers = request.headers;
  if (version != 11) {
    return Refusal{505, "HTTP version not supported"};
  }
  if (!is_target(request.target) || headers.count("Host") != 1 ||
      headers.count("Content-Length") > 1) {
    return Refusal{400, "malformed request"};
  }
  if (const auto coding = headers.get("Transfer-Encoding");
      coding && !same_name(*coding, "chunked")) {
    return Refusal{501, "transfer coding not implemented"};
  }
  if (const auto expect = headers.get("Expect"); expect && !same_name(*expect, "100-continue")) {
    return Refusal{417, "expectation not supported"};
  }
  return std::nullopt;
}

}  // namespace

class HttpServer::Impl {
 public:
  class Connection;

  Impl(ServerOptions options, HttpHandler handler)
      : options_(std::move(options)),
        handler_(std::move(handler)),
        body_budget_(options_.limits.max_body_bytes_in_flight),
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
  BodyBudget& body_budget() { return body_budget_; }
  HttpResponse handle(const HttpRequest& request, const ConnectionInfo& info) const;
  // next_piece asks a stream for its next piece; nothing if it failed.
  static std::optional<bool> next_piece(BodySource& source, Bytes& out);
  void forget(const void* connection, std::uint64_t id);

 private:
  void accept();
  void accepted(tcp::socket socket);
  template <typename F>
  void for_each_connection(F f);

  ServerOptions options_;
  HttpHandler handler_;
  BodyBudget body_budget_;
  std::uint16_t port_ = 0;

  std::mutex identity_mutex_;
  tls::ContextPtr identity_;  // each SSL counts its own reference

  std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_map<const void*, std::weak_ptr<Connection>> connections_;
  bool stopping_ = false;
  bool accept_paused_ = false;

  std::mutex stop_mutex_;
  bool stopped_ = false;

  asio::thread_pool pool_;
  asio::io_context ioc_;
  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  std::vector<std::thread> threads_;
};

// Connection is a state machine on a strand of its own: `step` goes on until the socket would
// block, then waits for it. What the socket gives is read straight to where it stays, under TLS as
// well.
class HttpServer::Impl::Connection final : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Impl& server, tcp::socket socket, tls::SessionPtr ssl)
      : server_(server),
        socket_(std::move(socket)),
        timer_(socket_.get_executor()),
        ssl_(std::move(ssl)),
        sink_(server.body_budget(), request_.body, server.limits().max_body) {
    error_code ec;
    const tcp::endpoint peer = socket_.remote_endpoint(ec);
    info_.id = next_id();
    info_.peer = ec ? std::string() : text_of(peer);
    info_.tls = ssl_ != nullptr;
    buffer_.reserve(kReadStep);
  }
  ~Connection() {
    sink_.drop();
    clear(response_.body);
    clear(head_);
    response_.stream.reset();
    server_.forget(this, info_.id);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] asio::any_io_executor executor() { return socket_.get_executor(); }

  // start, drain and abort run on the strand. drain ends after the request in flight; abort ends
  // now.
  void start() {
    if (ssl_) {
      state_ = State::kHandshake;
      idle_ = true;
      set_deadline(server_.limits().handshake_timeout);
    } else {
      expect_request();
    }
    step();
  }
  void drain() {
    draining_ = true;
    if (idle_) {
      end_tls();
      shut();
    }
  }
  void abort() { shut(); }

 private:
  enum class State : std::uint8_t { kHandshake, kHead, kBody, kChunks, kHandler, kWrite, kLinger };
  enum class Io : std::uint8_t { kDone, kWantRead, kWantWrite, kEnd };
  struct Transfer {
    Io outcome;
    std::size_t len = 0;
  };

  void step() {
    while (socket_.is_open()) {
      const Io io = advance();
      if (io == Io::kDone) {
        continue;
      }
      if (io == Io::kEnd) {
        return;  // somebody else goes on: a handler, or nobody
      }
      socket_.async_wait(io == Io::kWantRead ? tcp::socket::wait_read : tcp::socket::wait_write,
                         [self = shared_from_this()](const error_code& ec) {
                           if (!ec) {
                             self->step();
                           }
                         });
      return;
    }
  }

  Io advance() {
    switch (state_) {
      case State::kHandshake:
        return handshake();
      case State::kHead:
        return read_parsed([this] { return parser_->is_header_done(); }, &Connection::on_head);
      case State::kBody:
        return read_body();
      case State::kChunks:
        return read_parsed([this] { return parser_->is_done(); }, &Connection::on_chunks);
      case State::kHandler:
        return Io::kEnd;
      case State::kWrite:
        return write_out();
      case State::kLinger:
        return linger();
    }
    return Io::kEnd;
  }

  // tls_outcome reads what OpenSSL says of a call that did not succeed.
  Io tls_outcome(int ret) {
    switch (SSL_get_error(ssl_.get(), ret)) {
      case SSL_ERROR_WANT_READ:
        return Io::kWantRead;
      case SSL_ERROR_WANT_WRITE:
        return Io::kWantWrite;
      case SSL_ERROR_ZERO_RETURN:
        return Io::kEnd;
      default:
        tls_broken_ = true;
        ERR_clear_error();
        return Io::kEnd;
    }
  }

  Transfer read(void* out, std::size_t len) {
    if (ssl_) {
      std::size_t n = 0;
      ERR_clear_error();
      const int ret = SSL_read_ex(ssl_.get(), out, len, &n);
      return ret == 1 ? Transfer{Io::kDone, n} : Transfer{tls_outcome(ret)};
    }
    const ssize_t n = ::recv(socket_.native_handle(), out, len, MSG_DONTWAIT);
    if (n > 0) {
      return {Io::kDone, static_cast<std::size_t>(n)};
    }
    return {n < 0 && (errno == EAGAIN || errno == EINTR) ? Io::kWantRead : Io::kEnd};
  }

  Transfer write(const void* data, std::size_t len) {
    if (ssl_) {
      std::size_t n = 0;
      ERR_clear_error();
      const int ret = SSL_write_ex(ssl_.get(), data, len, &n);
      return ret == 1 ? Transfer{Io::kDone, n} : Transfer{tls_outcome(ret)};
    }
    const ssize_t n = ::send(socket_.native_handle(), data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0) {
      return {Io::kDone, static_cast<std::size_t>(n)};
    }
    return {errno == EAGAIN || errno == EINTR ? Io::kWantWrite : Io::kEnd};
  }

  Io handshake() {
    ERR_clear_error();
    const int ret = SSL_accept(ssl_.get());
    if (ret != 1) {
      const Io io = tls_outcome(ret);
      return io == Io::kEnd ? finish() : io;
    }
    const auto binding = tls::channel_binding(ssl_.get());
    if (!tls::check_established(ssl_.get()) || !binding) {
      return finish();
    }
    info_.exporter = *binding;
    info_.peer_certificate_der = tls::peer_certificate(ssl_.get());
    expect_request();
    return Io::kDone;
  }

  void expect_request() {
    parser_.emplace();
    parser_->header_limit(
        static_cast<std::uint32_t>(std::min<std::size_t>(server_.limits().max_header, UINT32_MAX)));
    parser_->body_limit(server_.limits().max_body);
    parser_->get().body() = &sink_;
    sink_.drop();
    request_ = HttpRequest{};
    body_len_ = 0;
    filled_ = 0;
    state_ = State::kHead;
    idle_ = buffer_.size() == 0;
    set_deadline(idle_ ? server_.limits().idle_timeout : server_.limits().request_timeout);
  }

  Io read_into_buffer() {
    const auto room = buffer_.prepare(std::max(kRecord, buffer_.capacity() - buffer_.size()));
    const Transfer in = read(room.data(), room.size());
    if (in.outcome == Io::kEnd) {
      return finish();
    }
    if (in.outcome == Io::kDone) {
      buffer_.commit(in.len);
      touched_ += in.len;
      if (idle_) {
        idle_ = false;
        set_deadline(server_.limits().request_timeout);
      }
    }
    return in.outcome;
  }

  // read_parsed feeds the parser what there is until `done`, then calls `then`.
  template <typename Done>
  Io read_parsed(Done done, Io (Connection::*then)()) {
    while (!done()) {
      error_code ec;
      const std::size_t n = buffer_.size() == 0 ? 0 : parser_->put(buffer_.data(), ec);
      buffer_.consume(n);
      if (ec && ec != http::error::need_more) {
        return refuse(refusal_of(ec));
      }
      if (done()) {
        break;
      }
      if (buffer_.size() > server_.limits().max_header + kReadStep) {
        return refuse({431, "header too large"});  // a chunk header without end
      }
      if (n == 0 || ec || buffer_.size() == 0) {
        return read_into_buffer();
      }
    }
    return (this->*then)();
  }

  Io on_head() {
    const auto& message = parser_->get();
    request_.method = std::string(message.method_string());
    request_.target = std::string(message.target());
    for (const auto& field : message) {
      request_.headers.add(std::string(field.name_string()), std::string(field.value()));
    }
    keep_alive_ = parser_->keep_alive();
    if (const auto why = check_head(request_, message.version())) {
      return refuse(*why);
    }
    const std::uint64_t len = parser_->content_length().value_or(0);
    const bool chunked = parser_->chunked();
    if (!chunked) {
      // Past the head the parser is left out.
      body_len_ = static_cast<std::size_t>(len);
      if (!sink_.reserve(body_len_)) {
        return refuse(kBusy);
      }
      const std::size_t have = std::min(body_len_, buffer_.size());
      const auto* data = static_cast<const std::uint8_t*>(buffer_.data().data());
      request_.body.assign(data, data + have);
      buffer_.consume(have);
      filled_ = have;
    }
    after_head_ = chunked ? State::kChunks : State::kBody;
    state_ = after_head_;
    if ((chunked || len > 0) && filled_ == 0 && buffer_.size() == 0 &&
        request_.headers.get("Expect").has_value()) {
      head_ = kContinue;
      interim_ = true;
      sent_ = 0;
      state_ = State::kWrite;
    }
    return Io::kDone;
  }

  Io read_body() {
    Bytes& body = request_.body;
    while (filled_ < body_len_) {
      if (filled_ == body.size()) {
        body.resize(filled_ + std::min(body_len_ - filled_, kBodyStep));
      }
      const Transfer in = read(body.data() + filled_, body.size() - filled_);
      if (in.outcome != Io::kDone) {
        return in.outcome == Io::kEnd ? finish() : in.outcome;
      }
      filled_ += in.len;
    }
    return dispatch();
  }

  Io on_chunks() {
    // The fields were taken before the body, so trailers add none.
    return dispatch();
  }

  Io dispatch() {
    parser_.reset();
    if (server_.inline_handlers()) {
      deadline_ = Clock::time_point::max();
      run_handler();
      prepare_response();
      return Io::kDone;
    }
    return hand_over(&Connection::run_handler, &Connection::prepare_response);
  }

  // hand_over does `work` on a handler thread, then `then` on the strand again.
  Io hand_over(void (Connection::*work)(), void (Connection::*then)()) {
    state_ = State::kHandler;
    taken_.store(false, std::memory_order_relaxed);
    set_deadline(server_.limits().queue_timeout);
    asio::post(server_.pool(), [self = shared_from_this(), work, then] {
      if (!self->take()) {
        return;
      }
      ((*self).*work)();
      asio::post(self->executor(), [self, then] {
        ((*self).*then)();
        self->step();
      });
    });
    return Io::kEnd;
  }

  // take says who goes on with what was handed over: the first to call, a handler thread or the
  // timer.
  [[nodiscard]] bool take() { return !taken_.exchange(true, std::memory_order_acq_rel); }

  void run_handler() {
    response_ = server_.handle(request_, info_);
    sink_.drop();
  }

  Io refuse(const Refusal& why) {
    sink_.drop();
    keep_alive_ = false;
    response_ = json_error(why.status, why.message);
    prepare_response();
    return Io::kDone;
  }

  void prepare_response() {
    if (draining_) {
      keep_alive_ = false;
    }
    if (!write_head()) {
      log_error("a handler's answer has a status or header that may not be sent");
      response_ = json_error(500, "internal error");
      write_head();
    }
    tail_ = {};
    begin_write();
  }

  // begin_write sends head_, the body and tail_ within response_timeout. What fits beside the head
  // shares its TLS record.
  void begin_write() {
    const std::size_t room = head_.size() < kRecord ? kRecord - head_.size() : 0;
    body_sent_ = std::min(response_.body.size(), room);
    head_.append(as_text(ByteView(response_.body).first(body_sent_)));
    if (tail_.size() <= room - body_sent_) {
      head_.append(std::exchange(tail_, {}));
    }
    sent_ = 0;
    interim_ = false;
    state_ = State::kWrite;
    set_deadline(server_.limits().response_timeout);
  }

  // pull asks the stream for its next piece, once the socket took the last.
  Io pull() {
    if (!server_.inline_handlers()) {
      return hand_over(&Connection::pull_piece, &Connection::prepare_piece);
    }
    deadline_ = Clock::time_point::max();
    state_ = State::kHandler;
    // Between two pieces the thread's other connections have their turn.
    asio::post(executor(), [self = shared_from_this()] {
      self->pull_piece();
      self->prepare_piece();
      self->step();
    });
    return Io::kEnd;
  }

  void pull_piece() {
    clear(response_.body);
    pulled_ = Impl::next_piece(*response_.stream, response_.body);
  }

  void prepare_piece() {
    clear(head_);
    if (!pulled_.has_value()) {
      response_.stream.reset();
      finish();
      return;
    }
    const std::size_t len = response_.body.size();
    if (len > 0) {  // a chunk of no bytes would end the body
      head_.reserve(kRecord);
      append_chunk_head(len, head_);
    }
    tail_ = len > 0 ? kChunkEnd : std::string_view();
    if (!*pulled_) {
      tail_ = len > 0 ? kLastChunkEnd : kBodyEnd;
      response_.stream.reset();
    }
    begin_write();
  }

  bool write_head() {
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
    const bool no_content = status == 204 || status == 304;
    if (response_.stream || no_content) {
      clear(response_.body);
    }
    // RFC 9110 section 8.6: an answer that can have no content has no length either.
    if (response_.stream && !no_content) {
      head_ += "Transfer-Encoding: chunked\r\n";
    } else if (!no_content) {
      head_ += "Content-Length: " + std::to_string(response_.body.size()) + "\r\n";
    }
    if (no_content || request_.method == "HEAD") {
      clear(response_.body);  // the answer to a HEAD ends after its head (section 9.3.2)
      response_.stream.reset();
    }
    head_ += keep_alive_ ? "\r\n" : "Connection: close\r\n\r\n";
    return true;
  }

  // unsent is what is next to be written of head_, body and tail_.
  [[nodiscard]] ByteView unsent() const {
    if (sent_ < head_.size()) {
      return as_bytes(head_).subspan(sent_);
    }
    if (interim_) {
      return {};
    }
    const ByteView body = ByteView(response_.body).subspan(body_sent_);
    return body.empty() ? as_bytes(tail_) : body;
  }

  void count_sent(std::size_t n) {
    if (sent_ < head_.size()) {
      sent_ += n;
    } else if (body_sent_ < response_.body.size()) {
      body_sent_ += n;
    } else {
      tail_.remove_prefix(n);
    }
  }

  Io write_out() {
    for (ByteView left = unsent(); !left.empty(); left = unsent()) {
      const Transfer out = write(left.data(), left.size());
      if (out.outcome != Io::kDone) {
        return out.outcome == Io::kEnd ? finish() : out.outcome;
      }
      count_sent(out.len);
    }
    if (interim_) {
      interim_ = false;
      state_ = after_head_;
      return Io::kDone;
    }
    return response_.stream ? pull() : on_sent();
  }

  Io on_sent() {
    clear(response_.body);
    clear(head_);
    response_ = HttpResponse{};
    if (buffer_.size() == 0 && touched_ > 0) {
      const auto used = buffer_.prepare(std::min(touched_, buffer_.capacity()));
      wipe(used.data(), used.size());
      touched_ = 0;
    }
    if (!keep_alive_ || draining_) {
      return finish();
    }
    expect_request();
    if (buffer_.size() == 0) {
      return Io::kDone;
    }
    // Pipelined requests take turns with other connections.
    asio::post(executor(), [self = shared_from_this()] { self->step(); });
    return Io::kEnd;
  }

  // finish ends TLS and our direction of the connection, and reads on for a moment: closing with
  // unread bytes would reset the connection and take our last answer with it.
  Io finish() {
    idle_ = false;
    parser_.reset();
    sink_.drop();
    end_tls();
    error_code ec;
    socket_.shutdown(tcp::socket::shutdown_send, ec);
    if (ec) {
      shut();
      return Io::kEnd;
    }
    buffer_.consume(buffer_.size());
    set_deadline(kGoodbye);
    state_ = State::kLinger;
    return Io::kDone;
  }

  void end_tls() {
    // Once closed, the socket's number may be another connection's.
    if (ssl_ && !tls_broken_ && socket_.is_open()) {
      ERR_clear_error();
      SSL_shutdown(ssl_.get());
      ERR_clear_error();
    }
  }

  Io linger() {
    const auto room = buffer_.prepare(kReadStep);
    while (discarded_ < kLingerBytes) {
      const ssize_t n = ::recv(socket_.native_handle(), room.data(), room.size(), MSG_DONTWAIT);
      if (n < 0 && errno == EAGAIN) {
        return Io::kWantRead;
      }
      if (n <= 0) {
        break;
      }
      discarded_ += static_cast<std::size_t>(n);
    }
    shut();
    return Io::kEnd;
  }

  void shut() {
    error_code ec;
    socket_.close(ec);
    timer_.cancel();
  }

  // set_deadline closes the connection at that time, or refuses a request that still waits for a
  // handler, unless it is set anew. The timer is left running while it is early enough, so that a
  // request in the usual course never touches it.
  void set_deadline(std::chrono::milliseconds limit) {
    deadline_ = Clock::now() + limit;
    if (!timer_running_ || timer_.expiry() > deadline_) {
      run_timer();
    }
  }

  void on_deadline() {
    if (state_ != State::kHandler) {
      shut();
    } else if (take()) {
      // This ends the connection: the task left in the pool's queue must find its request taken,
      // never a later one.
      if (response_.stream) {
        finish();
      } else {
        refuse(kBusy);
      }
      step();
    } else {
      deadline_ = Clock::time_point::max();  // a handler runs as long as it needs
    }
  }

  void run_timer() {
    timer_running_ = true;
    timer_.expires_at(deadline_);
    timer_.async_wait([weak = weak_from_this()](const error_code& ec) {
      const auto self = weak.lock();
      if (!self || ec) {
        return;  // gone, or set anew
      }
      self->timer_running_ = false;
      if (self->deadline_ <= Clock::now()) {
        self->on_deadline();
      } else if (self->deadline_ != Clock::time_point::max()) {
        self->run_timer();
      }
    });
  }

  using Clock = std::chrono::steady_clock;

  Impl& server_;
  tcp::socket socket_;
  asio::steady_timer timer_;
  tls::SessionPtr ssl_;
  ConnectionInfo info_;
  State state_ = State::kHead;
  State after_head_ = State::kBody;
  Clock::time_point deadline_ = Clock::time_point::max();
  Buffer buffer_;
  std::optional<Parser> parser_;
  HttpRequest request_;
  BodySink sink_;  // fills request_.body
  std::atomic<bool> taken_ = false;
  HttpResponse response_;
  std::string head_;            // of the answer or a chunk, with the first part of its body
  std::string_view tail_;       // what a chunk ends with
  std::optional<bool> pulled_;  // what next_piece said
  std::size_t sent_ = 0;
  std::size_t body_sent_ = 0;
  std::size_t body_len_ = 0;
  std::size_t filled_ = 0;
  std::size_t touched_ = 0;  // bytes of buffer_ that held input since it was wiped
  std::size_t discarded_ = 0;
  bool timer_running_ = false;
  bool tls_broken_ = false;
  bool interim_ = false;  // head_ is a 100 Continue
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

std::optional<bool> HttpServer::Impl::next_piece(BodySource& source, Bytes& out) {
  try {
    const Result<bool> more = source.next(out);
    if (more) {
      return *more;
    }
    log_failure("a streamed answer was cut off", more.error());
  } catch (const std::exception&) {
    log_error("the source of a streamed answer threw");
  } catch (...) {
    log_error("the source of a streamed answer threw something that is no exception");
  }
  return std::nullopt;
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
  tls::SessionPtr ssl;
  {
    const std::lock_guard lock(identity_mutex_);
    if (identity_) {
      ssl = tls::make_server_session(identity_.get(), socket.native_handle());
      if (!ssl) {
        log_error("no memory for a TLS session");
        return;
      }
    }
  }
  const auto connection = std::make_shared<Connection>(*this, std::move(socket), std::move(ssl));
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

void HttpServer::Impl::forget(const void* connection, std::uint64_t id) {
  if (options_.on_closed) {
    try {
      options_.on_closed(id);
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
  std::vector<std::shared_ptr<Connection>> open;
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
  for_each_connection([](Connection& connection) { connection.drain(); });
  const auto all_gone = [this] { return connections_.empty(); };
  {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, options_.limits.drain_timeout, all_gone);
  }
  for_each_connection([](Connection& connection) { connection.abort(); });
  // The pool is joined last: what is handed to it after that would never run, nor let go of its
  // connection.
  if (!threads_.empty()) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, all_gone);
  }
  pool_.join();
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
