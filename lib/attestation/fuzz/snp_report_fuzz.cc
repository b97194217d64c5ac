// What parses is written back byte for byte, and is shown without harm.

#include "ensconce/attestation/evidence/snp_report.h"

#include "ensconce/attestation/result/render.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ensconce;
  const ByteView input(data, size);
  const auto report = parse_snp_report(input);
  if (report) {
    ENSC_CHECK(equal(write_snp_report(*report), input));
    ENSC_CHECK(json::parse(json::write(claims_to_json(*report))).has_value());
  }
  return 0;
}
