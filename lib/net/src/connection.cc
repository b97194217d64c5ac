#include "connection.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <chrono>
#include <optional>
#include <utility>

#include "ensconce/base/log.h"
#include "outgoing.h"
#include "refusal.h"
#include "server_stream.h"

namespace ensconce::internal {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kReadStep = std::size_t{128} * 1024;
constexpr std::size_t kBodyStep = std::size_t{256} * 1024;
constexpr std::size_t kRecord = std::size_t{16} * 1024;

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

using Parser = http::request_parser<SinkBody>;

// asked_of_intake returns what an intake says. It must not throw; one that does refuses its
// request, as a handler that throws answers it.
template <typename Ask>
std::unique_ptr<HttpResponse> asked_of_intake(Ask ask) {
  try {
    return ask();
  } catch (const std::exception&) {
    log_error("what takes a request's body threw");  // what() may quote the peer
  } catch (...) {
    log_error("what takes a request's body threw something that is no exception");
  }
  return std::make_unique<HttpResponse>(json_error(500, "internal error"));
}

// HttpConnection is a state machine: `step` goes on until the socket would block, then waits for
// it. What the socket gives is read straight to where it stays, under TLS as well.
class HttpConnection final : public Connection,
                             public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(ConnectionHost& host, ServerStream stream, ConnectionInfo info)
      : host_(host),
        stream_(std::move(stream)),
        timer_(stream_.socket().get_executor()),
        info_(std::move(info)),
        sink_(host.body_budget(), request_.body, host.limits().max_body) {}
  ~HttpConnection() override {
    sink_.drop();
    out_.drop();
    wipe(answer_.body.data(), answer_.body.size());
    answer_.stream.reset();
    host_.forget(this, info_.id);
  }
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  asio::any_io_executor executor() override { return stream_.socket().get_executor(); }

  void start() override {
    if (draining_) {  // that came first, in another thread than the one that begins this
      stream_.end_tls();
      shut();
      return;
    }
    expect_request();
    step();
  }
  void drain() override {
    draining_ = true;
    if (idle_) {
      stream_.end_tls();
      shut();
    }
  }
  void abort() override { shut(); }

 private:
  enum class State : std::uint8_t { kHead, kBody, kChunks, kHandler, kWrite, kLinger };

