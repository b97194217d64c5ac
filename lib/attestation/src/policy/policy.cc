#include "ensconce/attestation/policy/policy.h"

#include "ensconce/base/check.h"
#include "ensconce/codec/toml.h"
#include "hardware_sections.h"

namespace ensconce {
namespace {

using namespace internal;  // NOLINT(google-build-using-namespace): the vocabulary of this file

constexpr std::string_view kFormat = "ensconce-policy/1";
constexpr std::size_t kMaxPolicy = std::size_t{1024} * 1024;
constexpr std::size_t kMaxListed = 64;
constexpr std::size_t kMaxModels = 256;

Result<TrustAnchor> read_listed(const json::Value& value) {
  ENSC_TRY_ASSIGN(Table table, Table::of(value, "anchors.listed"));
  TrustAnchor anchor;
  ENSC_TRY_ASSIGN(const json::Value* spki,
                  table.take("spki_sha256", "spki_sha256 = \"<64 hex digits>\""));
  ENSC_TRY_ASSIGN(const Bytes digest, read_hex(*spki, table.where("spki_sha256"), 32));
  std::copy(digest.begin(), digest.end(), anchor.spki_sha256.begin());
  const std::vector<TrustAnchor> vendor = vendor_anchors();
  if (std::any_of(vendor.begin(), vendor.end(), [&](const TrustAnchor& known) {
        return known.spki_sha256 == anchor.spki_sha256;
      })) {
    return refuse(PolicyError::kBadValue,
                  table.where("spki_sha256") + ": this is a vendor's root, and is never listed",
                  "use accept = [\"vendor\"] under [anchors]");
  }
  ENSC_TRY_ASSIGN(const json::Value* origin, table.take("origin", "origin = \"private\""));
  ENSC_TRY_ASSIGN(const std::string word,
                  read_word(*origin, table.where("origin"), {"simulated", "private"}));
  anchor.origin = word == "simulated" ? AnchorOrigin::kSimulated : AnchorOrigin::kPrivate;
  ENSC_TRY_ASSIGN(const json::Value* product, table.take("product", "product = \"Milan\""));
  ENSC_TRY_ASSIGN(anchor.product, read_word(*product, table.where("product"),
                                            {"Milan", "Genoa", "Turin", "Intel"}));
  ENSC_TRY(table.finish());
  return anchor;
}

Result<AnchorPolicy> read_anchors(const json::Value& value) {
  ENSC_TRY_ASSIGN(Table table, Table::of(value, "anchors"));
  AnchorPolicy anchors;
  const json::Value* accept = table.take_optional("accept");
  const json::Value* listed = table.take_optional("listed");
  if (accept == nullptr && listed == nullptr) {
    return table.take("accept", "accept = [\"vendor\"]").error();
  }
  if (accept != nullptr) {
    ENSC_TRY_ASSIGN(const json::Array* items, read_array(*accept, "anchors.accept", 0, 1));
    for (const json::Value& item : *items) {
      ENSC_TRY(read_word(item, "anchors.accept", {"vendor"}));
      anchors.accept_vendor = true;
    }
  }
  if (listed != nullptr) {
    ENSC_TRY_ASSIGN(const json::Array* items, read_array(*listed, "anchors.listed", 0, kMaxListed));
    for (const json::Value& item : *items) {
      ENSC_TRY_ASSIGN(TrustAnchor anchor, read_listed(item));
      anchors.listed.push_back(std::move(anchor));
    }
  }
  ENSC_TRY(table.finish());
  if (!anchors.accept_vendor && anchors.listed.empty()) {
    return bad_value("anchors", "at least one root");
  }
  return anchors;
}

Result<OwnerKeysConstraint> read_owner_keys(Table& table) {
  ENSC_TRY_ASSIGN(const Chosen chosen, choose(table, "owner_keys", kSame,
                                              "owner_keys = { one_of = [\"<64 hex digits>\"] }"));
  if (chosen.op == kUnconstrained) {
    ENSC_TRY_ASSIGN(Unconstrained reason, read_reason(chosen));
    return OwnerKeysConstraint(std::move(reason));
  }
  ENSC_TRY_ASSIGN(std::vector<Ed25519PublicKey> keys,
                  read_list<Ed25519PublicKey>(*chosen.value, chosen.where, read_key));
  if (chosen.op == kOneOf) {
    return OwnerKeysConstraint(SubsetOf{std::move(keys)});
  }
  return OwnerKeysConstraint(Exactly<std::vector<Ed25519PublicKey>>{std::move(keys)});
}

Result<SecurityPolicy> read_security(const json::Value& value) {
  ENSC_TRY_ASSIGN(Table table, Table::of(value, "security"));
  SecurityPolicy security;
  ENSC_TRY_ASSIGN(security.padding, text(table, "padding", "padding = { exactly = \"none\" }"));
  ENSC_TRY_ASSIGN(security.tenancy, text(table, "tenancy", "tenancy = { exactly = \"shared\" }"));
  ENSC_TRY_ASSIGN(security.sandbox, text(table, "sandbox", "sandbox = { exactly = \"none\" }"));
  ENSC_TRY_ASSIGN(security.software,
                  text(table, "software", "software = { unconstrained = \"why\" }"));
  ENSC_TRY_ASSIGN(security.owner_keys, read_owner_keys(table));
  ENSC_TRY_ASSIGN(security.broker_key,
                  hex(table, "broker_key", 32, "broker_key = { exactly = \"<64 hex digits>\" }"));
  ENSC_TRY(table.finish());
  return security;
}

// keys reads { exactly = "hex" } or { one_of = ["hex", …] }: whose word counts is never open.
Result<std::vector<Ed25519PublicKey>> keys(Table& table, std::string_view key) {
  ENSC_TRY_ASSIGN(const Chosen chosen,
                  choose(table, key, kExactly | kOneOf,
                         std::string(key) + " = { exactly = \"<64 hex digits>\" }"));
  if (chosen.op == kOneOf) {
    return read_list<Ed25519PublicKey>(*chosen.value, chosen.where, read_key);
  }
  ENSC_TRY_ASSIGN(const Ed25519PublicKey one, read_key(*chosen.value, chosen.where));
  return std::vector<Ed25519PublicKey>{one};
}

Result<FreshnessPolicy> read_freshness(const json::Value& value) {
  ENSC_TRY_ASSIGN(Table table, Table::of(value, "freshness"));
  if (const json::Value* hardware = table.take_optional("hardware")) {
    ENSC_TRY_ASSIGN(const bool on, read_bool(*hardware, table.where("hardware")));
    if (!on) {
      return bad_value(table.where("hardware"),
                       "true (or leave it out and write evidence_age and broker_key)");
    }
    ENSC_TRY(table.finish());
    return FreshnessPolicy(HardwareFreshness{});
  }
  BeaconFreshness beacon;
  ENSC_TRY_ASSIGN(const Chosen age,
                  choose(table, "evidence_age", kAtMost, "evidence_age = { at_most = \"20m\" }"));
  ENSC_TRY_ASSIGN(beacon.at_most, read_duration(*age.value, age.where));
  ENSC_TRY_ASSIGN(beacon.broker_keys, keys(table, "broker_key"));
  ENSC_TRY(table.finish());
  return FreshnessPolicy(std::move(beacon));
}

Result<ModelPolicy> read_model(const json::Value& value) {
  ENSC_TRY_ASSIGN(Table table, Table::of(value, "model"));
  ModelPolicy model;
  ENSC_TRY_ASSIGN(const json::Value* name, table.take("name", "name = \"line-reader\""));
  ENSC_TRY_ASSIGN(model.name, read_text(*name, table.where("name")));
  ENSC_TRY_ASSIGN(model.owner_keys, keys(table, "owner_key"));
  ENSC_TRY_ASSIGN(const Chosen version,
                  choose(table, "minimum_version", kAtLeast, "minimum_version = { at_least = 1 }"));
  ENSC_TRY_ASSIGN(model.minimum_version, read_uint(*version.value, version.where));
  ENSC_TRY(table.finish());
  return model;
}

Result<std::vector<ModelPolicy>> read_models(const json::Value& value) {
  ENSC_TRY_ASSIGN(const json::Array* items, read_array(value, "model", 1, kMaxModels));
  std::vector<ModelPolicy> models;
  for (const json::Value& item : *items) {
    ENSC_TRY_ASSIGN(ModelPolicy model, read_model(item));
    if (std::any_of(models.begin(), models.end(),
                    [&](const ModelPolicy& other) { return other.name == model.name; })) {
      return bad_value("model." + model.name, "each model once");
    }
    models.push_back(std::move(model));
  }
  return models;
}

// A policy says which kinds of evidence it accepts by the sections it has.
Result<void> read_hardware(Table& top, PolicyFields& fields) {
  if (const json::Value* snp = top.take_optional("snp")) {
    ENSC_TRY_ASSIGN(fields.snp, read_snp(*snp));
  }
  if (const json::Value* tdx = top.take_optional("tdx")) {
    ENSC_TRY_ASSIGN(fields.tdx, read_tdx(*tdx));
  }
  if (const json::Value* sgx = top.take_optional("sgx")) {
    ENSC_TRY_ASSIGN(fields.sgx, read_sgx(*sgx));
  }
  if (const json::Value* azure = top.take_optional("azure")) {
    ENSC_TRY_ASSIGN(fields.azure, read_azure(*azure));
  }
  if (!fields.snp && !fields.tdx && !fields.sgx) {
    return refuse(PolicyError::kMissingField, "no section [snp], [tdx] or [sgx]",
                  "write one section for each kind of evidence you accept: docs/policy.md, or "
                  "`ensconce policy init`");
  }
  if (fields.azure && !fields.snp && !fields.tdx) {
    return refuse(PolicyError::kMissingField, "[azure] stands without the hardware below it",
                  "add [snp] or [tdx], whichever your Azure guests run on");
  }
  return ok();
}

std::optional<PolicyRole> role_from(std::string_view name) {
  for (const PolicyRole role : {PolicyRole::kClient, PolicyRole::kBroker, PolicyRole::kPeer}) {
    if (name == name_of(role)) {
      return role;
    }
  }
  return std::nullopt;
}

Result<PolicyFields> read_policy(const json::Value& value) {
  ENSC_TRY_ASSIGN(Table top, Table::of(value, ""));
  ENSC_TRY_ASSIGN(const json::Value* format, top.take("format", "format = \"ensconce-policy/1\""));
  const auto format_text = format->as_text("format");
  if (!format_text || *format_text != kFormat) {
    return refuse(PolicyError::kFormat, "format is not \"ensconce-policy/1\"");
  }
  ENSC_TRY_ASSIGN(const json::Value* role_value, top.take("role", "role = \"client\""));
  const auto role = role_value->as_text("role");
  const std::optional<PolicyRole> known = role ? role_from(*role) : std::nullopt;
  if (!known) {
    return refuse(PolicyError::kFormat, "role is none of \"client\", \"broker\" and \"peer\"");
  }
  PolicyFields fields;
  fields.role = *known;
  ENSC_TRY_ASSIGN(const json::Value* anchors,
                  top.take("anchors", "a section [anchors] with accept = [\"vendor\"]"));
  ENSC_TRY_ASSIGN(fields.anchors, read_anchors(*anchors));
  ENSC_TRY(read_hardware(top, fields));
  ENSC_TRY_ASSIGN(const json::Value* security, top.take("security", "a section [security]"));
  ENSC_TRY_ASSIGN(fields.security, read_security(*security));
  if (fields.role != PolicyRole::kBroker) {
    ENSC_TRY_ASSIGN(const json::Value* freshness,
                    top.take("freshness",
                             "a section [freshness] with evidence_age and broker_key, or with "
                             "hardware = true"));
    ENSC_TRY_ASSIGN(fields.freshness, read_freshness(*freshness));
  }
  if (fields.role == PolicyRole::kClient) {
    ENSC_TRY_ASSIGN(
        const json::Value* models,
        top.take("model", "a section [[model]] with name, owner_key and minimum_version"));
    ENSC_TRY_ASSIGN(fields.models, read_models(*models));
  }
  ENSC_TRY(top.finish());
  return fields;
}

}  // namespace

std::string_view name_of(PolicyRole role) {
  switch (role) {
    case PolicyRole::kClient:
      return "client";
    case PolicyRole::kBroker:
      return "broker";
    case PolicyRole::kPeer:
      return "peer";
  }
  ENSC_CHECK(false);
}

CodeInfo error_info(PolicyError code) {
  switch (code) {
    case PolicyError::kSyntax:
      return {"policy.syntax", Kind::kInvalidInput, Stage::kUsage};
    case PolicyError::kFormat:
      return {"policy.format", Kind::kUnsupported, Stage::kUsage};
    case PolicyError::kMissingField:
      return {"policy.missing_field", Kind::kInvalidInput, Stage::kUsage};
    case PolicyError::kUnknownField:
      return {"policy.unknown_field", Kind::kInvalidInput, Stage::kUsage};
    case PolicyError::kBadValue:
      return {"policy.bad_value", Kind::kInvalidInput, Stage::kUsage};
  }
  ENSC_CHECK(false);
}

Result<AppraisalPolicy> AppraisalPolicy::parse(std::string_view toml,
                                               std::string_view source_name) {
  if (toml.size() > kMaxPolicy) {
    return refuse(PolicyError::kSyntax, "a policy has at most 1 MiB");
  }
  const auto value = toml::parse(toml, source_name);
  if (!value) {
    return refuse(PolicyError::kSyntax, value.error().detail());
  }
  Result<PolicyFields> fields = read_policy(*value);
  if (!fields) {
    return fields.error().with_context(source_name);
  }
  return AppraisalPolicy(*std::move(fields), ensconce::sha256(as_bytes(toml)));
}

std::vector<TrustAnchor> AppraisalPolicy::anchors() const {
  std::vector<TrustAnchor> out = fields_.anchors.listed;
  if (fields_.anchors.accept_vendor) {
    const std::vector<TrustAnchor> vendor = vendor_anchors();
    out.insert(out.end(), vendor.begin(), vendor.end());
  }
  return out;
}

const ModelPolicy* AppraisalPolicy::model(std::string_view name) const {
  const auto found = std::find_if(fields_.models.begin(), fields_.models.end(),
                                  [&](const ModelPolicy& model) { return model.name == name; });
  return found == fields_.models.end() ? nullptr : &*found;
}

}  // namespace ensconce
