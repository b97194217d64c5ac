#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>

#include "ensconce/attestation/endorsements/intel_endorsements.h"
#include "ensconce/attestation/evidence/evidence_kind.h"
#include "ensconce/attestation/policy/draft.h"
#include "ensconce/base/file.h"
#include "ensconce/codec/base64.h"
#include "evidence_input.h"
#include "policy_commands.h"

namespace ensconce::cli {

namespace {

constexpr std::string_view kFirstUse =
    "FIRST USE: you trust that what runs there now is what you want. Its evidence proves what "
    "runs, "
    "and nobody but you knows whether that is yours: compare the digests and keys in the policy "
    "before you rely on it";
constexpr std::string_view kSavedUse =
    "the policy says that what made this evidence is what you want: compare its digests and keys "
    "with those you know before you rely on it";

struct InitArguments {
  EvidenceArguments evidence;
  std::string url;
  std::string kind;
  std::string role = "client";
  std::string out;
};

// Fetched is a running service's document, and what it serves.
struct Fetched {
  EvidenceInput input;
  std::vector<ModelPolicy> models;
  std::vector<std::string> notes;
};

// ---- Roots that come with the evidence -------------------------------------------------------

// pem_of writes a certificate as the readers of trust anchors take it (RFC 7468).
std::string pem_of(const Certificate& certificate) {
  constexpr std::size_t kLine = 64;
  const std::string base64 = base64_encode(certificate.der());
  std::string out = "-----BEGIN CERTIFICATE-----\n";
  for (std::size_t at = 0; at < base64.size(); at += kLine) {
    out += base64.substr(at, kLine) + "\n";
  }
  return out + "-----END CERTIFICATE-----\n";
}

void add_quote_certificates(ByteView quote_bytes, std::vector<Certificate>& out) {
  const auto quote = parse_intel_quote(quote_bytes);
  const auto certificates =
      quote ? certificates_of_quote(*quote) : Result<std::vector<Certificate>>(quote.error());
  if (certificates) {
    out.insert(out.end(), certificates->begin(), certificates->end());
  }
}

void add_item_certificates(const EvidenceItem& item, std::vector<Certificate>& out) {
  if (item.type == name_of(EvidenceKind::kAzureTdx)) {
    if (const auto azure = parse_azure_evidence(item.data); azure && azure->td_quote) {
      add_quote_certificates(*azure->td_quote, out);
    }
  } else if (item.type == name_of(EvidenceKind::kTdx) || item.type == name_of(EvidenceKind::kSgx)) {
    add_quote_certificates(item.data, out);
  }
}

// anchors_among believes, for this once, every root that came along: the draft names the one that
// was used.
std::vector<TrustAnchor> anchors_among(const EvidenceInput& input,
                                       const std::vector<EndorsementItem>& given) {
  std::vector<Certificate> certificates;
  const auto add_endorsements = [&certificates](const std::vector<EndorsementItem>& items) {
    for (const EndorsementItem& item : items) {
      if (const auto certificate = Certificate::from_der(item.data)) {
        certificates.push_back(*certificate);
      }
    }
  };
  add_endorsements(given);
  add_endorsements(input.recognised.endorsements);
  if (input.recognised.evidence) {
    add_item_certificates(*input.recognised.evidence, certificates);
  }
  if (input.document) {
    add_endorsements(input.document->endorsements);
    for (const EvidenceItem& item : input.document->evidence) {
      add_item_certificates(item, certificates);
    }
  }
  std::vector<TrustAnchor> out;
  for (const Certificate& certificate : certificates) {
    if (!certificate.self_issued()) {
      continue;
    }
    if (const auto anchors = trust_anchors_from_pem(pem_of(certificate))) {
      out.insert(out.end(), anchors->begin(), anchors->end());
    }
  }
  return out;
}

// ---- A running service -----------------------------------------------------------------------

bool is_key_of(const ConnectionInfo& info, const Statement& statement) {
  const auto certificate = Certificate::from_der(info.peer_certificate_der);
  if (!certificate) {
    return false;
  }
  const auto& keys = statement.keys.tls;
  return std::find(keys.begin(), keys.end(), sha384(certificate->spki_der())) != keys.end();
}

// What a service serves is signed with the key of its statement, whoever carries it.
Result<std::vector<ModelPolicy>> fetch_models(HttpClient& http, const EvidenceDocument& document,
                                              const Statement& statement) {
  const Sha256Digest digest = sha256(document.statement);
  HttpRequest request;
  request.method = "GET";
  request.target = std::string(kServedListPath) + "?statement=" + to_hex(digest);
  ENSC_TRY_ASSIGN(const HttpResponse response, http.request(request));
  if (response.status != 200) {
    return Error(ChannelError::kUnexpectedAnswer, "status " + std::to_string(response.status));
  }
  ENSC_TRY_ASSIGN(const ServedList served,
                  verify_served_list(statement.keys.session, digest, response.body));
  std::vector<ModelPolicy> models;
  std::transform(served.models.begin(), served.models.end(), std::back_inserter(models),
                 [](const ServedModel& model) {
                   return ModelPolicy{model.name, {model.owner}, model.version};
                 });
  return models;
}

Result<Fetched> fetch(const std::string& address, PolicyRole role, const Context& context) {
  ENSC_TRY_ASSIGN(const Url url, parse_url(address));
  if (url.scheme != "https") {
    return Error(NetError::kBadUrl, "a worker is reached by https only");
  }
  ENSC_TRY_ASSIGN(const std::unique_ptr<HttpClient> http, HttpClient::connect(url));
  HttpRequest request;
  request.method = "GET";
  request.target = std::string(kEvidencePath) + "?nonce=" + to_hex(context.random.array<32>());
  ENSC_TRY_ASSIGN(const HttpResponse response, http->request(request));
  if (response.status != 200) {
    return Error(ChannelError::kNoEvidence, "expected an evidence document at " +
                                                std::string(kEvidencePath) + ", got status " +
                                                std::to_string(response.status))
        .with_remedy("is this an Ensconce worker? A certificate alone proves no TEE");
  }
  Fetched out;
  out.input.what = "an evidence document";
  ENSC_TRY_ASSIGN(out.input.document, parse_evidence_document(as_text(response.body)));
  ENSC_TRY_ASSIGN(const Statement statement, parse_statement(out.input.document->statement));
  if (!is_key_of(http->info(), statement)) {
    out.notes.emplace_back(
        "the key of this connection is not in the statement: somebody else than the attested "
        "worker "
        "ends it, and a client with this policy will not talk to him");
  }
  if (role != PolicyRole::kClient) {
    return out;
  }
  auto models = fetch_models(*http, *out.input.document, statement);
  if (models) {
    out.models = *std::move(models);
  } else {
    out.notes.push_back("what the service serves is not known: " + models.error().to_string());
  }
  return out;
}

// ---- The policy ------------------------------------------------------------------------------

PolicyRole role_of(const InitArguments& a) {
  if (a.role == "peer") {
    return PolicyRole::kPeer;
  }
  return a.role == "broker" ? PolicyRole::kBroker : PolicyRole::kClient;
}

Result<int> write_policy(const InitArguments& a, const std::string& toml,
                         const std::vector<std::string>& notes) {
  if (a.out.empty()) {
    std::fputs(toml.c_str(), stdout);
  } else {
    ENSC_TRY(write_file_atomically(a.out, as_bytes(toml)));
    std::fprintf(stderr, "wrote %s\n", a.out.c_str());
  }
  say_notes(notes);
  return 0;
}

Result<int> init_template(const InitArguments& a) {
  const auto kind = evidence_kind_from_name(a.kind);
  return write_policy(a, policy_template(role_of(a), kind.value()),
                      {"a template: it does not load before each line marked TODO is filled"});
}

Result<int> init_from_evidence(const InitArguments& a, const Context& context) {
  const bool running = !a.url.empty();
  ENSC_TRY_ASSIGN(EvidenceQuestion question, read_question(a.evidence, std::nullopt, context));
  Fetched fetched;
  if (running) {
    ENSC_TRY_ASSIGN(fetched, fetch(a.url, role_of(a), context));
  } else {
    ENSC_TRY_ASSIGN(fetched.input, read_evidence(a.evidence.input));
  }
  const std::vector<TrustAnchor> found = anchors_among(fetched.input, question.endorsements);
  question.anchors.insert(question.anchors.end(), found.begin(), found.end());
  const AttestationResult result = judge(fetched.input, question);
  if (!result.claims()) {
    say_verdict(result);
    std::fprintf(stderr, "no policy was written: it would rest on evidence that does not hold\n");
    return exit_code_of(result);
  }
  const PolicyDraft draft = draft_policy(
      role_of(a), {*result.claims(), result.statement() ? &*result.statement() : nullptr,
                   fetched.models, running ? a.url : a.evidence.input, question.now});
  // What this tool writes, it reads: a draft that does not load is our own fault, and said here.
  ENSC_TRY(AppraisalPolicy::parse(draft.toml, "the draft"));
  std::vector<std::string> notes = question.notes;
  notes.insert(notes.end(), fetched.notes.begin(), fetched.notes.end());
  notes.insert(notes.end(), draft.notes.begin(), draft.notes.end());
  notes.emplace_back(running ? kFirstUse : kSavedUse);
  return write_policy(a, draft.toml, notes);
}

}  // namespace

void register_policy_init(CLI::App& noun, Registrar registrar) {
  auto arguments = std::make_shared<InitArguments>();
  CLI::App* verb = noun.add_subcommand(
      "init",
      "Write a policy to read, change and keep: each field under a comment that says what it "
      "means.\n"
      "From saved evidence or a running service every field is filled, as narrowly as an update "
      "of\n"
      "the platform allows; debug, migration and an outdated platform are denied whatever was "
      "seen.\n"
      "From a service you trust it on FIRST USE. With --kind you get a template that does not "
      "load\n"
      "before you filled what only you know.\n"
      "example: ensconce policy init --input document.json --out client.toml\n"
      "example: ensconce policy init https://127.0.0.1:8443 --out client.toml\n"
      "example: ensconce policy init --role broker --kind tdx --out broker.toml");
  CLI::Option* url =
      verb->add_option("url", arguments->url, "https address of a running worker or broker");
  CLI::Option* input = verb->add_option("--input", arguments->evidence.input,
                                        "evidence file (report, quote, document), - for stdin");
  CLI::Option* kind =
      verb->add_option("--kind", arguments->kind, "write a template for this kind of evidence")
          ->check(CLI::IsMember({"snp", "tdx", "sgx"}));
  url->excludes(input)->excludes(kind);
  input->excludes(kind);
  add_endorsement_options(*verb, arguments->evidence);
  verb->add_option("--role", arguments->role,
                   "who will judge by it: client (default), broker (before it releases a key), or "
                   "peer (a worker or owner of a broker, or another worker)")
      ->check(CLI::IsMember({"client", "broker", "peer"}));
  verb->add_option("--out", arguments->out, "file to write (default: stdout)");
  verb->callback([arguments, url, input, kind, registrar] {
    if (url->count() + input->count() + kind->count() == 0) {
      throw CLI::RequiredError("one of --input, --kind and a worker's address");
    }
    registrar.chosen = [arguments, &context = registrar.context] {
      return arguments->kind.empty() ? init_from_evidence(*arguments, context)
                                     : init_template(*arguments);
    };
  });
}

}  // namespace ensconce::cli
