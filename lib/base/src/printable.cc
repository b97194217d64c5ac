#include "ensconce/base/printable.h"

namespace ensconce {

std::string printable(std::string_view text, std::size_t max_len) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte >= 0x20 && byte <= 0x7e;
    if (out.size() + (plain ? 1 : 4) > max_len) {
      return out + "...";
    }
    if (plain) {
      out += c;
    } else {
      out += "\\x";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 0xf];
    }
  }
  return out;
}

}  // namespace ensconce
