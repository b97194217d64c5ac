// bench_channels: what the two channels cost. Each command asks its sides in turn, one thing at a
// time, and prints what each asking took; bench/run makes figures of it.

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "../options.h"
#include "ensconce/base/file.h"
#include "ensconce/base/log.h"
#include "ensconce/client/attested_client.h"
#include "ensconce/codec/json.h"
#include "ensconce/ohttp/binary_http.h"
#include "ensconce/ohttp/message.h"

namespace ensconce::bench {
namespace {

constexpr const char* kUsage =
    "usage: bench_channels COMMAND OPTIONS; prints JSON\n"
    "  connect   --worker https://… --policy FILE [--rounds 300]\n"
    "            a new connection and its first request: plain, and attested\n"
    "  sealed    --worker https://… --sealed http://… --plain http://… --policy FILE --size BYTES\n"
    "            [--rounds 300]   one request of that size: in the open, sealed, in TLS, both\n"
    "  ohttp     --size BYTES [--rounds 300]   the sealing and opening alone, without a network\n"
    "  requests  --ours https://… --peer https://… --target PATH [--ours-pid N] [--peer-pid N…]\n"
    "            [--connections 16] [--blocks 20] [--block-ms 500]   requests per second\n";
constexpr std::size_t kMaxSize = std::size_t{8} * 1024 * 1024;
constexpr std::uint64_t kWarmUp = 10;

using Clocked = std::chrono::steady_clock;
double us_since(Clocked::time_point start) {
  return std::chrono::duration<double, std::micro>(Clocked::now() - start).count();
}

json::Value array_of(const std::vector<double>& values) {
  json::Array out;
  for (const double value : values) {
    out.emplace_back(value);
  }
  return json::Value(std::move(out));
}

// A Side does one thing, the same each time.
struct Side {
  std::string name;
  std::function<Result<void>()> once;
};

// in_turn times the sides one after another, so that a machine that is busy now and then is busy
// for all of them; who begins changes, because who comes next finds warmer caches.
Result<json::Value> in_turn(const std::vector<Side>& sides, std::uint64_t rounds) {
  std::vector<std::vector<double>> took(sides.size());
  for (std::uint64_t i = 0; i < kWarmUp + rounds; ++i) {
    for (std::size_t k = 0; k < sides.size(); ++k) {
      const std::size_t at = (i + k) % sides.size();
      const auto start = Clocked::now();
      ENSC_TRY(sides[at].once());
      if (i >= kWarmUp) {
        took[at].push_back(us_since(start));
      }
    }
  }
  json::Object out;
  for (std::size_t k = 0; k < sides.size(); ++k) {
    out.emplace_back(sides[k].name, array_of(took[k]));
  }
  return json::Value(std::move(out));
}

Result<void> expect_status(const Result<HttpResponse>& response, int status) {
  ENSC_TRY(response);
  if (response->status != status) {
    return Error(ChannelError::kUnexpectedAnswer, "expected status " + std::to_string(status) +
                                                      ", got " + std::to_string(response->status));
  }
  return ok();
}

Result<AppraisalPolicy> read_policy(const Options& options) {
  ENSC_TRY_ASSIGN(const std::string path, options.one("--policy"));
  ENSC_TRY_ASSIGN(const std::string text, read_text_file(path));
  return AppraisalPolicy::parse(text, path);
}

Result<Url> url_of(const Options& options, std::string_view name) {
  ENSC_TRY_ASSIGN(const std::string text, options.one(name));
  return parse_url(text);
}

// judged is a document's result, from the cache or into it.
Result<Affirmed> judged(AppraisalCache& cache, const EvidenceDocument& document,
                        const AppraisalPolicy& policy, Instant now) {
  const Sha256Digest question = AppraisalCache::question(document, policy);
  if (const auto known = cache.find(question, now)) {
    return *known->affirmed();
  }
  const AttestationResult result =
      appraise_document(document, policy, std::nullopt, now, &cache.signatures()).result;
  cache.learn(question, result, now);
  if (!result.affirmed()) {
    return result.error() ? *result.error()
                          : Error(ChannelError::kNotAffirmed, "the worker is not affirmed");
  }
  return *result.affirmed();
}

// bound_channel is a channel that may be sent through, without what a client does beyond.
Result<std::unique_ptr<WorkerChannel>> bound_channel(const Url& url, ChannelChoice choice,
                                                     const AppraisalPolicy& policy,
                                                     AppraisalCache& cache, Random& random) {
  ENSC_TRY_ASSIGN(std::unique_ptr<WorkerChannel> channel, open_channel(url, choice, {}, random));
  const auto nonce = random.array<32>();
  Bytes raw;
  ENSC_TRY_ASSIGN(const EvidenceDocument document, channel->fetch_document(nonce, false, raw));
  ENSC_TRY_ASSIGN(const Affirmed affirmed, judged(cache, document, policy, SystemClock().now()));
  ENSC_TRY(channel->bind(document, affirmed, nonce));
  return channel;
}

// ---- connect -----------------------------------------------------------------------------------

Result<json::Value> connect(const Options& options) {
  ENSC_TRY_ASSIGN(const Url worker, url_of(options, "--worker"));
  ENSC_TRY_ASSIGN(const AppraisalPolicy policy, read_policy(options));
  ENSC_TRY_ASSIGN(const std::uint64_t rounds, options.number("--rounds", 300));
  const SystemClock clock;
  SystemRandom random;
  AppraisalCache cache;
  const auto attested = [&](AppraisalCache* remembered) -> Result<void> {
    const ConnectOutcome outcome = AttestedClient::connect(
        worker, policy, ClientOptions{}, clock, random, ChannelChoice::kAttestedTls, remembered);
    return outcome.client ? ok() : Result<void>(outcome.client.error());
  };
  const auto plain = [&](int requests) -> Result<void> {
    ENSC_TRY_ASSIGN(const auto http, HttpClient::connect(worker));
    for (int i = 0; i < requests; ++i) {
      ENSC_TRY(expect_status(http->request({"GET", "/v2/health/live", {}, {}}), 200));
    }
    return ok();
  };
  const auto channel = [&]() -> Result<void> {
    ENSC_TRY(bound_channel(worker, ChannelChoice::kAttestedTls, policy, cache, random));
    return ok();
  };
  return in_turn({{"plain", [&] { return plain(1); }},
                  {"appraised", channel},
                  {"plain_two", [&] { return plain(2); }},
                  {"client", [&] { return attested(&cache); }},
                  {"cold", [&] { return attested(nullptr); }}},
                 rounds);
}

// ---- sealed ------------------------------------------------------------------------------------

// A request that is read whole and then refused at once: what is measured is the way there.
HttpRequest upload(std::size_t size) {
  HttpRequest out{"POST", "/v2/models/none/infer", {}, Bytes(size)};
  SystemRandom().fill(out.body);
  out.headers.set("Content-Type", "application/octet-stream");
  return out;
}

Result<std::size_t> read_size(const Options& options) {
  ENSC_TRY_ASSIGN(const std::uint64_t size, options.number("--size", 1024));
  if (size == 0 || size > kMaxSize) {
    return Error(BaseError::kInvalidArgument, "--size: 1 to " + std::to_string(kMaxSize));
  }
  return static_cast<std::size_t>(size);
}

Result<json::Value> sealed(const Options& options) {
  ENSC_TRY_ASSIGN(const Url worker, url_of(options, "--worker"));
  ENSC_TRY_ASSIGN(const Url open, url_of(options, "--sealed"));
  ENSC_TRY_ASSIGN(const Url plain, url_of(options, "--plain"));
  ENSC_TRY_ASSIGN(const AppraisalPolicy policy, read_policy(options));
  ENSC_TRY_ASSIGN(const std::uint64_t rounds, options.number("--rounds", 300));
  ENSC_TRY_ASSIGN(const std::size_t size, read_size(options));
  const HttpRequest request = upload(size);
  SystemRandom random;
  AppraisalCache cache;
  ENSC_TRY_ASSIGN(const auto http, HttpClient::connect(plain));
  std::vector<Side> sides;
  sides.push_back({"plain", [&] { return expect_status(http->request(request), 404); }});
  const auto add = [&](const std::string& name, const Url& url, ChannelChoice choice,
                       std::unique_ptr<WorkerChannel>& channel) -> Result<void> {
    ENSC_TRY_ASSIGN(channel, bound_channel(url, choice, policy, cache, random));
    sides.push_back({name, [&] { return expect_status(channel->exchange(request), 404); }});
    return ok();
  };
  std::array<std::unique_ptr<WorkerChannel>, 5> channels;
  ENSC_TRY(add("sealed", open, ChannelChoice::kOblivious, channels[0]));
  ENSC_TRY(add("sealed_chunked", open, ChannelChoice::kObliviousChunked, channels[1]));
  ENSC_TRY(add("tls", worker, ChannelChoice::kAttestedTls, channels[2]));
  ENSC_TRY(add("sealed_in_tls", worker, ChannelChoice::kOblivious, channels[3]));
  ENSC_TRY(add("sealed_in_tls_chunked", worker, ChannelChoice::kObliviousChunked, channels[4]));
  return in_turn(sides, rounds);
}

// ---- ohttp -------------------------------------------------------------------------------------

// Each step of one exchange whose request and answer are of that size.
Result<json::Value> ohttp(const Options& options) {
  ENSC_TRY_ASSIGN(const std::uint64_t rounds, options.number("--rounds", 300));
  ENSC_TRY_ASSIGN(const std::size_t size, read_size(options));
  SystemRandom random;
  hpke::PrivateKey private_key = hpke::PrivateKey::generate(hpke::Kem::kX25519, random);
  OhttpKeyConfig config =
      make_key_config(1, private_key, {{hpke::Kdf::kHkdfSha256, hpke::Aead::kAes128Gcm}});
  const OhttpKey key{std::move(config), std::move(private_key)};
  Bytes body(size);
  random.fill(body);
  const BinaryRequest request{"POST",       "https", "worker", "/v2/models/none/infer",
                              {{"a", "b"}}, body,    {}};
  const BinaryResponse response{200, {{"content-type", "application/json"}}, body, {}};
  std::array<std::vector<double>, 4> took;
  for (std::uint64_t i = 0; i < kWarmUp + rounds; ++i) {
    std::array<double, 4> now{};
    auto start = Clocked::now();
    ENSC_TRY_ASSIGN(OhttpRequestSealer sealer,
                    OhttpRequestSealer::start(key.config, false, random));
    const Bytes message = sealer.seal(write_binary_request(request));
    now[0] = us_since(start);
    start = Clocked::now();
    ENSC_TRY_ASSIGN(const OhttpRequestHead head, parse_request_head(message));
    ENSC_TRY_ASSIGN(OhttpRequestOpener opener, OhttpRequestOpener::start(key, head, false));
    ENSC_TRY_ASSIGN(const Bytes opened, opener.open(ByteView(message).subspan(head.len)));
    ENSC_TRY_ASSIGN(const BinaryRequest got, parse_binary_request(opened));
    now[1] = us_since(start);
    start = Clocked::now();
    const Bytes answer = opener.seal_response(write_binary_response(response), random);
    now[2] = us_since(start);
    start = Clocked::now();
    ENSC_TRY_ASSIGN(const Bytes plain, sealer.open_response(answer));
    ENSC_TRY_ASSIGN(const BinaryResponse back, parse_binary_response(plain));
    now[3] = us_since(start);
    if (got != request || back != response) {
      return Error(OhttpError::kBinaryHttp, "what was opened is not what was sealed");
    }
    for (std::size_t k = 0; i >= kWarmUp && k < took.size(); ++k) {
      took[k].push_back(now[k]);
    }
  }
  return json::Value(json::Object{{"seal", array_of(took[0])},
                                  {"open", array_of(took[1])},
                                  {"seal_answer", array_of(took[2])},
                                  {"open_answer", array_of(took[3])}});
}

// ---- requests ----------------------------------------------------------------------------------

using Connections = std::vector<std::unique_ptr<HttpClient>>;

Result<Connections> open_all(const Url& url, std::uint64_t count) {
  Connections out;
  for (std::uint64_t i = 0; i < count; ++i) {
    ENSC_TRY_ASSIGN(std::unique_ptr<HttpClient> http, HttpClient::connect(url));
    out.push_back(std::move(http));
  }
  return out;
}

// cpu_seconds is what processes have used, by proc_pid_stat(5): fields 14 and 15, counted from the
// end of the name, which may have blanks.
Result<double> cpu_seconds(const std::vector<std::string>& pids) {
  double ticks = 0;
  for (const std::string& pid : pids) {
    std::ifstream file("/proc/" + pid + "/stat");
    std::string text;
    std::getline(file, text);
    const std::size_t name_ends = text.rfind(')');
    if (!file || name_ends == std::string::npos) {
      return Error(BaseError::kIo, "there is no process " + pid);
    }
    std::istringstream fields(text.substr(name_ends + 1));
    std::string field;
    for (int i = 3; i <= 15 && fields >> field; ++i) {
      ticks += i >= 14 ? std::strtod(field.c_str(), nullptr) : 0;
    }
  }
  return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

struct Block {
  double per_second = 0;
  double cpu_us = 0;  // of the server, for one request
};

// One thread a connection, each with one request under way.
Result<Block> run_block(Connections& connections, const HttpRequest& request,
                        const std::vector<std::string>& pids, std::chrono::milliseconds length) {
  std::vector<std::uint64_t> done(connections.size());
  std::vector<Result<void>> outcomes(connections.size(), ok());
  ENSC_TRY_ASSIGN(const double cpu_before, cpu_seconds(pids));
  const auto start = Clocked::now();
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < connections.size(); ++i) {
      threads.emplace_back([&, i] {
        std::uint64_t count = 0;
        while (outcomes[i] && Clocked::now() - start < length) {
          outcomes[i] = expect_status(connections[i]->request(request), 200);
          ++count;
        }
        done[i] = count;
      });
    }
  }
  const double us = us_since(start);
  ENSC_TRY_ASSIGN(const double cpu_after, cpu_seconds(pids));
  double all = 0;
  for (std::size_t i = 0; i < done.size(); ++i) {
    ENSC_TRY(outcomes[i]);
    all += static_cast<double>(done[i]);
  }
  return Block{all / us * 1e6, (cpu_after - cpu_before) * 1e6 / all};
}

Result<json::Value> requests(const Options& options) {
  ENSC_TRY_ASSIGN(const Url ours, url_of(options, "--ours"));
  ENSC_TRY_ASSIGN(const Url peer, url_of(options, "--peer"));
  ENSC_TRY_ASSIGN(const std::string target, options.one("--target"));
  ENSC_TRY_ASSIGN(const std::uint64_t count, options.number("--connections", 16));
  ENSC_TRY_ASSIGN(const std::uint64_t blocks, options.number("--blocks", 20));
  ENSC_TRY_ASSIGN(const std::uint64_t block_ms, options.number("--block-ms", 500));
  if (count == 0 || count > 256 || blocks == 0 || blocks > 10'000 || block_ms > 60'000) {
    return Error(BaseError::kInvalidArgument, kUsage);
  }
  const HttpRequest request{"GET", target, {}, {}};
  const std::array<std::vector<std::string>, 2> pids{options.all("--ours-pid"),
                                                     options.all("--peer-pid")};
  std::array<Connections, 2> sides;
  ENSC_TRY_ASSIGN(sides[0], open_all(ours, count));
  ENSC_TRY_ASSIGN(sides[1], open_all(peer, count));
  std::array<std::vector<double>, 2> per_second;
  std::array<std::vector<double>, 2> cpu_us;
  for (std::uint64_t i = 0; i <= blocks; ++i) {
    for (std::size_t k = 0; k < sides.size(); ++k) {
      const std::size_t at = (i + k) % sides.size();
      ENSC_TRY_ASSIGN(const Block block,
                      run_block(sides[at], request, pids[at], std::chrono::milliseconds(block_ms)));
      if (i > 0) {  // the first warms up
        per_second[at].push_back(block.per_second);
        cpu_us[at].push_back(block.cpu_us);
      }
    }
  }
  return json::Value(json::Object{{"ours", array_of(per_second[0])},
                                  {"peer", array_of(per_second[1])},
                                  {"ours_cpu_us", array_of(cpu_us[0])},
                                  {"peer_cpu_us", array_of(cpu_us[1])}});
}

Result<json::Value> run(std::span<char*> arguments) {
  constexpr std::array<std::string_view, 14> kKnown = {
      "--worker",      "--policy", "--rounds",   "--sealed",   "--plain",
      "--size",        "--ours",   "--peer",     "--ours-pid", "--peer-pid",
      "--connections", "--blocks", "--block-ms", "--target"};
  const std::map<std::string_view, Result<json::Value> (*)(const Options&)> commands{
      {"connect", connect}, {"sealed", sealed}, {"ohttp", ohttp}, {"requests", requests}};
  const auto found =
      arguments.empty() ? commands.end() : commands.find(std::string_view(arguments.front()));
  if (found == commands.end()) {
    return Error(BaseError::kInvalidArgument, kUsage);
  }
  ENSC_TRY_ASSIGN(const Options options, Options::parse(arguments.subspan(1), kKnown));
  ENSC_TRY_ASSIGN(const std::uint64_t rounds, options.number("--rounds", 300));
  if (rounds == 0 || rounds > 1'000'000) {
    return Error(BaseError::kInvalidArgument, "--rounds: 1 to 1000000");
  }
  return found->second(options);
}

}  // namespace
}  // namespace ensconce::bench

int main(int argc, char** argv) {
  ensconce::set_log_name("bench_channels");
  try {
    const auto done = ensconce::bench::run({argv + 1, static_cast<std::size_t>(argc - 1)});
    if (!done) {
      std::fprintf(stderr, "bench_channels: %s\n", done.error().to_string().c_str());
      return ensconce::exit_code_of(done.error().stage());
    }
    std::puts(ensconce::json::write(*done).c_str());
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench_channels: %s\n", e.what());
    return 1;
  }
}
