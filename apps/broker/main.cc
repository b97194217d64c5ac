// ensconce-broker: keeps content keys and releases them to attested workers.

#include <sys/stat.h>

#include <algorithm>
#include <iostream>

#include "ensconce/attestation/result/render.h"
#include "ensconce/attester/broker_attester.h"
#include "ensconce/attester/processor_paths.h"
#include "ensconce/base/file.h"
#include "ensconce/base/kept_secret.h"
#include "ensconce/base/log.h"
#include "ensconce/base/printable.h"
#include "ensconce/base/stop_signals.h"
#include "ensconce/codec/json.h"
#include "ensconce/keybroker/config.h"
#include "ensconce/keybroker/key_broker.h"
#include "ensconce/keybroker/sqlite_store.h"
#include "ensconce/sandbox/explain.h"
#include "ensconce/sandbox/sandbox.h"
#include "ensconce/tee/detect.h"
#include "state.h"

namespace ensconce::broker {
namespace {

constexpr const char* kUsage =
    "ensconce-broker: keep content keys, and release them to attested workers alone.\n"
    "\n"
    "usage: ensconce-broker --config broker.toml [--state DIR]\n"
    "       ensconce-broker --explain-sandbox [--json] --config broker.toml [--state DIR]\n"
    "       ensconce-broker init --state DIR\n"
    "\n"
    "It makes its keys on the first start and prints one line of JSON to stdout when it is ready:\n"
    "{\"ready\":true,\"port\":…,\"key\":\"<hex>\",\"tls_pin\":\"<hex>\"}. `init` makes the keys, "
    "prints\n"
    "key and pin, and stops. Every key of broker.toml is in docs/config-broker.md.\n"
    "\n"
    "  --config FILE       the configuration\n"
    "  --state DIR         where keys, database and log are kept; overrides the configuration\n"
    "  --check             read the configuration, say what is wrong with it, and stop\n"
    "  --explain-sandbox   say what the broker locks itself out of, with which this kernel can "
    "help,\n"
    "                      and stop; with --json for machines. docs/sandbox.md\n"
    "  --version           print the version\n";

struct Arguments {
  bool init = false;
  bool check_only = false;
  bool explain_only = false;
  bool for_machines = false;
  std::string config;
  std::string state;
};

WireRequest to_wire(const HttpRequest& request) {
  WireRequest out{request.method, request.target, {}, request.body};
  for (const HttpHeader& header : request.headers.all()) {
    std::string name = header.name;
    std::transform(name.begin(), name.end(), name.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    out.headers.emplace(std::move(name), header.value);
  }
  return out;
}

HttpResponse from_wire(WireResponse response) {
  HttpResponse out;
  out.status = response.status;
  for (auto& [name, value] : response.headers) {
    out.headers.set(name, std::move(value));
  }
  out.headers.set("Cache-Control", "no-store");
  out.body = std::move(response.body);
  return out;
}

// filtered lets through, of the lines of a verdict, our marks and what a terminal only shows.
std::string filtered(std::string_view text) {
  constexpr std::size_t kMaxLine = 8192;
  std::string out;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    for (const std::string_view mark : {"  ✓ ", "  ✗ "}) {
      if (line.starts_with(mark)) {
        out += mark;
        line.remove_prefix(mark.size());
      }
    }
    out += printable(line, kMaxLine) + "\n";
  }
  return out;
}

void say_decision(const LogEntry& entry, const AttestationResult* result) {
  std::string line(name_of(entry.decision));
  if (!entry.code.empty()) {
    line += " by " + entry.code;
  }
  if (entry.key_id) {
    line += ", key " + to_hex(*entry.key_id);
  }
  if (entry.name) {
    line += ", model " + *entry.name;
  }
  if (entry.version) {
    line += ", version " + std::to_string(*entry.version);
  }
  if (entry.policy) {
    line += ", policy " + *entry.policy;
  }
  if (entry.count) {
    line += ", " + std::to_string(*entry.count) + " times";
  }
  log_info(line);
  if (result != nullptr && entry.decision == LogDecision::kRefusal) {
    std::cerr << filtered(result_to_text(*result, false)) << std::flush;
  }
}

// sandbox_of is what a broker of this configuration needs from the system once its state directory
// is there: docs/sandbox.md.
SandboxPlan sandbox_of(const BrokerConfig& config, const std::string& state) {
  SandboxPlan plan;
  plan.program = "ensconce-broker";
  plan.files.push_back({state, FileUse::kStore, "keys, database and log (state)"});
  plan.files.push_back({"/dev/urandom", FileUse::kRead, "SQLite's own random numbers"});
  if (config.attester) {
    plan.ask_processor(processor_paths(*config.attester));
  }
  plan.listens.push_back({config.port, "workers and owners (listen)"});
  return plan;
}

Result<void> serve(const BrokerConfig& config, State state, const SandboxInForce& sandbox,
                   const Clock& clock, Random& random) {
  const StopSignals signals;

  const Ed25519PublicKey signing_key = state.signing_key.public_key();
  std::unique_ptr<EvidenceProvider> provider;
  std::unique_ptr<BrokerAttester> attester;  // absent: this broker shows no evidence
  if (config.attester) {
    ENSC_TRY_ASSIGN(provider, make_evidence_provider(*config.attester, clock, random, log_info));
    ENSC_TRY_ASSIGN(attester,
                    BrokerAttester::start({state.tls_key_hash, signing_key, config.owner_keys,
                                           config.deployment_digest, sandbox.to_string()},
                                          *provider, clock, random));
  }
  ENSC_TRY_ASSIGN(const std::unique_ptr<BrokerStore> store,
                  open_sqlite_store(state.directory / "broker.db"));
  ENSC_TRY_ASSIGN(const std::unique_ptr<KeyBroker> broker,
                  KeyBroker::open({config.owner_keys, state.tls_spki_sha256, config.lease_seconds},
                                  std::move(state.signing_key), std::move(state.root_key), *store,
                                  clock, random, say_decision));
  ServerOptions options;
  options.address = config.address;
  options.port = config.port;
  options.limits.max_body = kMaxBrokerBody;
  options.tls = std::move(state.tls);
  ENSC_TRY_ASSIGN(
      const std::unique_ptr<HttpServer> server,
      HttpServer::start(
          std::move(options), [&](const HttpRequest& request, const ConnectionInfo& connection) {
            if (attester != nullptr && path_of(request.target) == kEvidencePath) {
              return attester->answer(request, connection);
            }
            WireRequest wire = to_wire(request);
            WireResponse response = broker->handle(wire);
            wipe(wire.body.data(), wire.body.size());  // an owner's upload carries a content key
            return from_wire(std::move(response));
          }));
  ENSC_TRY(close_listeners(sandbox));
  std::cout << json::write(json::Object{{"ready", true},
                                        {"port", static_cast<int>(server->port())},
                                        {"key", to_hex(signing_key.bytes)},
                                        {"tls_pin", to_hex(state.tls_spki_sha256)}})
            << std::endl;
  log_info("ready on " + config.address + ":" + std::to_string(server->port()) + ", " +
           std::to_string(broker->log_head().size) + " log entries" +
           (attester != nullptr ? ", shows evidence by " + provider->name() : ""));
  signals.wait();
  log_info("stopping");
  server->stop();
  return ok();
}

Result<void> run(const Arguments& arguments) {
  // A device that hangs keeps a thread, which borrows these, until the process ends.
  static const SystemClock clock;
  static SystemRandom random;
  if (arguments.init) {
    if (arguments.state.empty()) {
      return Error(BaseError::kInvalidArgument, "init needs --state DIR");
    }
    ENSC_TRY_ASSIGN(const State state, open_state(arguments.state, clock, random));
    std::cout << identity_json(state) << std::endl;
    return ok();
  }
  ENSC_TRY_ASSIGN(const std::string text, read_text_file(arguments.config));
  ENSC_TRY_ASSIGN(const BrokerConfig config, parse_broker_config(text, arguments.config));
  const std::string directory = arguments.state.empty() ? config.state : arguments.state;
  if (directory.empty()) {
    return Error(KeyBrokerError::kConfig, "no state directory")
        .with_remedy("write state = \"…\" or give --state DIR");
  }
  if (arguments.check_only) {
    return ok();
  }
  const SandboxPlan plan = sandbox_of(config, directory);
  if (arguments.explain_only) {
    const SandboxSupport support = probe_sandbox();
    std::cout << (arguments.for_machines
                      ? json::write_pretty(sandbox_to_json(plan, config.sandbox, support)) + "\n"
                      : explain_sandbox(plan, config.sandbox, support));
    return ok();
  }
  keep_secrets_from_kernel();
  ENSC_TRY_ASSIGN(State state, open_state(directory, clock, random));
  ENSC_TRY_ASSIGN(const SandboxInForce sandbox, enter_sandbox(plan, config.sandbox));
  log_info("sandbox: " + sandbox.to_string());
  return serve(config, std::move(state), sandbox, clock, random);
}

int main_with(int argc, char** argv) {
  set_log_name("ensconce-broker");
  forbid_dumps();
  umask(077);
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "init" && i == 1) {
      arguments.init = true;
    } else if (word == "--config" && i + 1 < argc) {
      arguments.config = argv[++i];
    } else if (word == "--state" && i + 1 < argc) {
      arguments.state = argv[++i];
    } else if (word == "--check") {
      arguments.check_only = true;
    } else if (word == "--explain-sandbox") {
      arguments.explain_only = true;
    } else if (word == "--json") {
      arguments.for_machines = true;
    } else if (word == "--version") {
      std::cout << "ensconce-broker " << ENSC_VERSION << "\n";
      return 0;
    } else if (word == "--help" || word == "-h") {
      std::cout << kUsage;
      return 0;
    } else {
      std::cerr << "ensconce-broker: unknown argument " << word << "\n\n" << kUsage;
      return exit_code_of(Stage::kUsage);
    }
  }
  if ((!arguments.init && arguments.config.empty()) ||
      (arguments.for_machines && !arguments.explain_only)) {
    std::cerr << kUsage;
    return exit_code_of(Stage::kUsage);
  }
  const Result<void> done = run(arguments);
  if (!done) {
    log_failure("cannot serve", done.error());
    return exit_code_of(done.error().stage());
  }
  return 0;
}

}  // namespace
}  // namespace ensconce::broker

int main(int argc, char** argv) {
  try {
    return ensconce::broker::main_with(argc, argv);
  } catch (const std::exception&) {
    // What an exception says may quote what it stumbled over.
    ensconce::log_error("stopped by an unexpected exception");
    return 1;
  }
}
