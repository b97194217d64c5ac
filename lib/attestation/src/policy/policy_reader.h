#pragma once

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "ensconce/attestation/policy/policy.h"
#include "ensconce/codec/json.h"

// How the fields of a policy file are read: tables whose keys are all known, values of a kind, and
// constraints of exactly one operator. The sections of a policy are built of these.
namespace ensconce::internal {

inline constexpr std::size_t kMaxValues = 1024;
inline constexpr std::size_t kMaxText = 256;

// Every refusal of a policy file is made here.
inline Error refuse(PolicyError code, std::string detail, std::string remedy = {}) {
  Error error(code, std::move(detail));
  return remedy.empty() ? error : error.with_remedy(std::move(remedy));
}

inline Error bad_value(const std::string& where, std::string_view expected) {
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

inline Result<std::string> read_text(const json::Value& value, const std::string& where) {
  const auto text = value.as_text(where);
  if (!text || text->empty() || text->size() > kMaxText) {
    return bad_value(where, "a text of 1 to 256 characters");
  }
  return *text;
}

inline Result<std::uint64_t> read_uint(const json::Value& value, const std::string& where) {
  const auto number = value.as_uint(where);
  if (!number) {
    return bad_value(where, "a whole number, not negative,");
  }
  return *number;
}

inline Result<bool> read_bool(const json::Value& value, const std::string& where) {
  const auto flag = value.as_bool(where);
  if (!flag) {
    return bad_value(where, "true or false");
  }
  return *flag;
}

inline Result<Bytes> read_hex(const json::Value& value, const std::string& where, std::size_t len) {
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

inline Result<Ed25519PublicKey> read_key(const json::Value& value, const std::string& where) {
  ENSC_TRY_ASSIGN(const Bytes bytes, read_hex(value, where, 32));
  Ed25519PublicKey key;
  std::copy(bytes.begin(), bytes.end(), key.bytes.begin());
  return key;
}

inline Result<std::uint8_t> read_component(Table& table, std::string_view name) {
  ENSC_TRY_ASSIGN(const json::Value* value,
                  table.take(name, "a number from 0 to 255 for every component"));
  const auto number = value->as_uint(table.where(name));
  if (!number || *number > 255) {
    return bad_value(table.where(name), "a number from 0 to 255");
  }
  return static_cast<std::uint8_t>(*number);
}

inline Result<TcbVersion> read_tcb(const json::Value& value, const std::string& where) {
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
inline Result<Millis> read_duration(const json::Value& value, const std::string& where) {
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

inline Result<const json::Array*> read_array(const json::Value& value, const std::string& where,
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
inline constexpr unsigned kSame = kExactly | kOneOf | kUnconstrained;
inline constexpr unsigned kOrdered = kSame | kAtLeast | kAtMost;

struct NamedOperator {
  std::string_view name;
  Operator op;
};
inline constexpr NamedOperator kOperators[] = {{"exactly", kExactly},
                                               {"one_of", kOneOf},
                                               {"at_least", kAtLeast},
                                               {"at_most", kAtMost},
                                               {"unconstrained", kUnconstrained}};

inline std::string operator_names(unsigned allowed) {
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
inline Result<Chosen> choose(Table& table, std::string_view key, unsigned allowed,
                             std::string_view help) {
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

inline Result<Unconstrained> read_reason(const Chosen& chosen) {
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

inline Result<Constraint<std::uint64_t>> number(Table& table, std::string_view key,
                                                unsigned allowed, std::string_view help) {
  return read_constraint<std::uint64_t>(table, key, allowed, read_uint, help);
}

inline Result<Constraint<bool>> flag(Table& table, std::string_view key, std::string_view help) {
  return read_constraint<bool>(table, key, kExactly | kUnconstrained, read_bool, help);
}

inline Result<Constraint<Bytes>> hex(Table& table, std::string_view key, std::size_t len,
                                     std::string_view help) {
  return read_constraint<Bytes>(
      table, key, kSame,
      [len](const json::Value& value, const std::string& where) {
        return read_hex(value, where, len);
      },
      help);
}

inline Result<Constraint<std::string>> text(Table& table, std::string_view key,
                                            std::string_view help) {
  return read_constraint<std::string>(table, key, kSame, read_text, help);
}

// word reads one of a few known texts.
inline Result<std::string> read_word(const json::Value& value, const std::string& where,
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

inline Result<Constraint<std::string>> words(Table& table, std::string_view key,
                                             std::initializer_list<std::string_view> known,
                                             std::string_view help) {
  return read_constraint<std::string>(
      table, key, kSame,
      [known](const json::Value& value, const std::string& where) {
        return read_word(value, where, known);
      },
      help);
}
// presence reads a word about what may come with evidence.
inline Result<Presence> presence(Table& table, std::string_view key, std::string_view help) {
  ENSC_TRY_ASSIGN(const json::Value* value, table.take(key, help));
  ENSC_TRY_ASSIGN(const std::string rule,
                  read_word(*value, table.where(key), {"required", "if_present"}));
  return rule == "required" ? Presence::kRequired : Presence::kIfPresent;
}

inline Result<MeasurementCoverage> coverage(Table& table, std::string_view key,
                                            std::initializer_list<std::string_view> known) {
  ENSC_TRY_ASSIGN(const json::Value* covers,
                  table.take(key, std::string(key) + " = \"" + std::string(*known.begin()) + "\""));
  ENSC_TRY_ASSIGN(const std::string word, read_word(*covers, table.where(key), known));
  return word == "process"    ? MeasurementCoverage::kProcess
         : word == "firmware" ? MeasurementCoverage::kFirmware
         : word == "enclave"  ? MeasurementCoverage::kEnclave
                              : MeasurementCoverage::kKernelInitrdCmdline;
}

inline std::string open_field(std::string_view key) {
  return std::string(key) + " = { unconstrained = \"why\" }";
}

}  // namespace ensconce::internal
