#include "ensconce/inference/jpeg_structure.h"

#include <algorithm>

#include "ensconce/inference/image.h"

namespace ensconce {

namespace {

// ITU-T T.81, table B.1.
constexpr std::uint8_t kStartOfImage = 0xd8;
constexpr std::uint8_t kEndOfImage = 0xd9;
constexpr std::uint8_t kStartOfScan = 0xda;
constexpr std::uint8_t kDefineLines = 0xdc;
constexpr std::uint8_t kHierarchical = 0xde;
constexpr std::uint8_t kExpand = 0xdf;
constexpr std::uint8_t kApp1 = 0xe1;

bool is_restart(std::uint8_t code) { return code >= 0xd0 && code <= 0xd7; }

// SOF0 to SOF15, without the three codes among them that are tables and extensions.
bool is_frame(std::uint8_t code) {
  return code >= 0xc0 && code <= 0xcf && code != 0xc4 && code != 0xc8 && code != 0xcc;
}

Error bad(const char* what) { return {InferenceError::kBadImage, what}; }

Error torn() { return bad("not a whole JPEG file"); }

// Returns the orientation in the first directory of an EXIF segment (CIPA DC-008, 4.6.4), or 1.
Result<int> orientation_in(ByteView exif) {
  ByteReader head(exif);
  ENSC_TRY_ASSIGN(const ByteView magic, head.take(6));
  if (as_text(magic) != std::string_view("Exif\0\0", 6)) {
    return 1;
  }
  const ByteView tiff = exif.subspan(6);
  ByteReader reader(tiff);
  ENSC_TRY_ASSIGN(const std::uint16_t order, reader.u16_be());
  const bool little = order == 0x4949;
  if (!little && order != 0x4d4d) {
    return 1;
  }
  const auto u16 = [little](ByteReader& r) { return little ? r.u16_le() : r.u16_be(); };
  const auto u32 = [little](ByteReader& r) { return little ? r.u32_le() : r.u32_be(); };
  ENSC_TRY(u16(reader));  // 42
  ENSC_TRY_ASSIGN(const std::uint32_t offset, u32(reader));
  ByteReader directory(tiff);
  ENSC_TRY(directory.skip(offset));
  ENSC_TRY_ASSIGN(const std::uint16_t num_entries, u16(directory));
  for (int i = 0; i < num_entries; ++i) {
    ENSC_TRY_ASSIGN(const std::uint16_t tag, u16(directory));
    ENSC_TRY_ASSIGN(const std::uint16_t type, u16(directory));
    ENSC_TRY_ASSIGN(const std::uint32_t count, u32(directory));
    ENSC_TRY_ASSIGN(const std::uint16_t value, u16(directory));
    ENSC_TRY(u16(directory));
    constexpr std::uint16_t kOrientation = 0x0112;
    constexpr std::uint16_t kShort = 3;
    if (tag == kOrientation) {
      return type == kShort && count == 1 && value >= 1 && value <= 8 ? value : 1;
    }
  }
  return 1;
}

class Walk {
 public:
  explicit Walk(ByteView file) : file_(file), reader_(file) {}

  Result<JpegStructure> run() {
    ENSC_TRY(start());
    for (int i = 0; i < kMaxJpegSegments; ++i) {
      ENSC_TRY_ASSIGN(const std::uint8_t code, next_marker());
      if (code == kEndOfImage) {
        if (out_.num_scans == 0) {
          return bad("a JPEG file without a picture");
        }
        return out_;
      }
      ENSC_TRY(segment(code));
    }
    return Error(InferenceError::kTooLarge, "a JPEG file may have 4096 segments");
  }

 private:
  Result<void> start() {
    const auto first = reader_.u16_be();
    if (!first || *first != (0xff00U | kStartOfImage)) {
      return bad("not a JPEG file");
    }
    return ok();
  }

