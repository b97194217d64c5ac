#include "ensconce/base/secret.h"

#include <string.h>  // NOLINT(modernize-deprecated-headers): explicit_bzero is not in <cstring>.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <iterator>
#include <mutex>
#include <new>

#include "ensconce/base/locked_memory.h"

// Pages that nobody has: the address sanitizer reports whoever still reads them.
#if defined(__SANITIZE_ADDRESS__)  // GCC
#define ENSC_HAS_ASAN 1
#elif defined(__has_feature)  // Clang
#if __has_feature(address_sanitizer)
#define ENSC_HAS_ASAN 1
#endif
#endif
#if defined(ENSC_HAS_ASAN)
#include <sanitizer/asan_interface.h>
#define ENSC_POISON(data, len) ASAN_POISON_MEMORY_REGION(data, len)
#define ENSC_UNPOISON(data, len) ASAN_UNPOISON_MEMORY_REGION(data, len)
#else
#define ENSC_POISON(data, len) ((void)(data), (void)(len))
#define ENSC_UNPOISON(data, len) ((void)(data), (void)(len))
#endif

namespace ensconce {

void wipe(void* data, std::size_t len) noexcept {
  if (len != 0) {
    explicit_bzero(data, len);
  }
}

bool equal_in_constant_time(ByteView a, ByteView b) noexcept {
  if (a.size() != b.size()) {
    return false;
  }
  volatile std::uint8_t diff = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    diff = static_cast<std::uint8_t>(diff | (a[i] ^ b[i]));
  }
  return diff == 0;
}

namespace {
std::size_t page_len() {
  static const auto len = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return len;
}
std::size_t whole_pages(std::size_t len) {
  return (len + page_len() - 1) / page_len() * page_len();
}

// PagePool keeps the pages of secrets that ended, wiped, for those to come: to map and unmap them
// takes longer than to encrypt what they hold. Powers of two pages; what is larger is not kept.
class PagePool {
 public:
  static constexpr std::size_t kLargest = std::size_t{1024} * 1024;

  // len_for is how much is mapped for a secret of `len` bytes.
  static std::size_t len_for(std::size_t len) {
    const std::size_t whole = whole_pages(len);
    return whole > kLargest ? whole : std::bit_ceil(whole);
  }

  // take returns pages of zeros, or null where there are none.
  std::uint8_t* take(std::size_t mapped) noexcept {
    if (mapped > kLargest) {
      return nullptr;
    }
    const std::lock_guard lock(mutex_);
    Class& kept = class_of(mapped);
    if (kept.count == 0) {
      return nullptr;
    }
    held_ -= mapped;
    std::uint8_t* data = kept.pages.at(--kept.count);
    ENSC_UNPOISON(data, mapped);
    return data;
  }

  // keep says whether it took the pages, which are zeros, over.
  bool keep(std::uint8_t* data, std::size_t mapped) noexcept {
    if (mapped > kLargest) {
      return false;
    }
    const std::lock_guard lock(mutex_);
    Class& kept = class_of(mapped);
    if (kept.count == kept.pages.size() || held_ + mapped > kMost) {
      return false;
    }
    held_ += mapped;
    kept.pages.at(kept.count++) = data;
    ENSC_POISON(data, mapped);
    return true;
  }

 private:
  static constexpr std::size_t kMost = std::size_t{8} * 1024 * 1024;
  struct Class {
    std::array<std::uint8_t*, 64> pages{};
    std::size_t count = 0;
  };
  Class& class_of(std::size_t mapped) {
    return classes_.at(static_cast<std::size_t>(std::countr_zero(mapped)));
  }

  std::mutex mutex_;
  std::array<Class, std::bit_width(kLargest)> classes_;
  std::size_t held_ = 0;  // bytes
};

// pool is never destroyed: secrets of static storage may end after it would.
PagePool& pool() {
  static PagePool& made = *new PagePool;
  return made;
}

std::uint8_t* map_pages(std::size_t mapped) {
  if (std::uint8_t* kept = pool().take(mapped); kept != nullptr) {
    return kept;
  }
  void* p = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) {  // NOLINT(performance-no-int-to-ptr): the macro of the system header.
    throw std::bad_alloc();
  }
  // Hygiene, not the boundary: a refusal by the kernel leaves the secret as safe as the TEE is.
  (void)madvise(p, mapped, MADV_DONTDUMP);
  if (mapped <= PagePool::kLargest) {
    lock_pages(p, mapped);
  }
  return static_cast<std::uint8_t*>(p);
}
}  // namespace

SecretBytes::SecretBytes(std::size_t len) {
  if (len != 0) {
    data_ = map_pages(PagePool::len_for(len));
    len_ = len;
  }
}

SecretBytes::~SecretBytes() { release(); }

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      len_(std::exchange(other.len_, 0)),
      discarded_(std::exchange(other.discarded_, {})) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this != &other) {
    release();
    data_ = std::exchange(other.data_, nullptr);
    len_ = std::exchange(other.len_, 0);
    discarded_ = std::exchange(other.discarded_, {});
  }
  return *this;
}

SecretBytes SecretBytes::copy_of(ByteView bytes) {
  SecretBytes out(bytes.size());
  std::copy(bytes.begin(), bytes.end(), out.data_);
  return out;
}

void SecretBytes::release() noexcept {
  if (data_ != nullptr) {
    std::size_t at = 0;
    for (const Range& gone : discarded_) {
      wipe(data_ + at, gone.begin - at);
      at = gone.end;
    }
    wipe(data_ + at, len_ - at);
    const std::size_t mapped = PagePool::len_for(len_);
    if (!pool().keep(data_, mapped)) {
      munmap(data_, mapped);
    }
    data_ = nullptr;
    len_ = 0;
    discarded_.clear();
  }
}

void SecretBytes::discard(std::size_t begin, std::size_t end) noexcept {
  end = std::min(end, len_);
  if (begin >= end) {
    return;
  }
  wipe(data_ + begin, end - begin);
  const Range pages{whole_pages(begin), end / page_len() * page_len()};
  if (pages.begin >= pages.end || !discard_pages(data_ + pages.begin, pages.end - pages.begin)) {
    return;
  }
  // The ranges stay apart and in order: those that touch the new one become part of it.
  auto first = std::lower_bound(discarded_.begin(), discarded_.end(), pages.begin,
                                [](const Range& range, std::size_t at) { return range.end < at; });
  auto last = first;
  Range merged = pages;
  for (; last != discarded_.end() && last->begin <= pages.end; ++last) {
    merged.begin = std::min(merged.begin, last->begin);
    merged.end = std::max(merged.end, last->end);
  }
  if (first != last) {
    *first = merged;
    discarded_.erase(std::next(first), last);
    return;
  }
  try {
    discarded_.insert(first, merged);
  } catch (const std::bad_alloc&) {  // it is wiped again at the end, which costs memory alone
  }
}

}  // namespace ensconce
