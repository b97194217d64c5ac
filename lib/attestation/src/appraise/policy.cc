#include "ensconce/attestation/appraise/policy.h"

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <limits>

#include "ensconce/base/check.h"
#include "ensconce/codec/toml.h"

namespace ensconce {
namespace {

constexpr std::string_view kFormat = "ensconce-policy/1";
constexpr std::size_t kMaxPolicy = std::size_t{1024} * 1024;
constexpr std::size_t kMaxListed = 64;
constexpr std::size_t kMaxModels = 256;
constexpr std::size_t kMaxValues = 1024;
constexpr std::size_t kMaxText = 256;

// Every refusal of a policy file is made here.
Error refuse(PolicyError code, std::string detail, std::string remedy = {}) {
  Error error(code, std::move(detail));
  return remedy.empty() ? error : error.with_remedy(std::move(remedy));
}

Error bad_value(const std::string& where, std::string_view expected) {
  return refuse(PolicyError::kBadValue, where + ": " + std::string(expected) + " is expected");
}

// Table reads one TOML table whose keys are all known; each is taken by name, with a line that
// would mend its absence.
class Table {
 public:
  static Result<Table> of(const json::Value& value, std::string path) {
    const auto object = value.as_object(path);
    if (!object) {
      return bad_value(path, "a table");
    }
    return Table(*object, std::move(path));
  }

  [[nodiscard]] std::string where(std::string_view key) const {
    return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
  }

  Result<const json::Value*> take(std::string_view key, std::string_view help) {
    const json::Value* value = take_optional(key);
    if (value == nullptr) {
      return refuse(PolicyError::kMissingField, where(key) + " is missing",
                    "add to " + (path_.empty() ? "the top of the file" : "[" + path_ + "]") + ": " +
                        std::string(help));
    }
    return value;
  }

  const json::Value* take_optional(std::string_view key) {
    for (std::size_t i = 0; i < object_->size(); ++i) {
      if ((*object_)[i].first == key) {
        taken_[i] = true;
        return &(*object_)[i].second;
      }
    }
    return nullptr;
  }

  [[nodiscard]] Result<void> finish() const {
    for (std::size_t i = 0; i < object_->size(); ++i) {
      if (!taken_[i]) {
        return refuse(PolicyError::kUnknownField, where((*object_)[i].first) + " is not known here",
                      "remove it; docs/policy.md lists every field of each role");
      }
    }
    return ok();
  }

