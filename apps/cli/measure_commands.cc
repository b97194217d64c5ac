#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "cli.h"
#include "ensconce/attestation/evidence/sigstruct.h"
#include "ensconce/base/file.h"
#include "ensconce/codec/json.h"

namespace ensconce::cli {

namespace {

const char* name_of(SigstructDebug debug) {
  switch (debug) {
    case SigstructDebug::kOff:
      return "off";
    case SigstructDebug::kOn:
      return "on";
    case SigstructDebug::kLaunchersChoice:
      break;
  }
  return "launcher's choice";
}

json::Value to_json(const Sigstruct& s) {
  return json::Object{
      {"mr_enclave", to_hex(s.mr_enclave)},
      {"mr_signer", to_hex(s.mr_signer())},
      {"isv_prod_id", static_cast<int>(s.isv_prod_id)},
      {"isv_svn", static_cast<int>(s.isv_svn)},
      {"debug", name_of(s.debug())},
      {"isv_ext_prod_id", to_hex(s.isv_ext_prod_id)},
      {"isv_family_id", to_hex(s.isv_family_id)},
      {"attributes", to_hex(s.attributes)},
      {"attribute_mask", to_hex(s.attribute_mask)},
      {"misc_select", static_cast<std::int64_t>(s.misc_select)},
      {"misc_mask", static_cast<std::int64_t>(s.misc_mask)},
      {"vendor", s.vendor == 0 ? "other" : "intel"},
  };
}

// The names are those of docs/policy.md; the rest of [sgx] is of the platform, which no file of the
// enclave knows.
void say_policy_lines(const Sigstruct& s) {
  const auto hex = [](const char* name, ByteView bytes) {
    std::fprintf(stderr, "%s = { exactly = \"%s\" }\n", name, to_hex(bytes).c_str());
  };
  std::fprintf(stderr,
               "for [sgx] of a policy (`ensconce policy init --kind sgx` writes the rest):\n");
  hex("measurement", s.mr_enclave);
  std::fprintf(stderr, "measurement_covers = \"enclave\"\n");
  hex("mr_signer", s.mr_signer());
  std::fprintf(stderr, "isv_prod_id = { exactly = %u }\n", unsigned{s.isv_prod_id});
  std::fprintf(stderr, "isv_svn = { at_least = %u }\n", unsigned{s.isv_svn});
  std::fprintf(stderr, "debug = { exactly = false }\n");
  hex("isv_ext_prod_id", s.isv_ext_prod_id);
  hex("isv_family_id", s.isv_family_id);
  if (s.debug() == SigstructDebug::kOn) {
    std::fprintf(stderr,
                 "note: this enclave is launched for debugging, and its host may read its memory: "
                 "the lines above refuse it. Build it without (Gramine: sgx.debug = false)\n");
  } else if (s.debug() == SigstructDebug::kLaunchersChoice) {
    std::fprintf(stderr,
                 "note: whoever launches this enclave decides whether its memory may be read: the "
                 "line on debug must stand in the policy\n");
  }
}

Result<int> measure_sgx(const std::string& path) {
  ENSC_TRY_ASSIGN(const Bytes bytes, read_file(path == "-" ? "/dev/stdin" : path));
  const auto sigstruct = parse_sigstruct(bytes);
  if (!sigstruct) {
    return sigstruct.error().with_context(path);
  }
  if (const Result<void> holds = verify_sigstruct(*sigstruct); !holds) {
    return holds.error().with_context(path);
  }
  say_policy_lines(*sigstruct);
  std::fputs(json::write_pretty(to_json(*sigstruct)).c_str(), stdout);
  return 0;
}

}  // namespace

void register_measure_commands(Registrar registrar) {
  CLI::App* noun = registrar.app.add_subcommand(
      "measure", "Compute what evidence will say of a build, before it runs anywhere");
  noun->require_subcommand(1);
  auto path = std::make_shared<std::string>();
  CLI::App* sgx =
      noun->add_subcommand("sgx",
                           "MRENCLAVE, MRSIGNER and the rest of a signed enclave, as JSON; lines "
                           "for a policy beside it.\n"
                           "example: ensconce measure sgx --sigstruct ensconce-worker.sig");
  sgx->add_option("--sigstruct", *path,
                  "the enclave's signature, SIGSTRUCT, 1808 bytes: Gramine's NAME.sig; - for "
                  "standard input")
      ->required();
  sgx->callback([path, registrar] { registrar.chosen = [path] { return measure_sgx(*path); }; });
}

}  // namespace ensconce::cli
