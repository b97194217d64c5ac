// What parses is written back byte for byte; a signature that holds no longer does when the enclave
// it names is another.

#include "ensconce/attestation/evidence/sigstruct.h"

#include "ensconce/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ensconce;
  const ByteView input(data, size);
  const auto parsed = parse_sigstruct(input);
  if (!parsed) {
    ENSC_CHECK(parsed.error().is(EvidenceError::kSigstruct));
    return 0;
  }
  ENSC_CHECK(equal(write_sigstruct(*parsed), input));
  ENSC_CHECK(sigstruct_signed_part(*parsed).size() == 256);
  if (verify_sigstruct(*parsed)) {
    Sigstruct other = *parsed;
    other.mr_enclave[0] ^= 1;
    ENSC_CHECK(!verify_sigstruct(other));
  }
  return 0;
}
