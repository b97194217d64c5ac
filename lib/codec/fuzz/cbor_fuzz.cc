// What decodes is written back byte for byte: there is one encoding of each item, and it is ours.
// Of what others left unsorted, sorting is all that writing changes.

#include "ensconce/codec/cbor.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ensconce;
  const ByteView input(data, size);
  const auto value = cbor::decode(input);
  if (value) {
    ENSC_CHECK(equal(cbor::encode(*value), input));
    ENSC_CHECK(*value == *value);
  }
  const auto unsorted = cbor::decode_unsorted(input);
  ENSC_CHECK(unsorted.has_value() || !value.has_value());
  if (unsorted) {
    ENSC_CHECK(cbor::decode(cbor::encode(*unsorted)).value() == *unsorted);
  }
  return 0;
}