  // A marker is a code after any number of 0xff, one at least.
  Result<std::uint8_t> next_marker() {
    const ByteView rest = file_.subspan(reader_.offset());
    const auto after =
        std::find_if(rest.begin(), rest.end(), [](auto byte) { return byte != 0xff; });
    if (after == rest.end()) {
      return torn();
    }
    if (after == rest.begin() || *after == 0) {
      return bad("a JPEG file with bytes between its segments");
    }
    ENSC_TRY(reader_.skip(static_cast<std::size_t>(after - rest.begin()) + 1));
    return *after;
  }

  Result<void> segment(std::uint8_t code) {
    if (code == kStartOfImage || is_restart(code) || code == 0x01) {
      return bad("a JPEG file with a marker out of place");
    }
    if (code == kHierarchical || code == kExpand) {
      return bad("a hierarchical JPEG file, which is not read");
    }
    if (code == kDefineLines) {
      return bad("a JPEG file that says its height after the picture, which is not read");
    }
    const auto len = reader_.u16_be();
    if (!len || *len < 2) {
      return torn();
    }
    const auto body = reader_.take(std::size_t{*len} - 2);
    if (!body) {
      return torn();
    }
    if (is_frame(code)) {
      return frame(code, *body);
    }
    if (code == kStartOfScan) {
      return scan();
    }
    if (code == kApp1 && !exif_seen_ && body->size() >= 6 &&
        as_text(body->first(4)) == std::string_view("Exif")) {
      exif_seen_ = true;
      const auto orientation = orientation_in(*body);
      out_.orientation = orientation ? *orientation : 1;
    }
    return ok();
  }

  // T.81, B.2.2: precision, lines, samples a line, components.
  Result<void> frame(std::uint8_t code, ByteView body) {
    if (out_.num_components != 0) {
      return bad("a JPEG file with two frames");
    }
    if (code >= 0xc9) {
      return bad("a JPEG file with arithmetic coding, which is not read");
    }
    if (code > 0xc2) {
      return bad("a lossless or hierarchical JPEG file, which is not read");
    }
    ByteReader reader(body);
    const auto precision = reader.u8();
    const auto height = reader.u16_be();
    const auto width = reader.u16_be();
    const auto num_components = reader.u8();
    if (!precision || !height || !width || !num_components) {
      return torn();
    }
    if (*precision != 8) {
      return bad("a JPEG file of other than 8 bits a sample, which is not read");
    }
    if (*num_components == 4) {
      return bad("a JPEG file of four components (CMYK), which is not read");
    }
    if (*num_components != 1 && *num_components != 3) {
      return bad("a JPEG file of neither one nor three components");
    }
    ENSC_TRY(check_image_size(*width, *height));
    out_.width = *width;
    out_.height = *height;
    out_.num_components = *num_components;
    out_.progressive = code == 0xc2;
    return ok();
  }

  // Passes over the coded picture: 0xff in it is followed by 0 or stands in a restart marker.
  Result<void> scan() {
    if (out_.num_components == 0) {
      return bad("a JPEG file whose picture begins before its size is said");
    }
    if (++out_.num_scans > kMaxJpegScans) {
      return Error(InferenceError::kTooLarge, "a JPEG file may have 32 scans");
    }
    const ByteView rest = file_.subspan(reader_.offset());
    for (std::size_t i = 0; i + 1 < rest.size(); ++i) {
      const std::uint8_t code = rest[i + 1];
      if (rest[i] == 0xff && code != 0 && code != 0xff && !is_restart(code)) {
        return reader_.skip(i);
      }
    }
    return torn();
  }

  ByteView file_;
  ByteReader reader_;
  JpegStructure out_;
  bool exif_seen_ = false;
};

}  // namespace

Result<JpegStructure> read_jpeg_structure(ByteView file) {
  if (file.size() > kMaxImageBytes) {
    return Error(InferenceError::kTooLarge, "a JPEG file may have 33554432 bytes");
  }
  return Walk(file).run();
}

}  // namespace ensconce
