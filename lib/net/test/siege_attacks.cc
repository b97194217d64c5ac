#include "siege_attacks.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>
#include <vector>

namespace ensconce::siege {
namespace {

using namespace std::chrono_literals;

std::string random_bytes(Rng& rng, std::size_t len) {
  std::string out(len, '\0');
  for (char& c : out) {
    c = static_cast<char>(rng() & 0xff);
  }
  return out;
}

std::size_t below(Rng& rng, std::size_t limit) { return rng() % limit; }

void send_raw(const Fd& fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) {
      return;  // the server has had enough
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

// over_tls sends that inside a session of its own.
void over_tls(Attacker& attacker, const std::string& text) {
  const Attacker::Session session = attacker.handshake();
  if (session.ssl) {
    (void)session.send(text);
  }
  ::shutdown(session.fd.get(), SHUT_WR);
  attacker.wait_for_end(session.fd);
}

}  // namespace

Attacker::Attacker(std::uint16_t port) : port_(port), context_(SSL_CTX_new(TLS_client_method())) {}
Attacker::~Attacker() { SSL_CTX_free(context_); }

bool Attacker::Session::send(std::string_view text) const {
  ERR_clear_error();
  const bool sent = SSL_write(ssl.get(), text.data(), static_cast<int>(text.size())) > 0;
  ERR_clear_error();
  return sent;
}

Fd Attacker::connect(int receive_buffer) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{20, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (receive_buffer > 0) {
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port_);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    ++opened_;
  } else {
    fd.reset();
  }
  return fd;
}

Attacker::Session Attacker::handshake(int receive_buffer) {
  Session out;
  out.fd = connect(receive_buffer);
  out.ssl.reset(SSL_new(context_));
  SSL_set_fd(out.ssl.get(), out.fd.get());
  ERR_clear_error();
  if (SSL_connect(out.ssl.get()) != 1) {
    out.ssl.reset();
  }
  ERR_clear_error();
  return out;
}

std::string Attacker::client_hello() const {
  const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context_), SSL_free);
  BIO* out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), out);
  SSL_connect(ssl.get());
  ERR_clear_error();
  char* data = nullptr;
  const long len = BIO_get_mem_data(out, &data);
  return {data, static_cast<std::size_t>(len)};
}

void Attacker::wait_for_end(const Fd& fd) {
  char block[16384];
  for (;;) {
    const ssize_t n = ::recv(fd.get(), block, sizeof(block), 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
      return;
    }
    if (n < 0 && errno == EAGAIN) {
      ++never_ended_;
      return;
    }
  }
}

void send_random_bytes(Attacker& attacker, Rng& rng) {
  const Fd fd = attacker.connect();
  std::string bytes = random_bytes(rng, 1 + below(rng, 2000));
  if (below(rng, 2) == 0) {
    bytes.insert(0, std::string("\x16\x03\x01", 3));  // so that it is taken for a handshake record
  }
  send_raw(fd, bytes);
  ::shutdown(fd.get(), SHUT_WR);
  attacker.wait_for_end(fd);
}

void cut_client_hello(Attacker& attacker, Rng& rng) {
  const Fd fd = attacker.connect();
  const std::string hello = attacker.client_hello();
  send_raw(fd, std::string_view(hello).substr(0, below(rng, hello.size())));
  ::shutdown(fd.get(), SHUT_WR);
  attacker.wait_for_end(fd);
}

void change_client_hello(Attacker& attacker, Rng& rng) {
  const Fd fd = attacker.connect();
  std::string hello = attacker.client_hello();
  for (std::size_t changes = 1 + below(rng, 8); changes > 0; --changes) {
    hello[below(rng, hello.size())] = static_cast<char>(rng() & 0xff);
  }
  send_raw(fd, hello);
  ::shutdown(fd.get(), SHUT_WR);
  attacker.wait_for_end(fd);
}

void break_record(Attacker& attacker, Rng& rng) {
  const Attacker::Session session = attacker.handshake();
  // Application data, handshake, alert, change of cipher; of a length that is true or a lie.
  constexpr std::array<char, 4> kTypes = {0x17, 0x16, 0x15, 0x14};
  const std::size_t len = below(rng, 600);
  const std::size_t said = below(rng, 4) == 0 ? below(rng, 0x10000) : len;
  std::string record = {kTypes[below(rng, kTypes.size())], 3, 3, static_cast<char>(said >> 8),
                        static_cast<char>(said & 0xff)};
  record += random_bytes(rng, len);
  send_raw(session.fd, record);
  ::shutdown(session.fd.get(), SHUT_WR);
  attacker.wait_for_end(session.fd);
}

