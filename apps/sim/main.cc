#include <unistd.h>
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <functional>

#include "ensconce/base/log.h"
#include "ensconce/codec/json.h"
#include "ensconce/sim/processors.h"
#include "ensconce/sim/runner.h"
#include "ensconce/sim/vtpm_file.h"

namespace ensconce {

namespace {

constexpr const char* kAbout =
    R"(ensconce-sim: a SIMULATED secure processor, for machines that have none.

It plays the part of a secure processor for one program: it copies the program, everything the
dynamic loader brings in and the files its arguments name into a private directory, measures the
copies, starts them there, and answers evidence of the genuine format to that process and to no
other. It protects NOTHING: whoever runs the machine reads the program's memory. Its evidence
verifies under a root of its own that no policy accepts unless it names it.

  --platform snp    AMD SEV-SNP by configfs-tsm (the default)
  --platform tdx    Intel TDX by configfs-tsm
  --platform sgx    Intel SGX by Gramine's attestation files
  --platform azure  an Azure confidential VM on SEV-SNP by its vTPM (needs swtpm)

A first time:
  ensconce-sim init    --state ~/.sim                  make the roots and the chips' keys
  ensconce-sim anchor  --state ~/.sim                  what a policy must name to believe it
  ensconce-sim measure --state ~/.sim -- ensconce-worker --config worker.toml
                                                       the measurement a policy will expect
  ensconce-sim run     --state ~/.sim -- ensconce-worker --config worker.toml

The started program finds its device relative to its working directory: "tsm", "attestation" or
"tpm", and certificates that the device does not hand out in "endorsements"; set the keys of these
names in its configuration. Its environment is empty but for LD_*, ENSCONCE_*, MALLOC_* and
GLIBC_TUNABLES of the caller and what --env gives; all of it is measured.

With --fault the device misbehaves as told: docs/simulator.md lists how.

JSON for machines goes to stdout (with run, stdout is the program's), words for people to stderr.)";

struct Arguments {
  std::string state;
  std::vector<std::string> environment;
  std::vector<std::string> program;
  std::string platform = "snp";
  std::vector<std::string> faults;
  std::string transport = "auto";
  bool keep = false;
  bool pem = false;
};

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void say(const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); }

Result<Environment> added_environment(const std::vector<std::string>& assignments) {
  Environment out;
  for (const std::string& assignment : assignments) {
    const std::size_t sign = assignment.find('=');
    if (sign == 0 || sign == std::string::npos) {
      return Error(BaseError::kInvalidArgument, "--env wants NAME=VALUE");
    }
    out[assignment.substr(0, sign)] = assignment.substr(sign + 1);
  }
  return out;
}

Environment caller_environment() {
  Environment out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view line = *entry;
    if (const std::size_t sign = line.find('='); sign != std::string_view::npos) {
      out[std::string(line.substr(0, sign))] = std::string(line.substr(sign + 1));
    }
  }
  return out;
}

// The parser let only names through that are platforms.
Platform platform_of(const Arguments& arguments) {
  return platform_from_name(arguments.platform).value_or(Platform::kSnp);
}

Result<LaunchRequest> launch_request(const Arguments& arguments) {
  ENSC_TRY_ASSIGN(const Environment added, added_environment(arguments.environment));
  const Environment caller = caller_environment();
  const auto path = caller.find("PATH");
  return LaunchRequest{arguments.program, launch_environment(caller, added),
                       path == caller.end() ? "/usr/local/bin:/usr/bin:/bin" : path->second,
                       platform_of(arguments)};
}

Result<int> init(const Arguments& arguments, const Clock& clock, Random& random) {
  say("SIMULATED processors: what is missing of roots and keys is made; this can take some seconds "
      "…");
  ENSC_TRY_ASSIGN(const bool made, SimulatorState::init(arguments.state, random, clock));
  say("SIMULATED processors: " + (made ? "made in " + arguments.state
                                       : arguments.state + " has all of them; nothing changed"));
  return 0;
}

Result<int> anchor(const Arguments& arguments) {
  ENSC_TRY_ASSIGN(const SimulatorState state, SimulatorState::open(arguments.state));
  const Platform platform = platform_of(arguments);
  std::string pem = state.pki().ark_pem();
  std::string product(name_of(*state.pki().report_template().cpuid_product()));
  Certificate root = state.pki().ark();
  if (platform == Platform::kTdx || platform == Platform::kSgx) {
    ENSC_TRY_ASSIGN(const SimulatorState::Intel* intel, state.intel());
    pem = intel->pki.root_pem();
    product = "Intel";
    root = intel->pki.root();
  }
  print(arguments.pem ? pem
                      : json::write_pretty(json::Object{{"spki_sha256", to_hex(root.spki_sha256())},
                                                        {"origin", "simulated"},
                                                        {"product", product}}) +
                            "\n");
  return 0;
}

json::Value file_json(const StagedLaunch& launch, const MeasuredFile& file) {
  return json::Object{{"path", file.path},
                      {"sha256", to_hex(file.sha256)},
                      {"source", launch.sources.at(file.path)}};
}

// What a policy for the platform pins of a launch, by the names of its fields.
Result<json::Object> measurement_json(const SimulatorState& state, const StagedLaunch& launch,
                                      Platform platform) {
  json::Object out{{"platform", name_of(platform)}};
  switch (platform) {
    case Platform::kSnp:
    case Platform::kTdx:
      out.emplace_back("measurement", to_hex(launch.measurement));
      break;
    case Platform::kSgx: {
      ENSC_TRY_ASSIGN(const SimulatorState::Intel* intel, state.intel());
      out.emplace_back("measurement", to_hex(launch.digest));
      out.emplace_back("mr_signer", to_hex(intel->signer.mr_signer()));
      out.emplace_back("isv_prod_id", kEnclaveProdId);
      out.emplace_back("isv_svn", kEnclaveSvn);
      break;
    }
    case Platform::kAzure:
      out.emplace_back("measurement", to_hex(azure_paravisor_measurement()));
      out.emplace_back(
          "pcrs", json::Array{json::Object{{"index", std::int64_t{kLaunchPcr}},
                                           {"sha256", to_hex(azure_launch_pcr(launch.digest))}}});
      break;
  }
  return out;
}

Result<int> measure(const Arguments& arguments, Random& random) {
  ENSC_TRY_ASSIGN(const SimulatorState state, SimulatorState::open(arguments.state));
  ENSC_TRY_ASSIGN(const LaunchRequest request, launch_request(arguments));
  ENSC_TRY_ASSIGN(const StagedLaunch launch, measure_launch(state, request, random));
  json::Array files = {file_json(launch, launch.manifest.executable)};
  for (const MeasuredFile& file : launch.manifest.libraries) {
    files.push_back(file_json(launch, file));
  }
  for (const MeasuredFile& file : launch.manifest.configuration) {
    files.push_back(file_json(launch, file));
  }
  json::Array argv(launch.manifest.argv.begin(), launch.manifest.argv.end());
  json::Object environment;
  for (const auto& [name, value] : launch.manifest.environment) {
    environment.emplace_back(name, value);
  }
  say("SIMULATED measurement of " + std::to_string(files.size()) + " files, " +
      std::to_string(argv.size()) + " arguments, " + std::to_string(environment.size()) +
      " environment variables");
  ENSC_TRY_ASSIGN(json::Object document, measurement_json(state, launch, platform_of(arguments)));
  document.emplace_back("files", std::move(files));
  document.emplace_back("argv", std::move(argv));
  document.emplace_back("env", std::move(environment));
  print(json::write_pretty(std::move(document)) + "\n");
  return 0;
}

Result<int> run(const Arguments& arguments, const Clock& clock, Random& random) {
  ENSC_TRY_ASSIGN(const SimulatorState state, SimulatorState::open(arguments.state));
  RunOptions options;
  ENSC_TRY_ASSIGN(options.launch, launch_request(arguments));
  for (const std::string& fault : arguments.faults) {
    ENSC_TRY_ASSIGN(const FaultRule rule, parse_fault(fault, platform_of(arguments)));
    options.faults.push_back(rule);
  }
  options.keep = arguments.keep;
  options.transport = arguments.transport == "fuse"    ? TransportChoice::kFuse
                      : arguments.transport == "pipes" ? TransportChoice::kPipes
                                                       : TransportChoice::kAuto;
  return run_launch(state, options, clock, random);
}

void add_state(CLI::App& command, Arguments& arguments) {
  command.add_option("--state", arguments.state, "Directory of the simulated processor (0700)")
      ->required();
}

void add_platform(CLI::App& command, Arguments& arguments) {
  command.add_option("--platform", arguments.platform, "Whose secure processor is played")
      ->check(CLI::IsMember({"snp", "tdx", "sgx", "azure"}))
      ->capture_default_str();
}

void add_program(CLI::App& command, Arguments& arguments) {
  command
      .add_option("--env", arguments.environment,
                  "NAME=VALUE for the program's environment; measured. May be repeated")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command.add_option("program", arguments.program, "After --: the program and its arguments")
      ->required();
  command.positionals_at_end();
}

using Action = std::function<Result<int>()>;

void add_commands(CLI::App& app, Arguments& arguments, Action& chosen, const Clock& clock,
                  Random& random) {
  CLI::App* command = app.add_subcommand(
      "init", "Make the directory with the simulated roots, certificates and keys, once");
  add_state(*command, arguments);
  add_platform(*command, arguments);
  command->callback([&] { chosen = [&] { return init(arguments, clock, random); }; });

  command = app.add_subcommand("anchor", "Print the root: what a policy names to believe it");
  add_state(*command, arguments);
  add_platform(*command, arguments);
  command->add_flag("--pem", arguments.pem, "Print the root certificate instead of JSON");
  command->callback([&] { chosen = [&] { return anchor(arguments); }; });

  command = app.add_subcommand("measure", "Print the measurement a launch would have, as JSON");
  add_state(*command, arguments);
  add_platform(*command, arguments);
  add_program(*command, arguments);
  command->callback([&] { chosen = [&] { return measure(arguments, random); }; });

  command = app.add_subcommand("run", "Measure a program, start it and play its processor");
  add_state(*command, arguments);
  add_platform(*command, arguments);
  add_program(*command, arguments);
  command
      ->add_option("--transport", arguments.transport,
                   "How the device tree is served: auto tries fuse and falls back to pipes")
      ->check(CLI::IsMember({"auto", "fuse", "pipes"}))
      ->capture_default_str();
  command
      ->add_option("--fault", arguments.faults,
                   "NAME[:COUNT][@FIRST]: the device misbehaves so, for COUNT requests (all) from "
                   "number FIRST (1) on. May be repeated; see docs/simulator.md")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_flag("--keep", arguments.keep, "Leave the private directory in place, to look at");
  command->callback([&] { chosen = [&] { return run(arguments, clock, random); }; });
}

int main_of(int argc, char** argv) {
  set_log_name("ensconce-sim");
  const SystemClock clock;
  SystemRandom random;
  Arguments arguments;
  Action chosen;
  CLI::App app{kAbout};
  app.name("ensconce-sim");
  app.set_version_flag("--version", std::string("ensconce-sim ") + ENSC_VERSION);
  app.require_subcommand(1);
  add_commands(app, arguments, chosen, clock, random);
  try {
    app.parse(argc, argv);
    const Result<int> done = chosen();
    if (done) {
      return *done;
    }
    say("ensconce-sim: " + done.error().to_string());
    return exit_code_of(done.error().stage());
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  } catch (const std::exception& e) {
    say(std::string("ensconce-sim: ") + e.what());
    return 1;
  }
}

}  // namespace

}  // namespace ensconce

int main(int argc, char** argv) { return ensconce::main_of(argc, argv); }
