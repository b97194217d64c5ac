#include "evidence_commands.h"

#include <CLI/CLI.hpp>

namespace ensconce::cli {

void register_evidence_commands(Registrar registrar) {
  CLI::App* noun = registrar.app.add_subcommand(
      "evidence", "Judge or decode what a secure processor says of itself");
  noun->require_subcommand(1);
  register_evidence_verify(*noun, registrar);
  register_evidence_show(*noun, registrar);
}

}  // namespace ensconce::cli
