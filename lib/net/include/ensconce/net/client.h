#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "ensconce/net/http.h"
#include "ensconce/net/tls_identity.h"

namespace ensconce {

// ServerTickets says what a session ticket from the server means. None is ever used.
enum class ServerTickets : std::uint8_t {
  kRefused,  // NetError::kTlsTicket
  kIgnored,  // where nothing rests on this TLS session, as a balancer's; most servers send them
};

struct ClientOptions {
  std::chrono::milliseconds connect_timeout{10'000};  // TCP and TLS together
  // First byte sent to last byte received. Where pieces are sent or handed on as they come, it
  // starts anew with each: it bounds the wait for one, and a stream may last longer.
  std::chrono::milliseconds request_timeout{60'000};
  std::size_t max_response_header = std::size_t{64} * 1024;
  std::size_t max_response_body = std::size_t{64} * 1024 * 1024;  // held, or handed on in pieces
  // SHA-256 of the server key's DER SubjectPublicKeyInfo. Another key is NetError::kTlsPin.
  std::optional<ByteArray<32>> pinned_spki_sha256;
  // Shown to a server that asks, within the handshake and thus before its key is judged. One that
  // does not fit, or has no TLS to be shown in, is NetError::kTlsIdentity.
  std::optional<TlsIdentity> identity;
};

// HttpClient is one connection, kept alive, used by one thread at a time. After an error it is
// closed for good: to connect again is the caller's decision, because the new connection must be
// verified like the first.
//
// With https the handshake is TLS 1.3 or an error, and a resumed session or, unless ignored, a
// session ticket is an error. The certificate is proved to be the server's (its key signed the
// handshake) but not judged: the caller decides by `pinned_spki_sha256`, or by evidence bound to
// `info()`, before it sends anything that matters. A host name is not looked at either.
class HttpClient {
 public:
  static Result<std::unique_ptr<HttpClient>> connect(
      const Url& url, const ClientOptions& options = {},
      ServerTickets tickets = ServerTickets::kRefused);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // request sends one request and returns the answer, whatever its status. Host and what frames
  // the body are ours to set. An error of the request's stream ends the connection and is returned.
  Result<HttpResponse> request(const HttpRequest& request);
  // begin sends one request and returns as soon as the head of the answer is there. The body of a
  // 2xx answer follows by next_piece; other answers are returned whole. Until a body was read to
  // its end the connection is not open; whoever stops reading gives it up.
  Result<HttpResponse> begin(const HttpRequest& request);
  // next_piece waits for what comes next of that body, appends it and returns whether more may
  // follow. What it gave counts only when false came: a body that was cut off is kClosed or
  // kHttpMalformed. The time limit is for each piece, in however many bits it comes.
  Result<bool> next_piece(Bytes& out);
  [[nodiscard]] const ConnectionInfo& info() const;
  // open says whether another request may be sent. It looks at the connection without waiting: one
  // that the server ended while nothing was asked is not open.
  [[nodiscard]] bool open() const;
  // sent_whole says of the last request whether all of it was handed to the kernel. If not, the
  // server has only a part of it, and cannot have acted on the whole.
  [[nodiscard]] bool sent_whole() const;

 private:
  class Impl;
  explicit HttpClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ensconce
