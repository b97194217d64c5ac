// ensconce-worker: the process inside the TEE. Small on purpose: this is what gets measured.

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <thread>

#include "ensconce/base/file.h"
#include "ensconce/base/kept_secret.h"
#include "ensconce/base/log.h"
#include "ensconce/base/stop_signals.h"
#include "ensconce/broker_link/pinned_broker.h"
#include "ensconce/codec/json.h"
#include "ensconce/inference/onnxruntime.h"
#include "ensconce/sandbox/explain.h"
#include "ensconce/sandbox/sandbox.h"
#include "ensconce/server/attested_worker.h"
#include "ensconce/server/worker_sandbox.h"
#include "ensconce/tee/detect.h"

namespace ensconce {
namespace {

constexpr const char* kUsage =
    "ensconce-worker: serve sealed models from inside a trusted execution environment.\n"
    "\n"
    "usage: ensconce-worker --config worker.toml\n"
    "       ensconce-worker --explain-sandbox [--json] --config worker.toml\n"
    "\n"
    "It boots without keys, asks the secure processor for evidence (configfs-tsm, sev-guest, "
    "Gramine, Azure's vTPM),\n"
    "gets the content keys from the broker, and serves the Open Inference Protocol over attested\n"
    "TLS 1.3. When ready it prints one line of JSON to stdout: {\"ready\":true,\"port\":…}.\n"
    "Every key of worker.toml is in docs/config.md. There is no plaintext mode.\n"
    "\n"
    "  --config FILE       the configuration\n"
    "  --check             read the configuration, say what is wrong with it, and stop\n"
    "  --explain-sandbox   say what the worker locks itself out of, with which this kernel can "
    "help,\n"
    "                      and stop; with --json for machines. docs/sandbox.md\n"
    "  --version           print the version\n";

Result<WorkerConfig> read_config(const char* path) {
  ENSC_TRY_ASSIGN(const std::string text, read_text_file(path));
  return parse_worker_config(text, path);
}

// What the worker knows of its broker beforehand: pin, key, and the policy for its evidence if any.
Result<ExpectedBroker> expected_broker(const WorkerConfig& config) {
  ExpectedBroker out{config.broker_url, config.broker_tls_pin, config.broker_key, std::nullopt};
  if (!config.broker_policy.empty()) {
    ENSC_TRY_ASSIGN(out.policy, read_broker_policy(config.broker_policy));
  }
  return out;
}

Result<std::unique_ptr<HttpServer>> start_server(const WorkerConfig& config,
                                                 AttestedWorker& worker) {
  ServerOptions options;
  options.address = config.listen.address;
  options.port = config.listen.port;
  options.handler_threads = config.handler_threads;
  options.at_once = AttestedWorker::answers_at_once;
  options.intake = [&worker](const HttpRequest& head) { return worker.intake(head); };
  options.tls = worker.tls_identity();
  options.ask_client_certificate = worker.judges_peers();
  options.on_closed = [&worker](std::uint64_t id) { worker.forget_connection(id); };
  return HttpServer::start(std::move(options),
                           [&worker](const HttpRequest& request, const ConnectionInfo& info) {
                             return worker.handle(request, info);
                           });
}

// The listener behind a balancer that ends TLS itself: what it sees is sealed, or evidence.
Result<std::unique_ptr<HttpServer>> start_sealed_server(const WorkerConfig& config,
                                                        AttestedWorker& worker) {
  ServerOptions options;
  options.address = config.listen_sealed->address;
  options.port = config.listen_sealed->port;
  options.handler_threads = config.handler_threads;
  options.at_once = AttestedWorker::answers_at_once;
  options.intake = [&worker](const HttpRequest& head) { return worker.intake(head); };
  return HttpServer::start(std::move(options),
                           [&worker](const HttpRequest& request, const ConnectionInfo& info) {
                             return worker.handle_in_the_open(request, info);
                           });
}

Result<void> serve(const WorkerConfig& config) {
  ENSC_TRY_ASSIGN(ExpectedBroker expected, expected_broker(config));
  // From here on this process meets others: the broker, bundles from a disk of the host, clients.
  keep_secrets_from_kernel();
  ENSC_TRY_ASSIGN(const SandboxInForce sandbox,
                  enter_sandbox(worker_sandbox(config), config.sandbox));
  log_info("sandbox: " + sandbox.to_string());

  // A device that hangs keeps a thread, which borrows these, until the process ends.
  static const SystemClock clock;
  static SystemRandom random;
  ENSC_TRY_ASSIGN(const std::unique_ptr<EvidenceProvider> provider,
                  make_evidence_provider(config.attester, clock, random, log_info));
  PinnedBroker broker(std::move(expected), clock, random);
  ENSC_TRY_ASSIGN(const std::unique_ptr<EngineFactory> engines, make_onnxruntime());
  const StopSignals signals;

  const WorkerDependencies dependencies{clock,  random,   *provider,
                                        broker, *engines, sandbox.to_string()};
  ENSC_TRY_ASSIGN(const std::unique_ptr<AttestedWorker> worker,
                  AttestedWorker::boot(config, dependencies));
  ENSC_TRY_ASSIGN(const std::unique_ptr<HttpServer> server, start_server(config, *worker));
  std::unique_ptr<HttpServer> sealed;
  if (config.listen_sealed) {
    ENSC_TRY_ASSIGN(sealed, start_sealed_server(config, *worker));
  }
  ENSC_TRY(close_listeners(sandbox));
  worker->on_new_identity([&](TlsIdentity identity) {
    if (const Result<void> set = server->set_identity(std::move(identity)); !set) {
      log_failure("the new certificate cannot be shown", set.error());
    }
  });
  const std::jthread maintenance([&](const std::stop_token& stop) {
    worker->run_maintenance(stop);
    if (!stop.stop_requested()) {
      log_info("the keys of this boot have ended; start again for new ones");
      kill(getpid(), SIGTERM);
    }
  });
  json::Object ready{{"ready", true},
                     {"address", config.listen.address},
                     {"port", static_cast<int>(server->port())}};
  if (sealed != nullptr) {
    ready.emplace_back("sealed_port", static_cast<int>(sealed->port()));
  }
  std::cout << json::write(json::Value(std::move(ready))) << std::endl;
  log_info("ready on " + config.listen.address + ":" + std::to_string(server->port()));
  signals.wait();
  log_info("stopping");
  if (sealed != nullptr) {
    sealed->stop();
  }
  server->stop();
  return ok();
}

void explain(const WorkerConfig& config, bool for_machines) {
  const SandboxPlan plan = worker_sandbox(config);
  const SandboxSupport support = probe_sandbox();
  std::cout << (for_machines
                    ? json::write_pretty(sandbox_to_json(plan, config.sandbox, support)) + "\n"
                    : explain_sandbox(plan, config.sandbox, support));
}

int run(int argc, char** argv) {
  set_log_name("ensconce-worker");
  forbid_dumps();
  const char* path = nullptr;
  bool check_only = false;
  bool explain_only = false;
  bool for_machines = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--config") == 0 && i + 1 < argc) {
      path = argv[++i];
    } else if (std::strcmp(argv[i], "--check") == 0) {
      check_only = true;
    } else if (std::strcmp(argv[i], "--explain-sandbox") == 0) {
      explain_only = true;
    } else if (std::strcmp(argv[i], "--json") == 0) {
      for_machines = true;
    } else if (std::strcmp(argv[i], "--version") == 0) {
      std::cout << "ensconce-worker " << ENSC_VERSION << "\n";
      return 0;
    } else if (std::strcmp(argv[i], "--help") == 0 || std::strcmp(argv[i], "-h") == 0) {
      std::cout << kUsage;
      return 0;
    } else {
      std::cerr << "ensconce-worker: unknown argument " << argv[i] << "\n\n" << kUsage;
      return exit_code_of(Stage::kUsage);
    }
  }
  if (path == nullptr || (for_machines && !explain_only)) {
    std::cerr << kUsage;
    return exit_code_of(Stage::kUsage);
  }
  const Result<WorkerConfig> config = read_config(path);
  Result<void> done = config ? ok() : Result<void>(config.error());
  if (config && explain_only) {
    explain(*config, for_machines);
  } else if (config && check_only) {
    const Result<ExpectedBroker> expected = expected_broker(*config);
    done = expected ? ok() : Result<void>(expected.error());
  } else if (config) {
    done = serve(*config);
  }
  if (!done) {
    log_failure("cannot serve", done.error());
    return exit_code_of(done.error().stage());
  }
  return 0;
}

}  // namespace
}  // namespace ensconce

int main(int argc, char** argv) {
  try {
    return ensconce::run(argc, argv);
  } catch (const std::exception&) {
    // What an exception says may quote what it stumbled over.
    ensconce::log_error("stopped by an unexpected exception");
    return 1;
  }
}
