// What parses is exactly one value within its ranges: not a byte less of it parses, nor one more.

#include "ensconce/attestation/endorsements/intel_endorsements.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ensconce;
  const ByteView input(data, size);
  const auto pck = parse_pck_extension_value(input);
  if (pck) {
    ENSC_CHECK(pck->sgx_type <= 2);
    ENSC_CHECK(!parse_pck_extension_value(input.first(size - 1)));
    ENSC_CHECK(!parse_pck_extension_value(concat({input, Bytes(1)})));
  } else {
    ENSC_CHECK(pck.error().is(EvidenceError::kIntelPck));
  }
  return 0;
}
