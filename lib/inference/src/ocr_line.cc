#include "ensconce/inference/ocr_line.h"

#include <algorithm>
#include <cmath>

#include "resample.h"

namespace ensconce {

namespace {

constexpr std::size_t kMaxCharacterBytes = 16;
constexpr std::int64_t kStride = 8;
constexpr std::int64_t kTrainedHeight = 48;
constexpr std::int64_t kTrainedWidth = 320;

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
  const std::int64_t total_width = padded_width(width, options);

  const auto plane = static_cast<std::size_t>(options.height * total_width);
  SecretBytes data(plane * 3 * sizeof(float));  // zero, which is the padding
  resample_planes(image.view(), static_cast<std::size_t>(width),
                  static_cast<std::size_t>(options.height), kSigned,
                  reinterpret_cast<float*>(data.expose_mutable().data()),
                  static_cast<std::size_t>(total_width));
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
