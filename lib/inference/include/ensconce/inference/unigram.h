#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ensconce/base/bytes.h"
#include "ensconce/inference/error.h"
#include "ensconce/inference/wiped.h"

namespace ensconce {

inline constexpr std::size_t kMaxVocabulary = 1'000'000;
inline constexpr std::size_t kMaxPieceBytes = 256;
// kNeverScore or less marks a piece that no text matches: sentence marks and spares.
inline constexpr float kNeverScore = -1000.0F;

// Unigram splits text into the pieces of a SentencePiece unigram vocabulary so that the sum of
// their scores is highest (Kudo, arXiv:1804.10959, section 3.2).
class Unigram {
 public:
  // parse reads "piece TAB score" a line; the line number, from 0, is the id, and id 0 stands for
  // what is in no piece. An empty score is kNeverScore. Anything else, and a piece listed twice, is
  // InferenceError::kBadModel.
  static Result<Unigram> parse(ByteView file);

  [[nodiscard]] std::size_t size() const { return scores_.size(); }
  // encode returns the ids of normalised text (normalise_text). Characters in no piece become id 0,
  // one for a run of them.
  [[nodiscard]] WipedVector<std::int64_t> encode(ByteView text) const;

 private:
  Unigram() = default;
  std::unordered_map<std::uint64_t, std::uint32_t> edges_;  // node << 8 | byte -> node
  std::vector<std::int32_t> ids_;  // of the piece that ends at a node, or -1
  std::vector<float> scores_;
  float unknown_score_ = 0;
};

// normalise_text brings UTF-8 to NFKC (Unicode TR15), runs of white space to one U+2581, and puts a
// U+2581 in front, as SentencePiece does. Text without a visible character becomes empty.
// InferenceError::kBadText unless it is UTF-8.
Result<WipedVector<std::uint8_t>> normalise_text(ByteView text);

}  // namespace ensconce
