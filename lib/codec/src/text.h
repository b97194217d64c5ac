#pragma once

#include <string>
#include <string_view>

namespace ensconce::internal {

// printable_name returns `name` quoted when it looks like a field name, else a stand-in: names
// come from peers too, and an error's detail reaches logs and terminals.
inline std::string printable_name(std::string_view name) {
  constexpr std::size_t kMax = 64;
  bool plain = !name.empty() && name.size() <= kMax;
  for (const char c : name) {
    plain = plain && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '-' || c == '.');
  }
  return plain ? "\"" + std::string(name) + "\"" : "(a name of other characters)";
}

}  // namespace ensconce::internal
