#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "ensconce/base/bytes.h"

namespace ensconce {

// wipe overwrites memory in a way the compiler may not remove.
void wipe(void* data, std::size_t len) noexcept;
// equal_in_constant_time takes the same time for every content of one length.
bool equal_in_constant_time(ByteView a, ByteView b) noexcept;

// SecretArray holds N secret bytes. It moves and does not copy; it is wiped when it is destroyed or
// moved from; it has no formatter, hash or ordering. `expose` is the only way in, so one search
// lists every use. The span it gives is for the call at hand and dies with the object.
template <std::size_t N>
class SecretArray {
 public:
  SecretArray() = default;
  ~SecretArray() { wipe(bytes_.data(), N); }
  SecretArray(const SecretArray&) = delete;
  SecretArray& operator=(const SecretArray&) = delete;
  SecretArray(SecretArray&& other) noexcept : bytes_(other.bytes_) { wipe(other.bytes_.data(), N); }
  SecretArray& operator=(SecretArray&& other) noexcept {
    if (this != &other) {
      bytes_ = other.bytes_;
      wipe(other.bytes_.data(), N);
    }
    return *this;
  }

  // from copies exactly N bytes; the source stays the caller's to wipe.
  static Result<SecretArray> from(ByteView bytes) {
    if (bytes.size() != N) {
      return Error(BaseError::kInvalidArgument, "a secret of " + std::to_string(N) +
                                                    " bytes was expected, got " +
                                                    std::to_string(bytes.size()));
    }
    SecretArray out;
    std::copy(bytes.begin(), bytes.end(), out.bytes_.begin());
    return out;
  }

  [[nodiscard]] std::span<const std::uint8_t, N> expose() const { return bytes_; }
  [[nodiscard]] std::span<std::uint8_t, N> expose_mutable() { return bytes_; }
  [[nodiscard]] bool equals(const SecretArray& other) const {
    return equal_in_constant_time(bytes_, other.bytes_);
  }

 private:
  std::array<std::uint8_t, N> bytes_{};
};

// SecretBytes is the same for a length known at run time.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(std::size_t len);
  ~SecretBytes();
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;

  // copy_of copies; the source stays the caller's to wipe.
  static SecretBytes copy_of(ByteView bytes);

  [[nodiscard]] std::size_t size() const { return len_; }
  [[nodiscard]] bool empty() const { return len_ == 0; }
  [[nodiscard]] ByteView expose() const { return {data_, len_}; }
  [[nodiscard]] MutableByteView expose_mutable() { return {data_, len_}; }

  // discard wipes the bytes from `begin` to `end` and gives the pages that lie wholly among them
  // back to the system. They read as zeros.
  void discard(std::size_t begin, std::size_t end) noexcept;

 private:
  struct Range {
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  void release() noexcept;
  std::uint8_t* data_ = nullptr;  // its own pages, left out of core dumps
  std::size_t len_ = 0;
  std::vector<Range> discarded_;  // what needs no wiping: touching it would bring the pages back
};

}  // namespace ensconce
