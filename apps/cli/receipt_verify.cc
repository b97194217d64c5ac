#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "ensconce/attestation/evidence/beacon.h"
#include "ensconce/attestation/result/render.h"
#include "ensconce/base/file.h"
#include "ensconce/base/printable.h"
#include "ensconce/client/saved_message.h"
#include "ensconce/crypto/cose.h"
#include "evidence_input.h"
#include "receipt_commands.h"
#include "receipt_files.h"

namespace ensconce::cli {

namespace {

constexpr std::size_t kMaxMessage = std::size_t{128} * 1024 * 1024;

struct VerifyArguments {
  std::string receipt;
  EvidenceArguments evidence;
  std::string policy;
  std::string nonce;
  std::string request;
  std::string response;
  std::string key;
  bool json = false;
};

// Messages are what the receipt is held against beside the evidence, as far as they were given.
struct Messages {
  std::optional<Sha256Digest> request;
  std::optional<Sha256Digest> response;
  std::string bundle;  // that the request names
};

// ReceiptChecks collects rules the way an appraisal does: the first that does not hold is the
// error.
class ReceiptChecks {
 public:
  void add(ChannelError code, std::string_view rule, std::string expected, std::string got,
           const Result<void>& holds, std::string_view remedy) {
    checks_.push_back({error_info(code).id, rule, std::move(expected), std::move(got),
                       holds.has_value(), holds ? std::string_view() : remedy});
    if (!holds && !error_) {
      error_ = holds.error();
    }
  }
  void not_applied(ChannelError code, std::string_view rule, std::string got) {
    checks_.push_back({error_info(code).id, rule, "", std::move(got), std::nullopt, ""});
  }
  [[nodiscard]] const std::vector<Check>& checks() const { return checks_; }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  std::vector<Check> checks_;
  std::optional<Error> error_;
};

constexpr std::string_view kRemedyEvidence =
    "give the evidence that was saved with this receipt; evidence of another boot or worker does "
    "not vouch for it";
constexpr std::string_view kRemedyMessages =
    "give the message exactly as it went over the channel, and the key that was saved with this "
    "receipt; otherwise it is a receipt for something else";

Result<void> holds_of(bool holds, ChannelError code, const char* what) {
  if (!holds) {
    return Error(code, what);
  }
  return ok();
}

void judge_model(ReceiptChecks& checks, const Receipt& receipt, const AppraisalPolicy& policy) {
  const ModelPolicy* wanted = policy.model(receipt.model_name);
  const std::string got =
      printable(receipt.model_name) + " version " + std::to_string(receipt.model_version);
  checks.add(ChannelError::kModelNotInPolicy, "the policy names the model (policy, [[model]])",
             "a model of the policy", got,
             holds_of(wanted != nullptr, ChannelError::kModelNotInPolicy,
                      "the policy does not name the model"),
             "judge it by the policy it was asked under");
  if (wanted != nullptr) {
    checks.add(ChannelError::kModelRolledBack, "its version is at least the policy's",
               "version " + std::to_string(wanted->minimum_version) + " or later", got,
               holds_of(receipt.model_version >= wanted->minimum_version,
                        ChannelError::kModelRolledBack, "the model is older than the policy's"),
               "an older model answered than the policy takes: do not rest on the answer");
  }
}

void judge_messages(ReceiptChecks& checks, const Receipt& receipt, const Messages& given) {
  constexpr std::string_view kBundleRule = "it is of the bundle the request names (section 3)";
  constexpr std::string_view kRequestRule = "it is for this request (section 2)";
  constexpr std::string_view kResponseRule = "it is for this answer (section 2)";
  if (given.request) {
    const std::string manifest = to_hex(receipt.manifest_digest);
    checks.add(ChannelError::kReceiptManifest, kBundleRule, printable(given.bundle), manifest,
               holds_of(given.bundle == manifest, ChannelError::kReceiptManifest,
                        "the request names another bundle"),
               kRemedyMessages);
    checks.add(ChannelError::kReceiptRequest, kRequestRule, to_hex(*given.request),
               to_hex(receipt.request_digest), match_receipt_request(receipt, *given.request),
               kRemedyMessages);
  } else {
    checks.not_applied(ChannelError::kReceiptManifest, kBundleRule, "no --request");
    checks.not_applied(ChannelError::kReceiptRequest, kRequestRule, "no --request");
  }
  if (given.response) {
    checks.add(ChannelError::kReceiptResponse, kResponseRule, to_hex(*given.response),
               to_hex(receipt.response_digest), match_receipt_response(receipt, *given.response),
               kRemedyMessages);
  } else {
    checks.not_applied(ChannelError::kReceiptResponse, kResponseRule, "no --response");
  }
}

// What the receipt says is judged by what the evidence vouches for: its statement and its claims.
ReceiptChecks judge_receipt(ByteView message, const Receipt& receipt, const Statement& statement,
                            const EvidenceClaims& claims, const Sha256Digest& statement_digest,
                            const AppraisalPolicy& policy, const Messages& given) {
  ReceiptChecks checks;
  const Result<Receipt> verified = verify_receipt(statement.keys.receipt, message);
  checks.add(ChannelError::kReceiptSignature,
             "signed by the receipt key of the statement (receipt.md, section 1)",
             to_hex(statement.keys.receipt.bytes),
             verified ? to_hex(statement.keys.receipt.bytes) : "another signer",
             verified ? ok() : Result<void>(verified.error()), kRemedyEvidence);
  const bool same = equal(receipt.statement_digest, statement_digest);
  checks.add(
      ChannelError::kReceiptStatement, "of the boot the statement speaks for (section 3)",
      "boot " + to_hex(statement.boot_id),
      same ? "this very statement" : "boot " + to_hex(receipt.boot_id) + ", another statement",
      match_receipt_statement(receipt, statement.boot_id), kRemedyEvidence);
  checks.add(ChannelError::kReceiptMeasurement, "names the code the evidence measures (section 3)",
             to_hex(claims.measurement()), to_hex(receipt.measurement),
             match_receipt_measurement(receipt, claims.measurement()), kRemedyEvidence);
  judge_model(checks, receipt, policy);
  judge_messages(checks, receipt, given);
  return checks;
}

// The beacon the evidence was affirmed by. One beside evidence affirmed by a nonce was judged by
// nobody.
std::optional<Beacon> beacon_of(const EvidenceDocument& document, const AppraisalPolicy& policy,
                                bool affirmed) {
  const bool by_beacon =
      policy.freshness() && std::holds_alternative<BeaconFreshness>(*policy.freshness());
  if (!affirmed || !by_beacon || !document.beacon) {
    return std::nullopt;
  }
  const Result<Bytes> payload = cose_payload_unverified(*document.beacon);
  const Result<Beacon> beacon =
      payload ? parse_beacon_payload(*payload) : Result<Beacon>(payload.error());
  return beacon ? std::optional(*beacon) : std::nullopt;
}

// The time in a receipt is the worker's clock, which its host sets. Whoever judges by it must know.
void say_time(const Receipt& receipt, const EvidenceDocument& document,
              const std::optional<Beacon>& beacon, bool chosen, Instant now) {
  if (chosen) {
    std::fprintf(stderr, "judged as of %s (--at)\n", to_rfc3339(now).c_str());
  } else {
    std::fprintf(stderr,
                 "JUDGED AS OF %s, the time the receipt says: THE WORKER'S WORD, whose host sets\n"
                 "  its clock. Certificates and lists of that time are believed; --at says "
                 "another.\n",
                 to_rfc3339(now).c_str());
  }
  if (!beacon) {
    std::fprintf(stderr, "  No beacon bounds it.\n");
  } else if (equal(receipt.statement_digest, sha256(document.statement))) {
    std::fprintf(stderr,
                 "  A beacon bounds it from below: signed after %s by the broker's clock.\n"
                 "  From above nothing does.\n",
                 to_rfc3339(beacon->time).c_str());
  } else {
    std::fprintf(stderr,
                 "  The beacon at hand, of %s, is of another epoch of the same boot: it bounds\n"
                 "  the evidence and not the receipt.\n",
                 to_rfc3339(beacon->time).c_str());
  }
}

void say_receipt(const Receipt& receipt, const ReceiptChecks& checks, bool affirmed) {
  const bool color = isatty(STDERR_FILENO) == 1;
  if (checks.error()) {
    std::fprintf(stderr, "RECEIPT REFUSED by %s (%s)\n", std::string(checks.error()->id()).c_str(),
                 std::string(name_of(checks.error()->stage())).c_str());
  } else if (!affirmed) {
    std::fprintf(stderr,
                 "RECEIPT signed, under evidence that is not affirmed: rest nothing on it\n");
  } else {
    std::fprintf(stderr, "RECEIPT HOLDS\n");
  }
  std::fprintf(
      stderr, "  model        %s version %llu\n  bundle       %s\n  sequence     %llu\n",
      printable(receipt.model_name).c_str(), static_cast<unsigned long long>(receipt.model_version),
      to_hex(receipt.manifest_digest).c_str(), static_cast<unsigned long long>(receipt.sequence));
  std::fprintf(stderr, "%s", checks_to_text(checks.checks(), color).c_str());
}

Result<Messages> read_messages(const VerifyArguments& a) {
  Messages out;
  if (a.key.empty()) {
    return out;
  }
  ENSC_TRY_ASSIGN(const ReceiptKey key, read_receipt_key(a.key));
  if (!a.request.empty()) {
    ENSC_TRY_ASSIGN(const Bytes file, read_file(a.request, kMaxMessage));
    ENSC_TRY_ASSIGN(const HttpRequest request, parse_saved_request(file));
    const ReceiptedRequest head = receipted_request(request);
    out.request = request_digest(key, head, request.body);
    out.bundle = head.bundle;
  }
  if (!a.response.empty()) {
    ENSC_TRY_ASSIGN(const Bytes file, read_file(a.response, kMaxMessage));
    ENSC_TRY_ASSIGN(const HttpResponse response, parse_saved_response(file));
    out.response = response_digest(key, receipted_response(response), response.body);
  }
  return out;
}

Result<EvidenceQuestion> read_receipt_question(const VerifyArguments& a, const Receipt& receipt,
                                               const Context& context) {
  ENSC_TRY_ASSIGN(const std::string text, read_text_file(a.policy));
  ENSC_TRY_ASSIGN(AppraisalPolicy policy, AppraisalPolicy::parse(text, a.policy));
  if (policy.role() != PolicyRole::kClient) {
    return Error(BaseError::kInvalidArgument, a.policy + " is a broker's policy")
        .with_remedy("a receipt is judged by a client's policy");
  }
  ENSC_TRY_ASSIGN(EvidenceQuestion question, read_question(a.evidence, std::move(policy), context));
  if (a.evidence.at.empty()) {
    question.now = receipt.time;
  }
  if (!a.nonce.empty()) {
    const Result<Bytes> bytes = from_hex(a.nonce);
    if (!bytes || bytes->size() != 32) {
      return Error(BaseError::kInvalidArgument, "--nonce is not the hex of 32 bytes");
    }
    ENSC_TRY_ASSIGN(question.own_nonce, to_array<32>(*bytes));
  }
  return question;
}

json::Value text_or_null(const std::optional<std::string_view>& text) {
  return text ? json::Value(*text) : json::Value(nullptr);
}

Result<int> verify(const VerifyArguments& a, const Context& context) {
  ENSC_TRY_ASSIGN(const Bytes message, read_receipt_file(a.receipt));
  ENSC_TRY_ASSIGN(const Receipt receipt, read_receipt_unverified(message));
  ENSC_TRY_ASSIGN(const EvidenceQuestion question, read_receipt_question(a, receipt, context));
  ENSC_TRY_ASSIGN(const Messages given, read_messages(a));
  const Result<EvidenceInput> input = read_evidence(a.evidence.input);
  if (!input) {
    return input.error();
  }
  if (!input->document) {
    return Error(ChannelError::kNoEvidence, a.evidence.input + " is " + input->what)
        .with_remedy(
            "give the evidence document that was saved with the receipt: a bare report "
            "names no keys");
  }
  const AttestationResult result = judge(input, question);
  const bool affirmed = result.affirmed().has_value();
  say_notes(question.notes);
  say_time(receipt, *input->document, beacon_of(*input->document, *question.policy, affirmed),
           !a.evidence.at.empty(), question.now);
  say_verdict(result);
  ReceiptChecks checks;
  if (result.claims() && result.statement()) {
    checks = judge_receipt(message, receipt, *result.statement(), *result.claims(),
                           sha256(input->document->statement), *question.policy, given);
    say_receipt(receipt, checks, affirmed);
  } else {
    std::fprintf(stderr, "RECEIPT NOT JUDGED: nothing vouches for the key that signed it\n");
  }
  const std::optional<Error>& error = result.error() ? result.error() : checks.error();
  const bool holds = affirmed && !checks.error();
  if (a.json) {
    const json::Value out = json::Object{
        {"holds", holds},
        {"stage", text_or_null(error ? std::optional(name_of(error->stage())) : std::nullopt)},
        {"code", text_or_null(error ? std::optional(error->id()) : std::nullopt)},
        {"judged_at", to_rfc3339(question.now)},
        {"receipt", receipt_to_json(receipt)},
        {"checks", checks_to_json(checks.checks())},
        {"evidence", result_to_json(result)}};
    std::printf("%s\n", json::write_pretty(out).c_str());
  }
  if (affirmed && checks.error()) {
    return ensconce::exit_code_of(checks.error()->stage());
  }
  return exit_code_of(result);
}

}  // namespace

void register_receipt_verify(CLI::App& noun, Registrar registrar) {
  auto arguments = std::make_shared<VerifyArguments>();
  CLI::App* verb = noun.add_subcommand(
      "verify",
      "Verify a receipt offline: the evidence by your policy, then the receipt by the evidence.\n"
      "It is judged as of the time the receipt says, which is the worker's word, unless --at.\n"
      "Exit codes: 0 holds; 2 usage; 3 form; 4 signature; 5 revoked or expired; 6 policy; 7 it is\n"
      "another receipt: of another worker, code, request or answer.\n"
      "example: ensconce receipt verify --receipt kept/receipt.cose --evidence kept/evidence.json "
      "--policy client.toml");
  verb->add_option("--receipt", arguments->receipt, "receipt.cose")->required();
  verb->add_option("--evidence", arguments->evidence.input,
                   "the evidence document that was saved with it")
      ->required();
  add_endorsement_options(*verb, arguments->evidence);
  verb->get_option("--at")->description(
      "judge as of this time (2026-11-23T05:00:00Z) instead of the receipt's");
  verb->add_option("--policy", arguments->policy, "a client's appraisal policy (docs/policy.md)")
      ->required();
  verb->add_option(
      "--nonce", arguments->nonce,
      "the nonce you asked for evidence with, in hex, where the policy wants hardware\n"
      "freshness (session.nonce of your own document)");
  CLI::Option* key =
      verb->add_option("--key", arguments->key, "receipt-key.hex, for --request and --response");
  verb->add_option("--request", arguments->request, "the request, as an HTTP/1.1 message")
      ->needs(key);
  verb->add_option("--response", arguments->response, "the answer, as an HTTP/1.1 message")
      ->needs(key);
  verb->add_flag("--json", arguments->json, "print the result on stdout");
  verb->callback([arguments, registrar] {
    registrar.chosen = [arguments, &context = registrar.context] {
      return verify(*arguments, context);
    };
  });
}

}  // namespace ensconce::cli
