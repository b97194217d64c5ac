#pragma once

#include <functional>

#include "ensconce/base/clock.h"
#include "ensconce/base/random.h"
#include "ensconce/base/result.h"

namespace CLI {
class App;
}

namespace ensconce::cli {

// Context is what the machine offers a command, handed down from main.
struct Context {
  const Clock& clock;
  Random& random;
};

// Command runs after the arguments are parsed and returns the exit code, or the error main prints
// (people's words on stderr) and turns into one.
using Command = std::function<Result<int>()>;

// Registrar adds nouns and verbs to the application. A verb's callback stores its Command in
// `chosen`; main runs it once parsing is done.
struct Registrar {
  CLI::App& app;
  const Context& context;
  Command& chosen;
};

void register_model_commands(Registrar registrar);     // ensconce model seal|inspect|verify
void register_evidence_commands(Registrar registrar);  // ensconce evidence show|verify
void register_measure_commands(Registrar registrar);   // ensconce measure sgx
void register_policy_commands(Registrar registrar);    // ensconce policy init|check|diff
void register_key_commands(Registrar registrar);       // ensconce key generate|show
void register_broker_commands(Registrar registrar);    // ensconce broker …
void register_infer_commands(Registrar registrar);     // ensconce infer
void register_proxy_commands(Registrar registrar);     // ensconce proxy
void register_receipt_commands(Registrar registrar);   // ensconce receipt show|verify
void register_doctor_command(Registrar registrar);     // ensconce doctor

}  // namespace ensconce::cli
