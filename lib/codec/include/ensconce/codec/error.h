#pragma once

#include "ensconce/base/error.h"

namespace ensconce {

// CodecError says which rule of form was broken. Nothing here trusts anything.
enum class CodecError : std::uint8_t {
  kBadBase64,
  kBadCbor,          // not CBOR, or of a kind we never use (tags we do not know, floats, …)
  kNotDeterministic, // CBOR that RFC 8949 §4.2.1 would have written otherwise
  kBadJson,
  kDuplicateKey,
  kTooDeep,
  kTooLarge,
  kMissingField,
  kUnknownField,
  kWrongType,
  kBadDer,
  kBadToml,
};
CodeInfo error_info(CodecError code);

}  // namespace ensconce
