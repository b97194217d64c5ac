#include <sys/prctl.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "cli.h"
#include "ensconce/base/log.h"

int main(int argc, char** argv) {
  using ensconce::cli::Command;
  ensconce::set_log_name("ensconce");
  // Owner keys, content keys and inputs pass through here: no core dumps of them.
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  prctl(PR_SET_DUMPABLE, 0);
  const ensconce::SystemClock clock;
  ensconce::SystemRandom random;
  const ensconce::cli::Context context{clock, random};
  Command chosen;

  CLI::App app{
      "ensconce: run a model in somebody else's cloud, and show neither the model nor the data.\n"
      "JSON for machines goes to stdout, words for people to stderr.\n"
      "Exit codes: 0 done; 1 other; 2 usage; 3 form; 4 signature; 5 revocation or expiry; 6 "
      "policy;\n"
      "7 channel; 8 key release; 9 bundle; 10 engine; 11 system."};
  app.name("ensconce");
  app.set_version_flag("--version", std::string("ensconce ") + ENSC_VERSION);
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Show the help of every command");
  const ensconce::cli::Registrar registrar{app, context, chosen};
  register_key_commands(registrar);
  register_model_commands(registrar);
  register_broker_commands(registrar);
  register_evidence_commands(registrar);
  register_measure_commands(registrar);
  register_policy_commands(registrar);
  register_infer_commands(registrar);
  register_proxy_commands(registrar);
  register_receipt_commands(registrar);
  register_doctor_command(registrar);

  try {
    app.parse(argc, argv);
    if (!chosen) {
      return 2;
    }
    const ensconce::Result<int> done = chosen();
    if (done) {
      return *done;
    }
    std::fprintf(stderr, "ensconce: %s\n", done.error().to_string().c_str());
    return ensconce::exit_code_of(done.error().stage());
  } catch (const CLI::ParseError& e) {
    const int code = app.exit(e);
    return code == 0 ? 0 : 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "ensconce: %s\n", e.what());
    return 1;
  }
}
