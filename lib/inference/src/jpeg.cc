#include "jpeg_memory.h"

#include <jerror.h>

#include <csetjmp>

#include "ensconce/inference/image.h"
#include "ensconce/inference/jpeg_structure.h"

namespace ensconce {

namespace {

// Coefficients of three full planes, two bytes each, are 96 MiB at the limit of pixels; rows and
// tables come on top.
constexpr std::size_t kMaxJpegMemory = std::size_t{160} * 1024 * 1024;

// As with libpng: plain values alone between a setjmp and a jump.
struct JpegReader {
  jpeg_error_mgr errors{};  // first: libjpeg hands its address back
  std::jmp_buf on_error{};
  jpeg_source_mgr source{};
  jpeg_decompress_struct decompressor{};
};

[[noreturn]] void on_error(j_common_ptr common) {
  // NOLINTNEXTLINE(cert-err52-cpp): libjpeg's way.
  std::longjmp(reinterpret_cast<JpegReader*>(common->err)->on_error, 1);
}

// A warning says that the file was mended: picture missing, codes that no table has.
void on_message(j_common_ptr common, int level) {
  if (level < 0) {
    on_error(common);
  }
}

void on_output(j_common_ptr /*common, whose message quotes the file*/) {}
void on_start(j_decompress_ptr /*decompressor*/) {}
void on_end(j_decompress_ptr /*decompressor*/) {}

boolean on_refill(j_decompress_ptr decompressor) {
  on_error(reinterpret_cast<j_common_ptr>(decompressor));  // the whole file was there
}

void on_skip(j_decompress_ptr decompressor, long len) {
  jpeg_source_mgr& source = *decompressor->src;
  if (len <= 0) {
    return;
  }
  if (static_cast<std::size_t>(len) > source.bytes_in_buffer) {
    on_error(reinterpret_cast<j_common_ptr>(decompressor));
  }
  source.next_input_byte += len;
  source.bytes_in_buffer -= static_cast<std::size_t>(len);
}

boolean on_resync(j_decompress_ptr decompressor, int /*desired*/) {
  on_error(reinterpret_cast<j_common_ptr>(decompressor));
}

bool create(JpegReader& reader) {
  if (setjmp(reader.on_error) != 0) {  // NOLINT(cert-err52-cpp): libjpeg's way.
    return false;
  }
  jpeg_create_decompress(&reader.decompressor);
  return true;
}

bool read_pixels(JpegReader& reader, const JpegStructure& structure, MutableByteView pixels) {
  if (setjmp(reader.on_error) != 0) {  // NOLINT(cert-err52-cpp): libjpeg's way.
    return false;
  }
  jpeg_decompress_struct& d = reader.decompressor;
  d.src = &reader.source;
  if (jpeg_read_header(&d, TRUE) != JPEG_HEADER_OK || d.image_width != structure.width ||
      d.image_height != structure.height || d.num_components != structure.num_components) {
    return false;
  }
  d.out_color_space = JCS_RGB;
  d.dct_method = JDCT_ISLOW;  // the exact one: every build gives the same pixels
  d.do_fancy_upsampling = TRUE;
  jpeg_start_decompress(&d);
  const std::size_t row_len = std::size_t{structure.width} * 3;
  if (d.output_width != structure.width || d.output_height != structure.height ||
      d.output_components != 3) {
    return false;
  }
  while (d.output_scanline < d.output_height) {
    JSAMPROW row = pixels.data() + d.output_scanline * row_len;
    jpeg_read_scanlines(&d, &row, 1);
  }
  jpeg_finish_decompress(&d);
  return true;
}

// Returns the picture turned and mirrored as EXIF's orientation says (CIPA DC-008, 4.6.4): where
// the first row and the first column of what is stored belong.
RgbImage upright(RgbImage stored, int orientation) {
  if (orientation == 1) {
    return stored;
  }
  const auto width = static_cast<std::ptrdiff_t>(stored.width);
  const auto height = static_cast<std::ptrdiff_t>(stored.height);
  const bool lies = orientation >= 5;
  const bool from_right = orientation == 2 || orientation == 3 || orientation >= 7;
  const bool from_bottom =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  // In stored pixels: where the upright picture begins, and what a step along its row and its
  // column is.
  const std::ptrdiff_t begin =
      (from_right ? width - 1 : 0) + (from_bottom ? (height - 1) * width : 0);
  const std::ptrdiff_t across = from_right ? -1 : 1;
  const std::ptrdiff_t down = from_bottom ? -width : width;
  const std::ptrdiff_t step_x = lies ? down : across;
  const std::ptrdiff_t step_y = lies ? across : down;
  RgbImage out{lies ? stored.height : stored.width, lies ? stored.width : stored.height,
               SecretBytes(stored.pixels.size())};
  const std::uint8_t* in = stored.pixels.expose().data();
  std::uint8_t* to = out.pixels.expose_mutable().data();
  for (std::ptrdiff_t y = 0; y < static_cast<std::ptrdiff_t>(out.height); ++y) {
    for (std::ptrdiff_t x = 0; x < static_cast<std::ptrdiff_t>(out.width); ++x) {
      const std::uint8_t* from = in + (begin + x * step_x + y * step_y) * 3;
      to = std::copy_n(from, 3, to);
    }
  }
  return out;
}

}  // namespace

Result<RgbImage> decode_jpeg(ByteView file) {
  ENSC_TRY_ASSIGN(const JpegStructure structure, read_jpeg_structure(file));
  RgbImage image{structure.width, structure.height,
                 SecretBytes(std::size_t{structure.width} * structure.height * 3)};
  JpegMemory memory(WipingHeap(), kMaxJpegMemory);
  JpegReader reader;
  reader.source.next_input_byte = file.data();
  reader.source.bytes_in_buffer = file.size();
  reader.source.init_source = on_start;
  reader.source.fill_input_buffer = on_refill;
  reader.source.skip_input_data = on_skip;
  reader.source.resync_to_restart = on_resync;
  reader.source.term_source = on_end;
  reader.decompressor.err = jpeg_std_error(&reader.errors);
  reader.errors.error_exit = on_error;
  reader.errors.emit_message = on_message;
  reader.errors.output_message = on_output;
  if (!create(reader)) {
    return Error(InferenceError::kEngine, "the JPEG reader did not start");
  }
  reader.decompressor.client_data = &memory;
  memory.attach(reader.decompressor);
  const bool read = read_pixels(reader, structure, image.pixels.expose_mutable());
  memory.detach(reader.decompressor);
  jpeg_destroy_decompress(&reader.decompressor);
  if (!read) {
    return Error(InferenceError::kBadImage, "not a whole JPEG file");
  }
  return upright(std::move(image), structure.orientation);
}

}  // namespace ensconce
