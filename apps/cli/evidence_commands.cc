#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "cli.h"
#include "ensconce/attestation/evidence/cert_table.h"
#include "ensconce/attestation/result/render.h"
#include "ensconce/base/file.h"
#include "ensconce/client/attested_client.h"

namespace ensconce::cli {

namespace {

namespace fs = std::filesystem;

// Verified, and no policy to appraise it against: neither a yes nor a no.
constexpr int kExitNotAppraised = 12;
constexpr std::size_t kMaxFiles = 256;

struct EvidenceArguments {
  std::string input;
  std::vector<std::string> endorsements;
  std::string at;
  std::string policy;
  std::string trust_anchor;
  std::string report_data;
  bool json = false;
};

// ---- What a file holds, told by its content --------------------------------------------------

struct Recognised {
  std::optional<Bytes> report;  // an SNP report, not parsed yet
  std::optional<EvidenceDocument> document;
  std::vector<EndorsementItem> endorsements;
  std::string what;  // for people
};

bool is_cert_table(ByteView bytes) {
  constexpr std::size_t kGuidLen = 16;
  if (bytes.size() < kGuidLen) {
    return false;
  }
  const std::initializer_list<const Guid*> known{&kCertTableArk, &kCertTableAsk, &kCertTableVcek,
                                                 &kCertTableVlek, &kCertTableCrl};
  return std::any_of(known.begin(), known.end(),
                     [&](const Guid* guid) { return equal(*guid, bytes.first(kGuidLen)); });
}

Result<Recognised> recognise_der(ByteView bytes) {
  const EndorsementItem certificate{"application/pkix-cert", to_bytes(bytes)};
  if (Certificate::from_der(bytes)) {
    return Recognised{std::nullopt, std::nullopt, {certificate}, "a certificate (DER)"};
  }
  if (RevocationList::from_der(bytes)) {
    return Recognised{std::nullopt,
                      std::nullopt,
                      {{"application/pkix-crl", to_bytes(bytes)}},
                      "a revocation list (DER)"};
  }
  return Error(EvidenceError::kEndorsementForm,
               "DER that is neither a certificate nor a revocation list");
}

// recognise is the one place to teach the tool another kind of evidence or endorsement.
Result<Recognised> recognise(ByteView bytes) {
  const std::string_view text = as_text(bytes);
  if (bytes.size() == kSnpReportLen) {
    return Recognised{to_bytes(bytes), std::nullopt, {}, "an AMD SEV-SNP report"};
  }
  if (text.starts_with("{")) {
    ENSC_TRY_ASSIGN(EvidenceDocument document, parse_evidence_document(text));
    return Recognised{std::nullopt, std::move(document), {}, "an evidence document"};
  }
  if (text.starts_with("-----BEGIN ")) {
    ENSC_TRY_ASSIGN(const std::vector<Certificate> certificates, Certificate::many_from_pem(text));
    Recognised out;
    out.what = "certificates (PEM)";
    for (const Certificate& certificate : certificates) {
      out.endorsements.push_back({"application/pkix-cert", certificate.der()});
    }
    return out;
  }
  if (is_cert_table(bytes)) {
    ENSC_TRY_ASSIGN(std::vector<EndorsementItem> items, endorsements_from_cert_table(bytes));
    return Recognised{std::nullopt, std::nullopt, std::move(items), "a certificate table"};
  }
  if (!bytes.empty() && bytes.front() == 0x30) {
    return recognise_der(bytes);
  }
  return Error(EvidenceError::kEvidenceUnknown,
               std::to_string(bytes.size()) + " bytes of no kind known here")
      .with_remedy(
          "give an SNP report (exactly 1184 bytes), an evidence document (JSON), certificates (DER "
          "or PEM), a CRL (DER) or a certificate table");
}

Result<Recognised> recognise_file(const fs::path& path) {
  ENSC_TRY_ASSIGN(const Bytes bytes, read_file(path));
  auto recognised = recognise(bytes);
  if (!recognised) {
    return recognised.error().with_context(path.string());
  }
  return recognised;
}

fs::path input_path(const std::string& input) { return input == "-" ? "/dev/stdin" : input; }

// A file one names must be an endorsement; of a directory, what is none is passed over.
Result<std::vector<EndorsementItem>> read_endorsements(const std::vector<std::string>& paths) {
  std::vector<EndorsementItem> items;
  const auto add = [&items](const Recognised& file) {
    items.insert(items.end(), file.endorsements.begin(), file.endorsements.end());
  };
  for (const std::string& path : paths) {
    if (!fs::is_directory(path)) {
      ENSC_TRY_ASSIGN(const Recognised file, recognise_file(path));
      if (file.endorsements.empty()) {
        return Error(EvidenceError::kEndorsementUnknown, path + " is " + file.what)
            .with_remedy("give evidence with --input and what supports it with --endorsements");
      }
      add(file);
      continue;
    }
    std::vector<fs::path> files;
    for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
      if (entry.is_regular_file() && files.size() < kMaxFiles) {
        files.push_back(entry.path());
      }
    }
    std::sort(files.begin(), files.end());
    for (const fs::path& one : files) {
      if (const auto file = recognise_file(one)) {
        add(*file);
      }
    }
  }
  return items;
}

// ---- verify ----------------------------------------------------------------------------------

struct Question {
  std::vector<EndorsementItem> endorsements;
  std::vector<TrustAnchor> anchors;
  std::optional<AppraisalPolicy> policy;
  std::optional<ByteArray<64>> report_data;
  Instant now;
};

Result<Question> read_question(const EvidenceArguments& a, const Context& context) {
  Question question;
  question.now = context.clock.now();
  if (!a.at.empty()) {
    ENSC_TRY_ASSIGN(question.now, from_rfc3339(a.at));
  }
  if (!a.policy.empty()) {
    ENSC_TRY_ASSIGN(const std::string text, read_text_file(a.policy));
    ENSC_TRY_ASSIGN(AppraisalPolicy policy, AppraisalPolicy::parse(text, a.policy));
    question.policy.emplace(std::move(policy));
  }
  question.anchors = question.policy ? question.policy->anchors() : vendor_anchors();
  if (!a.trust_anchor.empty()) {
    ENSC_TRY_ASSIGN(const std::string pem, read_text_file(a.trust_anchor));
    ENSC_TRY_ASSIGN(const std::vector<TrustAnchor> more, trust_anchors_from_pem(pem));
    question.anchors.insert(question.anchors.end(), more.begin(), more.end());
  }
  if (!a.report_data.empty()) {
    const auto bytes = from_hex(a.report_data);
    if (!bytes || bytes->size() != question.report_data.emplace().size()) {
      return Error(BaseError::kInvalidArgument, "--report-data is not the hex of 64 bytes");
    }
    std::copy(bytes->begin(), bytes->end(), question.report_data->begin());
  }
  ENSC_TRY_ASSIGN(question.endorsements, read_endorsements(a.endorsements));
  return question;
}

AttestationResult refused(const Error& error, std::vector<Check> checks = {}) {
  return AttestationResult::refused("snp", std::move(checks), error);
}

// Where the vendor has what is missing is the one thing a person at a desk wants to know.
AttestationResult refused_for_endorsements(const SnpReport& report, const Error& error) {
  const auto path = kds_vcek_path(report);
  if (error.is(EvidenceError::kEndorsementMissing) && path) {
    return refused(Error(error).with_remedy(
        "give the chain with --endorsements; AMD's key service (kdsintf.amd.com) has the chip's "
        "certificate at " +
        *path + ", and ASK and ARK at /vcek/v1/" + std::string(name_of(*report.cpuid_product())) +
        "/cert_chain"));
  }
  return refused(error);
}

AttestationResult judge_report(ByteView bytes, const Question& question) {
  const Result<SnpReport> report = parse_snp_report(bytes);
  if (!report) {
    return refused(report.error());
  }
  const auto endorsements =
      collect_snp_endorsements(select_snp_endorsements(*report, question.endorsements));
  if (!endorsements) {
    return refused_for_endorsements(*report, endorsements.error());
  }
  const SnpVerifier verifier(question.anchors);
  const SnpVerification verification =
      question.report_data
          ? verifier.verify(*report, *endorsements, *question.report_data, question.now)
          : verifier.verify_unbound(*report, *endorsements, question.now);
  if (!verification.claims) {
    return refused(verification.claims.error(), verification.checks);
  }
  return question.policy
             ? appraise_evidence_only(*verification.claims, *question.policy, question.now)
             : AttestationResult::not_appraised(*verification.claims);
}

// A document is judged as a client would; what it lacks may come from the user.
AttestationResult judge_document(EvidenceDocument document, const Question& question) {
  const auto snp = std::find_if(document.evidence.begin(), document.evidence.end(),
                                [](const EvidenceItem& item) { return item.type == "snp"; });
  if (snp == document.evidence.end()) {
    return refused(Error(EvidenceError::kEvidenceUnknown, "the document holds no SNP report"));
  }
  const Result<SnpReport> report = parse_snp_report(snp->data);
  if (!report) {
    return refused(report.error());
  }
  std::vector<EndorsementItem> pool = document.endorsements;
  pool.insert(pool.end(), question.endorsements.begin(), question.endorsements.end());
  document.endorsements = select_snp_endorsements(*report, pool);
  if (question.policy) {
    return appraise_document(document, *question.policy, std::nullopt, question.now).result;
  }
  const auto endorsements = collect_snp_endorsements(document.endorsements);
  if (!endorsements) {
    return refused_for_endorsements(*report, endorsements.error());
  }
  const SnpVerification verification =
      SnpVerifier(question.anchors)
          .verify(*report, *endorsements,
                  question.report_data.value_or(report_data_for(document.statement)), question.now);
  if (!verification.claims) {
    return refused(verification.claims.error(), verification.checks);
  }
  const BindingVerification bound =
      StatementBinder::bind_statement(*verification.claims, document.statement);
  return bound.attested ? AttestationResult::not_appraised(*bound.attested)
                        : refused(bound.attested.error(), bound.checks);
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

Result<AttestationResult> judge(const Recognised& input, const Question& question) {
  if (input.report) {
    return judge_report(*input.report, question);
  }
  if (input.document) {
    return judge_document(*input.document, question);
  }
  return Error(EvidenceError::kEvidenceUnknown, "the input is " + input.what + ", no evidence")
      .with_remedy("give a report or an evidence document with --input");
}

Result<int> verify(const EvidenceArguments& a, const Context& context) {
  ENSC_TRY_ASSIGN(const Question question, read_question(a, context));
  const Result<Recognised> input = recognise_file(input_path(a.input));
  if (!input && input.error().stage() == Stage::kSystem) {
    return input.error();
  }
  // Evidence of no form is a verdict too, in the words of one.
  const Result<AttestationResult> judged =
      input ? judge(*input, question)
            : Result<AttestationResult>(AttestationResult::refused("unknown", {}, input.error()));
  if (!judged) {
    return judged.error();
  }
  std::fprintf(stderr, "%s", result_to_text(*judged, isatty(STDERR_FILENO) == 1).c_str());
  if (a.json) {
    std::printf("%s\n", json::write_pretty(result_to_json(*judged)).c_str());
  }
  return exit_code_of(*judged);
}

// ---- show ------------------------------------------------------------------------------------

json::Value show_endorsement(const EndorsementItem& item) {
  if (const auto crl = RevocationList::from_der(item.data)) {
    return json::Object{
        {"kind", "revocation list"},
        {"this_update", to_rfc3339(crl->this_update())},
        {"next_update",
         crl->next_update() ? json::Value(to_rfc3339(*crl->next_update())) : json::Value(nullptr)},
        {"sha256", to_hex(sha256(item.data))},
    };
  }
  const auto certificate = Certificate::from_der(item.data);
  if (!certificate) {
    return json::Object{{"kind", "unknown"}, {"error", certificate.error().to_string()}};
  }
  json::Object out{
      {"kind", "certificate"},
      {"subject", certificate->subject_cn()},
      {"issuer", certificate->issuer_cn()},
      {"serial", to_hex(certificate->serial())},
      {"not_before", to_rfc3339(certificate->not_before())},
      {"not_after", to_rfc3339(certificate->not_after())},
      {"ca", certificate->is_ca()},
      {"spki_sha256", to_hex(certificate->spki_sha256())},
      {"sha256", to_hex(sha256(item.data))},
      {"simulated_mark", is_marked_simulated(*certificate)},
  };
  if (const auto vek = parse_snp_vek_extensions(*certificate)) {
    json::Object extensions{
        {"product", vek->product_name},
        {"bootloader", std::uint64_t{vek->bootloader}},
        {"tee", std::uint64_t{vek->tee}},
        {"snp", std::uint64_t{vek->snp}},
        {"microcode", std::uint64_t{vek->microcode}},
    };
    if (vek->fmc) {
      extensions.emplace_back("fmc", std::uint64_t{*vek->fmc});
    }
    if (vek->hwid) {
      extensions.emplace_back("hwid", to_hex(*vek->hwid));
    }
    if (vek->csp_id) {
      extensions.emplace_back("csp_id", *vek->csp_id);
    }
    out.emplace_back("snp", std::move(extensions));
  }
  return out;
}

json::Value show_keys(const std::vector<Ed25519PublicKey>& keys) {
  json::Array out;
  for (const Ed25519PublicKey& key : keys) {
    out.emplace_back(to_hex(key.bytes));
  }
  return out;
}

json::Value show_statement(ByteView bytes) {
  const auto statement = parse_statement(bytes);
  if (!statement) {
    return json::Object{{"error", statement.error().to_string()}};
  }
  json::Array tls;
  for (const Sha384Digest& digest : statement->keys.tls) {
    tls.emplace_back(to_hex(digest));
  }
  json::Array ohttp;
  for (const Sha256Digest& digest : statement->keys.ohttp) {
    ohttp.emplace_back(to_hex(digest));
  }
  const SecurityConfiguration& security = statement->security;
  return json::Object{
      {"sha256", to_hex(sha256(bytes))},
      {"nonce", to_hex(statement->challenge)},
      {"boot", to_hex(statement->boot_id)},
      {"epoch", statement->epoch},
      {"software", statement->software},
      {"keys", json::Object{{"tls", std::move(tls)},
                            {"ohttp", std::move(ohttp)},
                            {"session", to_hex(statement->keys.session.bytes)},
                            {"release", to_hex(statement->keys.release)},
                            {"receipt", to_hex(statement->keys.receipt.bytes)}}},
      {"security", json::Object{{"padding", security.padding},
                                {"tenancy", security.tenancy},
                                {"sandbox", security.sandbox},
                                {"owner_keys", show_keys(security.owner_keys)},
                                {"broker_key", to_hex(security.broker_key.bytes)}}},
      {"deployment", to_hex(statement->deployment_digest)},
  };
}

json::Value show_report(ByteView bytes) {
  const auto report = parse_snp_report(bytes);
  return report ? claims_to_json(*report)
                : json::Value(json::Object{{"error", report.error().to_string()}});
}

json::Value show_all(const std::vector<EndorsementItem>& items) {
  json::Array out;
  for (const EndorsementItem& item : items) {
    out.push_back(show_endorsement(item));
  }
  return out;
}

json::Value show_document(const EvidenceDocument& document) {
  json::Array evidence;
  for (const EvidenceItem& item : document.evidence) {
    evidence.push_back(json::Object{
        {"type", item.type},
        {"claims", item.type == "snp" ? show_report(item.data) : json::Value(nullptr)},
    });
  }
  json::Array missing;
  for (const std::string& name : document.missing) {
    missing.emplace_back(name);
  }
  return json::Object{
      {"statement", show_statement(document.statement)},
      {"beacon", document.beacon ? json::Value(to_hex(*document.beacon)) : json::Value(nullptr)},
      {"evidence", std::move(evidence)},
      {"endorsements", show_all(document.endorsements)},
      {"missing", std::move(missing)},
      {"session_proof", document.session.has_value()},
  };
}

Result<int> show(const EvidenceArguments& a) {
  ENSC_TRY_ASSIGN(const Recognised input, recognise_file(input_path(a.input)));
  json::Object out{{"what", input.what}, {"judged", false}};
  if (input.report) {
    ENSC_TRY(parse_snp_report(*input.report));
    out.emplace_back("claims", show_report(*input.report));
  } else if (input.document) {
    out.emplace_back("document", show_document(*input.document));
  } else {
    out.emplace_back("endorsements", show_all(input.endorsements));
  }
  std::fprintf(stderr, "%s, decoded and not judged; `ensconce evidence verify` judges\n",
               input.what.c_str());
  std::printf("%s\n", json::write_pretty(json::Value(std::move(out))).c_str());
  return 0;
}

}  // namespace

void register_evidence_commands(Registrar registrar) {
  CLI::App* noun = registrar.app.add_subcommand(
      "evidence", "Judge or decode what a secure processor says of itself");
  noun->require_subcommand(1);

  auto arguments = std::make_shared<EvidenceArguments>();
  CLI::App* verify_verb = noun->add_subcommand(
      "verify",
      "Verify evidence offline, hold it against a policy, and explain every check.\n"
      "Reports, documents, certificates, CRLs and certificate tables are told by their content.\n"
      "Exit codes: 0 affirming; 3 form; 4 signature; 5 revoked or expired; 6 policy; 12 verified "
      "without a policy.\n"
      "example: ensconce evidence verify --input report.bin --endorsements certs/ --policy "
      "client.toml");
  verify_verb->add_option("--input", arguments->input, "evidence file, - for stdin")->required();
  verify_verb->add_option("--endorsements", arguments->endorsements,
                          "file or directory of certificates and CRLs; may be repeated");
  verify_verb->add_option("--at", arguments->at,
                          "judge as of this time (2026-11-23T05:00:00Z) instead of now");
  verify_verb->add_option("--policy", arguments->policy, "appraisal policy (docs/policy.md)");
  verify_verb->add_option("--trust-anchor", arguments->trust_anchor,
                          "PEM file of a root to trust beside the vendors'; a policy must list it "
                          "as well");
  verify_verb->add_option("--report-data", arguments->report_data,
                          "the 64 bytes of report data to expect, in hex");
  verify_verb->add_flag("--json", arguments->json, "print the result as JSON on stdout");
  verify_verb->callback([arguments, registrar] {
    registrar.chosen = [arguments, &context = registrar.context] {
      return verify(*arguments, context);
    };
  });

  auto shown = std::make_shared<EvidenceArguments>();
  CLI::App* show_verb = noun->add_subcommand(
      "show",
      "Decode a report, document, certificate, CRL or certificate table as JSON, without judging.\n"
      "example: ensconce evidence show --input report.bin");
  show_verb->add_option("--input", shown->input, "file, - for stdin")->required();
  show_verb->add_flag("--json", shown->json, "JSON is what it prints anyway");
  show_verb->callback([shown, registrar] { registrar.chosen = [shown] { return show(*shown); }; });
}

}  // namespace ensconce::cli
