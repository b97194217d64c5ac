// What parses is written back byte for byte.

#include "ensconce/attestation/evidence/azure_evidence.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ensconce;
  const ByteView input(data, size);
  const auto attest = parse_tpm_attest(input);
  if (attest) {
    ENSC_CHECK(equal(write_tpm_attest(*attest), input));
  } else {
    ENSC_CHECK(attest.error().is(EvidenceError::kAzureTpmQuote));
  }
  return 0;
}
