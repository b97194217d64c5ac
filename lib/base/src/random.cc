#include "ensconce/base/random.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>

namespace ensconce {

void SystemRandom::fill(MutableByteView out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t n =
        getrandom(out.data() + done, std::min<std::size_t>(out.size() - done, 256), 0);
    if (n < 0) {
      ENSC_CHECK(errno == EINTR);
      continue;
    }
    done += static_cast<std::size_t>(n);
  }
}

void SeededRandom::fill(MutableByteView out) {
  for (auto& b : out) {  // SplitMix64, one step a byte.
    state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    b = static_cast<std::uint8_t>(z >> 56U);
  }
}

}  // namespace ensconce
