#pragma once

#include <string_view>

#include "../src/binary_fields.h"
#include "../src/varint.h"

// The indeterminate-length form of an answer (RFC 9292 section 3.2), which we read and never write:
// head, any number of content chunks, end with trailers. Each appends to `out`.
namespace ensconce::testing {

inline void append_text(std::string_view text, Bytes& out) {
  internal::write_varint(text.size(), out);
  out.insert(out.end(), text.begin(), text.end());
}

// append_fields ends them with a name of no length.
inline void append_fields(const BinaryFields& fields, Bytes& out) {
  for (const BinaryField& field : fields) {
    append_text(field.name, out);
    append_text(field.value, out);
  }
  internal::write_varint(0, out);
}

inline void begin_binary_response(int status, const BinaryFields& headers, Bytes& out) {
  internal::write_varint(internal::kIndeterminateResponse, out);
  internal::write_varint(static_cast<std::uint64_t>(status), out);
  append_fields(headers, out);
}

// An empty chunk would end the content, so it appends nothing.
inline void add_binary_content(ByteView content, Bytes& out) {
  if (!content.empty()) {
    append_text(as_text(content), out);
  }
}

inline void end_binary_response(const BinaryFields& trailers, Bytes& out) {
  internal::write_varint(0, out);
  append_fields(trailers, out);
}

}  // namespace ensconce::testing
