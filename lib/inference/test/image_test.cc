#include "ensconce/inference/image.h"

#include <gtest/gtest.h>

#include "png_writer.h"

namespace ensconce {
namespace {

const std::array<std::uint8_t, 12> kRgb = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

Bytes small_png() { return png_writer::write(PNG_FORMAT_RGB, 2, 2, kRgb.data()); }

Bytes pixels_of(const RgbImage& image) { return to_bytes(image.pixels.expose()); }

TEST(DecodePng, GivesThePixels) {
  const auto image = decode_png(small_png());
  ASSERT_TRUE(image) << image.error().to_string();
  EXPECT_EQ(image->width, 2U);
  EXPECT_EQ(image->height, 2U);
  EXPECT_EQ(pixels_of(*image), to_bytes(kRgb));
}

TEST(DecodePng, MakesGreyIntoColour) {
  const std::array<std::uint8_t, 2> grey = {0, 200};
  const auto image = decode_png(png_writer::write(PNG_FORMAT_GRAY, 2, 1, grey.data()));
  ASSERT_TRUE(image);
  EXPECT_EQ(pixels_of(*image), (Bytes{0, 0, 0, 200, 200, 200}));
}

TEST(DecodePng, LaysWhatIsTransparentOnWhite) {
  const std::array<std::uint8_t, 12> rgba = {10, 20, 30, 0, 10, 20, 30, 255, 0, 0, 0, 128};
  const auto image = decode_png(png_writer::write(PNG_FORMAT_RGBA, 3, 1, rgba.data()));
  ASSERT_TRUE(image);
  EXPECT_EQ(pixels_of(*image), (Bytes{255, 255, 255, 10, 20, 30, 127, 127, 127}));
}

TEST(DecodePng, ScalesSixteenBitSamples) {
  const std::array<std::uint16_t, 1> grey = {0xffff};
  const auto image = decode_png(png_writer::write(PNG_FORMAT_LINEAR_Y, 1, 1, grey.data()));
  ASSERT_TRUE(image);
  EXPECT_EQ(pixels_of(*image), (Bytes{255, 255, 255}));
}

TEST(DecodePng, ReadsInterlacedFiles) {
  for (const auto& [width, height] : {std::pair{1U, 1U}, {2U, 7U}, {9U, 2U}, {40U, 30U}}) {
    Bytes pixels(std::size_t{width} * height * 3);
    for (std::size_t i = 0; i < pixels.size(); ++i) {
      pixels[i] = static_cast<std::uint8_t>(i * 7);
    }
    const Bytes file = png_writer::write_interlaced(width, height, pixels);
    const auto image = decode_png(file);
    ASSERT_TRUE(image) << width << " x " << height;
    EXPECT_EQ(pixels_of(*image), pixels);
    for (std::size_t len = 0; len < file.size(); ++len) {
      EXPECT_FALSE(decode_png(ByteView(file).first(len))) << len;
    }
  }
}

// The chunks and their checksums are whole, and the last rows are not there.
TEST(DecodePng, RejectsAPictureThatIsCutShort) {
  const Bytes file = png_writer::with_size(small_png(), 2, 3);
  const auto image = decode_png(file);
  ASSERT_FALSE(image);
  EXPECT_TRUE(image.error().is(InferenceError::kBadImage));
}

TEST(DecodeImage, TellsPngFromJpegByTheirBeginning) {
  EXPECT_TRUE(decode_image(small_png()));
  for (const std::string_view file : {std::string_view("\xff\xd8\xff"), std::string_view("GIF89a"),
                                      std::string_view("\x89PNG"), std::string_view("")}) {
    const auto image = decode_image(as_bytes(file));
    ASSERT_FALSE(image);
    EXPECT_TRUE(image.error().is(InferenceError::kBadImage));
  }
}

TEST(DecodePng, RejectsEveryTruncation) {
  const Bytes file = small_png();
  for (std::size_t len = 0; len < file.size(); ++len) {
    const auto image = decode_png(ByteView(file).first(len));
    ASSERT_FALSE(image) << len;
    EXPECT_TRUE(image.error().is(InferenceError::kBadImage)) << len;
  }
}

TEST(DecodePng, RejectsEveryChangedByte) {
  const Bytes file = small_png();
  for (std::size_t i = 0; i < file.size(); ++i) {
    Bytes changed = file;
    changed[i] ^= 0x01;
    const auto image = decode_png(changed);
    ASSERT_FALSE(image) << i;
    EXPECT_TRUE(image.error().is(InferenceError::kBadImage)) << i;
  }
}

TEST(DecodePng, RejectsBytesAfterTheEnd) {
  Bytes file = small_png();
  file.push_back(0);
  const auto image = decode_png(file);
  ASSERT_FALSE(image);
  EXPECT_TRUE(image.error().is(InferenceError::kBadImage));
}

TEST(DecodePng, RejectsImagesAboveTheLimits) {
  constexpr std::uint32_t kSide = kMaxImageSide;
  const std::pair<std::uint32_t, std::uint32_t> sizes[] = {
      {kSide + 1, 1}, {1, kSide + 1}, {kSide, 2049}, {0x7fffffff, 0x7fffffff}};
  for (const auto& [width, height] : sizes) {
    const auto image = decode_png(png_writer::with_size(small_png(), width, height));
    ASSERT_FALSE(image) << width << " x " << height;
    EXPECT_TRUE(image.error().is(InferenceError::kTooLarge)) << width << " x " << height;
  }
  // At the limit it is the missing pixels that are wrong.
  const auto image = decode_png(png_writer::with_size(small_png(), kSide, 2048));
  ASSERT_FALSE(image);
  EXPECT_TRUE(image.error().is(InferenceError::kBadImage));
}

TEST(DecodePng, RejectsFilesAboveTheLimit) {
  const Bytes file(kMaxImageBytes + 1);
  const auto image = decode_png(file);
  ASSERT_FALSE(image);
  EXPECT_TRUE(image.error().is(InferenceError::kTooLarge));
}

TEST(DecodePng, AcceptsDamagedTextAndProfiles) {
  const Bytes file = small_png();
  constexpr std::size_t kAfterHeader = 8 + 25;
  for (const char* type : {"tEXt", "zTXt", "iTXt", "iCCP", "eXIf"}) {
    const auto image = decode_png(
        concat({ByteView(file).first(kAfterHeader), png_writer::chunk(type, as_bytes("\x01\x02")),
                ByteView(file).subspan(kAfterHeader)}));
    EXPECT_TRUE(image) << type;
  }
}

TEST(DecodePng, RejectsUnknownCriticalChunks) {
  const Bytes file = small_png();
  constexpr std::size_t kAfterHeader = 8 + 25;
  const auto image = decode_png(
      concat({ByteView(file).first(kAfterHeader), png_writer::chunk("ABCD", as_bytes("x")),
              ByteView(file).subspan(kAfterHeader)}));
  ASSERT_FALSE(image);
  EXPECT_TRUE(image.error().is(InferenceError::kBadImage));
}

}  // namespace
}  // namespace ensconce
