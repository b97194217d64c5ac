#include "ensconce/inference/jpeg_structure.h"

#include <gtest/gtest.h>

#include "jpeg_writer.h"

namespace ensconce {
namespace {

using jpeg_writer::exif;
using jpeg_writer::segment;

const Bytes kStart = {0xff, 0xd8};
const Bytes kEnd = {0xff, 0xd9};

Bytes frame(std::uint16_t width, std::uint16_t height, std::uint8_t code = 0xc0,
            std::uint8_t precision = 8, std::uint8_t num_components = 1) {
  ByteWriter out;
  out.u8(precision).u16_be(height).u16_be(width).u8(num_components);
  out.raw(Bytes(std::size_t{num_components} * 3));
  return segment(code, out.bytes());
}

Bytes scan() {
  return concat({segment(0xda, Bytes(6)), as_bytes(std::string_view("ab\xff\0\xff\xd0"
                                                                    "c",
                                                                    7))});
}

Bytes file(const std::vector<Bytes>& parts) {
  Bytes out = kStart;
  for (const Bytes& part : parts) {
    out = concat({out, part});
  }
  return concat({out, kEnd});
}

void expect_refused(ByteView bytes, InferenceError code, std::string_view word) {
  const auto structure = read_jpeg_structure(bytes);
  ASSERT_FALSE(structure) << word;
  EXPECT_TRUE(structure.error().is(code)) << structure.error().to_string();
  EXPECT_NE(structure.error().to_string().find(word), std::string::npos)
      << structure.error().to_string();
}

TEST(JpegStructure, TellsWhatTheMarkersSay) {
  const auto grey = read_jpeg_structure(file({frame(300, 200), scan()}));
  ASSERT_TRUE(grey) << grey.error().to_string();
  EXPECT_EQ(*grey, (JpegStructure{300, 200, 1, false, 1, 1}));
  const auto colour = read_jpeg_structure(
      file({exif(6), exif(3), frame(300, 200, 0xc2, 8, 3), scan(), segment(0xc4, {}), scan()}));
  ASSERT_TRUE(colour);
  EXPECT_EQ(*colour, (JpegStructure{300, 200, 3, true, 2, 6}));
}

TEST(JpegStructure, AcceptsFillBytesBeforeMarkers) {
  EXPECT_TRUE(read_jpeg_structure(file({{0xff, 0xff}, frame(8, 8), {0xff}, scan(), {0xff}})));
}

TEST(JpegStructure, ReadsAnOrientationThatIsBrokenAsNone) {
  for (const std::uint16_t value : {0, 9, 300}) {
    EXPECT_EQ(read_jpeg_structure(file({exif(value), frame(8, 8), scan()}))->orientation, 1);
  }
  const Bytes good = exif(6);
  for (std::size_t len = 10; len < 28; ++len) {  // cut anywhere before the value's end
    const Bytes cut = segment(0xe1, ByteView(good).subspan(4, len - 6));
    const auto structure = read_jpeg_structure(file({cut, frame(8, 8), scan()}));
    ASSERT_TRUE(structure) << len;
    EXPECT_EQ(structure->orientation, 1) << len;
  }
}

TEST(JpegStructure, RejectsByNameWhatIsNotRead) {
  using E = InferenceError;
  expect_refused(file({frame(8, 8, 0xc9), scan()}), E::kBadImage, "arithmetic");
  expect_refused(file({frame(8, 8, 0xca), scan()}), E::kBadImage, "arithmetic");
  expect_refused(file({frame(8, 8, 0xc3), scan()}), E::kBadImage, "lossless");
  expect_refused(file({frame(8, 8, 0xc5), scan()}), E::kBadImage, "hierarchical");
  expect_refused(file({segment(0xde, Bytes(6)), scan()}), E::kBadImage, "hierarchical");
  expect_refused(file({frame(8, 8, 0xc1, 12), scan()}), E::kBadImage, "8 bits");
  expect_refused(file({frame(8, 8, 0xc0, 8, 4), scan()}), E::kBadImage, "CMYK");
  expect_refused(file({frame(8, 8, 0xc0, 8, 2), scan()}), E::kBadImage, "three components");
  expect_refused(file({frame(8, 0), scan(), segment(0xdc, Bytes(2))}), E::kBadImage, "no pixels");
  expect_refused(file({frame(8, 8), scan(), segment(0xdc, Bytes(2))}), E::kBadImage, "height");
}

TEST(JpegStructure, RejectsWhatIsNoJpegFile) {
  using E = InferenceError;
  expect_refused({}, E::kBadImage, "not a JPEG");
  expect_refused(as_bytes("GIF89a"), E::kBadImage, "not a JPEG");
  expect_refused(file({}), E::kBadImage, "without a picture");
  expect_refused(file({frame(8, 8)}), E::kBadImage, "without a picture");
  expect_refused(file({scan()}), E::kBadImage, "before its size");
  expect_refused(file({frame(8, 8), frame(8, 8), scan()}), E::kBadImage, "two frames");
  expect_refused(file({to_bytes("x"), frame(8, 8), scan()}), E::kBadImage, "between");
  expect_refused(file({kStart, frame(8, 8), scan()}), E::kBadImage, "out of place");
  expect_refused(file({{0xff, 0xe0, 0, 1}, frame(8, 8), scan()}), E::kBadImage, "not a whole");
  const Bytes whole = file({exif(1), frame(8, 8), scan()});
  for (std::size_t len = 0; len < whole.size(); ++len) {
    EXPECT_FALSE(read_jpeg_structure(ByteView(whole).first(len))) << len;
  }
}

TEST(JpegStructure, RejectsMoreThanItsLimits) {
  using E = InferenceError;
  expect_refused(file({frame(40'000, 40'000), scan()}), E::kTooLarge, "8192");
  expect_refused(file({frame(8193, 1), scan()}), E::kTooLarge, "8192");
  expect_refused(file({frame(8192, 2049), scan()}), E::kTooLarge, "16777216");
  EXPECT_TRUE(read_jpeg_structure(file({frame(8192, 2048), scan()})));

  std::vector<Bytes> parts(1 + kMaxJpegScans, scan());
  parts[0] = frame(8, 8, 0xc2);
  EXPECT_TRUE(read_jpeg_structure(file(parts)));
  parts.push_back(scan());
  expect_refused(file(parts), E::kTooLarge, "scans");

  parts.assign(kMaxJpegSegments - 1, segment(0xfe, {}));
  parts[0] = frame(8, 8);
  parts[1] = scan();
  EXPECT_TRUE(read_jpeg_structure(file(parts)));
  parts.push_back(segment(0xfe, {}));
  expect_refused(file(parts), E::kTooLarge, "segments");

  expect_refused(Bytes(std::size_t{32} * 1024 * 1024 + 1), E::kTooLarge, "33554432");
}

}  // namespace
}  // namespace ensconce
