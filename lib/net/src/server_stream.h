#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <string>

#include "ensconce/net/http.h"
#include "tls.h"

namespace ensconce::internal {

// Io is how a step ended: kWantRead and kWantWrite to be tried again when the socket is ready, kEnd
// with nothing more to come.
enum class Io : std::uint8_t { kDone, kWantRead, kWantWrite, kEnd };
struct Transfer {
  Io outcome;
  std::size_t len = 0;
};

// ServerStream is an accepted socket with TLS over it, or without. Nothing here waits.
class ServerStream {
 public:
  // `ssl` is a session on that socket, or null.
  ServerStream(boost::asio::ip::tcp::socket socket, tls::SessionPtr ssl);

  boost::asio::ip::tcp::socket& socket() { return socket_; }
  [[nodiscard]] bool is_open() const { return socket_.is_open(); }
  [[nodiscard]] std::string peer() const;

  // handshake goes on with TLS as a server; kDone fills in what `info` says of the session.
  Io handshake(ConnectionInfo& info);
  Transfer read(void* out, std::size_t len);
  Transfer write(const void* data, std::size_t len);
  // end_tls says close_notify; end_sending closes our direction, and is false if that failed.
  void end_tls();
  bool end_sending();
  // linger reads past TLS and throws away what a peer still sends, up to a bound: closing with
  // unread bytes would reset the connection and take our last words with it. kWantRead or kEnd.
  Io linger();
  void close();
  // move_to gives the socket to another executor; nothing waits on it. False if that failed.
  bool move_to(const boost::asio::any_io_executor& executor);

 private:
  Io tls_outcome(int ret);

  boost::asio::ip::tcp::socket socket_;
  tls::SessionPtr ssl_;
  std::size_t discarded_ = 0;
  bool tls_broken_ = false;
};

// How long a peer has to take our last words.
inline constexpr std::chrono::milliseconds kGoodbye{1'000};

}  // namespace ensconce::internal
