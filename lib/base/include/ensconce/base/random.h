#pragma once

#include "ensconce/base/bytes.h"

namespace ensconce {

// Random is handed down from main, so that tests can be repeated.
class Random {
 public:
  Random() = default;
  virtual ~Random() = default;
  Random(const Random&) = delete;
  Random& operator=(const Random&) = delete;
  virtual void fill(MutableByteView out) = 0;
  template <std::size_t N>
  ByteArray<N> array() {
    ByteArray<N> out{};
    fill(out);
    return out;
  }
};

// SystemRandom is getrandom(2); it aborts when the kernel has no randomness to give.
class SystemRandom final : public Random {
 public:
  void fill(MutableByteView out) override;
};

// SeededRandom repeats itself and is for tests alone.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void fill(MutableByteView out) override;

 private:
  std::uint64_t state_;
};

}  // namespace ensconce
