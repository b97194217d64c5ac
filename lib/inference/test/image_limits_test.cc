#include <gtest/gtest.h>
#include <zlib.h>

#include <chrono>
#include <fstream>

#include "ensconce/inference/image.h"
#include "ensconce/inference/jpeg_structure.h"
#include "jpeg_writer.h"
#include "png_writer.h"

// Files made to cost more than they say: each is refused at once, and the memory of the process
// does not show it.

namespace ensconce {
namespace {

using namespace std::chrono_literals;

// Of a check that takes a millisecond at most, so that a busy machine does not matter.
constexpr auto kAtOnce = 100ms;
constexpr std::int64_t kFlatKib = 8192;

// Forgets the highest memory use so far: Linux's clear_refs, 5.
bool reset_peak() {
  std::ofstream file("/proc/self/clear_refs");
  return static_cast<bool>(file << "5" << std::flush);
}

std::int64_t status_kib(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key + ":")) {
      return std::stoll(line.substr(key.size() + 1));
    }
  }
  return -1;
}

void expect_refused_at_once(ByteView file, InferenceError code) {
  ASSERT_TRUE(reset_peak());
  const std::int64_t memory = status_kib("VmRSS");
  const auto start = std::chrono::steady_clock::now();
  const auto image = decode_image(file);
  const auto took = std::chrono::steady_clock::now() - start;
  const std::int64_t grown = status_kib("VmHWM") - memory;
  ASSERT_FALSE(image);
  EXPECT_TRUE(image.error().is(code)) << image.error().to_string();
  EXPECT_LT(took, kAtOnce);
  EXPECT_LT(grown, kFlatKib);
  testing::Test::RecordProperty(
      "microseconds",
      std::to_string(
          std::chrono::microseconds(std::chrono::duration_cast<std::chrono::microseconds>(took))
              .count()));
  testing::Test::RecordProperty("grown_kib", std::to_string(grown));
}

Bytes small_png() { return png_writer::write(PNG_FORMAT_RGB, 2, 2, Bytes(12).data()); }

Bytes deflated_zeros(std::size_t len) {
  const Bytes zeros(len);
  uLongf packed_len = compressBound(len);
  Bytes packed(packed_len);
  compress2(packed.data(), &packed_len, zeros.data(), len, 9);
  packed.resize(packed_len);
  return packed;
}

Bytes progressive_file(std::uint32_t width, std::uint32_t height) {
  return jpeg_writer::write(JCS_GRAYSCALE, 1, width, height, Bytes(std::size_t{width} * height),
                            [](jpeg_compress_struct& c) { jpeg_simple_progression(&c); });
}

// Returns a JPEG file with another size in its frame.
Bytes with_jpeg_size(Bytes file, std::uint16_t width, std::uint16_t height) {
  std::size_t at = 0;
  while (!(file[at] == 0xff && (file[at + 1] == 0xc0 || file[at + 1] == 0xc2))) {
    ++at;
  }
  ByteWriter size;
  size.u16_be(height).u16_be(width);
  std::copy(size.bytes().begin(), size.bytes().end(), file.begin() + std::ptrdiff_t(at) + 5);
  return file;
}

TEST(ImageLimits, AHeaderOfFortyThousandSquared) {
  expect_refused_at_once(png_writer::with_size(small_png(), 40'000, 40'000),
                         InferenceError::kTooLarge);
  expect_refused_at_once(with_jpeg_size(progressive_file(8, 8), 40'000, 40'000),
                         InferenceError::kTooLarge);
}

TEST(ImageLimits, AHeaderOfTheLargestNumbers) {
  expect_refused_at_once(png_writer::with_size(small_png(), 0x7fffffff, 0x7fffffff),
                         InferenceError::kTooLarge);
  expect_refused_at_once(with_jpeg_size(progressive_file(8, 8), 0xffff, 0xffff),
                         InferenceError::kTooLarge);
}

