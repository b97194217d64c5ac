#include "ensconce/ohttp/error.h"

#include "ensconce/base/check.h"

namespace ensconce {

CodeInfo error_info(OhttpError code) {
  constexpr Stage kStage = Stage::kChannel;
  switch (code) {
    case OhttpError::kKeyConfig:
      return {"ohttp.key_config", Kind::kInvalidInput, kStage};
    case OhttpError::kForm:
      return {"ohttp.form", Kind::kInvalidInput, kStage};
    case OhttpError::kKeyId:
      return {"ohttp.key_id", Kind::kRejected, kStage};
    case OhttpError::kSuite:
      return {"ohttp.suite", Kind::kUnsupported, kStage};
    case OhttpError::kDecrypt:
      return {"ohttp.decrypt", Kind::kRejected, kStage};
    case OhttpError::kTruncated:
      return {"ohttp.truncated", Kind::kInvalidInput, kStage};
    case OhttpError::kTooLarge:
      return {"ohttp.too_large", Kind::kExhausted, kStage};
    case OhttpError::kSmallChunks:
      return {"ohttp.small_chunks", Kind::kInvalidInput, kStage};
    case OhttpError::kBinaryHttp:
      return {"bhttp.form", Kind::kInvalidInput, kStage};
  }
  ENSC_CHECK(false);
}

}  // namespace ensconce
