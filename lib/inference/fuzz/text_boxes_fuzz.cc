#include <cstddef>
#include <cstdint>
#include <vector>

#include "ensconce/base/check.h"
#include "ensconce/inference/ocr_page.h"

// What a detector may answer, as a map of bytes; then the boxes cut out of a page and put in order.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) {
    return 0;
  }
  const std::size_t width = 1 + data[0] % 64;
  const std::size_t height = (size - 3) / width;
  const std::uint32_t page_width = 1 + data[1];
  const std::uint32_t page_height = 1 + data[2];
  std::vector<float> map;
  for (std::size_t i = 0; i < width * height; ++i) {
    map.push_back(static_cast<float>(data[3 + i]) / 255);
  }
  if (map.empty()) {
    return 0;
  }
  const auto boxes = ensconce::find_text_boxes(map, width, height, page_width, page_height, {});
  if (!boxes) {
    return 0;
  }
  const ensconce::RgbImage page{page_width, page_height,
                                ensconce::SecretBytes(std::size_t{page_width} * page_height * 3)};
  for (const ensconce::Quad& box : *boxes) {
    for (const ensconce::Point& p : box) {
      ENSC_CHECK(p.x >= 0 && p.x < page_width && p.y >= 0 && p.y < page_height);
    }
    const auto line = ensconce::lay_flat(page.view(), box);
    ENSC_CHECK(!line || line->image.pixels.size() ==
                            std::size_t{line->image.width} * line->image.height * 3);
  }
  ENSC_CHECK(ensconce::reading_order(*boxes).size() == boxes->size());
  return 0;
}
