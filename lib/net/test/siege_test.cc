// A server under siege, and what its ordinary clients notice of it.
//
// Everything runs in this process: the server, the attackers, the clients that mean well. The
// attackers' threads have a low priority, for they stand for other machines. The ratio of the
// clients' latencies with and without an attack is measured in windows that alternate, and the
// median of each kind is taken, so that a noisy machine shows in both. It is printed and written to
// net_siege.json in ENSCONCE_REPORT_DIR, and not asserted: two busy cores cannot promise it.

#include <gtest/gtest.h>
#include <malloc.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include "ensconce/net/client.h"
#include "ensconce/net/server.h"
#include "siege_attacks.h"
#include "tls_fixture.h"

namespace ensconce {
namespace {

using namespace std::chrono_literals;
using siege::Attacker;
using siege::Rng;
using test::local;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;  // whose memory is not ours, and whose time is ten times longer
#else
constexpr bool kSanitized = false;
#endif

constexpr int kIdleConnections = kSanitized ? 200 : 1000;
constexpr int kFastAttacks = kSanitized ? 1'000 : 9'800;
constexpr int kSlowAttacks = kSanitized ? 40 : 200;
constexpr int kWindows = 5;
constexpr int kAttackThreads = 4;
constexpr int kClients = 2;

// What a connection may cost in resident memory: while it waits for a request, and at most, with
// a piece of an answer and OpenSSL's buffers full.
constexpr std::size_t kMaxIdleBytes = std::size_t{32} * 1024;
constexpr std::size_t kMaxBusyBytes = std::size_t{256} * 1024;
// What allocators keep of what was freed, and what the attackers' own sessions take.
constexpr std::size_t kSlack = std::size_t{32} * 1024 * 1024;

constexpr std::size_t kPiece = std::size_t{64} * 1024;
constexpr std::size_t kLargeAnswer = std::size_t{32} * 1024 * 1024;
constexpr auto kServerLimit = kSanitized ? 4'000ms : 2'000ms;

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t size = 0;
  std::size_t resident = 0;
  statm >> size >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// resident_bytes_trimmed counts no memory that was freed and is still held: growth from there on is
// not hidden in what an earlier test left behind.
std::size_t resident_bytes_trimmed() {
  ::malloc_trim(0);
  return resident_bytes();
}

// descriptors raises the soft limit to the hard one and returns it.
std::size_t descriptors() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

class Large final : public BodySource {
 public:
  Result<bool> next(Bytes& out) override {
    out.assign(kPiece, 'l');
    left_ -= kPiece;
    return left_ > 0;
  }

 private:
  std::size_t left_ = kLargeAnswer;
};

// Closings counts the connections that the server says have ended.
class Closings {
 public:
  std::function<void(std::uint64_t)> hook() {
    return [this](std::uint64_t) {
      const std::lock_guard lock(mutex_);
      ++count_;
      changed_.notify_all();
    };
  }
  bool wait_for(std::uint64_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 20s, [&] { return count_ >= count; });
  }
  std::uint64_t count() {
    const std::lock_guard lock(mutex_);
    return count_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t count_ = 0;
};

HttpResponse answer(const HttpRequest& request, const ConnectionInfo&) {
  HttpResponse out;
  if (request.target == "/large") {
    out.stream = std::make_shared<Large>();
  } else {
    out.body = to_bytes("well");
  }
  return out;
}

std::unique_ptr<HttpServer> serve(Closings& closings) {
  ServerOptions options;
  options.tls = test::make_identity();
  options.on_closed = closings.hook();
  options.limits.max_connections = kIdleConnections + 100;
  options.limits.handshake_timeout = kServerLimit;
  options.limits.request_timeout = kServerLimit;
  options.limits.response_timeout = kServerLimit;
  return HttpServer::start(std::move(options), answer).value();
}

// Latencies are what the clients of one window waited, in microseconds.
struct Latencies {
  std::vector<double> values;
  std::vector<double> connects;  // handshakes included
  std::uint64_t connections = 0;
  std::uint64_t failed = 0;