  void step() {
    while (stream_.is_open()) {
      const Io io = advance();
      if (io == Io::kDone) {
        continue;
      }
      if (io == Io::kEnd) {
        return;  // somebody else goes on: a handler, or nobody
      }
      stream_.socket().async_wait(
          io == Io::kWantRead ? tcp::socket::wait_read : tcp::socket::wait_write,
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
      case State::kHead:
        return read_parsed([this] { return parser_->is_header_done(); }, &HttpConnection::on_head);
      case State::kBody:
        return read_body();
      case State::kChunks:
        return read_parsed([this] { return parser_->is_done(); }, &HttpConnection::on_chunks);
      case State::kHandler:
        return Io::kEnd;
      case State::kWrite:
        return write_out();
      case State::kLinger:
        return linger();
    }
    return Io::kEnd;
  }

  void expect_request() {
    parser_.emplace();
    parser_->header_limit(
        static_cast<std::uint32_t>(std::min<std::size_t>(host_.limits().max_header, UINT32_MAX)));
    parser_->body_limit(host_.limits().max_body);
    parser_->get().body() = &sink_;
    sink_.drop();
    request_ = HttpRequest{};
    body_len_ = 0;
    filled_ = 0;
    state_ = State::kHead;
    idle_ = buffer_.size() == 0;
    if (idle_) {
      buffer_.shrink_to_fit();
    }
    set_deadline(idle_ ? host_.limits().idle_timeout : host_.limits().request_timeout);
  }

  Io read_into_buffer() {
    if (idle_) {
      return read_first();
    }
    const std::size_t step = state_ == State::kChunks ? kReadStep : kRecord;
    const auto room = buffer_.prepare(std::max(step, buffer_.capacity() - buffer_.size()));
    const Transfer in = stream_.read(room.data(), room.size());
    if (in.outcome == Io::kDone) {
      buffer_.commit(in.len);
    }
    return in.outcome == Io::kEnd ? finish() : in.outcome;
  }

  // read_first reads beside the buffer: a connection that waits for a request has none.
  Io read_first() {
    std::array<std::uint8_t, kRecord> block;  // NOLINT(*-member-init): filled as far as it is read
    const Transfer in = stream_.read(block.data(), block.size());
    if (in.outcome == Io::kDone) {
      idle_ = false;
      set_deadline(host_.limits().request_timeout);
      const auto room = buffer_.prepare(kRecord);
      std::copy_n(block.data(), in.len, static_cast<std::uint8_t*>(room.data()));
      buffer_.commit(in.len);
      wipe(block.data(), in.len);
    }
    return in.outcome == Io::kEnd ? finish() : in.outcome;
  }

  // read_parsed feeds the parser what there is until `done`, then calls `then`.
  template <typename Done>
  Io read_parsed(Done done, Io (HttpConnection::*then)()) {
    while (!done()) {
      error_code ec;
      const std::size_t n = buffer_.size() == 0 ? 0 : parser_->put(buffer_.data(), ec);
      buffer_.consume(n);
      if (ec && ec != http::error::need_more) {
        return refuse(refusal_of(ec));
      }
      if (sink_.pending()) {
        return feed_intake();
      }
      if (done()) {
        break;
      }
      if (buffer_.size() > host_.limits().max_header + kReadStep) {
        return refuse(kHeaderTooLarge);  // a chunk header without end
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
    }
    if (chunked || len > 0) {
      request_.intake = host_.intake(request_);
      sink_.through(request_.intake.get());
    }
    if (!chunked && request_.intake == nullptr) {
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
      out_.put_continue();
      interim_ = true;
      state_ = State::kWrite;
    }
    return Io::kDone;
  }

  Io read_body() {
    if (request_.intake != nullptr) {
      return read_for_intake();
    }
    Bytes& body = request_.body;
    while (filled_ < body_len_) {
      if (filled_ == body.size()) {
        body.resize(filled_ + std::min(body_len_ - filled_, kBodyStep));
      }
      const Transfer in = stream_.read(body.data() + filled_, body.size() - filled_);
      if (in.outcome != Io::kDone) {
        return in.outcome == Io::kEnd ? finish() : in.outcome;
      }
      filled_ += in.len;
    }
    return dispatch();
  }

  Io read_for_intake() {
    while (!sink_.pending()) {
      if (filled_ == body_len_) {
        return dispatch();
      }
      if (buffer_.size() == 0) {
        const auto room = buffer_.prepare(std::min(body_len_ - filled_, kReadStep));
        const Transfer in = stream_.read(room.data(), room.size());
        if (in.outcome != Io::kDone) {
          return in.outcome == Io::kEnd ? finish() : in.outcome;
        }
        buffer_.commit(in.len);
      }
      const std::size_t have = std::min(body_len_ - filled_, buffer_.size());
      if (!sink_.append({static_cast<const std::uint8_t*>(buffer_.data().data()), have})) {
        return refuse(kBusy);
      }
      buffer_.consume(have);
      filled_ += have;
    }
    return feed_intake();
  }

  // feed_intake gives on what arrived: on this thread once it is known to cost little.
  Io feed_intake() {
    if (!request_.intake->settled() && !host_.inline_handlers()) {
      left_to_send_ =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now());
      return hand_over(&HttpConnection::run_intake, &HttpConnection::after_intake);
    }
    run_intake();
    if (refused_ != nullptr) {
      refuse_by_intake();
    }
    // However fast a body comes, between two of its pieces other connections have their turn.
    asio::post(executor(), [self = shared_from_this()] { self->step(); });
    return Io::kEnd;
  }

  void run_intake() {
    refused_ = asked_of_intake([this] { return sink_.feed(); });
  }

  void after_intake() {
    state_ = after_head_;
    set_deadline(
        left_to_send_);  // the peer's time did not run while it waited for a thread of ours
    if (refused_ != nullptr) {
      refuse_by_intake();
    }
  }

  void refuse_by_intake() {
    // What is left of the body would be taken for the next request.
    keep_alive_ =
        keep_alive_ && (after_head_ == State::kChunks ? parser_->is_done() : filled_ == body_len_);
    sink_.drop();
    request_.intake.reset();
    answer_ = std::move(*std::exchange(refused_, nullptr));
    prepare_response();
  }

  Io on_chunks() {
    // The fields were taken before the body, so trailers add none.
    return dispatch();
  }

  Io dispatch() {
    parser_.reset();
    if (host_.at_once(request_)) {
      deadline_ = Clock::time_point::max();
      run_handler();
      prepare_response();
      return Io::kDone;
    }
    return hand_over(&HttpConnection::run_handler, &HttpConnection::prepare_response);
  }

  // hand_over does `work` on a handler thread, then `then` on the strand again.
  Io hand_over(void (HttpConnection::*work)(), void (HttpConnection::*then)()) {
    state_ = State::kHandler;
    taken_.store(false, std::memory_order_relaxed);
    set_deadline(host_.limits().queue_timeout);
    asio::post(host_.pool(), [self = shared_from_this(), work, then] {
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
    std::unique_ptr<HttpResponse> refused;
    if (request_.intake != nullptr) {
      refused = asked_of_intake([this] { return request_.intake->finish(request_.body); });
    }
    answer_ = refused != nullptr ? std::move(*refused) : host_.handle(request_, info_);
    sink_.drop();
    request_.intake.reset();
  }

  Io refuse(const Refusal& why) {
    sink_.drop();
    request_.intake.reset();
    keep_alive_ = false;
    answer_ = json_error(why.status, why.message);
    prepare_response();
    return Io::kDone;
  }

  void prepare_response() {
    if (draining_) {
      keep_alive_ = false;
    }
    out_.put_answer(std::move(answer_), request_.method,
                    keep_alive_ ? Outgoing::Then::kKeepAlive : Outgoing::Then::kClose);
    begin_write();
  }

  void begin_write() {
    interim_ = false;
    state_ = State::kWrite;
    set_deadline(host_.limits().response_timeout);
  }

  // pull asks the stream for its next piece, once the socket took the last.
  Io pull() {
    if (!host_.inline_handlers()) {
      return hand_over(&HttpConnection::pull_piece, &HttpConnection::prepare_piece);
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

  void pull_piece() { out_.pull_piece(); }

  void prepare_piece() {
    if (out_.put_piece()) {
      begin_write();
    } else {
      finish();
    }
  }

  Io write_out() {
    for (ByteView left = out_.unsent(); !left.empty(); left = out_.unsent()) {
      const Transfer out = stream_.write(left.data(), left.size());
      if (out.outcome != Io::kDone) {
        return out.outcome == Io::kEnd ? finish() : out.outcome;
      }
      out_.sent(out.len);
    }
    if (interim_) {
      interim_ = false;
      state_ = after_head_;
      return Io::kDone;
    }
    return out_.streaming() ? pull() : on_sent();
  }

  Io on_sent() {
    out_.drop();
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

  // finish ends TLS and our direction of the connection, and lingers for a moment.
  Io finish() {
    idle_ = false;
    parser_.reset();
    sink_.drop();
    request_.intake.reset();
    out_.drop();
    stream_.end_tls();
    if (!stream_.end_sending()) {
      shut();
      return Io::kEnd;
    }
    buffer_.consume(buffer_.size());
    buffer_.shrink_to_fit();
    set_deadline(kGoodbye);
    state_ = State::kLinger;
    return Io::kDone;
  }

  Io linger() {
    const Io io = stream_.linger();
    if (io == Io::kEnd) {
      shut();
    }
    return io;
  }

  void shut() {
    stream_.close();
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
      if (out_.streaming()) {
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

  ConnectionHost& host_;
  ServerStream stream_;
  asio::steady_timer timer_;
  ConnectionInfo info_;
  State state_ = State::kHead;
  State after_head_ = State::kBody;
  Clock::time_point deadline_ = Clock::time_point::max();
  Buffer buffer_;  // no memory while a request is waited for
  std::optional<Parser> parser_;
  HttpRequest request_;
  BodySink sink_;  // fills request_.body
  std::atomic<bool> taken_ = false;
  std::unique_ptr<HttpResponse> refused_;     // by the intake
  std::chrono::milliseconds left_to_send_{};  // of the time for the request, while an intake works
  HttpResponse answer_;                       // from the handler to out_
  Outgoing out_;
  std::size_t body_len_ = 0;
  std::size_t filled_ = 0;
  bool timer_running_ = false;
  bool interim_ = false;  // what is sent is a 100 Continue
  bool keep_alive_ = false;
  bool idle_ = false;  // nothing of a request has come yet
  bool draining_ = false;
};

}  // namespace

std::shared_ptr<Connection> make_connection(ConnectionHost& host, ServerStream stream,
                                            ConnectionInfo info) {
  return std::make_shared<HttpConnection>(host, std::move(stream), std::move(info));
}

}  // namespace ensconce::internal
