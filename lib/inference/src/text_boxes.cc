#include <algorithm>
#include <cmath>
#include <numeric>

#include "ensconce/inference/ocr_page.h"
#include "ensconce/inference/wiped.h"
#include "resample.h"

namespace ensconce {

namespace {

constexpr double kStride = 32;  // of the detector
constexpr double kMinSide = 3;
constexpr double kMinGrownSide = 5;
// Pixels whose centre is on the rim of a rectangle are in it, whatever the last bit says.
constexpr double kRim = 0.01;

// A run of text pixels in a row, from first to last.
struct Run {
  std::size_t y;
  std::size_t first;
  std::size_t last;
  std::size_t parent;  // another run of the same piece, or itself
};
using Runs = WipedVector<Run>;

std::size_t root_of(Runs& runs, std::size_t i) {
  while (runs[i].parent != i) {
    runs[i].parent = runs[runs[i].parent].parent;
    i = runs[i].parent;
  }
  return i;
}

void join(Runs& runs, std::size_t a, std::size_t b) {
  const std::size_t x = root_of(runs, a);
  const std::size_t y = root_of(runs, b);
  runs[std::max(x, y)].parent = std::min(x, y);  // the root of a piece is its first run
}

// Returns the runs of all pieces, row by row, joined where they touch.
Runs runs_of(std::span<const float> likelihoods, std::size_t width, std::size_t height,
             double threshold) {
  Runs runs;
  std::size_t above = 0;  // first run of the row above
  for (std::size_t y = 0; y < height; ++y) {
    const std::size_t here = runs.size();
    const float* row = &likelihoods[y * width];
    for (std::size_t x = 0; x < width; ++x) {
      if (!(row[x] > threshold)) {
        continue;
      }
      if (x > 0 && row[x - 1] > threshold) {
        runs.back().last = x;
      } else {
        runs.push_back({y, x, x, runs.size()});
      }
    }
    std::size_t other = above;
    for (std::size_t i = here; i < runs.size(); ++i) {
      while (other < here && runs[other].last + 1 < runs[i].first) {
        ++other;
      }
      for (std::size_t k = other; k < here && runs[k].first <= runs[i].last + 1; ++k) {
        join(runs, i, k);
      }
    }
    above = here;
  }
  return runs;
}

// Lists the runs piece by piece, each piece's in their order.
std::vector<std::size_t> by_piece(Runs& runs) {
  std::vector<std::size_t> order(runs.size());
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    runs[i].parent = root_of(runs, i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return runs[a].parent < runs[b].parent; });
  return order;
}

// Narrows [low, high] to where |x * along + rest| <= most.
void narrow(double along, double rest, double most, double& low, double& high) {
  constexpr double kParallel = 1e-12;
  if (std::abs(along) < kParallel) {
    if (std::abs(rest) > most) {
      high = low - 1;
    }
    return;
  }
  const double a = (-most - rest) / along;
  const double b = (most - rest) / along;
  low = std::max(low, std::min(a, b));
  high = std::min(high, std::max(a, b));
}

// Returns the mean likelihood of the pixels whose centres are in the rectangle.
double score(std::span<const float> likelihoods, std::size_t width, std::size_t height,
             const RotatedRect& rect) {
  const Quad corners = corners_of(rect);
  const auto [top, bottom] = std::minmax({corners[0].y, corners[1].y, corners[2].y, corners[3].y});
  const auto first_row = static_cast<std::int64_t>(std::max(0.0, std::ceil(top - kRim)));
  const auto last_row = static_cast<std::int64_t>(
      std::min(std::floor(bottom + kRim), static_cast<double>(height) - 1));
  double sum = 0;
  std::int64_t count = 0;
  for (std::int64_t y = first_row; y <= last_row; ++y) {
    double low = 0;
    double high = static_cast<double>(width) - 1;
    const double dy = static_cast<double>(y) - rect.center.y;
    narrow(rect.axis.x, dy * rect.axis.y - rect.center.x * rect.axis.x, rect.width / 2 + kRim, low,
           high);
    narrow(-rect.axis.y, dy * rect.axis.x + rect.center.x * rect.axis.y, rect.height / 2 + kRim,
           low, high);
    const auto first = static_cast<std::int64_t>(std::ceil(low));
    const auto last = static_cast<std::int64_t>(std::floor(high));
    const float* row = &likelihoods[static_cast<std::size_t>(y) * width];
    for (std::int64_t x = first; x <= last; ++x) {
      sum += static_cast<double>(row[x]);
      ++count;
    }
  }
  return count == 0 ? 0 : sum / static_cast<double>(count);
}

std::int64_t strides(std::uint32_t side, double scale) {
  return static_cast<std::int64_t>(
      std::max(kStride, std::nearbyint(std::floor(side * scale) / kStride) * kStride));
}

}  // namespace

