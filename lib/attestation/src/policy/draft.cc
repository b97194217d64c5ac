#include "ensconce/attestation/policy/draft.h"

#include <fmt/format.h>

#include <algorithm>

#include "draft_hardware.h"
#include "ensconce/base/printable.h"

namespace ensconce {
namespace {

using namespace internal;  // NOLINT(google-build-using-namespace): the vocabulary of this file

// Nobody has this key, so a policy that names it lets nothing pass.
const Ed25519PublicKey kNobody{};

std::string key_text(const Ed25519PublicKey& key) { return quoted(to_hex(key.bytes)); }

std::string keys_text(const std::vector<Ed25519PublicKey>& keys) {
  std::vector<std::string> out;
  std::transform(keys.begin(), keys.end(), std::back_inserter(out), key_text);
  return list_of(out);
}

void draft_head(DraftWriter& out, PolicyRole role) {
  out.plain("format", quoted("ensconce-policy/1"));
  std::string_view what = "A client's policy judges a worker's evidence before any input is sent.";
  if (role == PolicyRole::kBroker) {
    what = "A broker's policy judges a worker's evidence before a key is released.";
  } else if (role == PolicyRole::kPeer) {
    what = "A peer's policy judges a worker or a broker before it is believed or told anything.";
  }
  out.field("role", quoted(name_of(role)), what);
}

// A root that is nobody's known is listed with words that a reader will not pass over.
void draft_anchors(DraftWriter& out, const TrustAnchor* anchor, Notes& notes) {
  if (anchor == nullptr || anchor->origin == AnchorOrigin::kVendor) {
    out.section("[anchors]",
                "Whose word counts: AMD's and Intel's roots, pinned in the product by key.");
    out.plain("accept", "[\"vendor\"]");
    return;
  }
  const bool simulated = anchor->origin == AnchorOrigin::kSimulated;
  out.section("[anchors]", "Whose word counts: no vendor's.");
  out.plain("accept", "[]");
  out.section("[[anchors.listed]]",
              simulated
                  ? "THIS ROOT IS SIMULATED: whoever runs the simulator can read everything. Never "
                    "for real data. It was taken from the evidence: compare it with what "
                    "`ensconce-sim anchor` prints."
                  : "THIS ROOT IS PRIVATE and was taken from the evidence itself: compare it with "
                    "the one you know, or anybody's evidence is as good.");
  out.plain("spki_sha256", quoted(to_hex(anchor->spki_sha256)));
  out.plain("origin", quoted(name_of(anchor->origin)));
  out.plain("product", quoted(anchor->product));
  notes.push_back(fmt::format(
      "the root is {}, no vendor's: the policy lists it because the evidence came with it. Compare "
      "its key {} with the one you know",
      name_of(anchor->origin), to_hex(anchor->spki_sha256)));
}

void draft_hardware(DraftWriter& out, const EvidenceClaims& claims, Notes& notes) {
  if (claims.snp() != nullptr) {
    draft_snp(out, &claims, notes);
  } else if (claims.tdx() != nullptr) {
    draft_tdx(out, &claims, notes);
  } else {
    draft_sgx(out, &claims, notes);
  }
  if (claims.vtpm.has_value()) {
    draft_azure(out, *claims.vtpm, notes);
  }
}

void draft_security(DraftWriter& out, const Statement* statement) {
  const SecurityConfiguration* seen = statement == nullptr ? nullptr : &statement->security;
  out.section("[security]",
              seen == nullptr
                  ? "How the worker is set up. Bare evidence does not say: the two keys below are "
                    "nobody's, and no worker passes before you write yours."
                  : "How the worker is set up, in its own words, which the evidence vouches for.");
  out.plain("padding", exactly_text(seen == nullptr ? "none" : seen->padding));
  out.plain("tenancy", seen == nullptr ? one_of({quoted("shared"), quoted("single")})
                                       : exactly_text(seen->tenancy));
  out.plain("sandbox", exactly_text(seen == nullptr ? kWholeSandbox : seen->sandbox));
  out.field(
      "software",
      statement == nullptr ? open("the measurement pins it") : exactly_text(statement->software),
      "Write one_of while an update is rolled out.");
  out.field(
      "owner_keys", exactly(seen == nullptr ? keys_text({kNobody}) : keys_text(seen->owner_keys)),
      "Whose models the worker opens: it could serve somebody else's under your model's name. "
      "Compare with `ensconce key show`.");
  out.field("broker_key", exactly(key_text(seen == nullptr ? kNobody : seen->broker_key)),
            "Whose beacons and leases it believes. Compare with what your broker prints at start.");
}

void draft_freshness(DraftWriter& out, const Statement* statement) {
  out.section("[freshness]", "How old evidence may be.");
  if (statement != nullptr && is_of_broker(*statement)) {
    out.field(
        "hardware", "true",
        "Evidence must be made for the verifier's own nonce: nobody gives a broker a beacon.");
    return;
  }
  if (statement == nullptr) {
    out.field(
        "hardware", "true",
        "Evidence must be made for the verifier's own nonce. Instead: evidence_age = { at_most "
        "= \"20m\" } and broker_key = { exactly = \"<64 hex digits>\" }, a broker's word on it.");
    return;
  }
  out.field("evidence_age", "{ at_most = \"20m\" }",
            "By a broker's beacon, against this machine's clock. Instead of both lines: hardware = "
            "true, for evidence made for the client's own nonce.");
  out.plain("broker_key", exactly(key_text(statement->security.broker_key)));
}

void draft_models(DraftWriter& out, const Statement* statement, std::span<const ModelPolicy> models,
                  Notes& notes) {
  for (const ModelPolicy& model : models) {
    out.section("[[model]]", "As the service says it serves it. Remove what you will not use.");
    out.plain("name", quoted(printable(model.name)));
    out.plain("owner_key", exactly(key_text(model.owner_keys.front())));
    out.plain("minimum_version", at_least_number(model.minimum_version));
  }
  if (models.empty()) {
    out.section("[[model]]", "TODO: the models you will use; nothing is sent to any other.");
    out.plain("name", quoted("TODO"));
    out.plain("owner_key",
              statement == nullptr
                  ? exactly(key_text(kNobody))
                  : fmt::format("{{ one_of = {} }}", keys_text(statement->security.owner_keys)));
    out.plain("minimum_version", at_least_number(1));
    notes.emplace_back("name the models you will use under [[model]]: the policy names none yet");
  }
}

void note_coverage(const EvidenceClaims& claims, Notes& notes) {
  if (claims.sgx() == nullptr && coverage_word(&claims) == "firmware") {
    notes.emplace_back(
        "measurement_covers = \"firmware\": the policy gives a warning at best, and nothing rests "
        "on "
        "that. If you computed the measurement from your kernel, initrd and command line, say so");
  }
}

}  // namespace

PolicyDraft draft_policy(PolicyRole role, const DraftSource& source) {
  PolicyDraft draft;
  DraftWriter out;
  out.comment(
      fmt::format("Appraisal policy (docs/policy.md), written by `ensconce policy init` from "
                  "{}, judged as of {}.",
                  printable(source.origin), to_rfc3339(source.at)));
  out.comment(
      "It says that what you saw there is what you want. The evidence proves what ran, not that it "
      "is yours: compare every digest and key with what you know, then keep this file under "
      "review.");
  out.blank();
  draft_head(out, role);
  draft_anchors(out, &source.evidence.anchor, draft.notes);
  draft_hardware(out, source.evidence, draft.notes);
  note_coverage(source.evidence, draft.notes);
  draft_security(out, source.statement);
  if (source.statement == nullptr) {
    draft.notes.emplace_back(
        "bare evidence names no keys: write owner_keys and broker_key under [security]");
  }
  if (role != PolicyRole::kBroker) {
    draft_freshness(out, source.statement);
  }
  if (role == PolicyRole::kClient) {
    draft_models(out, source.statement, source.models, draft.notes);
  }
  draft.toml = std::move(out).take();
  return draft;
}

std::string policy_template(PolicyRole role, EvidenceKind kind) {
  Notes notes;
  DraftWriter out;
  out.comment(
      "Appraisal policy (docs/policy.md), a template of `ensconce policy init`. It does not load "
      "before each line marked TODO is filled and its mark removed.");
  out.blank();
  draft_head(out, role);
  draft_anchors(out, nullptr, notes);
  switch (kind) {
    case EvidenceKind::kTdx:
    case EvidenceKind::kAzureTdx:
      draft_tdx(out, nullptr, notes);
      break;
    case EvidenceKind::kSgx:
      draft_sgx(out, nullptr, notes);
      break;
    case EvidenceKind::kSnp:
    case EvidenceKind::kAzureSnp:
      draft_snp(out, nullptr, notes);
      break;
  }
  const std::string example = exactly_text("<64 hex digits>");
  out.section("[security]", "How the worker is set up.");
  out.plain("padding", exactly_text("none"));
  out.plain("tenancy", one_of({quoted("shared"), quoted("single")}));
  out.plain("sandbox", exactly_text(kind == EvidenceKind::kSgx ? "none" : kWholeSandbox));
  out.plain("software", open("the measurement pins it"));
  out.filled("owner_keys", std::nullopt, "{ exactly = [\"<64 hex digits>\"] }",
             "Whose models the worker opens: `ensconce key show` prints the key.");
  out.filled("broker_key", std::nullopt, example, "Whose beacons and leases it believes.");
  if (role != PolicyRole::kBroker) {
    draft_freshness(out, nullptr);
  }
  if (role == PolicyRole::kClient) {
    out.section("[[model]]", "The models you will use; nothing is sent to any other.");
    out.filled("name", std::nullopt, quoted("line-reader"), "");
    out.filled("owner_key", std::nullopt, example, "");
    out.plain("minimum_version", at_least_number(1));
  }
  return std::move(out).take();
}

}  // namespace ensconce
