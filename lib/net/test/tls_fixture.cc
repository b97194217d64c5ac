#include "tls_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <utility>

namespace ensconce::test {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

}  // namespace

Fd dial(std::uint16_t port) {
  Fd fd(::socket(AF_INET, SOCK_STREAM, 0));
  const timeval limit{10, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  const sockaddr_in address = loopback(port);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    fd.reset();
  }
  return fd;
}

std::pair<Fd, std::uint16_t> listen_on_loopback() {
  Fd fd(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address = loopback(0);
  socklen_t len = sizeof(address);
  ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), len);
  ::listen(fd.get(), 16);
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &len);
  return {std::move(fd), ntohs(address.sin_port)};
}

void send_text(const Fd& fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (n <= 0) {
      return;
    }
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

std::string read_until_closed(const Fd& fd) {
  std::string out;
  char block[4096];
  for (;;) {
    const ssize_t n = ::recv(fd.get(), block, sizeof(block), 0);
    if (n > 0) {
      out.append(block, static_cast<std::size_t>(n));
    } else {
      return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? out + "(timeout)" : out;
    }
  }
}

Result<HttpResponse> streamed(HttpClient& client, const HttpRequest& request,
                              const std::function<void(ByteView)>& sink) {
  ENSC_TRY_ASSIGN(HttpResponse response, client.begin(request));
  for (bool more = response.status < 300; more;) {
    Bytes piece;
    ENSC_TRY_ASSIGN(more, client.next_piece(piece));
    if (!piece.empty()) {
      sink(piece);
    }
  }
  return response;
}

}  // namespace ensconce::test