  void add(const Latencies& other) {
    values.insert(values.end(), other.values.begin(), other.values.end());
    connects.insert(connects.end(), other.connects.begin(), other.connects.end());
    connections += other.connections;
    failed += other.failed;
  }
  // at returns the value below which that part of all lies.
  [[nodiscard]] double at(double part) {
    if (values.empty()) {
      return 0;
    }
    const auto index = static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), values.begin() + index, values.end());
    return values[static_cast<std::size_t>(index)];
  }
};

// ask_until asks every few milliseconds, on a new connection after each hundred.
template <typename Done>
Latencies ask_until(std::uint16_t port, Done done) {
  Latencies out;
  std::unique_ptr<HttpClient> client;
  for (int i = 0; !done(); ++i) {
    if (i % 100 == 0 || !client || !client->open()) {
      client.reset();
      const auto begin = std::chrono::steady_clock::now();
      auto connected = HttpClient::connect(local("https", port));
      if (!connected) {
        ++out.failed;
        continue;
      }
      const std::chrono::duration<double, std::micro> took =
          std::chrono::steady_clock::now() - begin;
      out.connects.push_back(took.count());
      ++out.connections;
      client = *std::move(connected);
    }
    const auto begin = std::chrono::steady_clock::now();
    const auto response = client->request({"POST", "/", {}, to_bytes("how is it going?")});
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
    if (response && response->status == 200 && as_text(response->body) == "well") {
      out.values.push_back(took.count());
    } else {
      ++out.failed;
    }
    std::this_thread::sleep_for(4ms);  // how often it asks
  }
  return out;
}

// clients_during runs the clients while `work` runs.
template <typename Work>
Latencies clients_during(std::uint16_t port, Work work) {
  std::atomic<bool> done = false;
  std::vector<std::future<Latencies>> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(std::async(std::launch::async,
                                 [&] { return ask_until(port, [&] { return done.load(); }); }));
  }
  work();
  done = true;
  Latencies out;
  for (auto& client : clients) {
    out.add(client.get());
  }
  return out;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

double mib(std::size_t bytes) { return static_cast<double>(bytes) / (1024.0 * 1024.0); }

// report writes one JSON object of numbers where the caller wants it, if it does.
void report(const std::string& file, const std::vector<std::pair<std::string, double>>& numbers) {
  const char* folder = std::getenv("ENSCONCE_REPORT_DIR");
  std::string text = "{";
  for (const auto& [name, value] : numbers) {
    char line[128];
    std::snprintf(line, sizeof(line), "%s\n  \"%s\": %.3f", text.size() > 1 ? "," : "",
                  name.c_str(), value);
    text += line;
    std::printf("  %-34s %14.3f\n", name.c_str(), value);
  }
  if (folder == nullptr) {
    std::printf("ENSCONCE_REPORT_DIR is not set: no %s written\n", file.c_str());
    return;
  }
  std::ofstream(std::string(folder) + "/" + file) << text << "\n}\n";
}

// idle_after_one_answer leaves a connection that has been served once and waits. Only the server's
// end of the session is kept: the client's memory is not what is measured.
Fd idle_after_one_answer(Attacker& attacker) {
  Attacker::Session session = attacker.handshake();
  if (!session.ssl || !session.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")) {
    return {};
  }
  char block[1024];
  std::string seen;
  while (!seen.ends_with("\r\n\r\nwell")) {
    const int n = SSL_read(session.ssl.get(), block, sizeof(block));
    if (n <= 0) {
      return {};
    }
    seen.append(block, static_cast<std::size_t>(n));
  }
  return std::move(session.fd);
}

