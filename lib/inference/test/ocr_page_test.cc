#include "ensconce/inference/ocr_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace ensconce {
namespace {

using testing::ElementsAre;

void expect_near(const Point& a, const Point& b, double tolerance = 1e-9) {
  EXPECT_NEAR(a.x, b.x, tolerance);
  EXPECT_NEAR(a.y, b.y, tolerance);
}

void expect_near(const Quad& a, const Quad& b, double tolerance = 1e-9) {
  for (std::size_t i = 0; i < 4; ++i) {
    expect_near(a[i], b[i], tolerance);
  }
}

Quad box(double left, double top, double right, double bottom) {
  return {Point{left, top}, Point{right, top}, Point{right, bottom}, Point{left, bottom}};
}

// ---- Geometry ----

TEST(ConvexHull, KeepsCornersAlone) {
  const std::vector<Point> points = {{0, 0}, {1, 0}, {2, 0}, {0, 1}, {1, 1}, {2, 1}, {1, 5}};
  EXPECT_THAT(convex_hull(points),
              testing::UnorderedElementsAre(Point{0, 0}, Point{2, 0}, Point{2, 1}, Point{1, 5},
                                            Point{0, 1}));
}

TEST(ConvexHull, OfPointsInALineHasNoArea) {
  for (const std::vector<Point>& points : {std::vector<Point>{},
                                           {{3, 4}},
                                           {{3, 4}, {3, 4}},
                                           {{0, 0}, {1, 1}, {2, 2}},
                                           {{5, 2}, {6, 2}, {7, 2}, {8, 2}}}) {
    const RotatedRect rect = min_area_rect(convex_hull(points));
    EXPECT_EQ(std::min(rect.width, rect.height), 0) << points.size();
  }
}

TEST(MinAreaRect, LiesAlongTheHull) {
  // A rectangle of 10 x 5 along (0.8, 0.6), a point inside its rim on one side.
  const Point a{0, 0};
  const Point b{8, 6};
  const Point c{5, 10};
  const Point d{-3, 4};
  const RotatedRect rect = min_area_rect(convex_hull(std::vector<Point>{a, d, b, {1, 6}, c}));
  EXPECT_NEAR(std::max(rect.width, rect.height), 10, 1e-9);
  EXPECT_NEAR(std::min(rect.width, rect.height), 5, 1e-9);
  expect_near(rect.center, {2.5, 5});
  expect_near(corners_of(rect), {a, b, c, d});
}

TEST(MinAreaRect, OfADiamondIsTheDiamond) {
  const RotatedRect rect =
      min_area_rect(convex_hull(std::vector<Point>{{2, 0}, {0, 2}, {4, 2}, {2, 4}}));
  EXPECT_NEAR(rect.width, std::sqrt(8), 1e-9);
  EXPECT_NEAR(rect.height, std::sqrt(8), 1e-9);
}

TEST(Upright, BeginsAtTheLeftAbove) {
  const Quad expected = {Point{1, 2}, Point{9, 1}, Point{10, 4}, Point{2, 5}};
  Quad any = {expected[2], expected[0], expected[3], expected[1]};
  EXPECT_EQ(upright(any), expected);
}

// ---- What the detector sees ----

TEST(PageTensor, HasSidesThatTheDetectorTakes) {
  const auto shape_of = [](std::uint32_t width, std::uint32_t height) {
    const RgbImage page{width, height, SecretBytes(std::size_t{width} * height * 3)};
    return page_tensor(page.view(), {}, "x")->shape();
  };
  EXPECT_THAT(shape_of(640, 320), ElementsAre(1, 3, 320, 640));
  EXPECT_THAT(shape_of(650, 330), ElementsAre(1, 3, 320, 640));
  EXPECT_THAT(shape_of(1920, 1000), ElementsAre(1, 3, 512, 960));
  EXPECT_THAT(shape_of(1000, 4000),
              ElementsAre(1, 3, 960, 256));  // 240 is nearer to 7.5 x 32: even
  EXPECT_THAT(shape_of(1, 1), ElementsAre(1, 3, 32, 32));
  EXPECT_THAT(shape_of(8192, 1), ElementsAre(1, 3, 32, 960));
}

TEST(PageTensor, IsNormalisedBlueFirst) {
  constexpr std::size_t kPlane = 1024;
  RgbImage page{32, 32, SecretBytes(kPlane * 3)};
  for (std::size_t i = 0; i < kPlane; ++i) {
    page.pixels.expose_mutable()[i * 3] = 255;     // red
    page.pixels.expose_mutable()[i * 3 + 2] = 51;  // blue
  }
  const auto tensor = page_tensor(page.view(), {}, "x");
  const auto values = tensor->values<float>();
  EXPECT_NEAR(values[0], (0.2 - 0.485) / 0.229, 1e-5);
  EXPECT_NEAR(values[kPlane], (0.0 - 0.456) / 0.224, 1e-5);
  EXPECT_NEAR(values[2 * kPlane], (1.0 - 0.406) / 0.225, 1e-5);
}

// ---- Boxes ----

constexpr std::size_t kSide = 64;

class TextBoxes : public testing::Test {
 protected:
  void fill(std::size_t left, std::size_t top, std::size_t right, std::size_t bottom,
            float likelihood = 1) {
    for (std::size_t y = top; y <= bottom; ++y) {
      for (std::size_t x = left; x <= right; ++x) {
        map_[y * kSide + x] = likelihood;
      }
    }
  }
  WipedVector<Quad> find(std::uint32_t page_side = kSide) {
    return *find_text_boxes(map_, kSide, kSide, page_side, page_side, options_);
  }

