#include "resample.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ensconce/inference/wiped.h"

namespace ensconce {

namespace {

// The source samples that make one target sample, and their weights within Taps::weights.
struct Tap {
  std::size_t first = 0;
  std::size_t begin = 0;
  std::size_t count = 0;
};

struct Taps {
  std::vector<Tap> taps;
  std::vector<float> weights;
};

Taps triangle_taps(std::size_t source, std::size_t target) {
  const double ratio = static_cast<double>(source) / static_cast<double>(target);
  const double radius = std::max(ratio, 1.0);
  Taps out;
  out.taps.reserve(target);
  for (std::size_t i = 0; i < target; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * ratio;
    const auto begin = static_cast<std::size_t>(std::max(0.0, std::floor(center - radius)));
    const auto end =
        static_cast<std::size_t>(std::min(static_cast<double>(source), std::ceil(center + radius)));
    const auto weight_at = [&](std::size_t at) {
      return std::max(0.0, 1.0 - std::abs(static_cast<double>(at) + 0.5 - center) / radius);
    };
    double sum = 0;
    for (std::size_t at = begin; at < end; ++at) {
      sum += weight_at(at);
    }
    out.taps.push_back({begin, out.weights.size(), end - begin});
    for (std::size_t at = begin; at < end; ++at) {
      out.weights.push_back(static_cast<float>(weight_at(at) / sum));
    }
  }
  return out;
}

}  // namespace

void resample_planes(const RgbView& image, std::size_t width, std::size_t height,
                     const Normalisation& normalisation, float* out, std::size_t row_len) {
  const Taps columns = triangle_taps(image.width, width);
  const Taps rows = triangle_taps(image.height, height);
  const std::size_t source_len = std::size_t{image.width} * 3;
  // Down first: one row is all that is kept between.
  WipedVector<float> row(source_len);
  for (std::size_t y = 0; y < height; ++y) {
    std::fill(row.begin(), row.end(), 0.0F);
    for (std::size_t i = 0; i < rows.taps[y].count; ++i) {
      const float weight = rows.weights[rows.taps[y].begin + i];
      const std::uint8_t* source = &image.pixels[(rows.taps[y].first + i) * source_len];
      for (std::size_t x = 0; x < source_len; ++x) {
        row[x] += weight * static_cast<float>(source[x]);
      }
    }
    for (std::size_t x = 0; x < width; ++x) {
      const Tap& tap = columns.taps[x];
      const float* weights = &columns.weights[tap.begin];
      const float* source = &row[tap.first * 3];
      std::array<float, 3> sum{};
      for (std::size_t i = 0; i < tap.count; ++i) {
        for (std::size_t c = 0; c < 3; ++c) {
          sum[c] += weights[i] * *source++;
        }
      }
      for (std::size_t plane = 0; plane < 3; ++plane) {
        out[(plane * height + y) * row_len + x] =
            sum[2 - plane] * normalisation.scale[plane] + normalisation.offset[plane];
      }
    }
  }
}

}  // namespace ensconce
