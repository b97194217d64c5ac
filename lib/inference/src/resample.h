#pragma once

#include <array>
#include <cstddef>

#include "ensconce/inference/image.h"

namespace ensconce {

// Normalisation maps a sample of 0 to 255 to sample * scale + offset, for the planes blue, green,
// red.
struct Normalisation {
  std::array<float, 3> scale;
  std::array<float, 3> offset;
};

// kSigned maps to -1 … 1.
inline constexpr Normalisation kSigned = {{1 / 127.5F, 1 / 127.5F, 1 / 127.5F}, {-1, -1, -1}};

// resample_planes scales an image to width x height and writes it to `out` as three planes, blue
// first, of `height` rows that begin `row_len` floats apart; what lies between rows is left alone.
// The filter is a triangle as wide as the larger of both grids: bilinear where it enlarges, and
// where it shrinks every sample counts, so that thin strokes do not vanish.
void resample_planes(const RgbView& image, std::size_t width, std::size_t height,
                     const Normalisation& normalisation, float* out, std::size_t row_len);

}  // namespace ensconce
