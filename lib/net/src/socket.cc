#include "socket.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <limits>

namespace ensconce {
namespace {

constexpr std::size_t kGather = std::size_t{128} * 1024;

// wait_for polls until the descriptor is ready: kTimeout at the deadline.
Result<void> wait_for(int fd, short events, Deadline deadline) {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
      return Error(NetError::kTimeout, "the time limit passed");
    }
    pollfd entry{fd, events, 0};
    const int n = ::poll(&entry, 1, static_cast<int>(std::min<long long>(left.count(), 1 << 30)));
    if (n > 0) {
      return ok();
    }
    if (n < 0 && errno != EINTR) {
      return Error(NetError::kClosed, "poll failed");
    }
  }
}

struct AddressListDeleter {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

Result<Fd> connect_to(const addrinfo& address, Deadline deadline) {
  Fd fd(::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!fd.valid()) {
    return Error(NetError::kConnect, "no socket");
  }
  if (::connect(fd.get(), address.ai_addr, address.ai_addrlen) != 0) {
    if (errno != EINPROGRESS) {
      return Error(NetError::kConnect, "the connection was refused");
    }
    ENSC_TRY(wait_for(fd.get(), POLLOUT, deadline));
    int error = 0;
    socklen_t len = sizeof(error);
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
      return Error(NetError::kConnect, "the connection was refused");
    }
  }
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return fd;
}

bool is_address(const std::string& host) {
  in6_addr buffer{};
  return ::inet_pton(AF_INET, host.c_str(), &buffer) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &buffer) == 1;
}

}  // namespace

Result<ClientSocket> ClientSocket::connect(const std::string& host, std::uint16_t port,
                                           Deadline deadline) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
    return Error(NetError::kResolve, "no address for " + host);
  }
  const std::unique_ptr<addrinfo, AddressListDeleter> list(found);
  Error last(NetError::kConnect, "no address");
  for (const addrinfo* at = list.get(); at != nullptr; at = at->ai_next) {
    Result<Fd> fd = connect_to(*at, deadline);
    if (fd) {
      return ClientSocket(*std::move(fd));
    }
    last = fd.error();
  }
  return last.with_context(host + ":" + std::to_string(port));
}

Result<std::size_t> ClientSocket::read(MutableByteView out, Deadline deadline) {
  for (;;) {
    const ssize_t n = ::recv(fd_.get(), out.data(), out.size(), 0);
    if (n >= 0) {
      return static_cast<std::size_t>(n);
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      ENSC_TRY(wait_for(fd_.get(), POLLIN, deadline));
    } else if (errno != EINTR) {
      return Error(NetError::kClosed, "the peer reset the connection");
    }
  }
}

Result<std::size_t> ClientSocket::write(ByteView data, Deadline deadline) {
  for (;;) {
    const ssize_t n = ::send(fd_.get(), data.data(), data.size(), MSG_NOSIGNAL);
    if (n >= 0) {
      return static_cast<std::size_t>(n);
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      ENSC_TRY(wait_for(fd_.get(), POLLOUT, deadline));
    } else if (errno != EINTR) {
      return Error(NetError::kClosed, "the peer closed the connection");
    }
  }
}

bool ClientSocket::readable() const {
  pollfd entry{fd_.get(), POLLIN, 0};
  return ::poll(&entry, 1, 0) > 0;
}