int idle_connections() {
  const std::size_t limit = descriptors();
  const std::size_t spare = 200;
  const std::size_t room = limit > spare ? (limit - spare) / 2 : 0;  // both ends are ours
  if (room < static_cast<std::size_t>(kIdleConnections)) {
    std::printf("RLIMIT_NOFILE is %zu: only %zu idle connections instead of %d\n", limit, room,
                kIdleConnections);
    return static_cast<int>(room);
  }
  return kIdleConnections;
}

TEST(Siege, AThousandIdleConnectionsCostLittleAndDisturbNobody) {
  const int wanted = idle_connections();
  Closings closings;
  const auto server = serve(closings);
  Attacker attacker(server->port());
  // What the first connections make once is there beforehand.
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(idle_after_one_answer(attacker).valid());
  }
  Latencies before = clients_during(server->port(), [] { std::this_thread::sleep_for(1500ms); });
  EXPECT_EQ(before.failed, 0U);
  std::uint64_t ordinary = before.connections;
  ASSERT_TRUE(closings.wait_for(attacker.opened() + ordinary));

  // Twice, because memory that was used and freed costs otherwise than fresh memory.
  const std::size_t start = resident_bytes_trimmed();
  Latencies during;
  std::array<std::size_t, 2> each{};
  for (std::size_t& bytes : each) {
    std::vector<Fd> idle;
    for (int i = 0; i < wanted; ++i) {
      idle.push_back(idle_after_one_answer(attacker));
      ASSERT_TRUE(idle.back().valid()) << i;
    }
    const std::size_t held = resident_bytes();
    bytes = (held > start ? held - start : 0) / static_cast<std::size_t>(wanted);
    const Latencies seen =
        clients_during(server->port(), [] { std::this_thread::sleep_for(1500ms); });
    EXPECT_EQ(seen.failed, 0U);
    EXPECT_GT(seen.values.size(), 0U);
    during.add(seen);
    ordinary += seen.connections;
    // None was closed to make room, and each ends when its client goes.
    EXPECT_LE(closings.count(), attacker.opened() - idle.size() + ordinary);
    idle.clear();
    EXPECT_TRUE(closings.wait_for(attacker.opened() + ordinary));
  }
  report("net_siege_idle.json", {{"connections", wanted},
                                 {"bytes_per_idle_connection", static_cast<double>(each[0])},
                                 {"bytes_per_idle_connection_later", static_cast<double>(each[1])},
                                 {"rss_start_mib", mib(start)},
                                 {"rss_end_mib", mib(resident_bytes())},
                                 {"p50_before_us", before.at(0.5)},
                                 {"p50_during_us", during.at(0.5)},
                                 {"p99_before_us", before.at(0.99)},
                                 {"p99_during_us", during.at(0.99)}});
  if (kSanitized) {
    std::printf("a sanitizer's build: the memory is not judged\n");
  } else {
    EXPECT_LE(each[0], kMaxIdleBytes);
    EXPECT_LE(each[1], kMaxIdleBytes);
  }
}

using Attack = void (*)(Attacker&, Rng&);
constexpr std::array<Attack, 6> kAttacks = {siege::send_random_bytes,   siege::cut_client_hello,
                                            siege::change_client_hello, siege::break_record,
                                            siege::send_malformed_head, siege::send_wrong_framing};

// be_nice gives an attacker's thread only what nobody else wants: it stands for another machine.
void be_nice() {
  const sched_param none{};
  ::sched_setscheduler(static_cast<pid_t>(::syscall(SYS_gettid)), SCHED_IDLE, &none);
}

