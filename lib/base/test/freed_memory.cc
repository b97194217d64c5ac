#include "freed_memory.h"

#include <malloc.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

std::array<char, 64> word{};
std::atomic<std::size_t> word_len = 0;
std::atomic<std::size_t> found_blocks = 0;

void give_back(void* block) noexcept {
  const std::size_t len = word_len.load(std::memory_order_acquire);
  if (block != nullptr && len != 0 &&
      memmem(block, malloc_usable_size(block), word.data(), len) != nullptr) {
    found_blocks.fetch_add(1, std::memory_order_relaxed);
  }
  std::free(block);
}

void* take(std::size_t len) {
  // Cleared, so that what an earlier owner left is not taken for the next one's.
  void* block = std::calloc(1, len == 0 ? 1 : len);
  if (block == nullptr) {
    std::abort();
  }
  return block;
}

}  // namespace

void* operator new(std::size_t len) { return take(len); }
void* operator new[](std::size_t len) { return take(len); }
// The standard library's temporary buffers come by these two, and go back like all others.
void* operator new(std::size_t len, const std::nothrow_t& /*unused*/) noexcept {
  return std::calloc(1, len == 0 ? 1 : len);
}
void* operator new[](std::size_t len, const std::nothrow_t& /*unused*/) noexcept {
  return std::calloc(1, len == 0 ? 1 : len);
}
void operator delete(void* block) noexcept { give_back(block); }
void operator delete[](void* block) noexcept { give_back(block); }
void operator delete(void* block, std::size_t) noexcept { give_back(block); }
void operator delete[](void* block, std::size_t) noexcept { give_back(block); }

namespace ensconce::test {

FreedMemory::FreedMemory(std::string_view what) {
  std::copy_n(what.begin(), std::min(what.size(), word.size()), word.begin());
  found_blocks = 0;
  word_len.store(std::min(what.size(), word.size()), std::memory_order_release);
}
FreedMemory::~FreedMemory() { word_len.store(0, std::memory_order_release); }
std::size_t FreedMemory::found() { return found_blocks.load(); }

}  // namespace ensconce::test
