#pragma once

#include <cstdint>
#include <string>

#include "ensconce/base/bytes.h"
#include "ensconce/codec/error.h"

namespace ensconce::der {

// Element is one DER element (X.690): its tag octet, contents, and the whole encoding. Borrowed.
struct Element {
  std::uint8_t tag;
  ByteView content;
  ByteView whole;
};

inline constexpr std::uint8_t kInteger = 0x02;
inline constexpr std::uint8_t kOctetString = 0x04;
inline constexpr std::uint8_t kIa5String = 0x16;
inline constexpr std::uint8_t kSequence = 0x30;

// read_element takes one element off the front: single-octet tags, minimal definite lengths.
Result<Element> read_element(ByteReader& reader);
// read_small_uint reads exactly one minimal non-negative INTEGER of at most 4 bytes of value.
Result<std::uint32_t> read_small_uint(ByteView der);
// read_ia5_string reads exactly one IA5String of printable ASCII, at most 256 bytes.
Result<std::string> read_ia5_string(ByteView der);
Bytes write_small_uint(std::uint32_t value);
Bytes write_ia5_string(std::string_view text);
Bytes write_element(std::uint8_t tag, ByteView content);

}  // namespace ensconce::der
