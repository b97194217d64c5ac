#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ensconce/inference/image.h"
#include "ensconce/inference/tensor.h"
#include "ensconce/inference/wiped.h"

namespace ensconce {

struct OcrLineOptions {
  std::int64_t height = 48;
  std::int64_t max_width = 1920;
};

// ocr_line_tensor scales an image to the options' height, keeping its shape up to max_width, and
// returns it as FP32 [1, 3, height, width] in -1 … 1, blue first, as PaddleOCR's recognisers were
// trained. Narrow lines are padded on the right with 0 to 320 · height/48, a width the recogniser
// has seen; wider ones to a multiple of 8, its stride.
Result<Tensor> ocr_line_tensor(const RgbImage& image, const OcrLineOptions& options,
                               std::string name);

// Charset maps the classes of a CTC head to text: class 0 is the blank, class i line i-1 of the
// file. A head with one class more than that has the space as its last.
class Charset {
 public:
  // parse reads one character a line; a line that is empty, or longer than 16 bytes, is
  // InferenceError::kBadModel.
  static Result<Charset> parse(ByteView file);
  // num_classes returns the classes without and with the space: n and n + 1.
  [[nodiscard]] std::size_t num_classes() const { return characters_.size() + 1; }
  // character returns the text of a class; class 0 is empty.
  [[nodiscard]] std::string_view character(std::size_t class_id) const;

 private:
  std::vector<std::string> characters_;
};

struct LineReading {
  WipedVector<std::uint8_t> text;  // UTF-8
  float confidence = 0;            // mean probability of the steps kept; 0 when none was
};

// ctc_greedy takes the likeliest class of each step, drops repeats, then blanks. `probabilities` is
// [steps, num_classes], row by row, with num_classes as charset says (or one more), else
// InferenceError::kBadModel.
Result<LineReading> ctc_greedy(std::span<const float> probabilities, std::size_t num_classes,
                               const Charset& charset);

}  // namespace ensconce
