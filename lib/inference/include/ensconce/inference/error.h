#pragma once

#include <cstdint>

#include "ensconce/base/error.h"

namespace ensconce {

// InferenceError is the vocabulary of this library. No detail ever holds a value of an input, an
// output or a weight, nor a word of the engine's own messages, which do.
enum class InferenceError : std::uint8_t {
  kBadModel,             // the model's files do not make a model we can serve
  kForeignExternalData,  // the graph names a file outside the model's own
  kUnknownInput,         // no such input, or given twice
  kMissingInput,
  kWrongType,
  kWrongShape,     // rank or dimension, or a byte length that does not fit the shape
  kBadImage,       // not a PNG or JPEG file that we read
  kBadText,        // not UTF-8, or nothing to read in it
  kTooLarge,       // a named limit was passed
  kUnknownOutput,  // no such output, or asked for twice
  kEngine,         // the engine failed; why stays inside
};
CodeInfo error_info(InferenceError code);

}  // namespace ensconce
