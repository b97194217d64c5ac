#pragma once

// jpeglib.h wants these before it.
// clang-format off
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <jpeglib.h>
// clang-format on

#include <functional>

#include "ensconce/base/bytes.h"

namespace ensconce::jpeg_writer {

// write returns a JPEG file of `pixels`, interleaved and without padding; `adjust` may change how
// it is written, after the defaults are set.
inline Bytes write(J_COLOR_SPACE space, int num_components, std::uint32_t width,
                   std::uint32_t height, ByteView pixels,
                   const std::function<void(jpeg_compress_struct&)>& adjust = {}) {
  jpeg_error_mgr errors{};
  jpeg_compress_struct c{};
  c.err = jpeg_std_error(&errors);
  jpeg_create_compress(&c);
  unsigned char* buffer = nullptr;
  unsigned long len = 0;
  jpeg_mem_dest(&c, &buffer, &len);
  c.image_width = width;
  c.image_height = height;
  c.input_components = num_components;
  c.in_color_space = space;
  jpeg_set_defaults(&c);
  if (adjust) {
    adjust(c);
  }
  jpeg_start_compress(&c, TRUE);
  for (std::uint32_t y = 0; y < height; ++y) {
    auto* row = const_cast<JSAMPROW>(
        &pixels[std::size_t{y} * width * static_cast<std::size_t>(num_components)]);
    jpeg_write_scanlines(&c, &row, 1);
  }
  jpeg_finish_compress(&c);
  Bytes out(buffer, buffer + len);
  jpeg_destroy_compress(&c);
  std::free(buffer);
  return out;
}

// read returns the pixels as libjpeg alone gives them.
inline Bytes read(ByteView file) {
  jpeg_error_mgr errors{};
  jpeg_decompress_struct d{};
  d.err = jpeg_std_error(&errors);
  jpeg_create_decompress(&d);
  jpeg_mem_src(&d, file.data(), file.size());
  jpeg_read_header(&d, TRUE);
  d.out_color_space = JCS_RGB;
  jpeg_start_decompress(&d);
  const std::size_t row_len = std::size_t{d.output_width} * 3;
  Bytes out(row_len * d.output_height);
  while (d.output_scanline < d.output_height) {
    JSAMPROW row = &out[d.output_scanline * row_len];
    jpeg_read_scanlines(&d, &row, 1);
  }
  jpeg_finish_decompress(&d);
  jpeg_destroy_decompress(&d);
  return out;
}

// coloured returns pixels without a pattern, the same each time.
inline Bytes coloured(std::uint32_t width, std::uint32_t height, int num_components) {
  Bytes out(std::size_t{width} * height * static_cast<std::size_t>(num_components));
  std::uint32_t state = 1;
  for (auto& byte : out) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<std::uint8_t>(state >> 24U);
  }
  return out;
}

// segment returns a marker segment.
inline Bytes segment(std::uint8_t code, ByteView content) {
  ByteWriter out;
  out.u8(0xff).u8(code).u16_be(static_cast<std::uint16_t>(content.size() + 2)).raw(content);
  return std::move(out).take();
}

// exif returns an APP1 segment that says the orientation.
inline Bytes exif(std::uint16_t orientation, bool little = false) {
  ByteWriter out;
  out.raw(as_bytes(std::string_view("Exif\0\0", 6)));
  if (little) {
    out.raw(as_bytes(std::string_view("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", 18)))
        .u8(static_cast<std::uint8_t>(orientation))
        .u8(0)
        .raw(Bytes(6));
  } else {
    out.raw(as_bytes(std::string_view("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01", 18)))
        .u16_be(orientation)
        .raw(Bytes(6));
  }
  return segment(0xe1, out.bytes());
}

// with_segment returns the file with a segment put behind its first marker.
inline Bytes with_segment(ByteView file, ByteView segment) {
  return concat({file.first(2), segment, file.subspan(2)});
}

}  // namespace ensconce::jpeg_writer
