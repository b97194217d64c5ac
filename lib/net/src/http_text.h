#pragma once

#include <string>
#include <string_view>

#include "ensconce/net/http.h"

namespace ensconce {

// is_token, is_field_value and is_target say whether text may stand as a field name or method, as
// a field value, as an origin-form target (RFC 9110 section 5, RFC 9112 section 3.2.1).
bool is_token(std::string_view text);
bool is_field_value(std::string_view text);
bool is_target(std::string_view text);
bool same_name(std::string_view a, std::string_view b);

// append_headers writes `fields` in wire form, without those that frame the message (Connection,
// Content-Length, Transfer-Encoding, and the ones in `skip`), which the caller writes. False when
// one of them may not be sent: a line break in a value would start another field.
bool append_headers(const HttpHeaders& fields, std::string_view skip, std::string& out);

// append_chunk_head writes what stands before the `len` bytes of a chunk (RFC 9112 section 7.1).
// A chunk of no bytes would end the body.
void append_chunk_head(std::size_t len, std::string& out);
inline constexpr std::string_view kChunkEnd = "\r\n";  // after a chunk's bytes
inline constexpr std::string_view kBodyEnd = "0\r\n\r\n";
inline constexpr std::string_view kLastChunkEnd = "\r\n0\r\n\r\n";  // both

std::string_view reason_of(int status);

}  // namespace ensconce
