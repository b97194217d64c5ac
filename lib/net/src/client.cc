#include "ensconce/net/client.h"

#include <algorithm>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <optional>

#include "ensconce/base/secret.h"
#include "http_text.h"
#include "socket.h"

namespace ensconce {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

// TargetBody lets the parser write what it has taken the framing from.
struct TargetBody {
  using value_type = Bytes*;
  class reader {
   public:
    template <bool kIsRequest, typename Fields>
    reader(http::header<kIsRequest, Fields>& /*head*/, value_type& target) : target_(target) {}
    static void init(const boost::optional<std::uint64_t>& /*len*/, error_code& ec) { ec = {}; }
    template <typename Buffers>
    std::size_t put(const Buffers& buffers, error_code& ec) {
      std::size_t n = 0;
      ec = {};
      for (const boost::asio::const_buffer piece : boost::beast::buffers_range_ref(buffers)) {
        const auto* data = static_cast<const std::uint8_t*>(piece.data());
        target_->insert(target_->end(), data, data + piece.size());
        n += piece.size();
      }
      return n;
    }
    static void finish(error_code& ec) { ec = {}; }

   private:
    value_type& target_;
  };
};

using Parser = http::response_parser<TargetBody>;

constexpr std::size_t kReadStep = std::size_t{64} * 1024;
constexpr std::size_t kBodyStep = std::size_t{1024} * 1024;
constexpr std::size_t kRecord = std::size_t{16} * 1024;
constexpr int kMaxInterim = 4;

Deadline after(std::chrono::milliseconds limit) { return std::chrono::steady_clock::now() + limit; }

Error parse_error(const error_code& ec) {
  const bool large = ec == http::error::header_limit || ec == http::error::body_limit ||
                     ec == http::error::buffer_overflow;
  return Error(large ? NetError::kHttpTooLarge : NetError::kHttpMalformed, ec.message());
}

}  // namespace

