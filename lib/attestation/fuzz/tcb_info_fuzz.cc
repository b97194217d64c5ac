// What parses is JSON to the whole parser too, and is the same again when it is put together anew
// from what was kept: the signed bytes and the signature. Levels come out highest first.

#include <algorithm>

#include "ensconce/attestation/endorsements/intel_endorsements.h"
#include "ensconce/codec/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ensconce;
  const ByteView input(data, size);
  const auto info = parse_tcb_info(input);
  if (!info) {
    ENSC_CHECK(info.error().is(EvidenceError::kIntelTcbInfo));
    return 0;
  }
  const auto whole = json::parse(as_text(input));
  ENSC_CHECK(whole.has_value() && whole->find("tcbInfo") != nullptr);
  const auto inner = json::parse(as_text(info->signed_bytes));
  ENSC_CHECK(inner.has_value() && *inner == *whole->find("tcbInfo"));
  ENSC_CHECK(std::search(input.begin(), input.end(), info->signed_bytes.begin(),
                         info->signed_bytes.end()) != input.end());

  const std::string text = "{\"tcbInfo\":" + std::string(as_text(info->signed_bytes)) +
                           ",\"signature\":\"" + to_hex(info->signature) + "\"}";
  const auto again = parse_tcb_info(as_bytes(text));
  if (text.size() <= kMaxIntelJson) {
    ENSC_CHECK(again.has_value() && again->signed_bytes == info->signed_bytes);
    ENSC_CHECK(again->signature == info->signature && again->levels.size() == info->levels.size());
  }
  ENSC_CHECK(!info->levels.empty() && info->levels.size() <= kMaxTcbLevels);
  ENSC_CHECK(std::is_sorted(info->levels.begin(), info->levels.end(),
                            [](const auto& a, const auto& b) { return a.sgx > b.sgx; }));
  return 0;
}