std::string ClientSocket::peer() const {
  sockaddr_storage address{};
  socklen_t len = sizeof(address);
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  if (::getpeername(fd_.get(), reinterpret_cast<sockaddr*>(&address), &len) != 0 ||
      ::getnameinfo(reinterpret_cast<const sockaddr*>(&address), len, host, sizeof(host), port,
                    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return {};
  }
  return address.ss_family == AF_INET6 ? "[" + std::string(host) + "]:" + port
                                       : std::string(host) + ":" + port;
}

int ClientStream::bio_read(BIO* bio, char* out, int len) {
  auto* self = static_cast<ClientStream*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (self->looking_ && !self->socket_.readable()) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const Result<std::size_t> n = self->socket_.read(
      {reinterpret_cast<std::uint8_t*>(out), static_cast<std::size_t>(len)}, self->deadline_);
  if (!n) {
    self->transport_error_ = n.error();
    return -1;
  }
  return static_cast<int>(*n);
}

int ClientStream::bio_write(BIO* bio, const char* data, int len) {
  auto* self = static_cast<ClientStream*>(BIO_get_data(bio));
  const ByteView record{reinterpret_cast<const std::uint8_t*>(data), static_cast<std::size_t>(len)};
  if (self->gathering_) {
    self->gathered_.insert(self->gathered_.end(), record.begin(), record.end());
    if (self->gathered_.size() >= kGather) {
      if (const Result<void> left = self->flush(); !left) {
        self->transport_error_ = left.error();
        return -1;
      }
    }
    return len;
  }
  const Result<std::size_t> n = self->socket_.write(record, self->deadline_);
  if (!n) {
    self->transport_error_ = n.error();
    return -1;
  }
  return static_cast<int>(*n);
}

long ClientStream::bio_ctrl(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

Error ClientStream::tls_error(int ret) {
  if (transport_error_.has_value()) {
    ERR_clear_error();
    return *std::exchange(transport_error_, std::nullopt);
  }
  const int why = SSL_get_error(ssl_.get(), ret);
  if (why == SSL_ERROR_SYSCALL ||
      ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    ERR_clear_error();
    return Error(NetError::kClosed, "the peer closed the connection without ending TLS");
  }
  return tls::handshake_error();
}

Result<void> ClientStream::handshake(const std::string& server_name,
                                     const std::optional<ByteArray<32>>& pinned_spki_sha256,
                                     const std::optional<TlsIdentity>& identity,
                                     ConnectionInfo& info) {
  static const std::unique_ptr<BIO_METHOD, tls::Deleter> method = [] {
    std::unique_ptr<BIO_METHOD, tls::Deleter> made(
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ensconce socket"));
    BIO_meth_set_read(made.get(), bio_read);
    BIO_meth_set_write(made.get(), bio_write);
    BIO_meth_set_ctrl(made.get(), bio_ctrl);
    return made;
  }();

  // Immutable, and dear to make next to a handshake.
  static const Result<tls::ContextPtr> context = tls::make_client_context();
  ENSC_TRY(context);
  ssl_.reset(SSL_new(context->get()));
  BIO* bio = ssl_ ? BIO_new(method.get()) : nullptr;
  if (bio == nullptr) {
    return tls::handshake_error();
  }
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  if (!is_address(server_name) && SSL_set_tlsext_host_name(ssl_.get(), server_name.c_str()) != 1) {
    return tls::handshake_error();
  }
  if (identity.has_value()) {
    ENSC_TRY(tls::show_identity(ssl_.get(), *identity));
  }
  ERR_clear_error();  // SSL_get_error reads this thread's queue
  const int ret = SSL_connect(ssl_.get());
  if (ret != 1) {
    return tls_error(ret).with_context("handshake");
  }
  ENSC_TRY(tls::check_established(ssl_.get()));
  if (pinned_spki_sha256.has_value()) {
    ENSC_TRY(tls::check_pin(ssl_.get(), *pinned_spki_sha256));
  }
  ENSC_TRY_ASSIGN(info.exporter, tls::channel_binding(ssl_.get()));
  info.peer_certificate_der = tls::peer_certificate(ssl_.get());
  info.tls = true;
  return ok();
}

Result<std::size_t> ClientStream::read_some(MutableByteView out) {
  if (!ssl_) {
    return socket_.read(out, deadline_);
  }
  const int len =
      static_cast<int>(std::min<std::size_t>(out.size(), std::numeric_limits<int>::max()));
  ERR_clear_error();
  const int n = SSL_read(ssl_.get(), out.data(), len);
  if (!ignores_tickets_ && tls::ticket_received(ssl_.get())) {
    return Error(NetError::kTlsTicket, "the server sent a session ticket")
        .with_remedy(
            "Ensconce's own servers send none: somebody else, such as a balancer, ends this "
            "connection");
  }
  if (n > 0) {
    return static_cast<std::size_t>(n);
  }
  if (SSL_get_error(ssl_.get(), n) == SSL_ERROR_ZERO_RETURN) {
    return std::size_t{0};
  }
  return tls_error(n);
}

Result<void> ClientStream::send_plain(ByteView data) {
  while (!data.empty()) {
    ENSC_TRY_ASSIGN(const std::size_t done, socket_.write(data, deadline_));
    data = data.subspan(done);
  }
  return ok();
}

Result<void> ClientStream::flush() {
  const Result<void> sent = send_plain(gathered_);
  gathered_.clear();
  return sent;
}

Result<void> ClientStream::seal(ByteView data) {
  while (!data.empty()) {
    const int len =
        static_cast<int>(std::min<std::size_t>(data.size(), std::numeric_limits<int>::max()));
    ERR_clear_error();
    gathering_ = true;
    const int n = SSL_write(ssl_.get(), data.data(), len);
    gathering_ = false;
    if (n <= 0) {
      return tls_error(n);
    }
    data = data.subspan(static_cast<std::size_t>(n));
  }
  return ok();
}

Result<void> ClientStream::write_all(std::initializer_list<ByteView> parts) {
  for (const ByteView part : parts) {
    ENSC_TRY(ssl_ ? seal(part) : send_plain(part));
  }
  return flush();
}

bool ClientStream::ended() {
  if (!socket_.readable()) {
    return false;
  }
  if (!ssl_) {
    return true;
  }
  looking_ = true;
  std::uint8_t byte = 0;
  ERR_clear_error();
  const int n = SSL_peek(ssl_.get(), &byte, 1);
  const bool waits = n <= 0 && SSL_get_error(ssl_.get(), n) == SSL_ERROR_WANT_READ;
  looking_ = false;
  transport_error_.reset();
  ERR_clear_error();
  return !waits || (!ignores_tickets_ && tls::ticket_received(ssl_.get()));
}

void ClientStream::close_politely() {
  if (ssl_) {
    deadline_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
}

}  // namespace ensconce
