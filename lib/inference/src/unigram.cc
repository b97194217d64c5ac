#include "ensconce/inference/unigram.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace ensconce {

namespace {

// How far below the rarest piece an unknown character lies, as SentencePiece has it: any way to
// spell a text in pieces is better than one that leaves a character out.
constexpr float kUnknownPenalty = 10.0F;
constexpr float kImpossible = -std::numeric_limits<float>::infinity();

Error bad_line(std::size_t line) {
  return {InferenceError::kBadModel,
          "vocabulary line " + std::to_string(line + 1) + " is not a new piece and its score"};
}

bool parse_score(std::string_view text, float& score) {
  if (text.empty()) {
    score = kNeverScore;
    return true;
  }
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), score);
  return code == std::errc() && end == text.data() + text.size() && std::isfinite(score);
}

std::uint64_t edge_key(std::uint32_t node, std::uint8_t byte) {
  return std::uint64_t{node} << 8U | byte;
}

// Returns the bytes of the UTF-8 character that starts at `at`; the text is known to be UTF-8.
std::size_t character_len(ByteView text, std::size_t at) {
  std::size_t len = 1;
  while (at + len < text.size() && (text[at + len] & 0xc0) == 0x80) {
    ++len;
  }
  return len;
}

}  // namespace

Result<Unigram> Unigram::parse(ByteView file) {
  Unigram out;
  out.ids_.push_back(-1);
  float lowest = 0;
  std::string_view rest = as_text(file);
  while (!rest.empty()) {
    const std::size_t id = out.scores_.size();
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::size_t tab = line.find('\t');
    float score = 0;
    if (tab == std::string_view::npos || tab == 0 || tab > kMaxPieceBytes ||
        !parse_score(line.substr(tab + 1), score) || id == kMaxVocabulary) {
      return bad_line(id);
    }
    out.scores_.push_back(score);
    if (id == 0 || score <= kNeverScore) {
      continue;
    }
    lowest = std::min(lowest, score);
    std::uint32_t node = 0;
    for (const std::uint8_t byte : as_bytes(line.substr(0, tab))) {
      const auto next = static_cast<std::uint32_t>(out.ids_.size());
      const auto [edge, is_new] = out.edges_.try_emplace(edge_key(node, byte), next);
      if (is_new) {
        out.ids_.push_back(-1);
      }
      node = edge->second;
    }
    if (out.ids_[node] >= 0) {
      return bad_line(id);
    }
    out.ids_[node] = static_cast<std::int32_t>(id);
  }
  if (out.scores_.empty()) {
    return Error(InferenceError::kBadModel, "the vocabulary is empty");
  }
  out.unknown_score_ = lowest - kUnknownPenalty;
  return out;
}

WipedVector<std::int64_t> Unigram::encode(ByteView text) const {
  struct Step {
    float score = kImpossible;  // of the best way to reach this byte
    std::uint32_t begin = 0;    // where its last piece begins
    std::uint32_t id = 0;
  };
  WipedVector<Step> best(text.size() + 1);
  best[0].score = 0;
  const auto offer = [&](std::size_t begin, std::size_t end, float score, std::uint32_t id) {
    const float total = best[begin].score + score;
    if (total > best[end].score) {
      best[end] = {total, static_cast<std::uint32_t>(begin), id};
    }
  };
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t next = begin + character_len(text, begin);
    bool known = false;
    std::uint32_t node = 0;
    for (std::size_t end = begin; end < text.size();) {
      const auto edge = edges_.find(edge_key(node, text[end]));
      if (edge == edges_.end()) {
        break;
      }
      node = edge->second;
      ++end;
      if (ids_[node] >= 0) {
        const auto id = static_cast<std::uint32_t>(ids_[node]);
        offer(begin, end, scores_[id], id);
        known = known || end == next;
      }
    }
    if (!known) {
      offer(begin, next, unknown_score_, 0);
    }
    begin = next;
  }
  WipedVector<std::int64_t> ids;
  ids.reserve(text.size());
  for (std::size_t at = text.size(); at > 0; at = best[at].begin) {
    const std::int64_t id = best[at].id;
    if (id != 0 || ids.empty() || ids.back() != 0) {
      ids.push_back(id);
    }
  }
  std::reverse(ids.begin(), ids.end());
  return ids;
}

}  // namespace ensconce
