#pragma once

#include <cstdint>

#include "ensconce/base/bytes.h"
#include "ensconce/base/secret.h"
#include "ensconce/inference/error.h"

namespace ensconce {

inline constexpr std::size_t kMaxImageBytes = std::size_t{32} * 1024 * 1024;
inline constexpr std::uint32_t kMaxImageSide = 8192;
inline constexpr std::uint64_t kMaxImagePixels = std::uint64_t{16} * 1024 * 1024;

// RgbView is rows of red, green and blue, a byte each, without padding; borrowed.
struct RgbView {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  ByteView pixels;
};

// RgbImage is an RgbView that owns its pixels, which are wiped with it.
struct RgbImage {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  SecretBytes pixels;

  [[nodiscard]] RgbView view() const { return {width, height, pixels.expose()}; }
};

// check_image_size holds the limits above: InferenceError::kTooLarge, and kBadImage for a side of
// nothing.
Result<void> check_image_size(std::uint64_t width, std::uint64_t height);

// decode_image reads a PNG or a JPEG file, told apart by how it begins; another is
// InferenceError::kBadImage. Further errors as of the two below.
Result<RgbImage> decode_image(ByteView file);

// decode_png reads a whole PNG file (W3C PNG, any colour type; 16-bit samples are scaled to 8) and
// lays what is transparent on white. An eXIf chunk is passed over. The limits above are held before
// memory is asked for (InferenceError::kTooLarge); a damaged file, or bytes after its end, is
// kBadImage.
Result<RgbImage> decode_png(ByteView file);

// decode_jpeg reads a whole JPEG file as read_jpeg_structure takes it and turns it as its EXIF
// orientation says. What a decoder would mend, an end that is missing or a code that no table has,
// is InferenceError::kBadImage. Bytes after the end are passed over: cameras append previews there.
Result<RgbImage> decode_jpeg(ByteView file);

}  // namespace ensconce
