#pragma once

#include <cstdint>
#include <string_view>

namespace ensconce {

// utf8_length returns the length of the well-formed UTF-8 sequence (Unicode, table 3-7) at the
// front of `text`, or 0 when there is none.
inline std::size_t utf8_length(std::string_view text) {
  const auto at = [&text](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const auto continues = [&](std::size_t i) {
    return i < text.size() && at(i) >= 0x80 && at(i) <= 0xbf;
  };
  if (text.empty()) {
    return 0;
  }
  const std::uint8_t lead = at(0);
  if (lead < 0x80) {
    return 1;
  }
  if (lead < 0xc2 || lead > 0xf4 || !continues(1)) {
    return 0;
  }
  if (lead < 0xe0) {
    return 2;
  }
  if (!continues(2)) {
    return 0;
  }
  if (lead < 0xf0) {
    const bool overlong = lead == 0xe0 && at(1) < 0xa0;
    const bool surrogate = lead == 0xed && at(1) > 0x9f;
    return overlong || surrogate ? 0 : 3;
  }
  const bool overlong = lead == 0xf0 && at(1) < 0x90;
  const bool too_high = lead == 0xf4 && at(1) > 0x8f;
  return overlong || too_high || !continues(3) ? 0 : 4;
}

inline bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t len = utf8_length(text);
    if (len == 0) {
      return false;
    }
    text.remove_prefix(len);
  }
  return true;
}

}  // namespace ensconce
