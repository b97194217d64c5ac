#include <utf8proc.h>

#include <array>

#include "ensconce/inference/unigram.h"

namespace ensconce {

namespace {

constexpr std::array<std::uint8_t, 3> kSpace = {0xe2, 0x96, 0x81};  // U+2581

bool is_space(utf8proc_int32_t c) {
  return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 ||
         utf8proc_category(c) == UTF8PROC_CATEGORY_ZS ||
         utf8proc_category(c) == UTF8PROC_CATEGORY_ZL ||
         utf8proc_category(c) == UTF8PROC_CATEGORY_ZP;
}

// Returns the NFKC form as code points.
Result<WipedVector<utf8proc_int32_t>> nfkc(ByteView text) {
  const auto options =
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_COMPOSE);
  const auto len = static_cast<utf8proc_ssize_t>(text.size());
  const utf8proc_ssize_t needed = utf8proc_decompose(text.data(), len, nullptr, 0, options);
  if (needed < 0) {
    return Error(InferenceError::kBadText, "a text is not UTF-8");
  }
  WipedVector<utf8proc_int32_t> points(static_cast<std::size_t>(needed));
  const utf8proc_ssize_t written =
      utf8proc_decompose(text.data(), len, points.data(), needed, options);
  const utf8proc_ssize_t composed =
      written < 0 ? written : utf8proc_normalize_utf32(points.data(), written, options);
  if (composed < 0) {
    return Error(InferenceError::kBadText, "a text is not UTF-8");
  }
  points.resize(static_cast<std::size_t>(composed));
  return points;
}

}  // namespace

Result<WipedVector<std::uint8_t>> normalise_text(ByteView text) {
  ENSC_TRY_ASSIGN(const WipedVector<utf8proc_int32_t> points, nfkc(text));
  WipedVector<std::uint8_t> out;
  out.reserve(points.size() * 4 + kSpace.size());
  bool after_space = true;  // the text begins as if a space stood before it
  for (const utf8proc_int32_t point : points) {
    if (is_space(point)) {
      after_space = true;
      continue;
    }
    if (after_space) {
      out.insert(out.end(), kSpace.begin(), kSpace.end());
      after_space = false;
    }
    std::array<utf8proc_uint8_t, 4> encoded{};
    const utf8proc_ssize_t len = utf8proc_encode_char(point, encoded.data());
    out.insert(out.end(), encoded.begin(), encoded.begin() + len);
  }
  return out;
}

}  // namespace ensconce
