// ensconce-bench-plain: the worker's request path without any protection, for measuring what the
// protection costs: plain HTTP, plain model directories, no evidence, no keys. Never shipped.

#include <csignal>
#include <cstdio>
#include <iostream>

#include "../model_files.h"
#include "../options.h"
#include "ensconce/base/log.h"
#include "ensconce/codec/json.h"
#include "ensconce/inference/onnxruntime.h"
#include "ensconce/net/server.h"
#include "ensconce/server/v2_service.h"

namespace ensconce::bench {
namespace {

constexpr const char* kUsage =
    "ensconce-bench-plain: serve models over plain HTTP, UNPROTECTED, to measure against.\n"
    "\n"
    "usage: ensconce-bench-plain --model NAME=DIRECTORY … [--port 0] [--handler-threads 2]\n"
    "                            [--intra-op-threads 1]\n"
    "\n"
    "Listens on 127.0.0.1 and prints {\"ready\":true,\"port\":…} when it does.\n";

Result<ServedEntry> load(const std::string& argument, EngineFactory& engines,
                         const EngineOptions& options) {
  const std::size_t sign = argument.find('=');
  if (sign == std::string::npos || sign == 0) {
    return Error(BaseError::kInvalidArgument, "--model wants NAME=DIRECTORY");
  }
  ENSC_TRY_ASSIGN(std::unique_ptr<Model> model,
                  load_directory(argument.substr(sign + 1), engines, options));
  ServedEntry out;
  out.name = argument.substr(0, sign);
  out.version = 1;
  out.model = std::move(model);
  return out;
}

Result<void> serve(std::span<char*> arguments) {
  constexpr std::array<std::string_view, 4> kKnown = {"--model", "--port", "--handler-threads",
                                                      "--intra-op-threads"};
  ENSC_TRY_ASSIGN(const Options options, Options::parse(arguments, kKnown));
  ENSC_TRY_ASSIGN(const std::uint64_t port, options.number("--port", 0));
  ENSC_TRY_ASSIGN(const std::uint64_t handlers, options.number("--handler-threads", 2));
  ENSC_TRY_ASSIGN(const std::uint64_t intra_op, options.number("--intra-op-threads", 1));
  if (port > 65535 || handlers == 0 || handlers > 256 || intra_op == 0 || intra_op > 256 ||
      options.all("--model").empty()) {
    return Error(BaseError::kInvalidArgument, kUsage);
  }
  ENSC_TRY_ASSIGN(const std::unique_ptr<EngineFactory> engines, make_onnxruntime());
  // Signals are waited for below; threads started from here on inherit the mask.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  const SystemClock clock;
  ModelRegistry registry;
  EngineOptions engine_options;
  engine_options.intra_op_threads = static_cast<int>(intra_op);
  for (const std::string& argument : options.all("--model")) {
    ENSC_TRY_ASSIGN(ServedEntry entry, load(argument, *engines, engine_options));
    registry.put(std::move(entry));
  }
  const V2Service service(registry, clock, BundleRule::kIgnored);
  ServerOptions server_options;
  server_options.port = static_cast<std::uint16_t>(port);
  server_options.handler_threads = static_cast<unsigned>(handlers);
  ENSC_TRY_ASSIGN(const std::unique_ptr<HttpServer> server,
                  HttpServer::start(std::move(server_options),
                                    [&](const HttpRequest& request, const ConnectionInfo&) {
                                      return service.handle(request);
                                    }));
  std::cout << json::write(
                   json::Object{{"ready", true}, {"port", static_cast<int>(server->port())}})
            << std::endl;
  int signal = 0;
  sigwait(&signals, &signal);
  server->stop();
  return ok();
}

}  // namespace
}  // namespace ensconce::bench

int main(int argc, char** argv) {
  ensconce::set_log_name("ensconce-bench-plain");
  try {
    const ensconce::Result<void> done =
        ensconce::bench::serve({argv + 1, static_cast<std::size_t>(argc - 1)});
    if (!done) {
      std::fprintf(stderr, "ensconce-bench-plain: %s\n", done.error().to_string().c_str());
      return ensconce::exit_code_of(done.error().stage());
    }
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "ensconce-bench-plain: %s\n", e.what());
    return 1;
  }
}
