// What parses is written, and what is written parses to the same value; so does its canonical form
// where it has one, and that is a fixed point.

#include "ensconce/codec/json.h"

namespace {
using namespace ensconce;

// Each value answers to its own kind, and to others with an error that names what was asked.
void ask(const json::Value& value) {
  const auto wrong = [](const auto& result) {
    ENSC_CHECK(result || result.error().detail().find("asked") != std::string::npos);
  };
  wrong(value.as_text("asked"));
  wrong(value.as_int("asked"));
  wrong(value.as_uint("asked"));
  wrong(value.as_bool("asked"));
  wrong(value.as_array("asked"));
  wrong(value.as_object("asked"));
  if (const auto items = value.as_array("asked"); items) {
    for (const json::Value& item : **items) {
      ask(item);
    }
  }
  auto fields = json::Fields::of(value, "asked");
  ENSC_CHECK(fields.has_value() == value.is_object());
  if (!fields) {
    return;
  }
  const json::Object& members = **value.as_object("asked");
  ENSC_CHECK(fields->finish().has_value() == members.empty());
  for (const auto& [name, member] : members) {
    ENSC_CHECK(value.find(name) == &member);
    ENSC_CHECK(fields->take_optional(name) == &member);
    ask(member);
  }
  ENSC_CHECK(fields->finish().has_value());
  ENSC_CHECK(!fields->take("a name that no corpus has"));
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto value = json::parse(as_text({data, size}));
  if (!value) {
    return 0;
  }
  ask(*value);
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
