// Key configurations from a stranger: one keeps its exact bytes, and a list gives back those it was
// made of.

#include "ensconce/ohttp/key_config.h"

namespace {
using namespace ensconce;

bool same(const OhttpKeyConfig& a, const OhttpKeyConfig& b) {
  return a.key_id == b.key_id && a.kem == b.kem && a.public_key == b.public_key &&
         a.algorithms == b.algorithms && a.encoded == b.encoded;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  if (const auto config = parse_key_config(input); config) {
    ENSC_CHECK(equal(config->encoded, input) && !config->algorithms.empty());
  }
  if (const auto configs = parse_key_configs(input); configs) {
    ENSC_CHECK(!configs->empty() && configs->size() <= 16);
    const Bytes written = write_key_configs(*configs);
    ENSC_CHECK(written.size() <= input.size());
    const auto again = parse_key_configs(written).value();
    ENSC_CHECK(again.size() == configs->size());
    for (std::size_t i = 0; i < again.size(); ++i) {
      ENSC_CHECK(same(again[i], (*configs)[i]));
    }
  }
  return 0;
}
