// What parses is written back byte for byte, but for the zeros behind it, and parses to the same
// again.

#include "ensconce/attestation/evidence/intel_quote.h"

#include "ensconce/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ensconce;
  const ByteView input(data, size);
  const auto quote = parse_intel_quote(input);
  if (quote) {
    const Bytes written = write_intel_quote(*quote);
    ENSC_CHECK(written.size() <= input.size());
    ENSC_CHECK(equal(written, input.first(written.size())));
    ENSC_CHECK(all_zero(input.subspan(written.size())));
    ENSC_CHECK(parse_intel_quote(written).value() == *quote);
    const Bytes signed_part = intel_quote_signed_part(*quote);
    ENSC_CHECK(equal(signed_part, input.first(signed_part.size())));
    ENSC_CHECK(looks_like_intel_quote(input));
  }
  return 0;
}
