#pragma once

#include <string>
#include <string_view>

#include "ensconce/base/bytes.h"
#include "ensconce/codec/error.h"

namespace ensconce {

// base64_encode writes RFC 4648 §4 with padding; base64url_encode §5 without.
std::string base64_encode(ByteView bytes);
std::string base64url_encode(ByteView bytes);
// Decoding is strict: the alphabet, the padding (or its absence) and zero trailing bits; anything
// else is CodecError::kBadBase64.
Result<Bytes> base64_decode(std::string_view text);
Result<Bytes> base64url_decode(std::string_view text);

}  // namespace ensconce
