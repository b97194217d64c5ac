#include <algorithm>
#include <cmath>

#include "ensconce/inference/ocr_page.h"

namespace ensconce {

namespace {

// Where between two pixels is told to a 32nd, as the pipeline was published.
constexpr int kFractionBits = 5;
constexpr int kFractions = 1 << kFractionBits;
constexpr double kFar = 1 << 20;  // pixels; far outside of any image
constexpr double kTall = 1.5;     // from here on a line stands

using Cubic = std::array<float, 4>;

// Weights of the four samples around (Keys, 1981, with a = -0.75).
Cubic cubic(double fraction) {
  constexpr double kA = -0.75;
  const auto near = [](double d) { return ((kA + 2) * d - (kA + 3)) * d * d + 1; };
  const auto far = [](double d) { return ((kA * d - 5 * kA) * d + 8 * kA) * d - 4 * kA; };
  return {static_cast<float>(far(1 + fraction)), static_cast<float>(near(fraction)),
          static_cast<float>(near(1 - fraction)), static_cast<float>(far(2 - fraction))};
}

const std::array<Cubic, kFractions>& cubics() {
  static const auto kTable = [] {
    std::array<Cubic, kFractions> out{};
    for (int i = 0; i < kFractions; ++i) {
      out[static_cast<std::size_t>(i)] = cubic(static_cast<double>(i) / kFractions);
    }
    return out;
  }();
  return kTable;
}

// Projection maps a rectangle, from (0, 0) to (width, height), onto a quad (Heckbert, 1989, 2.2.3).
class Projection {
 public:
  static std::optional<Projection> onto(const Quad& q, double width, double height) {
    const double dx1 = q[1].x - q[2].x;
    const double dx2 = q[3].x - q[2].x;
    const double dy1 = q[1].y - q[2].y;
    const double dy2 = q[3].y - q[2].y;
    const double sx = q[0].x - q[1].x + q[2].x - q[3].x;
    const double sy = q[0].y - q[1].y + q[2].y - q[3].y;
    const double area = dx1 * dy2 - dx2 * dy1;
    if (area == 0) {
      return std::nullopt;
    }
    const double g = (sx * dy2 - dx2 * sy) / area;
    const double h = (dx1 * sy - sx * dy1) / area;
    Projection out;
    out.x_ = {(q[1].x - q[0].x + g * q[1].x) / width, (q[3].x - q[0].x + h * q[3].x) / height,
              q[0].x};
    out.y_ = {(q[1].y - q[0].y + g * q[1].y) / width, (q[3].y - q[0].y + h * q[3].y) / height,
              q[0].y};
    out.w_ = {g / width, h / height, 1};
    return out;
  }

  [[nodiscard]] Point at(double x, double y) const {
    const auto apply = [x, y](const std::array<double, 3>& r) {
      return r[0] * x + r[1] * y + r[2];
    };
    const double w = apply(w_);
    if (w == 0) {
      return {};
    }
    return {std::clamp(apply(x_) / w, -kFar, kFar), std::clamp(apply(y_) / w, -kFar, kFar)};
  }

 private:
  std::array<double, 3> x_{};
  std::array<double, 3> y_{};
  std::array<double, 3> w_{};
};

// Sampler reads a page between its pixels; beyond the rim the last pixel goes on.
class Sampler {
 public:
  explicit Sampler(const RgbView& page)
      : page_(page),
        last_x_(std::int64_t{page.width} - 1),
        last_y_(std::int64_t{page.height} - 1) {}

  void read(const Point& p, std::uint8_t* out) const {
    const std::int64_t x = std::lrint(p.x * kFractions);
    const std::int64_t y = std::lrint(p.y * kFractions);
    const Cubic& across = cubics_[static_cast<std::size_t>(x & (kFractions - 1))];
    const Cubic& down = cubics_[static_cast<std::size_t>(y & (kFractions - 1))];
    std::array<std::size_t, 4> columns{};
    for (std::int64_t i = 0; i < 4; ++i) {
      columns[static_cast<std::size_t>(i)] = static_cast<std::size_t>(
          std::clamp<std::int64_t>((x >> kFractionBits) - 1 + i, 0, last_x_) * 3);
    }
    std::array<float, 3> sum{};
    for (std::int64_t k = 0; k < 4; ++k) {
      const auto row = static_cast<std::size_t>(
          std::clamp<std::int64_t>((y >> kFractionBits) - 1 + k, 0, last_y_));
      const std::uint8_t* source = &page_.pixels[row * page_.width * 3];
      const float weight = down[static_cast<std::size_t>(k)];
      for (std::size_t i = 0; i < 4; ++i) {
        const std::uint8_t* pixel = source + columns[i];
        for (std::size_t c = 0; c < 3; ++c) {
          sum[c] += weight * across[i] * static_cast<float>(pixel[c]);
        }
      }
    }
    for (std::size_t c = 0; c < 3; ++c) {
      out[c] = static_cast<std::uint8_t>(std::clamp(std::lrint(sum[c]), 0L, 255L));
    }
  }

 private:
  const RgbView& page_;
  std::int64_t last_x_;
  std::int64_t last_y_;
  const std::array<Cubic, kFractions>& cubics_ = cubics();
};

RgbImage turned_left(const RgbImage& image) {
  RgbImage out{image.height, image.width, SecretBytes(image.pixels.size())};
  const std::uint8_t* from = image.pixels.expose().data();
  std::uint8_t* to = out.pixels.expose_mutable().data();
  for (std::size_t y = 0; y < out.height; ++y) {
    for (std::size_t x = 0; x < out.width; ++x) {
      to = std::copy_n(from + (x * image.width + (image.width - 1 - y)) * 3, 3, to);
    }
  }
  return out;
}

}  // namespace

FlatSize flat_size(const Quad& q) {
  const auto longer = [](double a, double b) { return static_cast<std::uint32_t>(std::max(a, b)); };
  return {longer(distance(q[0], q[1]), distance(q[2], q[3])),
          longer(distance(q[0], q[3]), distance(q[1], q[2]))};
}

bool is_tall(std::uint32_t width, std::uint32_t height) { return height >= kTall * width; }

std::optional<FlatLine> lay_flat(const RgbView& page, const Quad& corners) {
  constexpr std::uint32_t kLeast = 4;
  const auto [width, height] = flat_size(corners);
  if (width < kLeast || height < kLeast) {
    return std::nullopt;
  }
  const auto projection = Projection::onto(corners, width, height);
  if (!projection) {
    return std::nullopt;
  }
  const Sampler sampler(page);
  RgbImage image{width, height, SecretBytes(std::size_t{width} * height * 3)};
  std::uint8_t* out = image.pixels.expose_mutable().data();
  for (std::uint32_t y = 0; y < height; ++y) {
    for (std::uint32_t x = 0; x < width; ++x, out += 3) {
      sampler.read(projection->at(x, y), out);
    }
  }
  if (is_tall(width, height)) {
    return FlatLine{turned_left(image), turned_left(corners)};
  }
  return FlatLine{std::move(image), corners};
}

void turn_round(RgbImage& image) {
  const MutableByteView pixels = image.pixels.expose_mutable();
  std::reverse(pixels.begin(), pixels.end());
  for (std::size_t i = 0; i + 2 < pixels.size(); i += 3) {
    std::swap(pixels[i], pixels[i + 2]);
  }
}

}  // namespace ensconce
