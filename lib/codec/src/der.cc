#include "ensconce/codec/der.h"

#include <algorithm>

namespace ensconce::der {
namespace {

constexpr std::size_t kMaxLengthOctets = 4;
constexpr std::size_t kMaxIa5String = 256;

Result<std::size_t> read_length(ByteReader& reader) {
  ENSC_TRY_ASSIGN(const std::uint8_t first, reader.u8());
  if (first < 0x80) {
    return std::size_t{first};
  }
  const std::size_t octets = first & 0x7f;
  if (octets == 0) {
    return Error(CodecError::kBadDer, "indefinite length");
  }
  if (octets > kMaxLengthOctets) {
    return Error(CodecError::kBadDer, "a length of more than four octets");
  }
  std::size_t len = 0;
  for (std::size_t i = 0; i < octets; ++i) {
    ENSC_TRY_ASSIGN(const std::uint8_t octet, reader.u8());
    if (i == 0 && octet == 0) {
      return Error(CodecError::kBadDer, "length is not minimal");
    }
    len = len << 8 | octet;
  }
  if (len < 0x80) {
    return Error(CodecError::kBadDer, "length is not minimal");
  }
  return len;
}

Result<ByteView> read_only(ByteView der, std::uint8_t tag, const char* name) {
  ByteReader reader(der);
  ENSC_TRY_ASSIGN(const Element element, read_element(reader));
  ENSC_TRY(reader.finish());
  if (element.tag != tag) {
    return Error(CodecError::kWrongType, std::string("expected ") + name);
  }
  return element.content;
}

}  // namespace

Result<Element> read_element(ByteReader& reader) {
  // The reader cannot look back, so the whole is taken once its length is known: a second reader
  // over the same bytes walks the head.
  ByteReader ahead = reader;
  const std::size_t start = ahead.offset();
  ENSC_TRY_ASSIGN(const std::uint8_t tag, ahead.u8());
  if ((tag & 0x1f) == 0x1f) {
    return Error(CodecError::kBadDer, "a tag of several octets");
  }
  if (tag == 0) {
    return Error(CodecError::kBadDer, "tag zero");
  }
  ENSC_TRY_ASSIGN(const std::size_t len, read_length(ahead));
  ENSC_TRY(ahead.skip(len));
  ENSC_TRY_ASSIGN(const ByteView whole, reader.take(ahead.offset() - start));
  return Element{tag, whole.last(len), whole};
}

Result<std::uint32_t> read_small_uint(ByteView der) {
  ENSC_TRY_ASSIGN(const ByteView content, read_only(der, kInteger, "an INTEGER"));
  if (content.empty()) {
    return Error(CodecError::kBadDer, "an INTEGER without contents");
  }
  if ((content[0] & 0x80) != 0) {
    return Error(CodecError::kBadDer, "a negative INTEGER");
  }
  if (content.size() > 1 && content[0] == 0 && (content[1] & 0x80) == 0) {
    return Error(CodecError::kBadDer, "INTEGER is not minimal");
  }
  if (content.size() > 5 || (content.size() == 5 && content[0] != 0)) {
    return Error(CodecError::kTooLarge, "an INTEGER of more than 32 bits");
  }
  std::uint32_t value = 0;
  for (const std::uint8_t octet : content) {
    value = value << 8 | octet;
  }
  return value;
}

Result<std::string> read_ia5_string(ByteView der) {
  ENSC_TRY_ASSIGN(const ByteView content, read_only(der, kIa5String, "an IA5String"));
  if (content.size() > kMaxIa5String) {
    return Error(CodecError::kTooLarge, "an IA5String of more than 256 bytes");
  }
  if (!std::ranges::all_of(content, [](std::uint8_t c) { return c >= 0x20 && c <= 0x7e; })) {
    return Error(CodecError::kBadDer, "an IA5String with other than printable ASCII");
  }
  return std::string(as_text(content));
}

Bytes write_small_uint(std::uint32_t value) {
  Bytes content;
  for (int shift = 24; shift >= 0; shift -= 8) {
    const auto octet = static_cast<std::uint8_t>(value >> shift);
    if (content.empty() && octet == 0 && shift > 0) {
      continue;
    }
    if (content.empty() && (octet & 0x80) != 0) {
      content.push_back(0);
    }
    content.push_back(octet);
  }
  return write_element(kInteger, content);
}

Bytes write_ia5_string(std::string_view text) { return write_element(kIa5String, as_bytes(text)); }

Bytes write_element(std::uint8_t tag, ByteView content) {
  ByteWriter out;
  out.u8(tag);
  if (content.size() < 0x80) {
    out.u8(static_cast<std::uint8_t>(content.size()));
  } else {
    std::size_t octets = 1;
    while (octets < sizeof(std::size_t) && content.size() >> (8 * octets) != 0) {
      ++octets;
    }
    out.u8(static_cast<std::uint8_t>(0x80 | octets));
    for (; octets > 0; --octets) {
      out.u8(static_cast<std::uint8_t>(content.size() >> (8 * (octets - 1))));
    }
  }
  out.raw(content);
  return std::move(out).take();
}

}  // namespace ensconce::der
