#pragma once

namespace ensconce::internal {
[[noreturn]] void check_failed(const char* what, const char* file, int line) noexcept;
}  // namespace ensconce::internal

// ENSC_CHECK aborts, also in release, when an invariant of ours is broken. Never used on a
// condition that input, peer or host can cause.
#define ENSC_CHECK(cond)                                             \
  do {                                                               \
    if (!(cond)) [[unlikely]] {                                      \
      ::ensconce::internal::check_failed(#cond, __FILE__, __LINE__); \
    }                                                                \
  } while (false)