Result<Tensor> page_tensor(const RgbView& page, const OcrPageOptions& options, std::string name) {
  const double scale =
      std::min(1.0, static_cast<double>(options.max_side) / std::max(page.width, page.height));
  const std::int64_t width = strides(page.width, scale);
  const std::int64_t height = strides(page.height, scale);
  SecretBytes data(static_cast<std::size_t>(width * height) * 3 * sizeof(float));
  // ImageNet's mean and deviation, in the order in which PaddleOCR applies them to blue, green,
  // red.
  constexpr std::array<float, 3> kMean = {0.485F, 0.456F, 0.406F};
  constexpr std::array<float, 3> kDeviation = {0.229F, 0.224F, 0.225F};
  Normalisation normalisation{};
  for (std::size_t c = 0; c < 3; ++c) {
    normalisation.scale[c] = 1 / (255 * kDeviation[c]);
    normalisation.offset[c] = -kMean[c] / kDeviation[c];
  }
  resample_planes(page, static_cast<std::size_t>(width), static_cast<std::size_t>(height),
                  normalisation, reinterpret_cast<float*>(data.expose_mutable().data()),
                  static_cast<std::size_t>(width));
  return Tensor::make(std::move(name), DataType::kFp32, {1, 3, height, width}, std::move(data));
}

Result<WipedVector<Quad>> find_text_boxes(std::span<const float> likelihoods, std::size_t width,
                                          std::size_t height, std::uint32_t page_width,
                                          std::uint32_t page_height,
                                          const OcrPageOptions& options) {
  Runs runs = runs_of(likelihoods, width, height, options.pixel_threshold);
  const std::vector<std::size_t> order = by_piece(runs);
  WipedVector<Quad> boxes;
  WipedVector<Point> rim;
  for (std::size_t i = 0; i < order.size();) {
    const std::size_t piece = runs[order[i]].parent;
    rim.clear();
    for (; i < order.size() && runs[order[i]].parent == piece; ++i) {
      const Run& run = runs[order[i]];
      const auto y = static_cast<double>(run.y);
      rim.push_back({static_cast<double>(run.first), y});
      rim.push_back({static_cast<double>(run.last), y});
    }
    RotatedRect rect = min_area_rect(convex_hull(rim));
    if (std::min(rect.width, rect.height) < kMinSide ||
        // Not at least: also what is no number.
        !(score(likelihoods, width, height, rect) >= options.box_threshold)) {
      continue;
    }
    const double grown =
        rect.width * rect.height * options.unclip / (2 * (rect.width + rect.height));
    rect.width += 2 * grown;
    rect.height += 2 * grown;
    if (std::min(rect.width, rect.height) < kMinGrownSide) {
      continue;
    }
    if (boxes.size() == kMaxPageBoxes) {
      return Error(InferenceError::kTooLarge, "a page may hold 1000 boxes of text");
    }
    Quad corners = corners_of(rect);
    for (Point& p : corners) {
      p.x = std::clamp(std::nearbyint(p.x * page_width / static_cast<double>(width)), 0.0,
                       page_width - 1.0);
      p.y = std::clamp(std::nearbyint(p.y * page_height / static_cast<double>(height)), 0.0,
                       page_height - 1.0);
    }
    boxes.push_back(upright(corners));
  }
  return boxes;
}

}  // namespace ensconce
