#pragma once

#include "ensconce/ohttp/binary_http.h"

// What whole messages and those that arrive in pieces are made of (RFC 9292). What ends too early
// is BaseError::kTruncated here.
namespace ensconce::internal {

// Framing indicators, section 3.3.
inline constexpr std::uint64_t kKnownRequest = 0;
inline constexpr std::uint64_t kKnownResponse = 1;
inline constexpr std::uint64_t kIndeterminateRequest = 2;
inline constexpr std::uint64_t kIndeterminateResponse = 3;

Error bad_binary(std::string detail);

bool is_method(std::string_view text);
bool is_scheme(std::string_view text);
bool is_word(std::string_view text);

Result<ByteView> read_prefixed(ByteReader& reader);
Result<std::string> read_text(ByteReader& reader);
// read_framing gives whether the message is of known length.
Result<bool> read_framing(ByteReader& reader, std::uint64_t known, std::uint64_t indeterminate);
Result<BinaryFields> read_section(ByteReader& reader, bool known);
// read_status passes over informational responses (section 3.5.1) to the final one.
Result<int> read_status(ByteReader& reader, bool known);

}  // namespace ensconce::internal
