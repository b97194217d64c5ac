#include <cstddef>
#include <cstdint>

#include "ensconce/base/check.h"
#include "ensconce/inference/image.h"
#include "ensconce/inference/jpeg_structure.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto structure = ensconce::read_jpeg_structure({data, size});
  // Large pictures cost the fuzzer its time and show it nothing more.
  if (structure && std::uint64_t{structure->width} * structure->height > 256 * 1024) {
    return 0;
  }
  const auto image = ensconce::decode_jpeg({data, size});
  if (image) {
    ENSC_CHECK(structure);
    ENSC_CHECK(image->pixels.size() == std::size_t{image->width} * image->height * 3);
  }
  return 0;
}
