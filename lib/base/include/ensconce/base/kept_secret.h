#pragma once

#include <cstddef>
#include <cstdint>

#include "ensconce/base/bytes.h"

namespace ensconce {

// have_secret_pages says whether this kernel gives memory that it does not map itself
// (memfd_secret, Linux 5.14).
bool have_secret_pages();
// keep_secrets_from_kernel makes every KeptSecret that is made from now on lie in such memory, if
// there is any: not even the guest's kernel reads it by a pointer of its own, so /proc/PID/mem,
// ptrace and what a flaw in the kernel leaks do not show it; it is never swapped. The machine does
// not hibernate meanwhile. For programs that serve; call it once, at the start.
void keep_secrets_from_kernel();

// KeptSecret is a private key, or the seed of one, that lives long: at most kLargest bytes, apart
// from the heap, wiped at its end, out of core dumps and locked as far as allowed. It moves and
// does not copy. For what is made for one call, SecretArray and SecretBytes are cheaper.
class KeptSecret {
 public:
  static constexpr std::size_t kLargest = 64;

  KeptSecret() = default;
  ~KeptSecret() { release(); }
  KeptSecret(const KeptSecret&) = delete;
  KeptSecret& operator=(const KeptSecret&) = delete;
  KeptSecret(KeptSecret&& other) noexcept;
  KeptSecret& operator=(KeptSecret&& other) noexcept;

  // copy_of copies at most kLargest bytes (more aborts); the source stays the caller's to wipe.
  static KeptSecret copy_of(ByteView bytes);

  [[nodiscard]] ByteView expose() const { return {data_, len_}; }
  [[nodiscard]] std::size_t size() const { return len_; }

 private:
  void release() noexcept;
  std::uint8_t* data_ = nullptr;
  std::size_t len_ = 0;
};

}  // namespace ensconce