  std::vector<float> map_ = std::vector<float>(kSide * kSide);
  OcrPageOptions options_;
};

TEST_F(TextBoxes, GrowByAreaOverCircumference) {
  fill(20, 30, 40, 36);  // 20 x 6 between the centres of its corners
  // 20 · 6 · 2 / (2 · 26) = 4.615 on each side.
  EXPECT_THAT(find(), ElementsAre(box(15, 25, 45, 41)));
  options_.unclip = 1.5;  // 3.462
  EXPECT_THAT(find(), ElementsAre(box(17, 27, 43, 39)));
  EXPECT_THAT(find(640), ElementsAre(box(165, 265, 435, 395)));
}

TEST_F(TextBoxes, StayOnThePage) {
  fill(0, 0, 30, 5);
  EXPECT_THAT(find(), ElementsAre(box(0, 0, 34, 9)));
  EXPECT_THAT(find(32), ElementsAre(box(0, 0, 17, 5)));
}

TEST_F(TextBoxes, TakePixelsAboveTheThresholdAlone) {
  fill(20, 30, 40, 36, 0.29F);
  EXPECT_THAT(find(), ElementsAre());
  fill(20, 30, 40, 36, 0.59F);  // pixels, but no box
  EXPECT_THAT(find(), ElementsAre());
  fill(20, 30, 40, 36, 0.61F);
  EXPECT_EQ(find().size(), 1U);
}

TEST_F(TextBoxes, AreScoredByTheirOwnPixels) {
  fill(20, 30, 40, 36);
  fill(22, 31, 38, 35, 0);  // 85 of 147 are dark: a mean of 0.42
  EXPECT_THAT(find(), ElementsAre());
  options_.box_threshold = 0.42;
  EXPECT_EQ(find().size(), 1U);  // and none around the hole
}

TEST_F(TextBoxes, OfWhatIsNoNumberAreNone) {
  fill(20, 30, 40, 36);
  map_[33 * kSide + 30] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(find().empty());
}

TEST_F(TextBoxes, ThinOnesAreNone) {
  fill(10, 10, 50, 12);  // 2 between the centres
  EXPECT_THAT(find(), ElementsAre());
  fill(10, 10, 50, 13);
  EXPECT_EQ(find().size(), 1U);
}

TEST_F(TextBoxes, PiecesThatTouchAtACornerAreOne) {
  options_.box_threshold = 0;
  fill(10, 10, 19, 14);
  fill(20, 15, 29, 19);
  EXPECT_EQ(find().size(), 1U);
  fill(20, 15, 20, 15, 0);  // now it is two
  fill(21, 14, 21, 14, 0);
  EXPECT_EQ(find().size(), 2U);
}

TEST_F(TextBoxes, ArmsThatMeetLaterAreOnePiece) {
  options_.box_threshold = 0;
  options_.unclip = 0;
  fill(10, 10, 13, 40);
  fill(20, 10, 23, 40);
  fill(30, 10, 35, 30);
  fill(10, 41, 35, 44);
  EXPECT_THAT(find(), testing::UnorderedElementsAre(box(10, 10, 35, 44), box(30, 10, 35, 30)));
}

TEST_F(TextBoxes, FollowSlantedText) {
  for (std::size_t i = 0; i < 40; ++i) {  // falls by half
    for (std::size_t k = 0; k < 12; ++k) {
      map_[(15 + i / 2 + k) * kSide + 10 + i] = 1;
    }
  }
  options_.unclip = 0;
  options_.box_threshold = 0;
  const WipedVector<Quad> boxes = find(kSide * 100);
  ASSERT_EQ(boxes.size(), 1U);
  const Quad& q = boxes[0];
  EXPECT_NEAR((q[1].y - q[0].y) / (q[1].x - q[0].x), 0.5, 0.02);
  EXPECT_NEAR((q[2].y - q[3].y) / (q[2].x - q[3].x), 0.5, 0.02);
}

TEST(TextBoxesOfAPage, AreAThousandAtMost) {
  constexpr std::size_t kWide = 320;
  const auto boxes_in = [](std::size_t count) {
    std::vector<float> map(kWide * kWide);
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t y = 0; y < 5; ++y) {
        std::fill_n(map.begin() + std::ptrdiff_t((i / 32 * 8 + y) * kWide + i % 32 * 8), 5, 1.0F);
      }
    }
    return find_text_boxes(map, kWide, kWide, kWide, kWide, {});
  };
  EXPECT_EQ(boxes_in(kMaxPageBoxes)->size(), kMaxPageBoxes);
  const auto more = boxes_in(kMaxPageBoxes + 1);
  ASSERT_FALSE(more);
  EXPECT_TRUE(more.error().is(InferenceError::kTooLarge));
}

