#include "evidence_input.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "ensconce/attestation/endorsements/endorsement_files.h"
#include "ensconce/attestation/result/render.h"
#include "ensconce/attestation/verify/ra_tls_verifier.h"
#include "ensconce/base/file.h"
#include "ensconce/codec/json.h"

namespace ensconce::cli {

namespace {

// Verified, and no policy to appraise it against: neither a yes nor a no.
constexpr int kExitNotAppraised = 12;

constexpr std::string_view kRaTlsNote =
    "this says whose key the certificate holds. Ensconce opens no channel on such a certificate: "
    "it "
    "was made before anybody asked, so it shows no freshness and knows no session";

bool is_document(std::string_view text) {
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos || text[start] != '{') {
    return false;
  }
  const auto value = json::parse(text);
  if (!value || value->find("format") == nullptr) {
    return false;
  }
  const auto format = value->find("format")->as_text("format");
  return format && format->starts_with("ensconce-evidence/");
}

AttestationResult refused(const std::string& kind, const Error& error,
                          std::vector<Check> checks = {}) {
  return AttestationResult::refused(kind, std::move(checks), error);
}

AttestationResult judged_alone(const EvidenceItem& evidence, const Verification& verification,
                               const EvidenceQuestion& question) {
  if (!verification.claims) {
    return refused(evidence.type, verification.claims.error(), verification.checks);
  }
  return question.policy
             ? appraise_evidence_only(*verification.claims, *question.policy, question.now)
             : AttestationResult::not_appraised(*verification.claims);
}

AttestationResult judge_evidence(const Recognised& input, const EvidenceQuestion& question) {
  std::vector<EndorsementItem> pool = question.endorsements;
  pool.insert(pool.end(), input.endorsements.begin(), input.endorsements.end());
  const Verification verification =
      input.ra_tls ? RaTlsVerifier(question.anchors)
                         .verify(*input.ra_tls, pool, question.report_data, question.now)
                   : EvidenceVerifier(question.anchors)
                         .verify(*input.evidence, pool, question.report_data, question.now);
  return judged_alone(*input.evidence, verification, question);
}

AttestationResult judge_bound(const EvidenceDocument& document, const EvidenceItem& evidence,
                              const EvidenceQuestion& question) {
  const Verification verification = EvidenceVerifier(question.anchors)
                                        .verify(evidence, document.endorsements,
                                                report_data_for(document.statement), question.now);
  if (!verification.claims) {
    return refused(evidence.type, verification.claims.error(), verification.checks);
  }
  const BindingVerification bound =
      StatementBinder::bind_statement(*verification.claims, document.statement);
  if (!bound.attested) {
    return refused(evidence.type, bound.attested.error(), bound.checks);
  }
  return question.policy ? appraise_at_rest(*bound.attested, *question.policy, question.now)
                         : AttestationResult::not_appraised(*bound.attested);
}

// A document is judged as a client would; what it lacks may come from the user. A broker judges
// requests and no documents: of its policy all is judged but the session.
AttestationResult judge_document(EvidenceDocument document, const EvidenceQuestion& question) {
  const EvidenceItem* evidence = choose_evidence(document.evidence);
  if (evidence == nullptr) {
    return refused("unknown", Error(EvidenceError::kEvidenceUnknown,
                                    "the document holds no evidence of a kind known here"));
  }
  if (question.report_data) {
    return refused(evidence->type,
                   Error(BaseError::kInvalidArgument,
                         "--report-data is for bare evidence: that of a document is the hash of "
                         "the statement in it"));
  }
  document.endorsements.insert(document.endorsements.end(), question.endorsements.begin(),
                               question.endorsements.end());
  if (question.policy && question.policy->role() != PolicyRole::kBroker) {
    return appraise_document(document, *question.policy, question.own_nonce, question.now).result;
  }
  return judge_bound(document, *evidence, question);
}

}  // namespace

void add_endorsement_options(CLI::App& command, EvidenceArguments& arguments) {
  command.add_option("--endorsements", arguments.endorsements,
                     "file or directory of certificates, CRLs, Intel's collateral, event logs; may "
                     "be repeated");
  command.add_option("--at", arguments.at,
                     "judge as of this time (2026-11-23T05:00:00Z) instead of now");
}