void send_malformed_head(Attacker& attacker, Rng& rng) {
  static const std::array<std::string, 8> kHeads = {
      "GET / HTTP/1.0\r\nHost: h\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
      "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\n\n",
      "GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(70'000, 'x') + "\r\n\r\n",
      "GET / HTTP/9.9\r\nHost: h\r\n\r\n",
  };
  std::string head = kHeads[below(rng, kHeads.size())];
  if (below(rng, 2) == 0) {
    head = random_bytes(rng, 1 + below(rng, 500)) + "\r\n\r\n";
  }
  over_tls(attacker, head);
}

void send_wrong_framing(Attacker& attacker, Rng& rng) {
  static const std::array<std::string, 8> kFramings = {
      "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
      "Content-Length: -1\r\n\r\n",
      "Content-Length: 99999999999999999999\r\n\r\n",
      "Content-Length: 1000\r\n\r\nshort",
      "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
      "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
      "Transfer-Encoding: chunked\r\n\r\nffff\r\nshort",
  };
  over_tls(attacker, "POST / HTTP/1.1\r\nHost: h\r\n" + kFramings[below(rng, kFramings.size())]);
}

namespace {

enum class Slow : std::uint8_t { kHandshake, kHead, kBody, kReader };
struct SlowPeer {
  Slow kind;
  Attacker::Session session;
  std::string hello;  // of kHandshake, what is left to send
  bool ended = false;
  std::size_t got = 0;
};

// went_away says whether the server ended the connection, without waiting.
bool went_away(const Fd& fd) {
  char block[4096];
  const ssize_t n = ::recv(fd.get(), block, sizeof(block), MSG_DONTWAIT);
  return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

SlowPeer slow_peer(Attacker& attacker, Slow kind, std::string_view large_target) {
  SlowPeer out{kind, {}, {}, false, 0};
  if (kind == Slow::kHandshake) {
    out.session.fd = attacker.connect();
    out.hello = attacker.client_hello();
    return out;
  }
  out.session = attacker.handshake(kind == Slow::kReader ? 4096 : 0);
  const std::string start =
      kind == Slow::kReader ? "GET " + std::string(large_target) + " HTTP/1.1\r\nHost: h\r\n\r\n"
      : kind == Slow::kHead ? "GET / HTTP/1.1\r\nHost: h\r\nX: "
                            : "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n";
  out.ended = !out.session.ssl || !out.session.send(start);
  return out;
}

void go_on(SlowPeer& peer) {
  if (peer.kind == Slow::kReader) {
    char byte = 0;
    const ssize_t n = ::recv(peer.session.fd.get(), &byte, 1, MSG_DONTWAIT);
    peer.got += n > 0 ? 1 : 0;
    peer.ended = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
    return;
  }
  peer.ended = went_away(peer.session.fd);
  if (peer.ended) {
    return;
  }
  if (peer.kind != Slow::kHandshake) {
    peer.ended = !peer.session.send("x");
  } else if (peer.hello.size() > 1) {  // the last byte never comes
    send_raw(peer.session.fd, std::string_view(peer.hello).substr(0, 1));
    peer.hello.erase(0, 1);
  }
}

// take_rest reads to the end, or until `enough` came.
void take_rest(SlowPeer& peer, std::size_t enough) {
  std::string block(65536, '\0');
  while (!peer.ended && peer.got < enough) {
    const ssize_t n = ::recv(peer.session.fd.get(), block.data(), block.size(), 0);
    peer.got += n > 0 ? static_cast<std::size_t>(n) : 0;
    peer.ended = n <= 0;
  }
}

}  // namespace

Trickled trickle(Attacker& attacker, int connections, std::chrono::milliseconds patience,
                 std::string_view large_target, std::size_t large_answer) {
  std::vector<SlowPeer> peers;
  for (int i = 0; i < connections; ++i) {
    peers.push_back(slow_peer(attacker, static_cast<Slow>(i % 4), large_target));
  }
  const auto until = std::chrono::steady_clock::now() + patience;
  bool some = true;
  while (some && std::chrono::steady_clock::now() < until) {
    some = false;
    for (SlowPeer& peer : peers) {
      if (!peer.ended) {
        go_on(peer);
        some = true;
      }
    }
    std::this_thread::sleep_for(20ms);  // how slow they are
  }
  Trickled out;
  for (SlowPeer& peer : peers) {
    if (peer.kind == Slow::kReader) {
      take_rest(peer, large_answer);
      ++out.readers;
      out.readers_cut_off += peer.got < large_answer ? 1 : 0;
    } else if (!peer.ended) {
      attacker.wait_for_end(peer.session.fd);
    }
  }
  return out;
}

}  // namespace ensconce::siege
