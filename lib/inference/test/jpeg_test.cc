#include <gtest/gtest.h>

#include <csetjmp>

#include "ensconce/inference/image.h"
#include "jpeg_memory.h"
#include "jpeg_writer.h"

namespace ensconce {
namespace {

using jpeg_writer::coloured;

Bytes colour_file(std::uint32_t width, std::uint32_t height,
                  const std::function<void(jpeg_compress_struct&)>& adjust = {}) {
  return jpeg_writer::write(JCS_RGB, 3, width, height, coloured(width, height, 3), adjust);
}

void progressive(jpeg_compress_struct& c) { jpeg_simple_progression(&c); }

void expect_bad(ByteView file) {
  const auto image = decode_jpeg(file);
  ASSERT_FALSE(image);
  EXPECT_TRUE(image.error().is(InferenceError::kBadImage)) << image.error().to_string();
}

// Odd sizes are there for the vector code, which works past the end of rows.
TEST(DecodeJpeg, GivesThePixelsThatLibjpegAloneGives) {
  for (const auto& [width, height] : {std::pair{1U, 1U}, {7U, 9U}, {33U, 17U}, {200U, 131U}}) {
    for (const int sampling : {1, 2, 4}) {
      for (const bool in_scans : {false, true}) {
        const Bytes file = colour_file(width, height, [&](jpeg_compress_struct& c) {
          c.comp_info[0].h_samp_factor = sampling;
          c.comp_info[0].v_samp_factor = sampling == 2 ? 2 : 1;
          if (in_scans) {
            progressive(c);
          }
        });
        const auto image = decode_jpeg(file);
        ASSERT_TRUE(image) << image.error().to_string();
        EXPECT_EQ(image->width, width);
        EXPECT_EQ(image->height, height);
        EXPECT_EQ(to_bytes(image->pixels.expose()), jpeg_writer::read(file))
            << width << " x " << height << ", " << sampling << ", " << in_scans;
      }
    }
  }
}

TEST(DecodeJpeg, MakesGreyIntoColour) {
  const Bytes grey(64, 0x80);
  const auto image = decode_jpeg(jpeg_writer::write(JCS_GRAYSCALE, 1, 8, 8, grey));
  ASSERT_TRUE(image);
  EXPECT_EQ(to_bytes(image->pixels.expose()), Bytes(192, 0x80));
}

TEST(DecodeJpeg, ReadsRestartMarkers) {
  const Bytes file = colour_file(64, 64, [](jpeg_compress_struct& c) { c.restart_interval = 2; });
  const auto image = decode_jpeg(file);
  ASSERT_TRUE(image);
  EXPECT_EQ(to_bytes(image->pixels.expose()), jpeg_writer::read(file));
}

// Each number names, as EXIF defines it, where the stored first row and column belong.
TEST(DecodeJpeg, TurnsAsExifSays) {
  // Three wide, two high, grey and far apart, so that nothing is lost: a b c / d e f.
  constexpr std::size_t kBlock = 8;
  Bytes grey(std::size_t{3} * kBlock * 2 * kBlock);
  for (std::size_t y = 0; y < 2 * kBlock; ++y) {
    for (std::size_t x = 0; x < 3 * kBlock; ++x) {
      grey[y * 3 * kBlock + x] = static_cast<std::uint8_t>(40 * (y / kBlock * 3 + x / kBlock) + 20);
    }
  }
  const Bytes stored = jpeg_writer::write(JCS_GRAYSCALE, 1, 3 * kBlock, 2 * kBlock, grey);
  const char* const expected[] = {"abc/def",  "cba/fed",  "fed/cba",  "def/abc",
                                  "ad/be/cf", "da/eb/fc", "fc/eb/da", "cf/be/ad"};
  for (std::uint16_t orientation = 1; orientation <= 8; ++orientation) {
    for (const bool little : {false, true}) {
      const auto image =
          decode_jpeg(jpeg_writer::with_segment(stored, jpeg_writer::exif(orientation, little)));
      ASSERT_TRUE(image) << image.error().to_string();
      std::string shown;
      for (std::size_t y = 0; y < image->height / kBlock; ++y) {
        shown += y == 0 ? "" : "/";
        for (std::size_t x = 0; x < image->width / kBlock; ++x) {
          const std::size_t at = (y * kBlock + 4) * image->width + x * kBlock + 4;
          shown += static_cast<char>('a' + image->pixels.expose()[at * 3] / 40);
        }
      }
      EXPECT_EQ(shown, expected[orientation - 1]) << orientation;
    }
  }
}

TEST(DecodeJpeg, RejectsEveryTruncation) {
  for (const Bytes& file : {colour_file(24, 24), colour_file(24, 24, progressive)}) {
    for (std::size_t len = 0; len < file.size(); ++len) {
      expect_bad(ByteView(file).first(len));
    }
  }
}

// The end is there and the picture is not: libjpeg would fill it with grey and only warn.
TEST(DecodeJpeg, RejectsAPictureThatIsCutShort) {
  const Bytes file = colour_file(64, 64);
  const std::size_t cut = file.size() / 2;
  expect_bad(concat({ByteView(file).first(cut), as_bytes("\xff\xd9")}));
  const Bytes progressive_file = colour_file(64, 64, progressive);
  expect_bad(concat(
      {ByteView(progressive_file).first(progressive_file.size() - 40), as_bytes("\xff\xd9")}));
}

TEST(DecodeJpeg, PassesOverWhatFollowsTheEnd) {
  const Bytes file = colour_file(16, 16);
  const auto image = decode_jpeg(concat({file, colour_file(8, 8), as_bytes("more")}));
  ASSERT_TRUE(image);
  EXPECT_EQ(image->width, 16U);
}

TEST(DecodeJpeg, RejectsFourComponents) {
  const Bytes file = jpeg_writer::write(JCS_CMYK, 4, 8, 8, coloured(8, 8, 4));
  const auto image = decode_jpeg(file);
  ASSERT_FALSE(image);
  EXPECT_NE(image.error().to_string().find("CMYK"), std::string::npos);
}

TEST(DecodeJpeg, RejectsArithmeticCoding) {
  const Bytes file = colour_file(16, 16, [](jpeg_compress_struct& c) { c.arith_code = TRUE; });
  const auto image = decode_jpeg(file);
  ASSERT_FALSE(image);
  EXPECT_NE(image.error().to_string().find("arithmetic"), std::string::npos);
}

struct Seen {
  std::size_t num_blocks = 0;
  std::size_t num_bytes = 0;
  bool wiped = true;
  static void look(void* context, ByteView block) {
    auto& seen = *static_cast<Seen*>(context);
    ++seen.num_blocks;
    seen.num_bytes += block.size();
    seen.wiped = seen.wiped && all_zero(block);
  }
};

// Reads a file the plain way, with our memory in place of libjpeg's.
bool read_with(JpegMemory& memory, ByteView file) {
  struct Fails : jpeg_error_mgr {
    std::jmp_buf jump;
  } errors;
  jpeg_decompress_struct d{};
  d.err = jpeg_std_error(&errors);
  errors.error_exit = [](j_common_ptr common) {
    // NOLINTNEXTLINE(cert-err52-cpp): libjpeg's way.
    std::longjmp(static_cast<Fails*>(common->err)->jump, 1);
  };
  d.client_data = &memory;
  jpeg_create_decompress(&d);
  memory.attach(d);
  const bool read = setjmp(errors.jump) == 0;  // NOLINT(cert-err52-cpp): libjpeg's way.
  if (read) {
    jpeg_mem_src(&d, file.data(), file.size());
    jpeg_read_header(&d, TRUE);
    jpeg_start_decompress(&d);
    std::array<std::uint8_t, 300> pixels{};
    JSAMPROW row = pixels.data();
    while (d.output_scanline < d.output_height) {
      jpeg_read_scanlines(&d, &row, 1);
    }
    jpeg_finish_decompress(&d);
  }
  memory.detach(d);
  jpeg_destroy_decompress(&d);
  return read;
}

TEST(JpegMemory, WipesAllThatLibjpegWorkedIn) {
  Seen seen;
  {
    JpegMemory memory(WipingHeap::observed_for_test(Seen::look, &seen), 1 << 20);
    ASSERT_TRUE(read_with(memory, colour_file(100, 100, progressive)));
  }
  EXPECT_TRUE(seen.wiped);
  EXPECT_GT(seen.num_blocks, 20U);
  EXPECT_GT(seen.num_bytes, std::size_t{100} * 100 * 2);  // the coefficients, at the least
}

TEST(JpegMemory, RefusesMoreThanItsBound) {
  Seen seen;
  {
    JpegMemory memory(WipingHeap::observed_for_test(Seen::look, &seen), 20'000);
    EXPECT_FALSE(read_with(memory, colour_file(100, 100, progressive)));
  }
  EXPECT_TRUE(seen.wiped);
  EXPECT_LE(seen.num_bytes, 20'000U);
}

}  // namespace
}  // namespace ensconce
