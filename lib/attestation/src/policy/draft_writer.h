#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ensconce/base/bytes.h"

// How a policy file is written for people: each field under a comment that says what it means.
namespace ensconce::internal {

// quoted is a TOML basic string.
std::string quoted(std::string_view text);
std::string exactly(std::string_view operand);
std::string exactly_hex(ByteView bytes);
std::string exactly_text(std::string_view text);
std::string exactly_number(std::uint64_t number);
std::string exactly_bool(bool flag);
std::string at_least(std::string_view operand);
std::string at_least_number(std::uint64_t number);
std::string open(std::string_view why);
std::string list_of(const std::vector<std::string>& quoted_values);
std::string one_of(const std::vector<std::string>& quoted_values);

// DraftWriter appends sections and fields. A field without a value becomes a comment that shows how
// it is written: the policy does not load before it is filled.
class DraftWriter {
 public:
  void comment(std::string_view text);
  void blank();
  void section(std::string_view head, std::string_view text);
  void plain(std::string_view name, std::string_view value);
  void field(std::string_view name, std::string_view value, std::string_view text);
  // filled writes what was seen, or where nothing was, the way to write it.
  void filled(std::string_view name, const std::optional<std::string>& value,
              std::string_view example, std::string_view text);
  [[nodiscard]] std::string take() && { return std::move(out_); }

 private:
  std::string out_;
};

}  // namespace ensconce::internal
