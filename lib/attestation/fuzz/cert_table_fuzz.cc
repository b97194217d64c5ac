// What parses parses to the same again after it was written; what is inside goes to the sorting of
// endorsements and to the extension matcher.

#include "ensconce/attestation/evidence/cert_table.h"

#include "ensconce/attestation/endorsements/snp_endorsements.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ensconce;
  const ByteView input(data, size);
  const auto entries = parse_cert_table(input);
  if (entries) {
    const auto again = parse_cert_table(write_cert_table(*entries));
    ENSC_CHECK(again.has_value() && *again == *entries);
  }
  const auto items = endorsements_from_cert_table(input);
  if (items) {
    (void)missing_snp_endorsements(*items);
    if (const auto endorsements = collect_snp_endorsements(*items)) {
      (void)parse_snp_vek_extensions(endorsements->vek);
    }
  }
  return 0;
}
