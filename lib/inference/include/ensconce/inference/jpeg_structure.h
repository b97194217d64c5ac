#pragma once

#include <cstdint>

#include "ensconce/base/bytes.h"
#include "ensconce/inference/error.h"

namespace ensconce {

// Some programs write a dozen scans into a progressive file. Each costs a walk over the picture
// however little it says.
inline constexpr int kMaxJpegScans = 32;
inline constexpr int kMaxJpegSegments = 4096;

// JpegStructure is what the markers of a JPEG file (ITU-T T.81, annex B) say about it.
struct JpegStructure {
  std::uint32_t width = 0;  // as stored, before the orientation
  std::uint32_t height = 0;
  int num_components = 0;  // 1 or 3
  bool progressive = false;
  int num_scans = 0;
  int orientation = 1;  // EXIF's, 1 to 8; 1 where there is none or it cannot be read

  friend bool operator==(const JpegStructure&, const JpegStructure&) = default;
};

// read_jpeg_structure walks the markers from the first to the end of the image and decodes nothing:
// it takes no memory, and its time is that of reading the file once. It takes baseline, extended
// and progressive Huffman files of 8 bits, grey or of three components; others (four components as
// in CMYK, 12 bits, arithmetic, lossless, hierarchical) are InferenceError::kBadImage by name, as
// is a file without its end. Limits passed (check_image_size, the two above) are kTooLarge.
Result<JpegStructure> read_jpeg_structure(ByteView file);

}  // namespace ensconce