TEST(ImageLimits, APictureThatInflatesFarBeyondItsSize) {
  const Bytes packed = deflated_zeros(std::size_t{64} * 1024 * 1024);
  for (const Bytes& file : {small_png(), png_writer::write_interlaced(2, 2, Bytes(12))}) {
    const Bytes bomb = concat({ByteView(file).first(8 + 25), png_writer::chunk("IDAT", packed),
                               png_writer::chunk("IEND", {})});
    ASSERT_TRUE(reset_peak());
    const std::int64_t memory = status_kib("VmRSS");
    const auto start = std::chrono::steady_clock::now();
    const auto image = decode_image(bomb);  // what lies beyond the two rows is never inflated
    EXPECT_LT(std::chrono::steady_clock::now() - start, kAtOnce);
    EXPECT_LT(status_kib("VmHWM") - memory, kFlatKib);
    ASSERT_TRUE(image);
    EXPECT_EQ(image->pixels.size(), 12U);
  }
}

TEST(ImageLimits, TextAndProfilesThatInflate) {
  const Bytes packed = deflated_zeros(std::size_t{64} * 1024 * 1024);
  const Bytes file = small_png();
  for (const char* type : {"zTXt", "iCCP", "iTXt"}) {
    const Bytes bomb =
        concat({ByteView(file).first(8 + 25),
                png_writer::chunk(type, concat({as_bytes(std::string_view("a\0\0", 3)), packed})),
                ByteView(file).subspan(8 + 25)});
    ASSERT_TRUE(reset_peak());
    const std::int64_t memory = status_kib("VmRSS");
    const auto start = std::chrono::steady_clock::now();
    EXPECT_TRUE(decode_image(bomb)) << type;
    EXPECT_LT(std::chrono::steady_clock::now() - start, kAtOnce);
    EXPECT_LT(status_kib("VmHWM") - memory, kFlatKib);
  }
}

TEST(ImageLimits, AThousandScans) {
  const Bytes file = progressive_file(4096, 4096);
  const Bytes head = to_bytes(ByteView(file).first(file.size() - 2));
  const std::array<std::uint8_t, 2> start_of_scan = {0xff, 0xda};
  const auto last =
      std::find_end(head.begin(), head.end(), start_of_scan.begin(), start_of_scan.end());
  Bytes bomb = head;
  for (int i = 0; i < 1000; ++i) {
    bomb.insert(bomb.end(), last, head.end());
  }
  expect_refused_at_once(concat({bomb, as_bytes("\xff\xd9")}), InferenceError::kTooLarge);
}

TEST(ImageLimits, AFileOfNothingButMarkers) {
  Bytes file = {0xff, 0xd8};
  const Bytes comment = jpeg_writer::segment(0xfe, {});
  for (int i = 0; i < 2'000'000; ++i) {
    file.insert(file.end(), comment.begin(), comment.end());
  }
  expect_refused_at_once(file, InferenceError::kTooLarge);
  // Fill bytes have no end by themselves.
  file.assign(kMaxImageBytes, 0xff);
  file[1] = 0xd8;
  expect_refused_at_once(file, InferenceError::kBadImage);
}

TEST(ImageLimits, LargeTruncatedFiles) {
  const Bytes jpeg = progressive_file(4096, 4096);
  expect_refused_at_once(ByteView(jpeg).first(jpeg.size() - 2), InferenceError::kBadImage);
  expect_refused_at_once(ByteView(jpeg).first(30), InferenceError::kBadImage);
}

TEST(ImageLimits, WhatIsNeitherFormat) {
  expect_refused_at_once(as_bytes("GIF89a, say"), InferenceError::kBadImage);
  expect_refused_at_once({}, InferenceError::kBadImage);
  expect_refused_at_once(Bytes(kMaxImageBytes + 1), InferenceError::kBadImage);
}

}  // namespace
}  // namespace ensconce
