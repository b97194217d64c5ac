// What parses is encoded back byte for byte: a statement has one encoding.

#include "ensconce/attestation/evidence/statement.h"

#include "ensconce/attestation/evidence/beacon.h"
#include "ensconce/attestation/evidence/rcar.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ensconce;
  const ByteView input(data, size);
  const auto statement = parse_statement(input);
  if (statement) {
    ENSC_CHECK(equal(encode_statement(*statement), input));
  }
  // The two other forms that arrive beside it.
  (void)parse_beacon_payload(input);
  (void)parse_rcar_runtime_data(as_text(input));
  return 0;
}
