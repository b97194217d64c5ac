#include "ensconce/attestation/policy/diff.h"

#include <algorithm>
#include <map>
#include <optional>

#include "ensconce/codec/toml.h"
#include "policy_reader.h"

namespace ensconce {
namespace {

// ---- Values ----------------------------------------------------------------------------------

bool is_hex(std::string_view text) {
  constexpr std::size_t kShortest = 12;  // FMSPC is the shortest field in hex
  return text.size() >= kShortest && text.size() % 2 == 0 &&
         text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

std::string key_text(const json::Value& value) {
  const auto text = value.as_text("");
  return !text ? json::write(value) : is_hex(*text) ? lower(*text) : *text;
}

// ---- Fields by name --------------------------------------------------------------------------

// What a policy says, by the names of its fields and in their order.
class Fields {
 public:
  void add(std::string name, const json::Value* value) {
    names_.push_back(name);
    values_.emplace(std::move(name), value);
  }
  [[nodiscard]] const json::Value* find(const std::string& name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? nullptr : found->second;
  }
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }

 private:
  std::vector<std::string> names_;
  std::map<std::string, const json::Value*> values_;
};

// A list of tables, whose entries are told apart by one of their members.
struct Keyed {
  std::string_view list;
  std::string_view key;
};
constexpr Keyed kKeyed[] = {
    {"model", "name"}, {"anchors.listed", "spki_sha256"}, {"azure.pcrs", "index"}};

bool is_constraint(const json::Object& table) {
  return table.size() == 1 &&
         std::any_of(std::begin(internal::kOperators), std::end(internal::kOperators),
                     [&](const internal::NamedOperator& known) {
                       return known.name == table.front().first;
                     });
}

std::string inner_name(std::string outer, const std::string& inner) {
  return outer.empty() ? inner : outer.append(".").append(inner);
}

void flatten(const std::string& name, const json::Value& value, Fields& out);

bool flatten_list(const std::string& name, const json::Value& value, Fields& out) {
  const auto keyed = std::find_if(std::begin(kKeyed), std::end(kKeyed),
                                  [&name](const Keyed& known) { return known.list == name; });
  const auto items = value.as_array(name);
  if (keyed == std::end(kKeyed) || !items) {
    return false;
  }
  for (const json::Value& item : **items) {
    const json::Value* key = item.find(keyed->key);
    flatten(inner_name(name, key == nullptr ? std::string() : key_text(*key)), item, out);
  }
  return true;
}

void flatten(const std::string& name, const json::Value& value, Fields& out) {
  const auto table = value.as_object(name);
  if (table && !is_constraint(**table)) {
    for (const auto& [key, member] : **table) {
      flatten(inner_name(name, key), member, out);
    }
  } else if (!flatten_list(name, value, out)) {
    out.add(name, &value);
  }
}

// written is a value as TOML writes it inline; hex in lower case, lists in order.
std::string written(const json::Value& value) {
  if (const auto text = value.as_text("")) {
    return json::write(json::Value(is_hex(*text) ? lower(*text) : *text));
  }
  std::vector<std::string> parts;
  if (const auto items = value.as_array("")) {
    for (const json::Value& item : **items) {
      parts.push_back(written(item));
    }
    std::sort(parts.begin(), parts.end());
  } else if (const auto table = value.as_object("")) {
    for (const auto& [key, member] : **table) {
      parts.push_back(key + " = " + written(member));
    }
  } else {
    return json::write(value);
  }
  std::string out;
  for (const std::string& part : parts) {
    out += (out.empty() ? "" : ", ") + part;
  }
  return value.is_array() ? "[" + out + "]" : "{ " + out + " }";
}

// ---- Which is stricter -----------------------------------------------------------------------

struct Operation {
  std::string_view name;
  const json::Value* operand;
};

std::optional<Operation> operation_of(const json::Value& value) {
  const auto table = value.as_object("");
  if (!table || !is_constraint(**table)) {
    return std::nullopt;
  }
  return Operation{(*table)->front().first, &(*table)->front().second};
}

// Values a constraint lets pass, where it lists them.
std::optional<std::vector<std::string>> listed(const Operation& op) {
  if (op.name != "exactly" && op.name != "one_of") {
    return std::nullopt;
  }
  std::vector<std::string> out;
  if (const auto items = op.operand->as_array("")) {
    for (const json::Value& item : **items) {
      out.push_back(written(item));
    }
  } else {
    out.push_back(written(*op.operand));
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::optional<std::int64_t> amount(const json::Value& value) {
  if (const auto number = value.as_int("")) {
    return *number;
  }
  const auto duration = internal::read_duration(value, "");
  return duration ? std::optional(static_cast<std::int64_t>(duration->count())) : std::nullopt;
}

// reaches tells whether `high` is at least `low` in each of its parts; nothing where the two cannot
// be compared.
std::optional<bool> reaches(const json::Value& high, const json::Value& low) {
  const auto high_table = high.as_object("");
  if (const auto low_table = low.as_object(""); low_table && high_table) {
    for (const auto& [name, part] : **low_table) {
      const json::Value* other = high.find(name);
      if (other == nullptr || !reaches(*other, part).value_or(false)) {
        return false;
      }
    }
    return true;
  }
  const auto high_text = high.as_text("");
  const auto low_text = low.as_text("");
  if (high_text && low_text && is_hex(*high_text) && is_hex(*low_text)) {
    const Bytes a = from_hex(*high_text).value();
    const Bytes b = from_hex(*low_text).value();
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(), std::greater_equal<>());
  }
  const auto high_amount = amount(high);
  const auto low_amount = amount(low);
  return high_amount && low_amount ? std::optional(*high_amount >= *low_amount) : std::nullopt;
}

// within tells whether all that passes `a` passes `b` as well.
bool within(const Operation& a, const Operation& b) {
  if (b.name == "unconstrained") {
    return true;
  }
  const auto values_a = listed(a);
  if (const auto values_b = listed(b); values_a && values_b) {
    // Of a set of keys `exactly` means the whole set.
    const bool whole_set = b.name == "exactly" && b.operand->is_array();
    return whole_set ? a.name == "exactly" && *values_a == *values_b
                     : std::includes(values_b->begin(), values_b->end(), values_a->begin(),
                                     values_a->end());
  }
  if (a.name == "at_least" || a.name == "exactly") {
    if (b.name == "at_least") {
      return reaches(*a.operand, *b.operand).value_or(false);
    }
  }
  if (a.name == "at_most" || a.name == "exactly") {
    if (b.name == "at_most") {
      return reaches(*b.operand, *a.operand).value_or(false);
    }
  }
  return false;
}

bool subset(const json::Value& a, const json::Value& b) {
  return within({"one_of", &a}, {"one_of", &b});
}

Stricter verdict(bool first_within, bool second_within) {
  return first_within == second_within ? Stricter::kUnknown
         : first_within                ? Stricter::kFirst
                                       : Stricter::kSecond;
}

Stricter stricter_of(const json::Value& first, const json::Value& second) {
  const auto a = operation_of(first);
  const auto b = operation_of(second);
  if (a && b) {
    return verdict(within(*a, *b), within(*b, *a));
  }
  if (first.is_array() && second.is_array()) {
    return verdict(subset(first, second), subset(second, first));
  }
  const auto text_a = first.as_text("");
  const auto text_b = second.as_text("");
  if (text_a && text_b) {
    return verdict(*text_a == "required" && *text_b == "if_present",
                   *text_b == "required" && *text_a == "if_present");
  }
  return Stricter::kUnknown;
}

// ---- The comparison --------------------------------------------------------------------------

// Sections that only one policy has, as one difference each. A kind of evidence more is a kind more
// that passes.
constexpr std::string_view kSections[] = {"snp", "tdx", "sgx", "azure", "freshness"};

std::vector<PolicyDifference> differing_sections(const json::Value& first,
                                                 const json::Value& second) {
  std::vector<PolicyDifference> out;
  for (const std::string_view name : kSections) {
    const bool in_first = first.find(name) != nullptr;
    const bool in_second = second.find(name) != nullptr;
    if (in_first != in_second) {
      const Stricter stricter = name == "freshness" ? Stricter::kUnknown
                                : in_first          ? Stricter::kSecond
                                                    : Stricter::kFirst;
      out.push_back({"[" + std::string(name) + "]", in_first ? "a section" : "",
                     in_second ? "a section" : "", stricter});
    }
  }
  return out;
}

bool told_as_section(const std::string& field, const std::vector<PolicyDifference>& sections) {
  return std::any_of(sections.begin(), sections.end(), [&](const PolicyDifference& section) {
    return field.starts_with(section.field.substr(1, section.field.size() - 2) + ".");
  });
}

}  // namespace

Result<std::vector<PolicyDifference>> diff_policies(std::string_view first,
                                                    std::string_view second) {
  ENSC_TRY_ASSIGN(const json::Value a, toml::parse(first, "the first policy"));
  ENSC_TRY_ASSIGN(const json::Value b, toml::parse(second, "the second policy"));
  Fields fields_a;
  Fields fields_b;
  flatten("", a, fields_a);
  flatten("", b, fields_b);
  std::vector<PolicyDifference> out = differing_sections(a, b);
  const std::vector<PolicyDifference> sections = out;
  for (const std::string& name : fields_a.names()) {
    if (told_as_section(name, sections)) {
      continue;
    }
    const json::Value* mine = fields_a.find(name);
    const json::Value* theirs = fields_b.find(name);
    if (theirs == nullptr) {
      out.push_back({name, written(*mine), "", Stricter::kUnknown});
    } else if (written(*mine) != written(*theirs)) {
      out.push_back({name, written(*mine), written(*theirs), stricter_of(*mine, *theirs)});
    }
  }
  for (const std::string& name : fields_b.names()) {
    if (fields_a.find(name) == nullptr && !told_as_section(name, sections)) {
      out.push_back({name, "", written(*fields_b.find(name)), Stricter::kUnknown});
    }
  }
  return out;
}

}  // namespace ensconce
