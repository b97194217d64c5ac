#pragma once

#include "ensconce/base/bytes.h"

// The integers of RFC 9000 section 16: the top two bits of the first byte say whether there are 1,
// 2, 4 or 8 bytes.
namespace ensconce::internal {

inline constexpr std::size_t kMaxVarintLen = 8;
inline constexpr std::uint64_t kMaxVarint = (std::uint64_t{1} << 62) - 1;

inline std::size_t varint_len(std::uint8_t first) { return std::size_t{1} << (first >> 6); }

// read_varint takes any length, as RFC 9292 section 3.1 does not ask for the shortest.
inline Result<std::uint64_t> read_varint(ByteReader& reader) {
  ENSC_TRY_ASSIGN(const std::uint8_t first, reader.u8());
  ENSC_TRY_ASSIGN(const ByteView rest, reader.take(varint_len(first) - 1));
  std::uint64_t out = first & 0x3f;
  for (const std::uint8_t byte : rest) {
    out = (out << 8) | byte;
  }
  return out;
}

// varint_log is the binary logarithm of the length of the shortest form.
inline int varint_log(std::uint64_t value) {
  ENSC_CHECK(value <= kMaxVarint);
  int log = 0;
  while (log < 3 && value >> (8 * (1 << log) - 2) != 0) {
    ++log;
  }
  return log;
}
inline std::size_t written_varint_len(std::uint64_t value) {
  return std::size_t{1} << varint_log(value);
}

// write_varint appends the shortest form.
inline void write_varint(std::uint64_t value, Bytes& out) {
  const int log = varint_log(value);
  for (int i = (1 << log) - 1; i >= 0; --i) {
    out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  }
  out[out.size() - (std::size_t{1} << log)] |= static_cast<std::uint8_t>(log << 6);
}

}  // namespace ensconce::internal
