// What parses is written back byte for byte, and its claims are as long as their algorithm says.
// The input is the extension's value; as a whole certificate it goes to the same reader.

#include "ensconce/attestation/evidence/ra_tls.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ensconce;
  const ByteView input(data, size);
  if (const auto evidence = parse_tagged_evidence(input)) {
    ENSC_CHECK(equal(write_tagged_evidence(*evidence), input));
    ENSC_CHECK(evidence->claims.pubkey_hash.size() ==
               (evidence->claims.pubkey_hash_algorithm == KeyHashAlgorithm::kSha256 ? 32U : 48U));
  } else {
    ENSC_CHECK(evidence.error().is(EvidenceError::kRaTls));
  }
  if (const auto certificate = Certificate::from_der(input)) {
    const auto ra_tls = parse_ra_tls(*certificate);
    ENSC_CHECK(carries_ra_tls(*certificate) || !ra_tls.has_value());
  }
  return 0;
}
