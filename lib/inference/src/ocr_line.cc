#include "ensconce/inference/ocr_line.h"

#include <algorithm>
#include <cmath>

namespace ensconce {

namespace {

constexpr std::size_t kMaxCharacterBytes = 16;
constexpr std::int64_t kStride = 8;
constexpr std::int64_t kTrainedHeight = 48;
constexpr std::int64_t kTrainedWidth = 320;

// Weights of the source samples that make one target sample.
struct Tap {
  std::size_t first = 0;
  std::vector<float> weights;
};

// A triangle as wide as the larger of both grids: bilinear when it enlarges, and when it shrinks
// every source sample counts, so that thin strokes do not vanish.
std::vector<Tap> triangle_taps(std::size_t source, std::size_t target) {
  const double ratio = static_cast<double>(source) / static_cast<double>(target);
  const double radius = std::max(ratio, 1.0);
  std::vector<Tap> taps(target);
  for (std::size_t i = 0; i < target; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * ratio;
    const double begin = std::max(0.0, std::floor(center - radius));
    const double end = std::min(static_cast<double>(source), std::ceil(center + radius));
    taps[i].first = static_cast<std::size_t>(begin);
    double sum = 0;
    for (double at = begin; at < end; ++at) {
      const double weight = std::max(0.0, 1.0 - std::abs(at + 0.5 - center) / radius);
      taps[i].weights.push_back(static_cast<float>(weight));
      sum += weight;
    }
    for (float& weight : taps[i].weights) {
      weight = static_cast<float>(weight / sum);
    }
  }
  return taps;
}

// Returns the image's rows at the target width: [height, width, 3].
WipedVector<float> resize_rows(const RgbImage& image, std::size_t width) {
  const std::vector<Tap> taps = triangle_taps(image.width, width);
  WipedVector<float> out(std::size_t{image.height} * width * 3);
  const ByteView pixels = image.pixels.expose();
  for (std::size_t y = 0; y < image.height; ++y) {
    const std::uint8_t* row = &pixels[y * image.width * 3];
    float* target = &out[y * width * 3];
    for (const Tap& tap : taps) {
      const std::uint8_t* source = row + tap.first * 3;
      float sum[3] = {0, 0, 0};
      for (const float weight : tap.weights) {
        for (int c = 0; c < 3; ++c) {
          sum[c] += weight * static_cast<float>(*source++);
        }
      }
      target = std::copy(std::begin(sum), std::end(sum), target);
    }
  }
  return out;
}

std::int64_t padded_width(std::int64_t width, const OcrLineOptions& options) {
  const std::int64_t trained = kTrainedWidth * options.height / kTrainedHeight;
  const std::int64_t strides = (std::max(width, trained) + kStride - 1) / kStride * kStride;
  return std::max(width, std::min(strides, options.max_width));
}

}  // namespace

Result<Tensor> ocr_line_tensor(const RgbImage& image, const OcrLineOptions& options,
                               std::string name) {
  const double scale = static_cast<double>(options.height) / image.height;
  const auto width = static_cast<std::int64_t>(
      std::clamp(std::ceil(image.width * scale), 1.0, static_cast<double>(options.max_width)));
  const WipedVector<float> rows = resize_rows(image, static_cast<std::size_t>(width));
  const std::int64_t total_width = padded_width(width, options);

  const auto plane = static_cast<std::size_t>(options.height * total_width);
  SecretBytes data(plane * 3 * sizeof(float));  // zero, which is the padding
  auto* out = reinterpret_cast<float*>(data.expose_mutable().data());
  const std::vector<Tap> taps =
      triangle_taps(image.height, static_cast<std::size_t>(options.height));
  const std::size_t row_len = static_cast<std::size_t>(width) * 3;
  for (std::size_t y = 0; y < taps.size(); ++y) {
    float* target = out + y * static_cast<std::size_t>(total_width);
    for (std::size_t x = 0; x < static_cast<std::size_t>(width); ++x) {
      for (std::size_t c = 0; c < 3; ++c) {
        const float* source = &rows[taps[y].first * row_len + x * 3 + c];
        float sum = 0;
        for (const float weight : taps[y].weights) {
          sum += weight * *source;
          source += row_len;
        }
        target[(2 - c) * plane + x] = sum / 127.5F - 1.0F;
      }
    }
  }
  return Tensor::make(std::move(name), DataType::kFp32, {1, 3, options.height, total_width},
                      std::move(data));
}

Result<Charset> Charset::parse(ByteView file) {
  Charset charset;
  std::string_view rest = as_text(file);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!line.empty() && line.back() == '\r') {
      line.remove_suffix(1);
    }
    if (line.empty() || line.size() > kMaxCharacterBytes) {
      return Error(InferenceError::kBadModel, "charset line " +
                                                  std::to_string(charset.characters_.size() + 1) +
                                                  " is not one character");
    }
    charset.characters_.emplace_back(line);
  }
  if (charset.characters_.empty()) {
    return Error(InferenceError::kBadModel, "the charset is empty");
  }
  return charset;
}

std::string_view Charset::character(std::size_t class_id) const {
  if (class_id == 0) {
    return {};
  }
  return class_id <= characters_.size() ? std::string_view(characters_[class_id - 1]) : " ";
}

Result<LineReading> ctc_greedy(std::span<const float> probabilities, std::size_t num_classes,
                               const Charset& charset) {
  if (num_classes < charset.num_classes() || num_classes > charset.num_classes() + 1 ||
      probabilities.size() % num_classes != 0) {
    return Error(InferenceError::kBadModel, "the charset does not fit the graph's classes");
  }
  LineReading reading;
  double sum = 0;
  std::size_t num_kept = 0;
  std::size_t previous = 0;
  for (; !probabilities.empty(); probabilities = probabilities.subspan(num_classes)) {
    const auto step = probabilities.first(num_classes);
    const auto best = std::max_element(step.begin(), step.end());
    const auto class_id = static_cast<std::size_t>(best - step.begin());
    if (class_id != 0 && class_id != previous) {
      const ByteView character = as_bytes(charset.character(class_id));
      reading.text.insert(reading.text.end(), character.begin(), character.end());
      sum += *best;
      ++num_kept;
    }
    previous = class_id;
  }
  if (num_kept > 0) {
    reading.confidence = static_cast<float>(sum / static_cast<double>(num_kept));
  }
  return reading;
}

}  // namespace ensconce
