// What parses is written back byte for byte, but for the zeros behind it, and parses to the same
// again.

#include "ensconce/attestation/evidence/intel_quote.h"

#include "ensconce/attestation/endorsements/intel_endorsements.h"
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
    // What a quote carries, and what it asks for beside it.
    if (const auto own = certificates_of_quote(*quote); !own) {
      ENSC_CHECK(own.error().is(EvidenceError::kIntelCertification));
    }
    ENSC_CHECK(!collect_intel_endorsements(*quote, {}));
    ENSC_CHECK(!missing_intel_endorsements(*quote, {}).empty());
  }
  return 0;
}
