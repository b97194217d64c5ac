#include "draft_writer.h"

#include <fmt/format.h>

#include <algorithm>

#include "ensconce/codec/json.h"

namespace ensconce::internal {

// JSON's strings are TOML's, but that TOML wants DEL escaped as well (TOML 1.0, "String").
std::string quoted(std::string_view text) {
  std::string out = json::write(json::Value(text));
  for (std::size_t at = out.find('\x7f'); at != std::string::npos; at = out.find('\x7f', at)) {
    out.replace(at, 1, "\\u007f");
  }
  return out;
}

std::string exactly(std::string_view operand) { return fmt::format("{{ exactly = {} }}", operand); }
std::string exactly_hex(ByteView bytes) { return exactly(quoted(to_hex(bytes))); }
std::string exactly_text(std::string_view text) { return exactly(quoted(text)); }
std::string exactly_number(std::uint64_t number) { return exactly(std::to_string(number)); }
std::string exactly_bool(bool flag) { return exactly(flag ? "true" : "false"); }
std::string at_least(std::string_view operand) {
  return fmt::format("{{ at_least = {} }}", operand);
}
std::string at_least_number(std::uint64_t number) { return at_least(std::to_string(number)); }
std::string open(std::string_view why) {
  return fmt::format("{{ unconstrained = {} }}", quoted(why));
}
std::string list_of(const std::vector<std::string>& quoted_values) {
  return fmt::format("[{}]", fmt::join(quoted_values, ", "));
}
std::string one_of(const std::vector<std::string>& quoted_values) {
  return fmt::format("{{ one_of = {} }}", list_of(quoted_values));
}

// Comments are broken at 100 columns.
void DraftWriter::comment(std::string_view text) {
  constexpr std::size_t kColumns = 98;
  while (!text.empty()) {
    std::size_t len = text.size();
    if (len > kColumns) {
      const std::size_t space = text.rfind(' ', kColumns);
      len = space == std::string_view::npos || space == 0 ? kColumns : space;
    }
    out_ += fmt::format("# {}\n", text.substr(0, len));
    text.remove_prefix(len);
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  }
}

void DraftWriter::blank() { out_ += "\n"; }

void DraftWriter::section(std::string_view head, std::string_view text) {
  blank();
  comment(text);
  out_ += fmt::format("{}\n", head);
}

void DraftWriter::plain(std::string_view name, std::string_view value) {
  out_ += fmt::format("{} = {}\n", name, value);
}

void DraftWriter::field(std::string_view name, std::string_view value, std::string_view text) {
  comment(text);
  plain(name, value);
}

void DraftWriter::filled(std::string_view name, const std::optional<std::string>& value,
                         std::string_view example, std::string_view text) {
  comment(text);
  if (value.has_value()) {
    plain(name, *value);
  } else {
    out_ += fmt::format("# TODO {} = {}\n", name, example);
  }
}

}  // namespace ensconce::internal
