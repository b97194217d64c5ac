#pragma once

#include <png.h>

#include <stdexcept>

#include "ensconce/base/bytes.h"

namespace ensconce::png_writer {

// write returns a PNG file; format is one of libpng's PNG_FORMAT_….
inline Bytes write(std::uint32_t format, std::uint32_t width, std::uint32_t height,
                   const void* pixels) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = width;
  image.height = height;
  image.format = format;
  png_alloc_size_t len = 0;
  png_image_write_to_memory(&image, nullptr, &len, 0, pixels, 0, nullptr);
  Bytes out(len);
  if (png_image_write_to_memory(&image, out.data(), &len, 0, pixels, 0, nullptr) == 0) {
    throw std::runtime_error("png");
  }
  out.resize(len);
  return out;
}

// write_interlaced returns an RGB file whose rows come in seven passes (Adam7).
inline Bytes write_interlaced(std::uint32_t width, std::uint32_t height, ByteView pixels) {
  Bytes out;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &out,
      [](png_structp writer, png_bytep data, std::size_t len) {
        auto* to = static_cast<Bytes*>(png_get_io_ptr(writer));
        to->insert(to->end(), data, data + len);
      },
      nullptr);
  png_set_IHDR(png, info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_ADAM7,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  std::vector<png_bytep> rows;
  for (std::uint32_t y = 0; y < height; ++y) {
    rows.push_back(const_cast<png_bytep>(&pixels[std::size_t{y} * width * 3]));
  }
  png_write_info(png, info);
  png_write_image(png, rows.data());
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return out;
}

inline std::uint32_t crc(ByteView bytes) {
  std::uint32_t sum = 0xffffffffU;
  for (const std::uint8_t byte : bytes) {
    sum ^= byte;
    for (int i = 0; i < 8; ++i) {
      sum = (sum & 1U) != 0 ? sum >> 1U ^ 0xedb88320U : sum >> 1U;
    }
  }
  return ~sum;
}

// chunk returns a chunk with a right length and CRC.
inline Bytes chunk(std::string_view type, ByteView content) {
  ByteWriter body;
  body.raw(as_bytes(type)).raw(content);
  ByteWriter out;
  out.u32_be(static_cast<std::uint32_t>(content.size()))
      .raw(body.bytes())
      .u32_be(crc(body.bytes()));
  return std::move(out).take();
}

// with_size returns the file with another size in its header, its CRC right.
inline Bytes with_size(Bytes file, std::uint32_t width, std::uint32_t height) {
  constexpr std::size_t kHeader = 8;  // of the file; the first chunk is the image's header
  Bytes header = to_bytes(ByteView(file).subspan(kHeader + 8, 13));
  ByteWriter size;
  size.u32_be(width).u32_be(height);
  std::copy(size.bytes().begin(), size.bytes().end(), header.begin());
  const Bytes made = chunk("IHDR", header);
  std::copy(made.begin(), made.end(), file.begin() + kHeader);
  return file;
}

}  // namespace ensconce::png_writer
