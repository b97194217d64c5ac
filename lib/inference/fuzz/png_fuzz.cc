#include <cstddef>
#include <cstdint>

#include "ensconce/base/check.h"
#include "ensconce/inference/image.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto image = ensconce::decode_png({data, size});
  if (image) {
    ENSC_CHECK(image->pixels.size() == std::size_t{image->width} * image->height * 3);
  }
  return 0;
}
