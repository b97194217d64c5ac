#pragma once

#include <cstddef>
#include <string_view>

namespace ensconce::test {

// FreedMemory looks, while it lives, at every block that this program gives back by operator
// delete, and counts those in which the word is still to be read. One at a time; link
// freed_memory.cc, which replaces the operators.
class FreedMemory {
 public:
  explicit FreedMemory(std::string_view word);
  ~FreedMemory();
  FreedMemory(const FreedMemory&) = delete;
  FreedMemory& operator=(const FreedMemory&) = delete;
  [[nodiscard]] static std::size_t found();
};

}  // namespace ensconce::test
