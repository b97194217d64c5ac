// What parses is written, and what is written parses to the same value; so does its canonical form
// where it has one, and that is a fixed point.

#include "ensconce/codec/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ensconce;
  const auto value = json::parse(as_text({data, size}));
  if (!value) {
    return 0;
  }
  // Escapes make text longer (six bytes for a control character), so the copy gets more room.
  json::Limits room;
  room.max_bytes = 8 * size + 64;
  const std::string text = json::write(*value);
  const auto again = json::parse(text, room);
  ENSC_CHECK(again.has_value());
  ENSC_CHECK(*again == *value);
  ENSC_CHECK(json::write(*again) == text);

  room.max_bytes = std::size_t{256} * 1024 * 1024;  // and white space
  const auto pretty = json::parse(json::write_pretty(*value), room);
  ENSC_CHECK(pretty.has_value());
  ENSC_CHECK(*pretty == *value);

  const auto canonical = json::write_canonical(*value);
  if (canonical) {
    const auto sorted = json::parse(*canonical, room);
    ENSC_CHECK(sorted.has_value());
    ENSC_CHECK(json::write(*sorted) == *canonical);
    ENSC_CHECK(json::write_canonical(*sorted).value() == *canonical);
  }
  return 0;
}
