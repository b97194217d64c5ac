#include "ensconce/inference/ocr_line.h"

#include <gtest/gtest.h>

namespace ensconce {
namespace {

RgbImage plain_image(std::uint32_t width, std::uint32_t height, std::uint8_t red,
                     std::uint8_t green, std::uint8_t blue) {
  RgbImage image{width, height, SecretBytes(std::size_t{width} * height * 3)};
  const auto pixels = image.pixels.expose_mutable();
  for (std::size_t i = 0; i < pixels.size(); i += 3) {
    pixels[i] = red;
    pixels[i + 1] = green;
    pixels[i + 2] = blue;
  }
  return image;
}

TEST(OcrLineTensor, PutsBluePlaneFirstAndScalesToOne) {
  const auto tensor = ocr_line_tensor(plain_image(400, 48, 255, 0, 51), {}, "x");
  ASSERT_TRUE(tensor);
  EXPECT_EQ(tensor->name(), "x");
  EXPECT_EQ(tensor->shape(), (std::vector<std::int64_t>{1, 3, 48, 400}));
  const auto values = tensor->values<float>();
  constexpr std::size_t kPlane = 48 * 400;
  for (const std::size_t i : {std::size_t{0}, kPlane - 1}) {
    EXPECT_NEAR(values[i], -0.6F, 1e-5);
    EXPECT_NEAR(values[kPlane + i], -1.0F, 1e-5);
    EXPECT_NEAR(values[2 * kPlane + i], 1.0F, 1e-5);
  }
}

TEST(OcrLineTensor, PadsNarrowLinesWithZero) {
  const auto tensor = ocr_line_tensor(plain_image(10, 24, 255, 255, 255), {}, "x");
  ASSERT_TRUE(tensor);
  EXPECT_EQ(tensor->shape(), (std::vector<std::int64_t>{1, 3, 48, 320}));
  EXPECT_NEAR(tensor->values<float>()[19], 1.0F, 1e-5);
  EXPECT_EQ(tensor->values<float>()[20], 0.0F);
}

TEST(OcrLineTensor, KeepsWithinTheWidest) {
  const auto width_of = [](std::uint32_t width, std::uint32_t height) {
    return ocr_line_tensor(plain_image(width, height, 0, 0, 0), {}, "x")->shape()[3];
  };
  EXPECT_EQ(width_of(8192, 1), 1920);
  EXPECT_EQ(width_of(1, 8192), 320);
  EXPECT_EQ(width_of(401, 48), 408);
  EXPECT_EQ(width_of(1919, 48), 1920);
}

TEST(OcrLineTensor, InterpolatesWhenItEnlarges) {
  RgbImage image{2, 1, SecretBytes(6)};
  std::fill_n(image.pixels.expose_mutable().begin() + 3, 3, std::uint8_t{255});
  const auto tensor = ocr_line_tensor(image, {}, "x");
  ASSERT_TRUE(tensor);
  const auto values = tensor->values<float>();
  EXPECT_NEAR(values[0], -1.0F, 1e-5);
  EXPECT_NEAR(values[95], 1.0F, 1e-5);
  // Sample 47 of 96 lies at (47.5 / 48 - 0.5) of the way between the two centres.
  EXPECT_NEAR(values[47], 2 * (47.5F / 48 - 0.5F) - 1, 1e-5);
}

TEST(OcrLineTensor, AveragesWhenItShrinks) {
  RgbImage image = plain_image(960, 480, 255, 255, 255);
  const auto pixels = image.pixels.expose_mutable();
  for (std::size_t y = 0; y < 480; ++y) {  // a stroke one pixel wide, between two samples
    for (std::size_t c = 0; c < 3; ++c) {
      pixels[(y * 960 + 100) * 3 + c] = 0;
    }
  }
  const auto tensor = ocr_line_tensor(image, {}, "x");
  ASSERT_TRUE(tensor);
  float darkness = 0;
  for (std::size_t x = 0; x < 96; ++x) {
    darkness += 1.0F - tensor->values<float>()[x];
  }
  EXPECT_NEAR(darkness, 0.2F, 1e-3);  // one tenth of a sample, whose range is 2
}

TEST(Charset, MapsClassesToLines) {
  const auto charset = Charset::parse(as_bytes("a\n\xe4\xb8\xad\r\nc"));
  ASSERT_TRUE(charset);
  EXPECT_EQ(charset->num_classes(), 4U);
  EXPECT_EQ(charset->character(0), "");
  EXPECT_EQ(charset->character(1), "a");
  EXPECT_EQ(charset->character(2), "\xe4\xb8\xad");
  EXPECT_EQ(charset->character(3), "c");
  EXPECT_EQ(charset->character(4), " ");
}

TEST(Charset, RejectsEmptyAndOverlongLines) {
  for (const char* file : {"", "\n", "a\n\nb", "a\n\r\n", "a\n12345678901234567\n"}) {
    const auto charset = Charset::parse(as_bytes(file));
    ASSERT_FALSE(charset) << file;
    EXPECT_TRUE(charset.error().is(InferenceError::kBadModel));
  }
}

class CtcGreedy : public testing::Test {
 protected:
  // Each step gives one class a probability and the others none.
  static std::string read(std::initializer_list<std::pair<std::size_t, float>> steps,
                          float* confidence = nullptr) {
    std::vector<float> probabilities;
    for (const auto& [class_id, probability] : steps) {
      std::vector<float> step(4, 0.0F);
      step[class_id] = probability;
      probabilities.insert(probabilities.end(), step.begin(), step.end());
    }
    const auto reading = ctc_greedy(probabilities, 4, *Charset::parse(as_bytes("a\nb")));
    EXPECT_TRUE(reading);
    if (confidence != nullptr) {
      *confidence = reading->confidence;
    }
    return {reading->text.begin(), reading->text.end()};
  }
};

TEST_F(CtcGreedy, DropsRepeatsThenBlanks) {
  EXPECT_EQ(read({{1, .9F}, {1, .9F}, {2, .9F}, {0, .9F}, {2, .9F}, {3, .9F}, {1, .9F}}), "abb a");
  EXPECT_EQ(read({{0, .9F}, {0, .9F}}), "");
  EXPECT_EQ(read({}), "");
}

TEST_F(CtcGreedy, AveragesTheStepsItKept) {
  float confidence = -1;
  read({{0, .1F}, {1, .5F}, {1, .9F}, {2, .7F}}, &confidence);
  EXPECT_NEAR(confidence, 0.6F, 1e-6);
  read({{0, .9F}}, &confidence);
  EXPECT_EQ(confidence, 0.0F);
}

TEST_F(CtcGreedy, RejectsAnotherNumberOfClasses) {
  const auto charset = *Charset::parse(as_bytes("a\nb"));
  const std::vector<float> probabilities(60, 0.0F);
  EXPECT_TRUE(ctc_greedy(probabilities, 3, charset));
  EXPECT_TRUE(ctc_greedy(probabilities, 4, charset));
  for (const std::size_t num_classes : {2U, 5U}) {
    const auto reading = ctc_greedy(probabilities, num_classes, charset);
    ASSERT_FALSE(reading);
    EXPECT_TRUE(reading.error().is(InferenceError::kBadModel));
  }
  EXPECT_FALSE(ctc_greedy(std::span(probabilities).first(59), 3, charset));
}

}  // namespace
}  // namespace ensconce