 private:
  Table(const json::Object* object, std::string path)
      : object_(object), path_(std::move(path)), taken_(object->size(), false) {}
  const json::Object* object_;
  std::string path_;
  std::vector<bool> taken_;
};

// ---- Values ----------------------------------------------------------------------------------

Result<std::string> read_text(const json::Value& value, const std::string& where) {
  const auto text = value.as_text(where);
  if (!text || text->empty() || text->size() > kMaxText) {
    return bad_value(where, "a text of 1 to 256 characters");
  }
  return *text;
}

Result<std::uint64_t> read_uint(const json::Value& value, const std::string& where) {
  const auto number = value.as_uint(where);
  if (!number) {
    return bad_value(where, "a whole number, not negative,");
  }
  return *number;
}

Result<bool> read_bool(const json::Value& value, const std::string& where) {
  const auto flag = value.as_bool(where);
  if (!flag) {
    return bad_value(where, "true or false");
  }
  return *flag;
}

Result<Bytes> read_hex(const json::Value& value, const std::string& where, std::size_t len) {
  const std::string expected = "hex of " + std::to_string(len) + " bytes";
  const auto text = value.as_text(where);
  if (!text) {
    return bad_value(where, expected);
  }
  auto bytes = from_hex(*text);
  if (!bytes || bytes->size() != len) {
    return bad_value(where, expected);
  }
  return *std::move(bytes);
}

Result<Ed25519PublicKey> read_key(const json::Value& value, const std::string& where) {
  ENSC_TRY_ASSIGN(const Bytes bytes, read_hex(value, where, 32));
  Ed25519PublicKey key;
  std::copy(bytes.begin(), bytes.end(), key.bytes.begin());
  return key;
}

Result<std::uint8_t> read_component(Table& table, std::string_view name) {
  ENSC_TRY_ASSIGN(const json::Value* value,
                  table.take(name, "a number from 0 to 255 for every component"));
  const auto number = value->as_uint(table.where(name));
  if (!number || *number > 255) {
    return bad_value(table.where(name), "a number from 0 to 255");
  }
  return static_cast<std::uint8_t>(*number);
}

Result<TcbVersion> read_tcb(const json::Value& value, const std::string& where) {
  ENSC_TRY_ASSIGN(Table table, Table::of(value, where));
  TcbVersion tcb;
  ENSC_TRY_ASSIGN(tcb.bootloader, read_component(table, "bootloader"));
  ENSC_TRY_ASSIGN(tcb.tee, read_component(table, "tee"));
  ENSC_TRY_ASSIGN(tcb.snp, read_component(table, "snp"));
  ENSC_TRY_ASSIGN(tcb.microcode, read_component(table, "microcode"));
  if (table.take_optional("fmc") != nullptr) {
    ENSC_TRY_ASSIGN(tcb.fmc, read_component(table, "fmc"));
  }
  ENSC_TRY(table.finish());
  return tcb;
}

// read_duration reads a whole number of seconds, minutes, hours or days: "90s", "20m", "1h", "2d".
Result<Millis> read_duration(const json::Value& value, const std::string& where) {
  constexpr std::string_view kExpected = "a duration such as \"90s\", \"20m\", \"1h\" or \"2d\"";
  const auto text = value.as_text(where);
  if (!text || text->size() < 2 || text->size() > 8 ||
      !std::all_of(text->begin(), text->end() - 1, [](char c) { return c >= '0' && c <= '9'; })) {
    return bad_value(where, kExpected);
  }
  std::int64_t amount = 0;
  for (const char c : std::string_view(*text).substr(0, text->size() - 1)) {
    amount = amount * 10 + (c - '0');
  }
  switch (text->back()) {
    case 's':
      return Millis(std::chrono::seconds(amount));
    case 'm':
      return Millis(std::chrono::minutes(amount));
    case 'h':
      return Millis(std::chrono::hours(amount));
    case 'd':
      return Millis(std::chrono::hours(24 * amount));
    default:
      return bad_value(where, kExpected);
  }
}

Result<const json::Array*> read_array(const json::Value& value, const std::string& where,
                                      std::size_t min, std::size_t max) {
  const auto items = value.as_array(where);
  if (!items || (*items)->size() < min || (*items)->size() > max) {
    return bad_value(where,
                     "a list of " + std::to_string(min) + " to " + std::to_string(max) + " values");
  }
  return *items;
}

template <typename T>
using ValueReader = std::function<Result<T>(const json::Value&, const std::string&)>;

template <typename T>
Result<std::vector<T>> read_list(const json::Value& value, const std::string& where,
                                 const ValueReader<T>& read) {
  ENSC_TRY_ASSIGN(const json::Array* items, read_array(value, where, 1, kMaxValues));
  std::vector<T> out;
  for (const json::Value& item : *items) {
    ENSC_TRY_ASSIGN(T one, read(item, where));
    out.push_back(std::move(one));
  }
  return out;
}

// ---- Constraints -----------------------------------------------------------------------------

enum Operator : unsigned {
  kExactly = 1,
  kOneOf = 2,
  kAtLeast = 4,
  kAtMost = 8,
  kUnconstrained = 16
};
constexpr unsigned kSame = kExactly | kOneOf | kUnconstrained;
constexpr unsigned kOrdered = kSame | kAtLeast | kAtMost;

struct NamedOperator {
  std::string_view name;
  Operator op;
};
constexpr NamedOperator kOperators[] = {{"exactly", kExactly},
                                        {"one_of", kOneOf},
                                        {"at_least", kAtLeast},
                                        {"at_most", kAtMost},
                                        {"unconstrained", kUnconstrained}};

std::string operator_names(unsigned allowed) {
  std::string out;
  for (const auto& [name, op] : kOperators) {
    if ((allowed & op) != 0) {
      out += (out.empty() ? "{ " : " or { ") + std::string(name) + " = … }";
    }
  }
  return out;
}

struct Chosen {
  Operator op;
  const json::Value* value;
  std::string where;
};

// A constraint is a table of exactly one operator.
Result<Chosen> choose(Table& table, std::string_view key, unsigned allowed, std::string_view help) {
  ENSC_TRY_ASSIGN(const json::Value* value, table.take(key, help));
  const std::string where = table.where(key);
  const auto object = value->as_object(where);
  if (object && (*object)->size() == 1) {
    const auto& [name, operand] = (*object)->front();
    for (const auto& known : kOperators) {
      if ((allowed & known.op) != 0 && name == known.name) {
        return Chosen{known.op, &operand, where + "." + name};
      }
    }
    if (std::none_of(std::begin(kOperators), std::end(kOperators),
                     [&name = name](const NamedOperator& known) { return name == known.name; })) {
      return refuse(PolicyError::kUnknownField, where + "." + name + " is not known here",
                    "write " + operator_names(allowed));
    }
  } else if (object && (*object)->size() > 1) {
    // Two operators, or one and something unknown.
    for (const auto& [name, operand] : **object) {
      if (std::none_of(
              std::begin(kOperators), std::end(kOperators),
              [&, &text = name](const NamedOperator& known) { return text == known.name; })) {
        return refuse(PolicyError::kUnknownField, where + "." + name + " is not known here",
                      "write one of " + operator_names(allowed));
      }
    }
  }
  return bad_value(where, operator_names(allowed));
}

Result<Unconstrained> read_reason(const Chosen& chosen) {
  const auto why = chosen.value->as_text(chosen.where);
  if (!why || why->find_first_not_of(" \t") == std::string::npos || why->size() > kMaxText) {
    return bad_value(chosen.where, "the reason why this field does not matter");
  }
  return Unconstrained{*why};
}

template <typename T>
Result<Constraint<T>> read_constraint(Table& table, std::string_view key, unsigned allowed,
                                      const ValueReader<T>& read, std::string_view help) {
  ENSC_TRY_ASSIGN(const Chosen chosen, choose(table, key, allowed, help));
  switch (chosen.op) {
    case kUnconstrained: {
      ENSC_TRY_ASSIGN(Unconstrained reason, read_reason(chosen));
      return Constraint<T>(std::move(reason));
    }
    case kOneOf: {
      ENSC_TRY_ASSIGN(std::vector<T> values, read_list<T>(*chosen.value, chosen.where, read));
      return Constraint<T>(OneOf<T>{std::move(values)});
    }
    default:
      break;
  }
  ENSC_TRY_ASSIGN(T value, read(*chosen.value, chosen.where));
  if (chosen.op == kAtLeast) {
    return Constraint<T>(AtLeast<T>{std::move(value)});
  }
  if (chosen.op == kAtMost) {
    return Constraint<T>(AtMost<T>{std::move(value)});
  }
  return Constraint<T>(Exactly<T>{std::move(value)});
}

Result<Constraint<std::uint64_t>> number(Table& table, std::string_view key, unsigned allowed,
                                         std::string_view help) {
  return read_constraint<std::uint64_t>(table, key, allowed, read_uint, help);
}

Result<Constraint<bool>> flag(Table& table, std::string_view key, std::string_view help) {
  return read_constraint<bool>(table, key, kExactly | kUnconstrained, read_bool, help);
}

Result<Constraint<Bytes>> hex(Table& table, std::string_view key, std::size_t len,
                              std::string_view help) {
  return read_constraint<Bytes>(
      table, key, kSame,
      [len](const json::Value& value, const std::string& where) {
        return read_hex(value, where, len);
      },
      help);
}

Result<Constraint<std::string>> text(Table& table, std::string_view key, std::string_view help) {
  return read_constraint<std::string>(table, key, kSame, read_text, help);
}

// word reads one of a few known texts.
Result<std::string> read_word(const json::Value& value, const std::string& where,
                              std::initializer_list<std::string_view> words) {
  const auto word = value.as_text(where);
  if (!word || std::find(words.begin(), words.end(), *word) == words.end()) {
    std::string expected;
    for (const std::string_view known : words) {
      expected += (expected.empty() ? "\"" : " or \"") + std::string(known) + "\"";
    }
    return bad_value(where, expected);
  }
  return *word;
}

Result<Constraint<std::string>> words(Table& table, std::string_view key,
                                      std::initializer_list<std::string_view> known,
                                      std::string_view help) {
  return read_constraint<std::string>(
      table, key, kSame,
      [known](const json::Value& value, const std::string& where) {
        return read_word(value, where, known);
      },
      help);
}

// ---- Sections --------------------------------------------------------------------------------

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
  ENSC_TRY_ASSIGN(anchor.product,
                  read_word(*product, table.where("product"), {"Milan", "Genoa", "Turin"}));
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

Result<void> read_snp_guest(Table& table, SnpPolicy& snp) {
  ENSC_TRY_ASSIGN(snp.debug, flag(table, "debug", "debug = { exactly = false }"));
  ENSC_TRY_ASSIGN(snp.migration_agent,
                  flag(table, "migration_agent", "migration_agent = { exactly = false }"));
  ENSC_TRY_ASSIGN(snp.smt, flag(table, "smt", "smt = { unconstrained = \"why\" }"));
  ENSC_TRY_ASSIGN(snp.vmpl, number(table, "vmpl", kOrdered, "vmpl = { exactly = 0 }"));
  ENSC_TRY_ASSIGN(snp.host_data,
                  hex(table, "host_data", 32, "host_data = { unconstrained = \"why\" }"));
  ENSC_TRY_ASSIGN(snp.id_key_digest,
                  hex(table, "id_key_digest", 48, "id_key_digest = { unconstrained = \"why\" }"));
  ENSC_TRY_ASSIGN(snp.author_key_digest, hex(table, "author_key_digest", 48,
                                             "author_key_digest = { unconstrained = \"why\" }"));
  return ok();
}

Result<void> read_snp_platform(Table& table, SnpPolicy& snp) {
  ENSC_TRY_ASSIGN(snp.signing_key, words(table, "signing_key", {"vcek", "vlek"},
                                         "signing_key = { exactly = \"vcek\" }"));
  ENSC_TRY_ASSIGN(snp.product, words(table, "product", {"Milan", "Genoa", "Turin"},
                                     "product = { one_of = [\"Milan\", \"Genoa\", \"Turin\"] }"));
  ENSC_TRY_ASSIGN(snp.chip_id, hex(table, "chip_id", 64, "chip_id = { unconstrained = \"why\" }"));
  ENSC_TRY_ASSIGN(snp.minimum_tcb,
                  read_constraint<TcbVersion>(
                      table, "minimum_tcb", kAtLeast | kUnconstrained, read_tcb,
                      "minimum_tcb = { at_least = { bootloader = 4, tee = 0, snp = 24, microcode = "
                      "219 } }"));
  ENSC_TRY_ASSIGN(snp.platform_info, number(table, "platform_info", kSame,
                                            "platform_info = { unconstrained = \"why\" }"));
  ENSC_TRY_ASSIGN(const json::Value* crl, table.take("crl", "crl = \"required\""));
  ENSC_TRY_ASSIGN(const std::string rule,
                  read_word(*crl, table.where("crl"), {"required", "if_present"}));
  snp.crl = rule == "required" ? CrlRule::kRequired : CrlRule::kIfPresent;
  return ok();
}

Result<SnpPolicy> read_snp(const json::Value& value) {
  ENSC_TRY_ASSIGN(Table table, Table::of(value, "snp"));
  SnpPolicy snp;
  ENSC_TRY_ASSIGN(snp.report_version,
                  number(table, "report_version", kOrdered, "report_version = { at_least = 2 }"));
  ENSC_TRY_ASSIGN(snp.measurement,
                  hex(table, "measurement", 48, "measurement = { exactly = \"<96 hex digits>\" }"));
  ENSC_TRY_ASSIGN(
      const json::Value* covers,
      table.take("measurement_covers", "measurement_covers = \"kernel+initrd+cmdline\""));
  ENSC_TRY_ASSIGN(const std::string coverage,
                  read_word(*covers, table.where("measurement_covers"),
                            {"process", "firmware", "kernel+initrd+cmdline"}));
  snp.measurement_covers = coverage == "process"    ? MeasurementCoverage::kProcess
                           : coverage == "firmware" ? MeasurementCoverage::kFirmware
                                                    : MeasurementCoverage::kKernelInitrdCmdline;
  ENSC_TRY(read_snp_guest(table, snp));
  ENSC_TRY(read_snp_platform(table, snp));
  ENSC_TRY(table.finish());
  return snp;
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

Result<PolicyFields> read_policy(const json::Value& value) {
  ENSC_TRY_ASSIGN(Table top, Table::of(value, ""));
  ENSC_TRY_ASSIGN(const json::Value* format, top.take("format", "format = \"ensconce-policy/1\""));
  const auto format_text = format->as_text("format");
  if (!format_text || *format_text != kFormat) {
    return refuse(PolicyError::kFormat, "format is not \"ensconce-policy/1\"");
  }
  ENSC_TRY_ASSIGN(const json::Value* role_value, top.take("role", "role = \"client\""));
  const auto role = role_value->as_text("role");
  if (!role || (*role != "client" && *role != "broker")) {
    return refuse(PolicyError::kFormat, "role is neither \"client\" nor \"broker\"");
  }
  PolicyFields fields;
  fields.role = *role == "client" ? PolicyRole::kClient : PolicyRole::kBroker;
  ENSC_TRY_ASSIGN(const json::Value* anchors,
                  top.take("anchors", "a section [anchors] with accept = [\"vendor\"]"));
  ENSC_TRY_ASSIGN(fields.anchors, read_anchors(*anchors));
  ENSC_TRY_ASSIGN(const json::Value* snp, top.take("snp", "a section [snp]"));
  ENSC_TRY_ASSIGN(fields.snp, read_snp(*snp));
  ENSC_TRY_ASSIGN(const json::Value* security, top.take("security", "a section [security]"));
  ENSC_TRY_ASSIGN(fields.security, read_security(*security));
  if (fields.role == PolicyRole::kClient) {
    ENSC_TRY_ASSIGN(const json::Value* freshness,
                    top.take("freshness",
                             "a section [freshness] with evidence_age and broker_key, or with "
                             "hardware = true"));
    ENSC_TRY_ASSIGN(fields.freshness, read_freshness(*freshness));
    ENSC_TRY_ASSIGN(
        const json::Value* models,
        top.take("model", "a section [[model]] with name, owner_key and minimum_version"));
    ENSC_TRY_ASSIGN(fields.models, read_models(*models));
  }
  ENSC_TRY(top.finish());
  return fields;
}

}  // namespace

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
