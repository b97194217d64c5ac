#include "ensconce/base/secret.h"

#include <string.h>  // NOLINT(modernize-deprecated-headers): explicit_bzero is not in <cstring>.
#include <sys/mman.h>
#include <unistd.h>

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
std::size_t mapped_len(std::size_t len) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return (len + page - 1) / page * page;
}
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
    : data_(std::exchange(other.data_, nullptr)), len_(std::exchange(other.len_, 0)) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this != &other) {
    release();
    data_ = std::exchange(other.data_, nullptr);
    len_ = std::exchange(other.len_, 0);
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
    wipe(data_, len_);
    munmap(data_, mapped_len(len_));
    data_ = nullptr;
    len_ = 0;
  }
}

}  // namespace ensconce
