#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ensconce/inference/tensor.h"
#include "ensconce/inference/unigram.h"

namespace ensconce {

inline constexpr std::size_t kMaxSentences = 64;  // of one request
inline constexpr std::size_t kMaxSentenceBytes = 4096;

// sentence_tensors returns "input_ids" and "attention_mask", INT64 [N, tokens]: each sentence's
// ids, cut at max_tokens and padded with 0 to the longest. Errors: InferenceError::kTooLarge,
// kWrongShape (none at all), kBadText (not UTF-8, or nothing visible in it).
Result<std::vector<Tensor>> sentence_tensors(std::span<const ByteView> sentences,
                                             const Unigram& vocabulary, std::size_t max_tokens);

}  // namespace ensconce
