#include "server_stream.h"

#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace ensconce::internal {

namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kDiscardStep = std::size_t{16} * 1024;
constexpr std::size_t kDiscardAtMost = std::size_t{8} * 1024 * 1024;

std::string text_of(const tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + address + "]" : address) + ":" +
         std::to_string(endpoint.port());
}

}  // namespace

ServerStream::ServerStream(tcp::socket socket, tls::SessionPtr ssl)
    : socket_(std::move(socket)), ssl_(std::move(ssl)) {}

std::string ServerStream::peer() const {
  error_code ec;
  const tcp::endpoint peer = socket_.remote_endpoint(ec);
  return ec ? std::string() : text_of(peer);
}

Io ServerStream::handshake(ConnectionInfo& info) {
  ERR_clear_error();
  const int ret = SSL_accept(ssl_.get());
  if (ret != 1) {
    return tls_outcome(ret);
  }
  const auto binding = tls::channel_binding(ssl_.get());
  if (!tls::check_established(ssl_.get()) || !binding) {
    return Io::kEnd;
  }
  info.exporter = *binding;
  info.peer_certificate_der = tls::peer_certificate(ssl_.get());
  return Io::kDone;
}

// tls_outcome reads what OpenSSL says of a call that did not succeed.
Io ServerStream::tls_outcome(int ret) {
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

Transfer ServerStream::read(void* out, std::size_t len) {
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

Transfer ServerStream::write(const void* data, std::size_t len) {
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

Io ServerStream::linger() {
  std::array<std::uint8_t, kDiscardStep> block;  // NOLINT(*-member-init): nobody reads it
  while (discarded_ < kDiscardAtMost) {
    const ssize_t n = ::recv(socket_.native_handle(), block.data(), block.size(), MSG_DONTWAIT);
    if (n <= 0) {
      return n < 0 && errno == EAGAIN ? Io::kWantRead : Io::kEnd;
    }
    discarded_ += static_cast<std::size_t>(n);
  }
  return Io::kEnd;
}

void ServerStream::end_tls() {
  // Once closed, the socket's number may be another connection's.
  if (ssl_ && !tls_broken_ && socket_.is_open()) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
}

bool ServerStream::end_sending() {
  error_code ec;
  socket_.shutdown(tcp::socket::shutdown_send, ec);
  return !ec;
}

void ServerStream::close() {
  error_code ec;
  socket_.close(ec);
}

bool ServerStream::move_to(const boost::asio::any_io_executor& executor) {
  error_code ec;
  const tcp protocol = socket_.local_endpoint(ec).protocol();
  tcp::socket moved(executor);
  if (!ec) {
    const int fd = socket_.release(ec);
    if (!ec) {
      moved.assign(protocol, fd, ec);
      if (ec) {
        ::close(fd);
      }
    }
  }
  socket_ = std::move(moved);
  return !ec;
}

}  // namespace ensconce::internal
