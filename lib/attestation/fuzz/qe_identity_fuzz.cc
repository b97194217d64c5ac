// What parses is JSON to the whole parser too, and is the same again when it is put together anew
// from what was kept: the signed bytes and the signature. Levels come out highest first.

#include <algorithm>

#include "ensconce/attestation/endorsements/intel_endorsements.h"
#include "ensconce/codec/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ensconce;
  const ByteView input(data, size);
  const auto identity = parse_qe_identity(input);
  if (!identity) {
    ENSC_CHECK(identity.error().is(EvidenceError::kIntelQeIdentity));
    return 0;
  }
  const auto whole = json::parse(as_text(input));
  ENSC_CHECK(whole.has_value() && whole->find("enclaveIdentity") != nullptr);
  const auto inner = json::parse(as_text(identity->signed_bytes));
  ENSC_CHECK(inner.has_value() && *inner == *whole->find("enclaveIdentity"));

  const std::string text = "{\"enclaveIdentity\":" + std::string(as_text(identity->signed_bytes)) +
                           ",\"signature\":\"" + to_hex(identity->signature) + "\"}";
  const auto again = parse_qe_identity(as_bytes(text));
  if (text.size() <= kMaxIntelJson) {
    ENSC_CHECK(again.has_value() && again->signed_bytes == identity->signed_bytes);
    ENSC_CHECK(again->signature == identity->signature && again->mr_signer == identity->mr_signer);
  }
  ENSC_CHECK(!identity->levels.empty());
  ENSC_CHECK(std::is_sorted(identity->levels.begin(), identity->levels.end(),
                            [](const auto& a, const auto& b) { return a.isv_svn > b.isv_svn; }));
  return 0;
}
