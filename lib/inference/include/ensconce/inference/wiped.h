#pragma once

#include <cstddef>
#include <new>
#include <vector>

#include "ensconce/base/bytes.h"
#include "ensconce/base/secret.h"

namespace ensconce {

// WipedVector is a vector whose memory is wiped whenever it is given back, also when it grows. For
// what a request leaves between its input and its output.
template <typename T>
struct WipingAllocator {
  using value_type = T;
  WipingAllocator() = default;
  template <typename U>
  // NOLINTNEXTLINE(google-explicit-constructor): allocators convert.
  WipingAllocator(const WipingAllocator<U>&) {}
  T* allocate(std::size_t n) { return std::allocator<T>().allocate(n); }
  void deallocate(T* p, std::size_t n) noexcept {
    wipe(p, n * sizeof(T));
    std::allocator<T>().deallocate(p, n);
  }
  friend bool operator==(const WipingAllocator&, const WipingAllocator&) { return true; }
};
template <typename T>
using WipedVector = std::vector<T, WipingAllocator<T>>;

// WipingHeap is malloc and free for C libraries that are given user data: blocks lie at multiples
// of 64 and are wiped before they go back. Both calls are safe from any thread.
class WipingHeap {
 public:
  // Observer sees each block after it was wiped and before it goes back.
  using Observer = void (*)(void* context, ByteView block);

  WipingHeap() = default;
  static WipingHeap observed_for_test(Observer observer, void* context) {
    return {observer, context};
  }

  // allocate returns null when there is no memory, or for a length that overflows.
  [[nodiscard]] void* allocate(std::size_t len) const noexcept;
  // release takes what allocate gave; null is nothing.
  void release(void* block) const noexcept;

 private:
  WipingHeap(Observer observer, void* context) : observer_(observer), context_(context) {}
  Observer observer_ = nullptr;
  void* context_ = nullptr;
};

}  // namespace ensconce
