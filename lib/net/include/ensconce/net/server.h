#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "ensconce/net/http.h"
#include "ensconce/net/tls_identity.h"

namespace ensconce {

// HttpHandler answers a request. It is called on several threads at once; what it throws becomes
// a 500 that says nothing. The request's body is wiped when it returns. A stream it answers with is
// asked for its pieces where handlers run, a piece at a time, so that a slow reader holds one piece
// and no thread; it may be destroyed on any thread.
using HttpHandler = std::function<HttpResponse(const HttpRequest&, const ConnectionInfo&)>;

struct ServerLimits {
  std::size_t max_header = std::size_t{64} * 1024;       // request line and fields; more is 431
  std::size_t max_body = std::size_t{64} * 1024 * 1024;  // more is 413
  // Over all connections, the bytes held for request bodies from their head to the handler's
  // return; more is 503 and the connection's end. A Content-Length counts whole as soon as it is
  // read, a chunked body as it grows, in steps that double up to max_body. Not counted: answers,
  // and while a chunked body grows its old block, one smaller than max_body for each I/O thread.
  std::size_t max_body_bytes_in_flight = std::size_t{512} * 1024 * 1024;
  std::size_t max_connections = 512;  // more wait in the kernel's queue until one ends
  std::chrono::milliseconds handshake_timeout{10'000};
  std::chrono::milliseconds idle_timeout{60'000};  // between requests
  // First byte to last byte of a request, without the waits of what has come for a handler thread.
  std::chrono::milliseconds request_timeout{30'000};
  // From a request's last byte to a free handler thread, and for each piece of a body that its
  // intake takes where handlers run; then 503 and the connection's end, and
  // the handler never sees it. A handler that has begun is left to finish. Without handler threads
  // nothing waits. A stream whose next piece waits longer is cut off.
  std::chrono::milliseconds queue_timeout{30'000};
  // Sending the answer; of a stream, each piece. A reader that is slower is cut off.
  std::chrono::milliseconds response_timeout{30'000};
  std::chrono::milliseconds drain_timeout{10'000};  // how long stop() waits for connections
};

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;   // 0: the kernel chooses
  unsigned io_threads = 1;  // TLS: and as many for accepting and handshakes, of a lower priority
  // 0 runs the handler on the connection's own thread: least latency, and a slow handler then
  // holds up every connection of that thread.
  unsigned handler_threads = 2;
  // Says of a request, whole, that its answer takes no work and waits for nothing, such as a health
  // check's: it is then answered on the connection's own thread, also while every handler is busy.
  // Absent: of none.
  std::function<bool(const HttpRequest&)> at_once;
  // Asked with the head of each request that has a body: who takes it as it arrives. Null, and
  // absent: it is kept and handed to the handler whole. It runs on the connection's own thread, as
  // does an intake that is settled, within request_timeout; until then pieces are taken where
  // handlers run, and while one waits there or is being taken the request's time stands still.
  // Neither may throw.
  std::function<std::shared_ptr<BodyIntake>(const HttpRequest& head)> intake;
  ServerLimits limits;
  std::optional<TlsIdentity> tls;  // absent: plain HTTP
  // Asks each client for a certificate and requires none. Whatever is shown is taken, issued by
  // whom it may be: the handshake proves that the client has its key, and what else it proves is
  // for the handler to judge by ConnectionInfo::peer_certificate_der.
  bool ask_client_certificate = false;
  // Called once for each connection that has ended, also for those no handler heard of, with its
  // ConnectionInfo::id; no handler or stream of that connection is called afterwards, and stop()
  // returns after the last call. It runs on the server's own threads, so it must not wait.
  std::function<void(std::uint64_t id)> on_closed;
};

// HttpServer serves HTTP/1.1 over TLS 1.3 and nothing older: no tickets, no resumption, no early
// data. It never throws for anything a peer sends and serves on after each refusal.
class HttpServer {
 public:
  // start listens and returns at once. Fails with kBind or kTlsIdentity.
  static Result<std::unique_ptr<HttpServer>> start(ServerOptions options, HttpHandler handler);
  // ~HttpServer stops.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  // set_identity gives new connections another certificate and key; open ones keep theirs. A server
  // that began without TLS takes none (kInvalidArgument).
  Result<void> set_identity(TlsIdentity identity);
  // stop accepts nothing more, closes idle connections, lets requests in flight be answered and
  // returns when all is done. Any thread may call it but a handler's; a second call waits for the
  // first.
  void stop();

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ensconce
