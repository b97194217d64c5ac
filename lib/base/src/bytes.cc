#include "ensconce/base/bytes.h"

#include <algorithm>

namespace ensconce {

bool equal(ByteView a, ByteView b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

bool all_zero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t b) { return b == 0; });
}

Bytes concat(std::initializer_list<ByteView> parts) {
  Bytes out;
  for (const ByteView part : parts) {
    out.insert(out.end(), part.begin(), part.end());
  }
  return out;
}

std::string to_hex(ByteView bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::uint8_t b : bytes) {
    out += kDigits[b >> 4U];
    out += kDigits[b & 15U];
  }
  return out;
}

namespace {
int nibble(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  if (c >= 'A' && c <= 'F') {
    return c - 'A' + 10;
  }
  return -1;
}
}  // namespace

Result<Bytes> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) {
    return Error(BaseError::kBadHex, "odd number of hex digits: " + std::to_string(text.size()));
  }
  Bytes out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = nibble(text[i]);
    const int low = nibble(text[i + 1]);
    if (high < 0 || low < 0) {
      return Error(BaseError::kBadHex, "not a hex digit at position " + std::to_string(i));
    }
    out.push_back(static_cast<std::uint8_t>(high * 16 + low));
  }
  return out;
}

Result<ByteView> ByteReader::take(std::size_t len) {
  if (len > remaining()) {
    return Error(BaseError::kTruncated, "at offset " + std::to_string(offset_) + ": needs " +
                                            std::to_string(len) + " bytes, " +
                                            std::to_string(remaining()) + " are left");
  }
  const ByteView out = bytes_.subspan(offset_, len);
  offset_ += len;
  return out;
}

Result<void> ByteReader::skip(std::size_t len) {
  ENSC_TRY(take(len));
  return ok();
}

Result<std::uint64_t> ByteReader::integer(std::size_t len, bool big_endian) {
  ENSC_TRY_ASSIGN(const ByteView view, take(len));
  std::uint64_t v = 0;
  for (std::size_t i = 0; i < len; ++i) {
    v = (v << 8U) | view[big_endian ? i : len - 1 - i];
  }
  return v;
}

Result<std::uint8_t> ByteReader::u8() {
  ENSC_TRY_ASSIGN(const std::uint64_t v, integer(1, true));
  return static_cast<std::uint8_t>(v);
}
Result<std::uint16_t> ByteReader::u16_be() {
  ENSC_TRY_ASSIGN(const std::uint64_t v, integer(2, true));
  return static_cast<std::uint16_t>(v);
}
Result<std::uint32_t> ByteReader::u32_be() {
  ENSC_TRY_ASSIGN(const std::uint64_t v, integer(4, true));
  return static_cast<std::uint32_t>(v);
}
Result<std::uint64_t> ByteReader::u64_be() { return integer(8, true); }
Result<std::uint16_t> ByteReader::u16_le() {
  ENSC_TRY_ASSIGN(const std::uint64_t v, integer(2, false));
  return static_cast<std::uint16_t>(v);
}
Result<std::uint32_t> ByteReader::u32_le() {
  ENSC_TRY_ASSIGN(const std::uint64_t v, integer(4, false));
  return static_cast<std::uint32_t>(v);
}
Result<std::uint64_t> ByteReader::u64_le() { return integer(8, false); }

Result<void> ByteReader::finish() const {
  if (remaining() != 0) {
    return Error(
        BaseError::kTrailingBytes,
        std::to_string(remaining()) + " bytes after the end, at offset " + std::to_string(offset_));
  }
  return ok();
}

namespace {
void put(Bytes& out, std::uint64_t v, std::size_t len, bool big_endian) {
  for (std::size_t i = 0; i < len; ++i) {
    const std::size_t shift = 8 * (big_endian ? len - 1 - i : i);
    out.push_back(static_cast<std::uint8_t>(v >> shift));
  }
}
}  // namespace

ByteWriter& ByteWriter::raw(ByteView bytes) {
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  return *this;
}
ByteWriter& ByteWriter::u8(std::uint8_t v) {
  bytes_.push_back(v);
  return *this;
}
ByteWriter& ByteWriter::u16_be(std::uint16_t v) {
  put(bytes_, v, 2, true);
  return *this;
}
ByteWriter& ByteWriter::u32_be(std::uint32_t v) {
  put(bytes_, v, 4, true);
  return *this;
}
ByteWriter& ByteWriter::u64_be(std::uint64_t v) {
  put(bytes_, v, 8, true);
  return *this;
}
ByteWriter& ByteWriter::u16_le(std::uint16_t v) {
  put(bytes_, v, 2, false);
  return *this;
}
ByteWriter& ByteWriter::u32_le(std::uint32_t v) {
  put(bytes_, v, 4, false);
  return *this;
}
ByteWriter& ByteWriter::u64_le(std::uint64_t v) {
  put(bytes_, v, 8, false);
  return *this;
}

}  // namespace ensconce