// attack runs one window's attacks to their end and returns the most memory seen meanwhile.
std::size_t attack(Attacker& attacker, unsigned window, siege::Trickled& trickled) {
  std::vector<std::future<void>> attackers;
  for (unsigned t = 0; t < kAttackThreads; ++t) {
    attackers.push_back(std::async(std::launch::async, [&attacker, window, t] {
      be_nice();
      Rng rng(window * kAttackThreads + t);
      for (int i = 0; i < kFastAttacks / kWindows / kAttackThreads; ++i) {
        kAttacks[static_cast<std::size_t>(i) % kAttacks.size()](attacker, rng);
      }
    }));
  }
  attackers.push_back(std::async(std::launch::async, [&] {
    be_nice();
    const siege::Trickled out =
        siege::trickle(attacker, kSlowAttacks / kWindows, 2 * kServerLimit, "/large", kLargeAnswer);
    trickled.readers += out.readers;
    trickled.readers_cut_off += out.readers_cut_off;
  }));
  std::size_t peak = 0;
  for (auto& each : attackers) {
    while (each.wait_for(20ms) != std::future_status::ready) {
      peak = std::max(peak, resident_bytes());
    }
    each.get();
  }
  return peak;
}

TEST(Siege, MalformedAndSlowPeersEndAndTheServerServesOn) {
  Closings closings;
  const auto server = serve(closings);
  Attacker attacker(server->port());
  std::uint64_t ordinary = 0;
  std::uint64_t answered = 0;
  siege::Trickled trickled;
  std::size_t start = 0;
  std::size_t peak = 0;
  std::array<std::vector<double>, 2> p50;
  std::array<std::vector<double>, 2> p99;
  std::array<std::vector<double>, 2> connects;
  for (unsigned window = 0; window < kWindows; ++window) {
    for (const bool attacked : {false, true}) {
      Latencies seen = clients_during(server->port(), [&] {
        if (attacked) {
          peak = std::max(peak, attack(attacker, window, trickled));
        } else {
          std::this_thread::sleep_for(1500ms);  // how long a quiet window lasts
        }
      });
      if (start == 0) {
        start = resident_bytes_trimmed();  // after the first quiet window
      }
      EXPECT_EQ(seen.failed, 0U) << "window " << window << (attacked ? ", attacked" : ", quiet");
      ordinary += seen.connections;
      answered += seen.values.size();
      p50[attacked ? 1 : 0].push_back(seen.at(0.5));
      p99[attacked ? 1 : 0].push_back(seen.at(0.99));
      connects[attacked ? 1 : 0].push_back(median(seen.connects));
    }
  }
  EXPECT_EQ(attacker.opened(), static_cast<std::uint64_t>(kFastAttacks + kSlowAttacks));
  EXPECT_EQ(attacker.never_ended(), 0U);
  EXPECT_GT(trickled.readers, 0);
  EXPECT_EQ(trickled.readers_cut_off, trickled.readers);
  EXPECT_TRUE(closings.wait_for(attacker.opened() + ordinary));
  EXPECT_EQ(closings.count(), attacker.opened() + ordinary);
  const std::size_t end = resident_bytes();

  const double ratio = median(p99[1]) / std::max(median(p99[0]), 1.0);
  report("net_siege.json", {{"attack_connections", static_cast<double>(attacker.opened())},
                            {"ordinary_answers", static_cast<double>(answered)},
                            {"p50_quiet_us", median(p50[0])},
                            {"p50_attacked_us", median(p50[1])},
                            {"p99_quiet_us", median(p99[0])},
                            {"p99_attacked_us", median(p99[1])},
                            {"p99_ratio", ratio},
                            {"connect_p50_quiet_us", median(connects[0])},
                            {"connect_p50_attacked_us", median(connects[1])},
                            {"rss_start_mib", mib(start)},
                            {"rss_peak_mib", mib(peak)},
                            {"rss_end_mib", mib(end)}});
  std::printf("p99 under attack is %.2f times that of the quiet windows: %s twice\n", ratio,
              ratio <= 2 ? "within" : "OVER");
  if (kSanitized) {
    std::printf("a sanitizer's build: the memory is not judged\n");
    return;
  }
  constexpr std::size_t kAtOnce = kAttackThreads + kSlowAttacks / kWindows + kClients;
  EXPECT_LE(peak, start + kAtOnce * kMaxBusyBytes + kSlack);
  EXPECT_LE(end, start + kSlack);
}

}  // namespace
}  // namespace ensconce
