#include "ensconce/inference/error.h"

namespace ensconce {

CodeInfo error_info(InferenceError code) {
  switch (code) {
    case InferenceError::kBadModel:
      return {"inference.bad_model", Kind::kInvalidInput, Stage::kEngine};
    case InferenceError::kForeignExternalData:
      return {"inference.foreign_external_data", Kind::kRejected, Stage::kEngine};
    case InferenceError::kUnknownInput:
      return {"inference.unknown_input", Kind::kInvalidInput, Stage::kEngine};
    case InferenceError::kMissingInput:
      return {"inference.missing_input", Kind::kInvalidInput, Stage::kEngine};
    case InferenceError::kWrongType:
      return {"inference.wrong_type", Kind::kInvalidInput, Stage::kEngine};
    case InferenceError::kWrongShape:
      return {"inference.wrong_shape", Kind::kInvalidInput, Stage::kEngine};
    case InferenceError::kBadImage:
      return {"inference.bad_image", Kind::kInvalidInput, Stage::kEngine};
    case InferenceError::kBadText:
      return {"inference.bad_text", Kind::kInvalidInput, Stage::kEngine};
    case InferenceError::kTooLarge:
      return {"inference.too_large", Kind::kExhausted, Stage::kEngine};
    case InferenceError::kUnknownOutput:
      return {"inference.unknown_output", Kind::kInvalidInput, Stage::kEngine};
    case InferenceError::kEngine:
      return {"inference.engine", Kind::kInternal, Stage::kEngine};
  }
  return {"inference.unknown", Kind::kInternal, Stage::kEngine};
}

}  // namespace ensconce
