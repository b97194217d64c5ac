#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>

#include "ensconce/base/file.h"

// Peers that mean no good, made with sockets and OpenSSL alone.
namespace ensconce::siege {

using Rng = std::mt19937;  // the standard says what it gives for a seed

// Attacker opens connections to one server and counts them. Many threads may share one.
class Attacker {
 public:
  explicit Attacker(std::uint16_t port);
  ~Attacker();
  Attacker(const Attacker&) = delete;
  Attacker& operator=(const Attacker&) = delete;

  struct Session {
    Fd fd;
    std::unique_ptr<SSL, decltype(&SSL_free)> ssl{nullptr, SSL_free};
    [[nodiscard]] bool send(std::string_view text) const;
  };

  // connect opens a TCP connection; a receive buffer of 0 is the system's own.
  Fd connect(int receive_buffer = 0);
  // handshake opens one and ends its TLS handshake; without a session if that failed.
  Session handshake(int receive_buffer = 0);
  // client_hello is what a client sends first, whole.
  [[nodiscard]] std::string client_hello() const;

  [[nodiscard]] std::uint64_t opened() const { return opened_; }
  // never_ended counts connections that the server left open for longer than any of its limits.
  [[nodiscard]] std::uint64_t never_ended() const { return never_ended_; }
  // wait_for_end reads what still comes until the server ends the connection.
  void wait_for_end(const Fd& fd);

 private:
  std::uint16_t port_;
  SSL_CTX* context_;
  std::atomic<std::uint64_t> opened_ = 0;
  std::atomic<std::uint64_t> never_ended_ = 0;
};

// Each of these opens one connection, sends what it must not, and waits for the server to end it.
void send_random_bytes(Attacker& attacker, Rng& rng);
void cut_client_hello(Attacker& attacker, Rng& rng);     // short by some bytes, and no more to come
void change_client_hello(Attacker& attacker, Rng& rng);  // with some bytes replaced
void break_record(Attacker& attacker, Rng& rng);         // after the handshake
void send_malformed_head(Attacker& attacker, Rng& rng);
void send_wrong_framing(Attacker& attacker, Rng& rng);

// trickle opens that many connections at once, of four slow kinds by turns: a handshake, a head
// and a body that come a byte at a time, and an answer that is hardly read. It goes on with each
// until the server ends it, or `patience` has passed, after which a reader takes what it was sent.
// Returns how many readers got less than `large_answer`, that is, were cut off.
struct Trickled {
  int readers = 0;
  int readers_cut_off = 0;
};
Trickled trickle(Attacker& attacker, int connections, std::chrono::milliseconds patience,
                 std::string_view large_target, std::size_t large_answer);

}  // namespace ensconce::siege
