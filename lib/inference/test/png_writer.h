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
