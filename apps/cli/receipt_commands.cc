#include "receipt_commands.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "receipt_files.h"

namespace ensconce::cli {

namespace {

Result<int> show(const std::string& path) {
  ENSC_TRY_ASSIGN(const Bytes message, read_receipt_file(path));
  ENSC_TRY_ASSIGN(const Receipt receipt, read_receipt_unverified(message));
  std::fprintf(stderr,
               "note: shown as it says; `ensconce receipt verify` tells whether that holds\n");
  std::printf("%s", json::write_pretty(receipt_to_json(receipt)).c_str());
  return 0;
}

}  // namespace

void register_receipt_commands(Registrar registrar) {
  CLI::App* noun = registrar.app.add_subcommand(
      "receipt", "Judge or decode what a worker signed of one answer (ensconce infer --save)");
  noun->require_subcommand(1);
  register_receipt_verify(*noun, registrar);
  auto path = std::make_shared<std::string>();
  CLI::App* verb = noun->add_subcommand("show", "Decode a receipt, and judge nothing of it");
  verb->add_option("file", *path, "receipt.cose")->required();
  verb->callback([path, registrar] { registrar.chosen = [path] { return show(*path); }; });
}

}  // namespace ensconce::cli
