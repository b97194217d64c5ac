#include "ensconce/inference/sentence_labels.h"

#include <algorithm>

namespace ensconce {

Result<std::vector<Tensor>> sentence_tensors(std::span<const ByteView> sentences,
                                             const Unigram& vocabulary, std::size_t max_tokens) {
  if (sentences.empty()) {
    return Error(InferenceError::kWrongShape, "no sentence");
  }
  if (sentences.size() > kMaxSentences) {
    return Error(InferenceError::kTooLarge, "a request may have 64 sentences");
  }
  std::vector<WipedVector<std::int64_t>> ids;
  std::size_t num_tokens = 0;
  for (const ByteView sentence : sentences) {
    if (sentence.size() > kMaxSentenceBytes) {
      return Error(InferenceError::kTooLarge, "a sentence may have 4096 bytes");
    }
    ENSC_TRY_ASSIGN(const WipedVector<std::uint8_t> text, normalise_text(sentence));
    if (text.empty()) {
      return Error(InferenceError::kBadText, "a sentence has nothing to read in it");
    }
    ids.push_back(vocabulary.encode(text));
    num_tokens = std::max(num_tokens, std::min(ids.back().size(), max_tokens));
  }

  const std::size_t len = ids.size() * num_tokens * sizeof(std::int64_t);
  SecretBytes id_data(len);
  SecretBytes mask_data(len);
  auto* id_out = reinterpret_cast<std::int64_t*>(id_data.expose_mutable().data());
  auto* mask_out = reinterpret_cast<std::int64_t*>(mask_data.expose_mutable().data());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::size_t kept = std::min(ids[i].size(), num_tokens);
    std::copy_n(ids[i].begin(), kept, id_out + i * num_tokens);
    std::fill_n(mask_out + i * num_tokens, kept, 1);
  }
  const std::vector<std::int64_t> shape = {static_cast<std::int64_t>(ids.size()),
                                           static_cast<std::int64_t>(num_tokens)};
  std::vector<Tensor> tensors;
  ENSC_TRY_ASSIGN(Tensor id_tensor,
                  Tensor::make("input_ids", DataType::kInt64, shape, std::move(id_data)));
  ENSC_TRY_ASSIGN(Tensor mask_tensor,
                  Tensor::make("attention_mask", DataType::kInt64, shape, std::move(mask_data)));
  tensors.push_back(std::move(id_tensor));
  tensors.push_back(std::move(mask_tensor));
  return tensors;
}

}  // namespace ensconce