class HttpClient::Impl {
 public:
  Impl(ClientSocket socket, Url url, const ClientOptions& options, ServerTickets tickets)
      : stream_(std::move(socket), tickets == ServerTickets::kIgnored),
        url_(std::move(url)),
        request_timeout_(options.request_timeout),
        max_header_(options.max_response_header),
        max_body_(options.max_response_body) {}
  ~Impl() {
    if (open_) {
      stream_.close_politely();
    }
    wipe(buffer_.data(), buffer_.size());
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Result<void> open(const ClientOptions& options, Deadline deadline) {
    info_.peer = stream_.peer();
    if (url_.scheme == "https") {
      stream_.set_deadline(deadline);
      ENSC_TRY(stream_.handshake(url_.host, options.pinned_spki_sha256, options.identity, info_));
    }
    open_ = true;
    return ok();
  }

  Result<HttpResponse> request(const HttpRequest& request) {
    ENSC_TRY_ASSIGN(const std::optional<Error> unsent, send(request));
    // A server that refuses early closes while we still send; its answer says why.
    Result<HttpResponse> response = receive(request.method == "HEAD");
    if (unsent) {
      open_ = false;
      return response ? std::move(response) : *unsent;
    }
    return response;
  }

  Result<HttpResponse> begin(const HttpRequest& request) {
    ENSC_TRY_ASSIGN(const std::optional<Error> unsent, send(request));
    auto reading = std::make_unique<Reading>();
    Result<void> head = receive_head(*reading, request.method == "HEAD");
    if (!head) {
      return unsent ? *unsent : head.error();
    }
    if (unsent || reading->parser->get().result_int() >= 300) {
      Result<HttpResponse> response = finish(*reading->parser, reading->body);
      open_ = open_ && !unsent;
      return response;
    }
    HttpResponse out = head_of(*reading->parser);
    reading_ = std::move(reading);
    return out;
  }

  Result<bool> next_piece(Bytes& out) {
    if (reading_ == nullptr) {
      return Error(NetError::kClosed, "no answer is being read");
    }
    restart_clock();
    std::unique_ptr<Reading> reading = std::move(reading_);  // let go of after an error
    Parser& parser = *reading->parser;
    Bytes& came = reading->body;
    ENSC_TRY(advance(parser, [&] { return parser.is_done() || !came.empty(); }));
    out.insert(out.end(), came.begin(), came.end());
    wipe(came.data(), came.size());
    came.clear();
    if (!parser.is_done()) {
      reading_ = std::move(reading);
      return true;
    }
    if (used_ != 0) {
      return Error(NetError::kHttpMalformed, "bytes after the answer");
    }
    open_ = parser.keep_alive();
    return false;
  }

  [[nodiscard]] const ConnectionInfo& info() const { return info_; }
  [[nodiscard]] bool is_open() {
    open_ = open_ && !stream_.ended();
    return open_;
  }
  [[nodiscard]] bool sent_whole() const { return sent_whole_; }

 private:
  struct Reading {
    Bytes body;  // what came and was not handed on
    std::optional<Parser> parser;
  };

  // send returns why the request did not leave whole where an answer may still say more of it.
  Result<std::optional<Error>> send(const HttpRequest& request) {
    sent_whole_ = false;
    reading_.reset();
    if (!open_) {
      return Error(NetError::kClosed, "the connection was closed before");
    }
    ENSC_TRY_ASSIGN(std::string head, head_of(request));
    open_ = false;  // until an answer says the connection lives on
    restart_clock();
    bool source_failed = false;
    const Result<void> sent = request.stream
                                  ? send_pieces(std::move(head), *request.stream, source_failed)
                                  : send(std::move(head), request.body);
    sent_whole_ = sent.has_value();
    if (sent_whole_ && request.on_sent) {
      request.on_sent();
    }
    if (!sent && (source_failed || !sent.error().is(NetError::kClosed))) {
      return sent.error();
    }
    return sent ? std::nullopt : std::optional(sent.error());
  }

  [[nodiscard]] Result<std::string> head_of(const HttpRequest& request) const {
    if (!is_token(request.method) || !is_target(request.target)) {
      return Error(NetError::kInvalidArgument, "the method or target may not be sent");
    }
    std::string head = request.method + " " + request.target + " HTTP/1.1\r\n";
    head += "Host: " + url_.authority() + "\r\n";
    if (!append_headers(request.headers, "Host", head)) {
      return Error(NetError::kInvalidArgument, "a header may not be sent");
    }
    if (request.stream) {
      head += "Transfer-Encoding: chunked\r\n";
    } else if (!request.body.empty() || (request.method != "GET" && request.method != "HEAD")) {
      head += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
    }
    head += "\r\n";
    return head;
  }

  Result<void> send(std::string head, ByteView body, ByteView tail = {}) {
    // The first piece of the body shares the head's TLS record.
    const std::size_t room = head.size() < kRecord ? kRecord - head.size() : 0;
    const std::size_t first = std::min(body.size(), room);
    head.append(as_text(body.first(first)));
    Result<void> sent = stream_.write_all({as_bytes(head), body.subspan(first), tail});
    wipe(head.data(), head.size());
    return sent;
  }

  // send_pieces sends the head at once and one chunk for each piece. What the source itself fails
  // with may be any error, also one that a server's early answer would explain.
  Result<void> send_pieces(std::string head, BodySource& source, bool& source_failed) {
    ENSC_TRY(stream_.write_all({as_bytes(head)}));
    for (bool more = true; more;) {
      Bytes piece;
      const Result<bool> next = source.next(piece);
      source_failed = !next;
      ENSC_TRY(next);
      more = *next;
      restart_clock();
      Result<void> sent = piece.empty() ? ok() : send_chunk(piece);
      wipe(piece.data(), piece.size());
      ENSC_TRY(sent);
    }
    return stream_.write_all({as_bytes(kBodyEnd)});
  }

  Result<void> send_chunk(ByteView piece) {
    std::string head;
    head.reserve(kRecord);
    append_chunk_head(piece.size(), head);
    return send(std::move(head), piece, as_bytes(kChunkEnd));
  }

  void restart_clock() { stream_.set_deadline(after(request_timeout_)); }

  Result<std::size_t> read_more() {
    if (buffer_.size() < used_ + kReadStep) {
      buffer_.resize(used_ + kReadStep);
    }
    ENSC_TRY_ASSIGN(const std::size_t n,
                    stream_.read_some(MutableByteView(buffer_).subspan(used_, kReadStep)));
    used_ += n;
    return n;
  }

  void consume(std::size_t n) {
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(n),
              buffer_.begin() + static_cast<std::ptrdiff_t>(used_), buffer_.begin());
    used_ -= n;
  }

  // advance feeds the parser until `done`, reading as needed.
  template <typename Done>
  Result<void> advance(Parser& parser, Done done) {
    while (!done()) {
      error_code ec;
      std::size_t taken = 0;
      if (used_ > 0) {
        taken = parser.put(boost::asio::const_buffer(buffer_.data(), used_), ec);
        consume(taken);
        if (ec && ec != http::error::need_more) {
          return parse_error(ec);
        }
      }
      if (done()) {
        break;
      }
      if (used_ > 0 && taken > 0 && !ec) {
        continue;
      }
      ENSC_TRY_ASSIGN(const std::size_t n, read_more());
      if (n == 0) {
        if (!parser.got_some()) {
          return Error(NetError::kClosed, "the server closed the connection");
        }
        parser.put_eof(ec);
        if (ec || !done()) {
          return Error(NetError::kHttpMalformed, "the answer was cut off");
        }
      }
    }
    return ok();
  }

