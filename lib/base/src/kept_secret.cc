#include "ensconce/base/kept_secret.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "ensconce/base/file.h"
#include "ensconce/base/locked_memory.h"
#include "ensconce/base/secret.h"

namespace ensconce {

namespace {

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447  // Linux 5.14, x86-64 and arm64 alike
#endif

constexpr std::size_t kSlot = KeptSecret::kLargest;
constexpr std::size_t kBlock = std::size_t{4} * 4096;  // 256 slots

void* map_secret_pages() {
  const Fd fd(static_cast<int>(syscall(SYS_memfd_secret, static_cast<unsigned>(O_CLOEXEC))));
  if (!fd.valid() || ftruncate(fd.get(), kBlock) != 0) {
    return MAP_FAILED;
  }
  return mmap(nullptr, kBlock, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
}

void* map_private_pages() {
  void* p = mmap(nullptr, kBlock, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) {  // NOLINT(performance-no-int-to-ptr): the macro of the system header.
    throw std::bad_alloc();
  }
  lock_pages(p, kBlock);
  return p;
}

// Slots hands out places in blocks of pages that are never unmapped.
class Slots {
 public:
  void use_secret_pages() {
    const std::lock_guard lock(mutex_);
    // Here and not at the first key: a filter of system calls that comes later need not allow it.
    if (void* block = map_secret_pages();
        block != MAP_FAILED) {  // NOLINT(performance-no-int-to-ptr)
      free_.clear();
      add(block);
    }
  }

  std::uint8_t* take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) {
      add(map_private_pages());
    }
    std::uint8_t* slot = free_.back();
    free_.pop_back();
    return slot;
  }

  void give_back(std::uint8_t* slot) noexcept {
    const std::lock_guard lock(mutex_);
    free_.push_back(slot);  // never more than were added: no allocation
  }

 private:
  void add(void* block) {
    (void)madvise(block, kBlock, MADV_DONTDUMP);
    num_slots_ += kBlock / kSlot;
    free_.reserve(num_slots_);
    for (std::size_t at = kBlock; at > 0; at -= kSlot) {
      free_.push_back(static_cast<std::uint8_t*>(block) + at - kSlot);
    }
  }

  std::mutex mutex_;
  std::vector<std::uint8_t*> free_;
  std::size_t num_slots_ = 0;
};

// Never destroyed: a key of static storage may end after it would.
Slots& slots() {
  static Slots& made = *new Slots;
  return made;
}

}  // namespace

bool have_secret_pages() {
  return Fd(static_cast<int>(syscall(SYS_memfd_secret, static_cast<unsigned>(O_CLOEXEC)))).valid();
}

void keep_secrets_from_kernel() { slots().use_secret_pages(); }

KeptSecret::KeptSecret(KeptSecret&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), len_(std::exchange(other.len_, 0)) {}

KeptSecret& KeptSecret::operator=(KeptSecret&& other) noexcept {
  if (this != &other) {
    release();
    data_ = std::exchange(other.data_, nullptr);
    len_ = std::exchange(other.len_, 0);
  }
  return *this;
}

KeptSecret KeptSecret::copy_of(ByteView bytes) {
  ENSC_CHECK(bytes.size() <= kLargest);
  KeptSecret out;
  if (!bytes.empty()) {
    out.data_ = slots().take();
    out.len_ = bytes.size();
    std::copy(bytes.begin(), bytes.end(), out.data_);
  }
  return out;
}

void KeptSecret::release() noexcept {
  if (data_ != nullptr) {
    wipe(data_, len_);
    slots().give_back(std::exchange(data_, nullptr));
    len_ = 0;
  }
}

}  // namespace ensconce
