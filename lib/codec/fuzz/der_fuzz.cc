// What reads is written back byte for byte, element by element and as the small values we use.

#include "ensconce/codec/der.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ensconce;
  const ByteView input(data, size);
  ByteReader reader(input);
  while (reader.remaining() > 0) {
    const std::size_t before = reader.offset();
    const auto element = der::read_element(reader);
    if (!element) {
      ENSC_CHECK(reader.offset() == before);
      break;
    }
    ENSC_CHECK(reader.offset() - before == element->whole.size());
    ENSC_CHECK(equal(der::write_element(element->tag, element->content), element->whole));
  }
  const auto number = der::read_small_uint(input);
  if (number) {
    ENSC_CHECK(equal(der::write_small_uint(*number), input));
  }
  const auto text = der::read_ia5_string(input);
  if (text) {
    ENSC_CHECK(equal(der::write_ia5_string(*text), input));
  }
  return 0;
}
