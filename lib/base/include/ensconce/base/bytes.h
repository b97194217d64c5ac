#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ensconce/base/result.h"

namespace ensconce {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
using MutableByteView = std::span<std::uint8_t>;
template <std::size_t N>
using ByteArray = std::array<std::uint8_t, N>;

// as_bytes views text as bytes; as_text views bytes as text. Both borrow.
inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes to_bytes(ByteView bytes) { return {bytes.begin(), bytes.end()}; }
inline Bytes to_bytes(std::string_view text) { return to_bytes(as_bytes(text)); }

bool equal(ByteView a, ByteView b);
bool all_zero(ByteView bytes);
Bytes concat(std::initializer_list<ByteView> parts);

// to_array copies exactly N bytes; another length is BaseError::kTruncated or kTrailingBytes.
template <std::size_t N>
Result<ByteArray<N>> to_array(ByteView bytes) {
  if (bytes.size() < N) {
    return Error(BaseError::kTruncated,
                 "expected " + std::to_string(N) + " bytes, got " + std::to_string(bytes.size()));
  }
  if (bytes.size() > N) {
    return Error(BaseError::kTrailingBytes,
                 "expected " + std::to_string(N) + " bytes, got " + std::to_string(bytes.size()));
  }
  ByteArray<N> out{};
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

// to_hex writes lower-case hex. from_hex accepts either case, an even length, nothing else.
std::string to_hex(ByteView bytes);
Result<Bytes> from_hex(std::string_view text);

// ByteReader reads a form from the front of bytes it borrows. Every read is bounded; integers
// name their byte order; `finish` refuses what is left over.
class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : bytes_(bytes) {}

  [[nodiscard]] std::size_t remaining() const { return bytes_.size() - offset_; }
  [[nodiscard]] std::size_t offset() const { return offset_; }

  Result<ByteView> take(std::size_t len);
  Result<void> skip(std::size_t len);
  Result<std::uint8_t> u8();
  Result<std::uint16_t> u16_be();
  Result<std::uint32_t> u32_be();
  Result<std::uint64_t> u64_be();
  Result<std::uint16_t> u16_le();
  Result<std::uint32_t> u32_le();
  Result<std::uint64_t> u64_le();
  template <std::size_t N>
  Result<ByteArray<N>> array() {
    ENSC_TRY_ASSIGN(const ByteView view, take(N));
    return to_array<N>(view);
  }
  Result<void> finish() const;

 private:
  Result<std::uint64_t> integer(std::size_t len, bool big_endian);
  ByteView bytes_;
  std::size_t offset_ = 0;
};

// ByteWriter appends to bytes it owns.
class ByteWriter {
 public:
  ByteWriter& raw(ByteView bytes);
  ByteWriter& u8(std::uint8_t v);
  ByteWriter& u16_be(std::uint16_t v);
  ByteWriter& u32_be(std::uint32_t v);
  ByteWriter& u64_be(std::uint64_t v);
  ByteWriter& u16_le(std::uint16_t v);
  ByteWriter& u32_le(std::uint32_t v);
  ByteWriter& u64_le(std::uint64_t v);
  [[nodiscard]] const Bytes& bytes() const { return bytes_; }
  [[nodiscard]] Bytes take() && { return std::move(bytes_); }

 private:
  Bytes bytes_;
};

}  // namespace ensconce