Result<EvidenceInput> recognise_evidence(ByteView bytes) {
  EvidenceInput out;
  if (is_document(as_text(bytes))) {
    ENSC_TRY_ASSIGN(out.document, parse_evidence_document(as_text(bytes)));
    out.what = "an evidence document";
    return out;
  }
  ENSC_TRY_ASSIGN(out.recognised, recognise(bytes));
  out.what = out.recognised.what;
  return out;
}

Result<EvidenceInput> read_evidence(const std::string& input) {
  ENSC_TRY_ASSIGN(const Bytes bytes, read_file(input == "-" ? "/dev/stdin" : input));
  auto recognised = recognise_evidence(bytes);
  if (!recognised) {
    return recognised.error().with_context(input == "-" ? "standard input" : input);
  }
  return recognised;
}

Result<EvidenceQuestion> read_question(const EvidenceArguments& arguments,
                                       std::optional<AppraisalPolicy> policy,
                                       const Context& context) {
  EvidenceQuestion question;
  question.now = context.clock.now();
  if (!arguments.at.empty()) {
    ENSC_TRY_ASSIGN(question.now, from_rfc3339(arguments.at));
  }
  question.anchors = policy ? policy->anchors() : vendor_anchors();
  question.policy = std::move(policy);
  if (!arguments.trust_anchor.empty()) {
    ENSC_TRY_ASSIGN(const std::string pem, read_text_file(arguments.trust_anchor));
    ENSC_TRY_ASSIGN(const std::vector<TrustAnchor> more, trust_anchors_from_pem(pem));
    question.anchors.insert(question.anchors.end(), more.begin(), more.end());
  }
  if (!arguments.report_data.empty()) {
    const auto bytes = from_hex(arguments.report_data);
    if (!bytes || bytes->size() != question.report_data.emplace().size()) {
      return Error(BaseError::kInvalidArgument, "--report-data is not the hex of 64 bytes");
    }
    std::copy(bytes->begin(), bytes->end(), question.report_data->begin());
  }
  for (const std::string& path : arguments.endorsements) {
    ENSC_TRY_ASSIGN(const EndorsementFiles files, read_endorsement_files(path));
    question.endorsements.insert(question.endorsements.end(), files.items.begin(),
                                 files.items.end());
    question.notes.insert(question.notes.end(), files.notes.begin(), files.notes.end());
  }
  return question;
}

AttestationResult judge(const Result<EvidenceInput>& input, const EvidenceQuestion& question) {
  if (!input) {
    return refused("unknown", input.error());
  }
  if (input->document) {
    return judge_document(*input->document, question);
  }
  if (input->recognised.evidence) {
    return judge_evidence(input->recognised, question);
  }
  return refused(
      "unknown",
      Error(EvidenceError::kEvidenceUnknown, "the input is " + input->what + ", and no evidence")
          .with_remedy("give a report, a quote or an evidence document with --input, "
                       "and what supports it with --endorsements"));
}

int exit_code_of(const AttestationResult& result) {
  switch (result.outcome()) {
    case Outcome::kAffirming:
      return 0;
    case Outcome::kNone:
      return kExitNotAppraised;
    case Outcome::kWarning:
      return ensconce::exit_code_of(Stage::kPolicy);
    case Outcome::kContraindicated:
      break;
  }
  return ensconce::exit_code_of(result.error() ? result.error()->stage() : Stage::kPolicy);
}

void say_notes(const std::vector<std::string>& notes) {
  for (const std::string& note : notes) {
    std::fprintf(stderr, "note: %s\n", note.c_str());
  }
}

void say_verdict(const AttestationResult& result) {
  std::fprintf(stderr, "%s", result_to_text(result, isatty(STDERR_FILENO) == 1).c_str());
  const auto& checks = result.checks();
  if (std::any_of(checks.begin(), checks.end(),
                  [](const Check& check) { return check.id == "ratls.binding"; })) {
    say_notes({std::string(kRaTlsNote)});
  }
}

}  // namespace ensconce::cli
