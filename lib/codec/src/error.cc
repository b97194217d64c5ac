#include "ensconce/codec/error.h"

namespace ensconce {

CodeInfo error_info(CodecError code) {
  switch (code) {
    case CodecError::kBadBase64:
      return {"codec.bad_base64", Kind::kInvalidInput, Stage::kForm};
    case CodecError::kBadCbor:
      return {"codec.bad_cbor", Kind::kInvalidInput, Stage::kForm};
    case CodecError::kNotDeterministic:
      return {"codec.not_deterministic", Kind::kInvalidInput, Stage::kForm};
    case CodecError::kBadJson:
      return {"codec.bad_json", Kind::kInvalidInput, Stage::kForm};
    case CodecError::kDuplicateKey:
      return {"codec.duplicate_key", Kind::kInvalidInput, Stage::kForm};
    case CodecError::kTooDeep:
      return {"codec.too_deep", Kind::kInvalidInput, Stage::kForm};
    case CodecError::kTooLarge:
      return {"codec.too_large", Kind::kInvalidInput, Stage::kForm};
    case CodecError::kMissingField:
      return {"codec.missing_field", Kind::kInvalidInput, Stage::kForm};
    case CodecError::kUnknownField:
      return {"codec.unknown_field", Kind::kInvalidInput, Stage::kForm};
    case CodecError::kWrongType:
      return {"codec.wrong_type", Kind::kInvalidInput, Stage::kForm};
    case CodecError::kBadDer:
      return {"codec.bad_der", Kind::kInvalidInput, Stage::kForm};
    case CodecError::kBadToml:
      return {"codec.bad_toml", Kind::kInvalidInput, Stage::kUsage};
  }
  return {"codec.unknown", Kind::kInternal, Stage::kSystem};
}

}  // namespace ensconce
