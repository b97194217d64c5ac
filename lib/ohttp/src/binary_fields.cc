#include "binary_fields.h"

#include <algorithm>

#include "varint.h"

namespace ensconce::internal {

namespace {

constexpr std::size_t kMaxInformational = 16;

// ---- Characters
// ----------------------------------------------------------------------------------

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

// RFC 9110 section 5.6.2.
bool is_tchar(char c) {
  return is_digit(c) || is_lower(c) || is_upper(c) ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

// Lower case alone (RFC 9292 section 3.6); a pseudo-field has a colon and is refused with the rest.
bool is_field_name(std::string_view text) {
  return is_method(text) && std::none_of(text.begin(), text.end(), is_upper);
}

// CR and LF would begin another field, or another message, for a reader of HTTP/1.1.
bool is_field_value(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

// ---- Reading
// -------------------------------------------------------------------------------------

// read_text_of bounds what becomes a string.
Result<std::string> read_text_of(ByteReader& reader, std::uint64_t len) {
  if (len > kMaxBinaryFieldBytes) {
    return bad_binary("a text over its limit");
  }
  ENSC_TRY_ASSIGN(const ByteView view, reader.take(len));
  return std::string(as_text(view));
}

Result<void> read_field(ByteReader& reader, std::uint64_t name_len, BinaryFields& fields) {
  if (fields.size() == kMaxBinaryFields) {
    return bad_binary("too many fields");
  }
  ENSC_TRY_ASSIGN(std::string name, read_text_of(reader, name_len));
  ENSC_TRY_ASSIGN(std::string value, read_text(reader));
  if (!is_field_name(name) || !is_field_value(value)) {
    return bad_binary("a field with characters it may not have");
  }
  fields.push_back({std::move(name), std::move(value)});
  return ok();
}

// Section 3.4: the lines fill a length.
Result<BinaryFields> read_known_section(ByteReader& reader) {
  ENSC_TRY_ASSIGN(const ByteView section, read_prefixed(reader));
  if (section.size() > kMaxBinaryFieldBytes) {
    return bad_binary("a field section over its limit");
  }
  BinaryFields out;
  ByteReader lines(section);
  while (lines.remaining() > 0) {
    ENSC_TRY_ASSIGN(const std::uint64_t name_len, read_varint(lines));
    ENSC_TRY(read_field(lines, name_len, out));
  }
  return out;
}

// Section 3.5: the lines end with a name of no length.
Result<BinaryFields> read_indeterminate_section(ByteReader& reader) {
  const std::size_t start = reader.offset();
  BinaryFields out;
  while (true) {
    ENSC_TRY_ASSIGN(const std::uint64_t name_len, read_varint(reader));
    if (name_len == 0) {
      return out;
    }
    ENSC_TRY(read_field(reader, name_len, out));
    if (reader.offset() - start > kMaxBinaryFieldBytes) {
      return bad_binary("a field section over its limit");
    }
  }
}

}  // namespace

Error bad_binary(std::string detail) { return {OhttpError::kBinaryHttp, std::move(detail)}; }

bool is_method(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_tchar);
}

// RFC 3986 section 3.1; empty for a CONNECT.
bool is_scheme(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return is_lower(c) || is_upper(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
  });
}

// Neither space nor control characters: a target or an authority is one word of a request line.
bool is_word(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

Result<ByteView> read_prefixed(ByteReader& reader) {
  ENSC_TRY_ASSIGN(const std::uint64_t len, read_varint(reader));
  return reader.take(len);
}

Result<std::string> read_text(ByteReader& reader) {
  ENSC_TRY_ASSIGN(const std::uint64_t len, read_varint(reader));
  return read_text_of(reader, len);
}

Result<bool> read_framing(ByteReader& reader, std::uint64_t known, std::uint64_t indeterminate) {
  ENSC_TRY_ASSIGN(const std::uint64_t framing, read_varint(reader));
  if (framing != known && framing != indeterminate) {
    return bad_binary("another framing indicator");
  }
  return framing == known;
}

Result<BinaryFields> read_section(ByteReader& reader, bool known) {
  return known ? read_known_section(reader) : read_indeterminate_section(reader);
}

Result<int> read_status(ByteReader& reader, bool known) {
  for (std::size_t i = 0; i <= kMaxInformational; ++i) {
    ENSC_TRY_ASSIGN(const std::uint64_t status, read_varint(reader));
    if (status >= 200 && status <= 599) {
      return static_cast<int>(status);
    }
    if (status < 100 || status > 599) {
      return bad_binary("no status of HTTP");
    }
    ENSC_TRY(read_section(reader, known));
  }
  return bad_binary("too many informational responses");
}

}  // namespace ensconce::internal
