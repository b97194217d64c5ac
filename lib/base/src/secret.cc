#include "ensconce/base/secret.h"

#include <string.h>  // NOLINT(modernize-deprecated-headers): explicit_bzero is not in <cstring>.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <new>

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
std::size_t page_len() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }
std::size_t mapped_len(std::size_t len) { return (len + page_len() - 1) / page_len() * page_len(); }
}  // namespace

SecretBytes::SecretBytes(std::size_t len) : len_(len) {
  if (len == 0) {
    return;
  }
  void* p =
      mmap(nullptr, mapped_len(len), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) {  // NOLINT(performance-no-int-to-ptr): the macro of the system header.
    len_ = 0;
    throw std::bad_alloc();
  }
  // Hygiene, not the boundary: a refusal by the kernel leaves the secret as safe as the TEE is.
  (void)madvise(p, mapped_len(len), MADV_DONTDUMP);
  data_ = static_cast<std::uint8_t*>(p);
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
    munmap(data_, mapped_len(len_));
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
  const Range pages{mapped_len(begin), end / page_len() * page_len()};
  if (pages.begin >= pages.end ||
      madvise(data_ + pages.begin, pages.end - pages.begin, MADV_DONTNEED) != 0) {
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
