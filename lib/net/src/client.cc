#include "ensconce/net/client.h"

#include <algorithm>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/vector_body.hpp>

#include "ensconce/base/secret.h"
#include "http_text.h"
#include "socket.h"

namespace ensconce {
namespace {

namespace http = boost::beast::http;
using Parser = http::response_parser<http::vector_body<std::uint8_t>>;

constexpr std::size_t kReadStep = std::size_t{64} * 1024;
constexpr std::size_t kBodyStep = std::size_t{1024} * 1024;
constexpr std::size_t kRecord = std::size_t{16} * 1024;
constexpr int kMaxInterim = 4;

Deadline after(std::chrono::milliseconds limit) { return std::chrono::steady_clock::now() + limit; }

Error parse_error(const boost::system::error_code& ec) {
  const bool large = ec == http::error::header_limit || ec == http::error::body_limit ||
                     ec == http::error::buffer_overflow;
  return Error(large ? NetError::kHttpTooLarge : NetError::kHttpMalformed, ec.message());
}

}  // namespace

class HttpClient::Impl {
 public:
  Impl(ClientSocket socket, Url url, const ClientOptions& options)
      : stream_(std::move(socket)), url_(std::move(url)), options_(options) {}
  ~Impl() {
    if (open_) {
      stream_.close_politely();
    }
    wipe(buffer_.data(), buffer_.size());
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Result<void> open(Deadline deadline) {
    info_.peer = stream_.peer();
    if (url_.scheme == "https") {
      stream_.set_deadline(deadline);
      ENSC_TRY(stream_.handshake(url_.host, options_.pinned_spki_sha256, info_));
    }
    open_ = true;
    return ok();
  }

  Result<HttpResponse> request(const HttpRequest& request) {
    if (!open_) {
      return Error(NetError::kClosed, "the connection was closed before");
    }
    ENSC_TRY_ASSIGN(std::string head, head_of(request));
    open_ = false;  // until an answer says the connection lives on
    stream_.set_deadline(after(options_.request_timeout));
    const Result<void> sent = send(std::move(head), request.body);
    if (!sent && !sent.error().is(NetError::kClosed)) {
      return sent.error();
    }
    // A server that refuses early closes while we still send; its answer says why.
    Result<HttpResponse> response = receive(request.method == "HEAD");
    if (!sent) {
      open_ = false;
      return response ? std::move(response) : sent.error();
    }
    return response;
  }

  [[nodiscard]] const ConnectionInfo& info() const { return info_; }
  [[nodiscard]] bool is_open() const { return open_; }

 private:
  [[nodiscard]] Result<std::string> head_of(const HttpRequest& request) const {
    if (!is_token(request.method) || !is_target(request.target)) {
      return Error(NetError::kInvalidArgument, "the method or target may not be sent");
    }
    std::string head = request.method + " " + request.target + " HTTP/1.1\r\n";
    head += "Host: " + url_.authority() + "\r\n";
    if (!append_headers(request.headers, "Host", head)) {
      return Error(NetError::kInvalidArgument, "a header may not be sent");
    }
    if (!request.body.empty() || (request.method != "GET" && request.method != "HEAD")) {
      head += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
    }
    head += "\r\n";
    return head;
  }

  Result<void> send(std::string head, ByteView body) {
    // The first piece of the body shares the head's TLS record.
    const std::size_t room = head.size() < kRecord ? kRecord - head.size() : 0;
    const std::size_t first = std::min(body.size(), room);
    head.append(as_text(body.first(first)));
    Result<void> sent = stream_.write_all(as_bytes(head));
    wipe(head.data(), head.size());
    ENSC_TRY(sent);
    return stream_.write_all(body.subspan(first));
  }

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
      boost::system::error_code ec;
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

  Result<HttpResponse> receive(bool head_only) {
    for (int interim = 0; interim <= kMaxInterim; ++interim) {
      Parser parser;
      parser.header_limit(static_cast<std::uint32_t>(options_.max_response_header));
      parser.body_limit(options_.max_response_body);
      parser.skip(head_only);
      ENSC_TRY(advance(parser, [&] { return parser.is_header_done(); }));
      const int status = parser.get().result_int();
      if (status >= 100 && status < 200) {
        continue;
      }
      return finish(parser, status);
    }
    return Error(NetError::kHttpMalformed, "too many interim answers");
  }

  Result<HttpResponse> finish(Parser& parser, int status) {
    HttpResponse response;
    response.status = status;
    for (const auto& field : parser.get()) {
      response.headers.add(std::string(field.name_string()), std::string(field.value()));
    }
    const bool keep_alive = parser.keep_alive();
    const auto length = parser.content_length();
    if (!parser.is_done() && length.has_value() && !parser.chunked()) {
      // The parser has held the length against the limit.
      ENSC_TRY(read_exactly(response.body, static_cast<std::size_t>(*length)));
    } else {
      ENSC_TRY(advance(parser, [&] { return parser.is_done(); }));
      response.body = std::move(parser.get().body());
    }
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
  ClientOptions options_;
  ConnectionInfo info_;
  bool open_ = false;
  Bytes buffer_;
  std::size_t used_ = 0;
};

HttpClient::HttpClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpClient::~HttpClient() = default;

Result<std::unique_ptr<HttpClient>> HttpClient::connect(const Url& url,
                                                        const ClientOptions& options) {
  if (url.scheme != "http" && url.scheme != "https") {
    return Error(NetError::kBadUrl, "the scheme is neither http nor https");
  }
  if (url.scheme == "http" && options.pinned_spki_sha256.has_value()) {
    return Error(NetError::kTlsPin, "a key is pinned and the URL is plain http");
  }
  tls::start_without_configuration();
  const Deadline deadline = after(options.connect_timeout);
  ENSC_TRY_ASSIGN(ClientSocket socket, ClientSocket::connect(url.host, url.port, deadline));
  auto impl = std::make_unique<Impl>(std::move(socket), url, options);
  ENSC_TRY(impl->open(deadline));
  return std::unique_ptr<HttpClient>(new HttpClient(std::move(impl)));
}

Result<HttpResponse> HttpClient::request(const HttpRequest& request) {
  return impl_->request(request);
}
const ConnectionInfo& HttpClient::info() const { return impl_->info(); }
bool HttpClient::open() const { return impl_->is_open(); }

}  // namespace ensconce
