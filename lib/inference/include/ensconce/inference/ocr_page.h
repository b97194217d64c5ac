#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ensconce/inference/geometry.h"
#include "ensconce/inference/image.h"
#include "ensconce/inference/tensor.h"
#include "ensconce/inference/wiped.h"

namespace ensconce {

// The steps of PP-OCRv4's pipeline between its graphs; models/page-reader/README.md has all of it.

struct OcrPageOptions {
  std::int64_t max_side = 960;    // of what the detector sees
  double pixel_threshold = 0.3;   // likelihood from which a pixel is text
  double box_threshold = 0.6;     // mean likelihood from which a box is
  double unclip = 2.0;            // a box grows by this times its area over its circumference
  double turn_threshold = 0.9;    // likelihood from which a line is, or is not, upside down
  double text_threshold = 0.5;    // confidence below which a line is left out
  std::int64_t max_width = 3840;  // of a line at its height of 48
};

inline constexpr std::size_t kMaxPageBoxes = 1000;

// page_tensor scales a page for the detector: both sides by one factor, so that the longer is
// max_side at most, each then to the nearest multiple of 32. FP32 [1, 3, height, width], blue
// first, normalised by ImageNet's mean and deviation.
Result<Tensor> page_tensor(const RgbView& page, const OcrPageOptions& options, std::string name);

// find_text_boxes returns a quad, in whole pixels of a page of page_width x page_height, around
// each piece of text in the detector's map of likelihoods: pixels above the threshold that touch,
// corners included, their smallest rectangle, grown. More than kMaxPageBoxes are
// InferenceError::kTooLarge.
Result<WipedVector<Quad>> find_text_boxes(std::span<const float> likelihoods, std::size_t width,
                                          std::size_t height, std::uint32_t page_width,
                                          std::uint32_t page_height, const OcrPageOptions& options);

struct FlatSize {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
};
// flat_size returns how large lay_flat makes a quad, before it turns it; the longer of opposite
// sides counts.
FlatSize flat_size(const Quad& corners);
// is_tall says whether lay_flat turns a quad of that size.
bool is_tall(std::uint32_t width, std::uint32_t height);

struct FlatLine {
  RgbImage image;
  Quad corners;  // numbered as the image is turned
};
// lay_flat cuts a quad out of a page and undoes its perspective, by cubic interpolation; one that
// is half as high again as it is wide is turned to the left by a quarter. Quads of three pixels or
// fewer a side, or without an area, give none.
std::optional<FlatLine> lay_flat(const RgbView& page, const Quad& corners);

// turn_round turns an image by half a turn.
void turn_round(RgbImage& image);

// reading_order returns the order in which to read lines, by their numbers: rows from above to
// below, within a row from left to right, of the page as most of its text (by length) stands. Lines
// are of one row when their middles are closer than half the height of the lower of the two.
// Columns are not told apart.
std::vector<std::size_t> reading_order(std::span<const Quad> lines);

}  // namespace ensconce
