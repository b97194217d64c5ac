#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "ensconce/attestation/result/render.h"
#include "ensconce/base/file.h"
#include "ensconce/crypto/jose.h"
#include "evidence_commands.h"
#include "evidence_input.h"
#include "key_files.h"

namespace ensconce::cli {

namespace {

// The type of the token a broker gives as well (RFC 7519 section 5.1).
constexpr std::string_view kTokenType = "JWT";

struct VerifyArguments {
  EvidenceArguments evidence;
  std::string policy;
  std::string ear_key;
  bool json = false;
  bool ear = false;
};

Result<std::optional<AppraisalPolicy>> read_policy(const std::string& path) {
  if (path.empty()) {
    return std::optional<AppraisalPolicy>();
  }
  ENSC_TRY_ASSIGN(const std::string text, read_text_file(path));
  ENSC_TRY_ASSIGN(AppraisalPolicy policy, AppraisalPolicy::parse(text, path));
  return std::optional(std::move(policy));
}

// An EAR says when the evidence was judged, which --at may have moved.
Result<std::string> ear_text(const AttestationResult& result, Instant judged_at,
                             const std::string& key_file) {
  const json::Value claims = result_to_ear(result, judged_at);
  if (key_file.empty()) {
    return json::write_pretty(claims);
  }
  ENSC_TRY_ASSIGN(const Ed25519PrivateKey key, read_owner_key_file(key_file));
  return jws_sign(key, kTokenType, as_bytes(json::write(claims)));
}

Result<int> verify(const VerifyArguments& a, const Context& context) {
  ENSC_TRY_ASSIGN(std::optional<AppraisalPolicy> policy, read_policy(a.policy));
  const Result<EvidenceQuestion> question = read_question(a.evidence, std::move(policy), context);
  if (!question && question.error().stage() != Stage::kForm) {
    return question.error();
  }
  const Result<EvidenceInput> input = read_evidence(a.evidence.input);
  if (!input && input.error().stage() == Stage::kSystem) {
    return input.error();
  }
  // What does not parse is a verdict too, in the words of one.
  const AttestationResult result =
      question ? judge(input, *question)
               : AttestationResult::refused("unknown", {}, question.error());
  if (question) {
    say_notes(question->notes);
  }
  say_verdict(result);
  if (a.json) {
    std::printf("%s\n", json::write_pretty(result_to_json(result)).c_str());
  }
  if (a.ear) {
    const Instant judged_at = question ? question->now : context.clock.now();
    ENSC_TRY_ASSIGN(const std::string ear, ear_text(result, judged_at, a.ear_key));
    std::printf("%s\n", ear.c_str());
  }
  return exit_code_of(result);
}

}  // namespace

void register_evidence_verify(CLI::App& noun, Registrar registrar) {
  auto arguments = std::make_shared<VerifyArguments>();
  CLI::App* verb = noun.add_subcommand(
      "verify",
      "Verify evidence offline, hold it against a policy, and explain every check.\n"
      "Takes SEV-SNP reports, TDX and SGX quotes, Azure vTPM evidence, evidence documents and "
      "RA-TLS\n"
      "certificates; all are told by their content, and so are endorsements: certificates and "
      "CRLs\n"
      "(DER, PEM), Intel's TCB info and QE identity, SNP certificate tables, event logs.\n"
      "Exit codes: 0 affirming; 2 usage; 3 form; 4 signature; 5 revoked or expired; 6 policy, or "
      "a\n"
      "warning; 12 verified, and no policy to appraise it.\n"
      "example: ensconce evidence verify --input report.bin --endorsements certs/ --policy "
      "client.toml\n"
      "example: ensconce evidence verify --input quote.bin --endorsements collateral/ --at "
      "2026-03-05T10:50:03Z --json");
  verb->add_option("--input", arguments->evidence.input, "evidence file, - for stdin")->required();
  add_endorsement_options(*verb, arguments->evidence);
  verb->add_option(
      "--policy", arguments->policy,
      "appraisal policy of either role (docs/policy.md); `ensconce policy init` writes "
      "one");
  verb->add_option(
      "--trust-anchor", arguments->evidence.trust_anchor,
      "PEM file of a root to trust beside the vendors'; a policy must list it as well");
  verb->add_option("--report-data", arguments->evidence.report_data,
                   "the 64 bytes of report data to expect of bare evidence, in hex");
  CLI::Option* json = verb->add_flag("--json", arguments->json, "print the result on stdout");
  CLI::Option* ear = verb->add_flag(
      "--ear", arguments->ear,
      "print the claims of an EAR (EAT Attestation Result) on stdout; not signed without a key");
  ear->excludes(json);
  verb->add_option(
          "--ear-key", arguments->ear_key,
          "owner key file (`ensconce key generate`): print the EAR as a JWS signed with it")
      ->needs(ear);
  verb->callback([arguments, registrar] {
    registrar.chosen = [arguments, &context = registrar.context] {
      return verify(*arguments, context);
    };
  });
}

}  // namespace ensconce::cli
