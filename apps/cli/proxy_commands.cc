#include <CLI/CLI.hpp>
#include <charconv>
#include <condition_variable>
#include <cstdio>
#include <iostream>
#include <memory>
#include <mutex>
#include <thread>

#include "cli.h"
#include "ensconce/base/file.h"
#include "ensconce/base/log.h"
#include "ensconce/base/stop_signals.h"
#include "ensconce/client/proxy.h"
#include "ensconce/codec/json.h"
#include "ensconce/net/server.h"
#include "verdict.h"

namespace ensconce::cli {

namespace {

constexpr Millis kWarmEvery = std::chrono::seconds(30);

struct ProxyArguments {
  std::string url;
  std::string policy;
  std::string listen = "127.0.0.1:8000";
  std::string channel = "tls";
  unsigned threads = 8;
};

struct Listen {
  std::string address;
  std::uint16_t port = 0;
};

// The proxy speaks plain HTTP: what is between it and its programs must be this machine alone.
Result<Listen> read_listen(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  const std::string address = colon == std::string::npos ? "" : text.substr(0, colon);
  unsigned port = 65536;
  if (colon != std::string::npos) {
    const char* end = text.data() + text.size();
    if (std::from_chars(text.data() + colon + 1, end, port).ptr != end) {
      port = 65536;
    }
  }
  if (port > 65535 || (address != "127.0.0.1" && address != "[::1]" && address != "localhost")) {
    return Error(NetError::kInvalidArgument,
                 "--listen: expected 127.0.0.1:PORT or [::1]:PORT, got " + text)
        .with_remedy(
            "the proxy speaks plain HTTP with the programs beside it, so it listens on this "
            "machine's loopback alone; run one on each machine");
  }
  return Listen{address == "[::1]" ? "::1" : "127.0.0.1", static_cast<std::uint16_t>(port)};
}

Result<int> proxy(const ProxyArguments& a, const Context& context) {
  ENSC_TRY_ASSIGN(const Listen listen, read_listen(a.listen));
  ENSC_TRY_ASSIGN(const std::string text, read_text_file(a.policy));
  ENSC_TRY_ASSIGN(AppraisalPolicy policy, AppraisalPolicy::parse(text, a.policy));
  ProxyOptions options;
  ENSC_TRY_ASSIGN(options.url, parse_url(a.url));
  ENSC_TRY_ASSIGN(options.choice, channel_choice(a.channel));
  options.max_idle_channels = a.threads;

  const StopSignals signals;

  AttestedProxy attested(std::move(policy), std::move(options), context.clock, context.random);
  // A worker that is refused now is said so now, and not to the first program that asks.
  {
    const AttestedProxy::Started started = attested.start();
    if (started.appraisal) {
      say_verdict(*started.appraisal, false);
    }
    ENSC_TRY(started.done);
  }
  ServerOptions server_options;
  server_options.address = listen.address;
  server_options.port = listen.port;
  server_options.handler_threads = a.threads;
  ENSC_TRY_ASSIGN(const std::unique_ptr<HttpServer> server,
                  HttpServer::start(std::move(server_options),
                                    [&](const HttpRequest& request, const ConnectionInfo&) {
                                      return attested.handle(request);
                                    }));
  const std::jthread keeping_warm([&](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    while (!stop.stop_requested()) {
      if (const Result<void> warmed = attested.warm(); !warmed) {
        log_failure("no affirmed worker; requests are refused until there is one", warmed.error());
      }
      wake.wait_for(lock, stop, kWarmEvery, [] { return false; });
    }
  });
  const std::string base = "http://" + (listen.address == "::1" ? "[::1]" : listen.address) + ":" +
                           std::to_string(server->port());
  std::cout << json::write(json::Object{
                   {"ready", true}, {"url", base}, {"port", static_cast<int>(server->port())}})
            << std::endl;
  std::fprintf(stderr, "programs on this machine reach the worker at %s\n", base.c_str());
  signals.wait();
  server->stop();
  return 0;
}

}  // namespace

void register_proxy_commands(Registrar registrar) {
  auto arguments = std::make_shared<ProxyArguments>();
  CLI::App* command = registrar.app.add_subcommand(
      "proxy",
      "Let programs that know nothing of attestation use a verified worker.\n"
      "Listens on this machine's loopback, verifies the worker by the policy before anything is\n"
      "sent, and again before its evidence grows old. When the worker is refused, so is every\n"
      "request: there is no other way out.\n"
      "example: ensconce proxy https://worker.example:8443 --policy client.toml\n"
      "         curl http://127.0.0.1:8000/v2/models/line-reader\n"
      "         tritonclient.http.InferenceServerClient(\"127.0.0.1:8000\")");
  command->add_option("url", arguments->url, "address of the worker, or of the balancer before it")
      ->required();
  command->add_option("--policy", arguments->policy, "appraisal policy (docs/policy.md)")
      ->required();
  command->add_option("--listen", arguments->listen,
                      "loopback address and port (default 127.0.0.1:8000; port 0: any free one)");
  command->add_option("--channel", arguments->channel, kChannelHelp)
      ->check(CLI::IsMember({"tls", "ohttp", "ohttp-chunked"}));
  command->add_option("--threads", arguments->threads, "requests that travel at the same time")
      ->check(CLI::Range(1, 256));
  command->callback([arguments, registrar]() {
    registrar.chosen = [arguments, &context = registrar.context] {
      return proxy(*arguments, context);
    };
  });
}

}  // namespace ensconce::cli