  // receive_head reads past interim answers to the head of the final one.
  Result<void> receive_head(Reading& reading, bool head_only) {
    for (int interim = 0; interim <= kMaxInterim; ++interim) {
      Parser& parser = reading.parser.emplace();
      parser.get().body() = &reading.body;
      parser.header_limit(static_cast<std::uint32_t>(max_header_));
      parser.body_limit(max_body_);
      parser.skip(head_only);
      ENSC_TRY(advance(parser, [&] { return parser.is_header_done(); }));
      const int status = parser.get().result_int();
      if (status < 100 || status >= 200) {
        return ok();
      }
    }
    return Error(NetError::kHttpMalformed, "too many interim answers");
  }

  Result<HttpResponse> receive(bool head_only) {
    Reading reading;
    ENSC_TRY(receive_head(reading, head_only));
    return finish(*reading.parser, reading.body);
  }

  static HttpResponse head_of(const Parser& parser) {
    HttpResponse response;
    response.status = parser.get().result_int();
    for (const auto& field : parser.get()) {
      response.headers.add(std::string(field.name_string()), std::string(field.value()));
    }
    return response;
  }

  Result<HttpResponse> finish(Parser& parser, Bytes& body) {
    HttpResponse response = head_of(parser);
    const bool keep_alive = parser.keep_alive();
    const auto length = parser.content_length();
    if (!parser.is_done() && length.has_value() && !parser.chunked()) {
      // The parser has held the length against the limit.
      ENSC_TRY(read_exactly(body, static_cast<std::size_t>(*length)));
    } else {
      ENSC_TRY(advance(parser, [&] { return parser.is_done(); }));
    }
    response.body = std::move(body);
    if (used_ != 0) {
      return Error(NetError::kHttpMalformed, "bytes after the answer");
    }
    open_ = keep_alive;
    return response;
  }

  Result<void> read_exactly(Bytes& body, std::size_t len) {
    body.reserve(len);
    const std::size_t have = std::min(len, used_);
    body.assign(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(have));
    consume(have);
    std::size_t filled = have;
    while (filled < len) {
      if (filled == body.size()) {
        body.resize(filled + std::min(len - filled, kBodyStep));
      }
      ENSC_TRY_ASSIGN(const std::size_t n,
                      stream_.read_some(MutableByteView(body).subspan(filled)));
      if (n == 0) {
        return Error(NetError::kHttpMalformed, "the answer was cut off");
      }
      filled += n;
    }
    return ok();
  }

  ClientStream stream_;
  Url url_;
  std::chrono::milliseconds request_timeout_;
  std::size_t max_header_;
  std::size_t max_body_;
  ConnectionInfo info_;
  bool open_ = false;
  bool sent_whole_ = false;
  std::unique_ptr<Reading> reading_;  // an answer whose body is asked for piece by piece
  Bytes buffer_;
  std::size_t used_ = 0;
};

HttpClient::HttpClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpClient::~HttpClient() = default;

Result<std::unique_ptr<HttpClient>> HttpClient::connect(const Url& url,
                                                        const ClientOptions& options,
                                                        ServerTickets tickets) {
  if (url.scheme != "http" && url.scheme != "https") {
    return Error(NetError::kBadUrl, "the scheme is neither http nor https");
  }
  if (url.scheme == "http" && options.pinned_spki_sha256.has_value()) {
    return Error(NetError::kTlsPin, "a key is pinned and the URL is plain http");
  }
  if (url.scheme == "http" && options.identity.has_value()) {
    return Error(NetError::kTlsIdentity, "a certificate is to be shown and the URL is plain http");
  }
  tls::start_without_configuration();
  const Deadline deadline = after(options.connect_timeout);
  ENSC_TRY_ASSIGN(ClientSocket socket, ClientSocket::connect(url.host, url.port, deadline));
  auto impl = std::make_unique<Impl>(std::move(socket), url, options, tickets);
  ENSC_TRY(impl->open(options, deadline));
  return std::unique_ptr<HttpClient>(new HttpClient(std::move(impl)));
}

Result<HttpResponse> HttpClient::request(const HttpRequest& request) {
  return impl_->request(request);
}
Result<HttpResponse> HttpClient::begin(const HttpRequest& request) { return impl_->begin(request); }
Result<bool> HttpClient::next_piece(Bytes& out) { return impl_->next_piece(out); }
const ConnectionInfo& HttpClient::info() const { return impl_->info(); }
bool HttpClient::open() const { return impl_->is_open(); }
bool HttpClient::sent_whole() const { return impl_->sent_whole(); }

}  // namespace ensconce