// ---- Lines laid flat ----

// A page on which red is x, green y and blue the sum.
RgbImage slope(std::uint32_t width, std::uint32_t height) {
  RgbImage page{width, height, SecretBytes(std::size_t{width} * height * 3)};
  std::uint8_t* out = page.pixels.expose_mutable().data();
  for (std::uint32_t y = 0; y < height; ++y) {
    for (std::uint32_t x = 0; x < width; ++x) {
      *out++ = static_cast<std::uint8_t>(x);
      *out++ = static_cast<std::uint8_t>(y);
      *out++ = static_cast<std::uint8_t>(x + y);
    }
  }
  return page;
}

std::array<int, 3> pixel(const RgbImage& image, std::uint32_t x, std::uint32_t y) {
  const std::uint8_t* p = &image.pixels.expose()[(std::size_t{y} * image.width + x) * 3];
  return {p[0], p[1], p[2]};
}

TEST(LayFlat, CutsOutWhatIsStraight) {
  const RgbImage page = slope(100, 80);
  const auto line = lay_flat(page.view(), box(20, 30, 60, 40));
  ASSERT_TRUE(line);
  EXPECT_EQ(line->image.width, 40U);
  EXPECT_EQ(line->image.height, 10U);
  EXPECT_THAT(pixel(line->image, 0, 0), ElementsAre(20, 30, 50));
  EXPECT_THAT(pixel(line->image, 39, 9), ElementsAre(59, 39, 98));
  EXPECT_EQ(line->corners, box(20, 30, 60, 40));
}

TEST(LayFlat, TurnsWhatStandsToTheLeft) {
  const RgbImage page = slope(100, 80);
  const auto line = lay_flat(page.view(), box(20, 30, 30, 60));
  ASSERT_TRUE(line);
  EXPECT_EQ(line->image.width, 30U);
  EXPECT_EQ(line->image.height, 10U);
  EXPECT_THAT(pixel(line->image, 0, 0), ElementsAre(29, 30, 59));   // from the right above
  EXPECT_THAT(pixel(line->image, 29, 0), ElementsAre(29, 59, 88));  // down is now right
  EXPECT_EQ(line->corners[0], (Point{30, 30}));
  EXPECT_EQ(line->corners[1], (Point{30, 60}));
  const auto square = lay_flat(page.view(), box(20, 30, 30, 44));  // not yet
  EXPECT_EQ(square->image.width, 10U);
}

TEST(LayFlat, UndoesPerspective) {
  const RgbImage page = slope(200, 100);
  // Its left side is 60 high, its right side 20. The middle of the flat line is where the diagonals
  // cross: 60 / (60 + 20) of the way to the right.
  const Quad quad = {Point{40, 20}, Point{120, 40}, Point{120, 60}, Point{40, 80}};
  const auto line = lay_flat(page.view(), quad);
  ASSERT_TRUE(line);
  EXPECT_EQ(line->image.width, 82U);
  EXPECT_EQ(line->image.height, 60U);
  EXPECT_THAT(pixel(line->image, 41, 30), ElementsAre(100, 50, 150));
}

