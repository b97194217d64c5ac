#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ensconce {

inline constexpr std::size_t kMaxPrintable = 128;

// printable returns foreign text (a name in a certificate, a peer's message) as something a
// terminal or a log can only show: bytes outside 0x20 to 0x7e become \xNN, and "..." stands for
// what goes beyond max_len characters. Applied twice it changes nothing more.
std::string printable(std::string_view text, std::size_t max_len = kMaxPrintable);

}  // namespace ensconce
