#pragma once

#include <cstdint>

#include "ensconce/base/bytes.h"
#include "ensconce/base/secret.h"
#include "ensconce/inference/error.h"

namespace ensconce {

inline constexpr std::size_t kMaxPngBytes = std::size_t{32} * 1024 * 1024;
inline constexpr std::uint32_t kMaxImageSide = 8192;
inline constexpr std::uint64_t kMaxImagePixels = std::uint64_t{16} * 1024 * 1024;

// RgbImage is rows of red, green and blue, a byte each, without padding.
struct RgbImage {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  SecretBytes pixels;
};

// decode_png reads a whole PNG file (W3C PNG, any colour type; 16-bit samples are scaled to 8) and
// lays what is transparent on white. The limits above are held before memory is asked for
// (InferenceError::kTooLarge); a damaged file, or bytes after its end, is kBadImage.
Result<RgbImage> decode_png(ByteView file);

}  // namespace ensconce
