#include "ensconce/inference/image.h"

#include <png.h>
#include <zlib.h>

#include <csetjmp>
#include <cstring>

#include "ensconce/inference/wiped.h"

namespace ensconce {

namespace {

// libpng jumps out of the depth of its calls when a file is wrong. Everything between a setjmp and
// such a jump is a plain value, so that no destructor is skipped.
struct Decoder {
  ByteView file;
  std::size_t offset = 0;
  std::uint32_t height = 0;  // known once the pixels are read
  int num_passes = 0;
  bool finished = false;
  WipingHeap heap;
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::jmp_buf on_error;
};

Decoder* decoder_of(png_structp png) { return static_cast<Decoder*>(png_get_error_ptr(png)); }

[[noreturn]] void on_error(png_structp png, png_const_charp /*text quotes the file*/) {
  std::longjmp(decoder_of(png)->on_error, 1);
}

void on_warning(png_structp /*png*/, png_const_charp /*text*/) {}

png_voidp on_allocate(png_structp png, png_alloc_size_t len) {
  return static_cast<Decoder*>(png_get_mem_ptr(png))->heap.allocate(len);
}

void on_release(png_structp png, png_voidp block) {
  static_cast<Decoder*>(png_get_mem_ptr(png))->heap.release(block);
}

// After the last row libpng would read on and inflate all that the file holds beyond it, a thousand
// times the file. It has given the row by then, so its next read ends the work instead; what
// follows is checked already, see check_chunks.
bool past_last_row(const Decoder& decoder) {
  return decoder.num_passes == 1 ? png_get_current_row_number(decoder.png) >= decoder.height
                                 : png_get_current_pass_number(decoder.png) >= decoder.num_passes;
}

void on_read(png_structp png, png_bytep out, std::size_t len) {
  auto* decoder = static_cast<Decoder*>(png_get_io_ptr(png));
  if (decoder->num_passes > 0 && past_last_row(*decoder)) {
    decoder->finished = true;
    png_error(png, "");
  }
  if (len > decoder->file.size() - decoder->offset) {
    png_error(png, "");
  }
  std::memcpy(out, decoder->file.data() + decoder->offset, len);
  decoder->offset += len;
}

// Text, colour profiles and the like are inflated by libpng before anyone asks for them: none is.
void skip_ancillary_chunks(png_structp png) {
  static const png_byte kSkipped[] = "iCCP\0tEXt\0zTXt\0iTXt\0sPLT\0eXIf\0hIST\0pCAL\0sCAL\0";
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, kSkipped,
                              static_cast<int>((sizeof kSkipped - 1) / 5));
}

// Reads up to the pixels and sets libpng to give rows of RGBA, a byte each.
bool read_header(Decoder& decoder) {
  if (setjmp(decoder.on_error) != 0) {  // NOLINT(cert-err52-cpp): libpng's way.
    return false;
  }
  png_structp png = decoder.png;
  png_set_read_fn(png, &decoder, on_read);
  // Held by us too, below: libpng's refusal would not tell too large from damaged.
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_chunk_malloc_max(png, 1U << 20U);
  png_set_chunk_cache_max(png, 1);
  png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  skip_ancillary_chunks(png);
  png_read_info(png, decoder.info);
  return true;
}

bool read_pixels(Decoder& decoder, MutableByteView pixels, std::uint32_t height,
                 std::size_t row_len) {
  if (setjmp(decoder.on_error) != 0) {  // NOLINT(cert-err52-cpp): libpng's way.
    return decoder.finished;
  }
  png_structp png = decoder.png;
  png_set_expand(png);
  png_set_scale_16(png);
  png_set_gray_to_rgb(png);
  png_set_add_alpha(png, 0xff, PNG_FILLER_AFTER);
  decoder.height = height;
  decoder.num_passes = png_set_interlace_handling(png);
  png_read_update_info(png, decoder.info);
  if (png_get_rowbytes(png, decoder.info) != row_len) {
    return false;
  }
  for (int pass = 0; pass < decoder.num_passes; ++pass) {
    for (std::uint32_t y = 0; y < height; ++y) {
      png_read_row(png, pixels.data() + y * row_len, nullptr);
    }
  }
  return true;
}

Error bad_image() { return {InferenceError::kBadImage, "not a whole PNG file"}; }

// Holds the file to its form (W3C PNG, section 5): chunks with right checksums up to IEND, and
// nothing after it. libpng is not asked to read to the end.
Result<void> check_chunks(ByteView file) {
  ByteReader reader(file);
  if (!reader.skip(8)) {  // libpng reads the signature
    return bad_image();
  }
  for (;;) {
    const auto len = reader.u32_be();
    const auto body = len ? reader.take(std::size_t{*len} + 4) : Result<ByteView>(bad_image());
    const auto sum = reader.u32_be();
    if (!body || !sum) {
      return bad_image();
    }
    if (crc32_z(0, body->data(), body->size()) != *sum) {
      return bad_image();
    }
    if (as_text(body->first(4)) == "IEND") {
      return *len == 0 && reader.remaining() == 0 ? ok() : Result<void>(bad_image());
    }
  }
}

Result<RgbImage> decode(Decoder& decoder) {
  ENSC_TRY(check_chunks(decoder.file));
  if (!read_header(decoder)) {
    return bad_image();
  }
  const std::uint32_t width = png_get_image_width(decoder.png, decoder.info);
  const std::uint32_t height = png_get_image_height(decoder.png, decoder.info);
  ENSC_TRY(check_image_size(width, height));
  const std::size_t num_pixels = std::size_t{width} * height;
  SecretBytes rgba(num_pixels * 4);
  if (!read_pixels(decoder, rgba.expose_mutable(), height, std::size_t{width} * 4)) {
    return bad_image();
  }
  RgbImage image{width, height, SecretBytes(num_pixels * 3)};
  const std::uint8_t* in = rgba.expose().data();
  std::uint8_t* out = image.pixels.expose_mutable().data();
  for (std::size_t i = 0; i < num_pixels; ++i, in += 4, out += 3) {
    const unsigned alpha = in[3];
    for (int c = 0; c < 3; ++c) {
      out[c] = static_cast<std::uint8_t>((in[c] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
  }
  return image;
}

}  // namespace

Result<RgbImage> decode_png(ByteView file) {
  if (file.size() > kMaxImageBytes) {
    return Error(InferenceError::kTooLarge, "a PNG file may have 33554432 bytes");
  }
  Decoder decoder;
  decoder.file = file;
  decoder.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &decoder, on_error, on_warning,
                                         &decoder, on_allocate, on_release);
  if (decoder.png == nullptr) {
    return Error(InferenceError::kEngine, "the PNG reader did not start");
  }
  decoder.info = png_create_info_struct(decoder.png);
  Result<RgbImage> image = decoder.info == nullptr
                               ? Error(InferenceError::kEngine, "the PNG reader did not start")
                               : decode(decoder);
  png_destroy_read_struct(&decoder.png, &decoder.info, nullptr);
  return image;
}

}  // namespace ensconce
