#include "ensconce/inference/wiped.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace ensconce {

namespace {
// One cache line, and the widest vector register: what inference kernels want their blocks to start
// at. The length of a block lies in the line before it.
constexpr std::size_t kAlignment = 64;
}  // namespace

void* WipingHeap::allocate(std::size_t len) const noexcept {
  if (len > std::numeric_limits<std::size_t>::max() - 2 * kAlignment) {
    return nullptr;
  }
  const std::size_t total = kAlignment + (len + kAlignment - 1) / kAlignment * kAlignment;
  auto* base = static_cast<std::uint8_t*>(std::aligned_alloc(kAlignment, total));
  if (base == nullptr) {
    return nullptr;
  }
  std::memcpy(base, &len, sizeof len);
  return base + kAlignment;
}

void WipingHeap::release(void* block) const noexcept {
  if (block == nullptr) {
    return;
  }
  auto* bytes = static_cast<std::uint8_t*>(block);
  std::size_t len = 0;
  std::memcpy(&len, bytes - kAlignment, sizeof len);
  wipe(bytes, len);
  if (observer_ != nullptr) {
    observer_(context_, {bytes, len});
  }
  std::free(bytes - kAlignment);
}

}  // namespace ensconce
