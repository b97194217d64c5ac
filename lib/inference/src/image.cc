#include "ensconce/inference/image.h"

#include <algorithm>
#include <array>

namespace ensconce {

namespace {

constexpr std::array<std::uint8_t, 8> kPngStart = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
constexpr std::array<std::uint8_t, 3> kJpegStart = {0xff, 0xd8, 0xff};

bool begins_with(ByteView file, ByteView start) {
  return file.size() >= start.size() && std::equal(start.begin(), start.end(), file.begin());
}

}  // namespace

Result<void> check_image_size(std::uint64_t width, std::uint64_t height) {
  if (width == 0 || height == 0) {
    return Error(InferenceError::kBadImage, "an image has no pixels");
  }
  if (width > kMaxImageSide || height > kMaxImageSide || width * height > kMaxImagePixels) {
    return Error(InferenceError::kTooLarge,
                 "an image may have 8192 pixels a side and 16777216 in all");
  }
  return ok();
}

Result<RgbImage> decode_image(ByteView file) {
  if (begins_with(file, kPngStart)) {
    return decode_png(file);
  }
  if (begins_with(file, kJpegStart)) {
    return decode_jpeg(file);
  }
  return Error(InferenceError::kBadImage, "neither a PNG nor a JPEG file");
}

}  // namespace ensconce
