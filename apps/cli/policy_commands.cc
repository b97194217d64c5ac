#include "policy_commands.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "ensconce/attestation/policy/diff.h"
#include "ensconce/attestation/result/render.h"
#include "ensconce/base/file.h"
#include "ensconce/base/printable.h"
#include "evidence_input.h"

namespace ensconce::cli {

namespace {

// A policy's text, and the policy it is.
struct LoadedPolicy {
  std::string text;
  AppraisalPolicy policy;
};

Result<LoadedPolicy> load(const std::string& path) {
  ENSC_TRY_ASSIGN(std::string text, read_text_file(path));
  ENSC_TRY_ASSIGN(AppraisalPolicy policy, AppraisalPolicy::parse(text, path));
  return LoadedPolicy{std::move(text), std::move(policy)};
}

// ---- check -----------------------------------------------------------------------------------

struct CheckArguments {
  std::string policy;
  EvidenceArguments evidence;
  bool json = false;
};

std::string kinds_of(const PolicyFields& fields) {
  std::string out;
  const auto add = [&out](bool there, std::string_view name) {
    if (there) {
      out += (out.empty() ? "" : ", ") + std::string(name);
    }
  };
  add(fields.snp.has_value(), "snp");
  add(fields.tdx.has_value(), "tdx");
  add(fields.sgx.has_value(), "sgx");
  add(fields.azure.has_value(), "azure");
  return out;
}

int say_loaded(const CheckArguments& a, const AppraisalPolicy& policy) {
  const std::string role(name_of(policy.role()));
  const std::string kinds = kinds_of(policy.fields());
  std::fprintf(stderr, "OK  %s is a %s's policy and accepts: %s\n", a.policy.c_str(), role.c_str(),
               kinds.c_str());
  if (a.json) {
    const json::Value out = json::Object{
        {"loads", true}, {"role", role}, {"kinds", kinds}, {"sha256", to_hex(policy.sha256())}};
    std::printf("%s\n", json::write_pretty(out).c_str());
  }
  return 0;
}

Result<int> check(const CheckArguments& a, const Context& context) {
  ENSC_TRY_ASSIGN(LoadedPolicy loaded, load(a.policy));
  if (a.evidence.input.empty()) {
    return say_loaded(a, loaded.policy);
  }
  ENSC_TRY_ASSIGN(const EvidenceQuestion question,
                  read_question(a.evidence, std::move(loaded.policy), context));
  const Result<EvidenceInput> input = read_evidence(a.evidence.input);
  if (!input && input.error().stage() == Stage::kSystem) {
    return input.error();
  }
  const AttestationResult result = judge(input, question);
  say_notes(question.notes);
  say_verdict(result);
  if (a.json) {
    std::printf("%s\n", json::write_pretty(result_to_json(result)).c_str());
  }
  return exit_code_of(result);
}

// ---- diff ------------------------------------------------------------------------------------

struct DiffArguments {
  std::string first;
  std::string second;
  bool json = false;
};

std::string_view change_of(const PolicyDifference& difference) {
  return difference.first.empty() ? "added" : difference.second.empty() ? "removed" : "changed";
}

json::Value stricter_json(const PolicyDifference& difference) {
  switch (difference.stricter) {
    case Stricter::kFirst:
      return "a";
    case Stricter::kSecond:
      return "b";
    case Stricter::kUnknown:
      break;
  }
  return nullptr;
}

json::Value differences_to_json(const std::vector<PolicyDifference>& differences) {
  const auto side = [](const std::string& text) {
    return text.empty() ? json::Value(nullptr) : json::Value(text);
  };
  json::Array out;
  for (const PolicyDifference& one : differences) {
    out.push_back(json::Object{{"field", one.field},
                               {"change", change_of(one)},
                               {"a", side(one.first)},
                               {"b", side(one.second)},
                               {"stricter", stricter_json(one)}});
  }
  return json::Object{{"same", differences.empty()}, {"differences", std::move(out)}};
}

void say_difference(const PolicyDifference& one, const DiffArguments& a) {
  constexpr std::size_t kMaxValue = 4096;
  std::string stricter;
  if (one.stricter != Stricter::kUnknown) {
    stricter = "   (" + (one.stricter == Stricter::kFirst ? a.first : a.second) + " is stricter)";
  }
  std::fprintf(stderr, "%s %s%s\n", std::string(change_of(one)).c_str(),
               printable(one.field, kMaxValue).c_str(), stricter.c_str());
  if (!one.first.empty()) {
    std::fprintf(stderr, "  - %s\n", printable(one.first, kMaxValue).c_str());
  }
  if (!one.second.empty()) {
    std::fprintf(stderr, "  + %s\n", printable(one.second, kMaxValue).c_str());
  }
}

Result<int> diff(const DiffArguments& a) {
  ENSC_TRY_ASSIGN(const LoadedPolicy first, load(a.first));
  ENSC_TRY_ASSIGN(const LoadedPolicy second, load(a.second));
  ENSC_TRY_ASSIGN(const std::vector<PolicyDifference> differences,
                  diff_policies(first.text, second.text));
  for (const PolicyDifference& one : differences) {
    say_difference(one, a);
  }
  if (differences.empty()) {
    std::fprintf(stderr, "the two say the same\n");
  }
  if (a.json) {
    std::printf("%s\n", json::write_pretty(differences_to_json(differences)).c_str());
  }
  return differences.empty() ? 0 : 1;
}

void register_check(CLI::App& noun, Registrar registrar) {
  auto arguments = std::make_shared<CheckArguments>();
  CLI::App* verb = noun.add_subcommand(
      "check",
      "Load a policy, and with --input try it on saved evidence: the verdict a client would come "
      "to.\n"
      "A broker judges requests for keys, which no saved document is: its policy gives a warning "
      "at\n"
      "best here. Bare evidence gives a warning at best, as it names no keys.\n"
      "Exit codes: as `ensconce evidence verify`; without --input 0, or 2 and what to mend.\n"
      "example: ensconce policy check client.toml\n"
      "example: ensconce policy check client.toml --input document.json --at 2026-11-23T05:00:00Z");
  verb->add_option("policy", arguments->policy, "policy file")->required();
  verb->add_option("--input", arguments->evidence.input, "evidence file, - for stdin");
  add_endorsement_options(*verb, arguments->evidence);
  verb->add_flag("--json", arguments->json, "print the result on stdout");
  verb->callback([arguments, registrar] {
    registrar.chosen = [arguments, &context = registrar.context] {
      return check(*arguments, context);
    };
  });
}

void register_diff(CLI::App& noun, Registrar registrar) {
  auto arguments = std::make_shared<DiffArguments>();
  CLI::App* verb = noun.add_subcommand(
      "diff",
      "Compare two policies field by field, and say which is stricter where that is simple to "
      "say.\n"
      "Comments, the case of hex and the order of lists are no difference. Both must load.\n"
      "Exit codes: 0 the same; 1 different; 2 one does not load.\n"
      "example: ensconce policy diff client.toml client.new.toml");
  verb->add_option("a", arguments->first, "policy file")->required();
  verb->add_option("b", arguments->second, "policy file")->required();
  verb->add_flag("--json", arguments->json, "print the differences on stdout");
  verb->callback(
      [arguments, registrar] { registrar.chosen = [arguments] { return diff(*arguments); }; });
}

}  // namespace

void register_policy_commands(Registrar registrar) {
  CLI::App* noun = registrar.app.add_subcommand(
      "policy", "Appraisal policies: write one, try one on saved evidence, compare two");
  noun->require_subcommand(1);
  register_policy_init(*noun, registrar);
  register_check(*noun, registrar);
  register_diff(*noun, registrar);
}

}  // namespace ensconce::cli