TEST(LayFlat, GoesOnWithTheRimBeyondThePage) {
  const RgbImage page = slope(50, 50);
  const auto line =
      lay_flat(page.view(), {Point{-20, 10}, Point{30, 10}, Point{30, 20}, Point{-20, 20}});
  ASSERT_TRUE(line);
  EXPECT_THAT(pixel(line->image, 0, 0), ElementsAre(0, 10, 10));
  EXPECT_THAT(pixel(line->image, 49, 0), ElementsAre(29, 10, 39));
}

TEST(LayFlat, InterpolatesBetweenPixels) {
  const RgbImage page = slope(100, 100);
  const auto line = lay_flat(page.view(), {Point{20.5, 30.25}, Point{60.5, 30.25},
                                           Point{60.5, 40.25}, Point{20.5, 40.25}});
  ASSERT_TRUE(line);
  EXPECT_NEAR(pixel(line->image, 5, 0)[0], 25.5, 0.5);
  EXPECT_EQ(pixel(line->image, 5, 0)[1], 30);
  EXPECT_EQ(pixel(line->image, 5, 0)[2], 56);  // 55.75
}

TEST(LayFlat, LeavesOutWhatIsTooSmallOrFlat) {
  const RgbImage page = slope(50, 50);
  EXPECT_FALSE(lay_flat(page.view(), box(10, 10, 13, 30)));
  EXPECT_TRUE(lay_flat(page.view(), box(10, 10, 14, 30)));
  EXPECT_FALSE(lay_flat(page.view(), {Point{10, 10}, Point{20, 20}, Point{30, 30}, Point{20, 20}}));
}

TEST(TurnRound, TurnsByHalf) {
  RgbImage image = slope(3, 2);
  turn_round(image);
  EXPECT_THAT(pixel(image, 0, 0), ElementsAre(2, 1, 3));
  EXPECT_THAT(pixel(image, 2, 1), ElementsAre(0, 0, 0));
}

// ---- Reading order ----

TEST(ReadingOrder, IsRowsThenWithinThemLeftToRight) {
  const std::vector<Quad> lines = {box(300, 52, 400, 72), box(10, 100, 200, 120),
                                   box(10, 50, 100, 70), box(150, 48, 250, 68)};
  EXPECT_THAT(reading_order(lines), ElementsAre(2, 3, 0, 1));
  EXPECT_THAT(reading_order({}), ElementsAre());
}

TEST(ReadingOrder, TellsRowsApartByTheLowerLine) {
  // Small print beside a large letter: its middle is far from the letter's.
  const std::vector<Quad> lines = {box(10, 10, 60, 70), box(80, 10, 200, 20), box(80, 60, 200, 70)};
  EXPECT_THAT(reading_order(lines), ElementsAre(1, 0, 2));
}

Quad turned(const Quad& q, double degrees) {
  const double radians = degrees * std::acos(-1.0) / 180;
  Quad out;
  for (std::size_t i = 0; i < 4; ++i) {
    out[i] = {std::cos(radians) * q[i].x - std::sin(radians) * q[i].y,
              std::sin(radians) * q[i].x + std::cos(radians) * q[i].y};
  }
  return out;
}

TEST(ReadingOrder, FollowsAPageThatIsTurned) {
  for (const double degrees : {0.0, 7.0, -12.0, 90.0, 180.0, 270.0, 265.0}) {
    std::vector<Quad> lines;
    for (const Quad& q : {box(600, 52, 800, 72), box(10, 100, 500, 120), box(10, 50, 100, 70)}) {
      lines.push_back(turned(q, degrees));
    }
    EXPECT_THAT(reading_order(lines), ElementsAre(2, 0, 1)) << degrees;
  }
}

TEST(ReadingOrder, GoesByMostOfTheText) {
  // A word that runs down the margin does not turn the page.
  std::vector<Quad> lines = {box(100, 10, 500, 30), box(100, 50, 500, 70)};
  lines.push_back(turned_left(box(20, 20, 40, 90)));
  EXPECT_THAT(reading_order(lines), ElementsAre(0, 2, 1));
}

}  // namespace
}  // namespace ensconce
