#pragma once

#include <chrono>
#include <initializer_list>
#include <optional>
#include <string>

#include "ensconce/base/file.h"
#include "ensconce/net/http.h"
#include "tls.h"

namespace ensconce {

using Deadline = std::chrono::steady_clock::time_point;

// ClientSocket is a TCP connection whose every call ends by a deadline.
class ClientSocket {
 public:
  // connect tries each address the name has, in order. The name look-up itself is libc's and keeps
  // libc's own time limits.
  static Result<ClientSocket> connect(const std::string& host, std::uint16_t port,
                                      Deadline deadline);

  // read returns how many bytes came, 0 at the end. kTimeout, kClosed.
  Result<std::size_t> read(MutableByteView out, Deadline deadline);
  Result<std::size_t> write(ByteView data, Deadline deadline);
  // readable says that a read would not wait.
  [[nodiscard]] bool readable() const;
  [[nodiscard]] std::string peer() const;

 private:
  explicit ClientSocket(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

// ClientStream is a ClientSocket with TLS over it, or without.
class ClientStream {
 public:
  // Where tickets are not ignored, one from the server ends the session (kTlsTicket).
  ClientStream(ClientSocket socket, bool ignores_tickets)
      : socket_(std::move(socket)), ignores_tickets_(ignores_tickets) {}
  ~ClientStream() = default;
  ClientStream(const ClientStream&) = delete;
  ClientStream& operator=(const ClientStream&) = delete;

  void set_deadline(Deadline deadline) { deadline_ = deadline; }
  // handshake runs TLS as a client and holds every rule of tls.h; nothing of ours is sent before
  // it is done. `server_name` is left out for IP addresses (RFC 6066 section 3).
  Result<void> handshake(const std::string& server_name,
                         const std::optional<ByteArray<32>>& pinned_spki_sha256,
                         const std::optional<TlsIdentity>& identity, ConnectionInfo& info);
  // read_some returns how many bytes came, 0 at the peer's orderly end.
  Result<std::size_t> read_some(MutableByteView out);
  // write_all sends one part behind the other.
  Result<void> write_all(std::initializer_list<ByteView> parts);
  // ended says, without waiting, that the peer ended the connection or said what nobody asked for.
  // What TLS itself has to say (a ticket that is ignored) does not count.
  [[nodiscard]] bool ended();
  // close_politely sends close_notify; it waits for nothing.
  void close_politely();
  [[nodiscard]] std::string peer() const { return socket_.peer(); }

 private:
  static int bio_read(BIO* bio, char* out, int len);
  static int bio_write(BIO* bio, const char* data, int len);
  static long bio_ctrl(BIO* bio, int command, long, void*);
  Error tls_error(int ret);
  Result<void> send_plain(ByteView data);
  Result<void> seal(ByteView data);
  Result<void> flush();

  ClientSocket socket_;
  const bool ignores_tickets_;
  Deadline deadline_{};
  bool looking_ = false;                  // reads do not wait
  std::optional<Error> transport_error_;  // what the socket said under a failed TLS call
  // Records of one write_all leave together: a peer that is woken for each of them takes its turn
  // on the processor each time.
  bool gathering_ = false;
  Bytes gathered_;
  tls::SessionPtr ssl_;
};

}  // namespace ensconce
