// A request for embeddings from a stranger, then an answer whose numbers the same bytes give: what
// is written is JSON, with as many embeddings as there are numbers for.
#include <cmath>
#include <cstring>

#include "ensconce/codec/json.h"
#include "ensconce/openai/openai.h"

namespace {
using namespace ensconce;

void write_numbers(ByteView bytes, openai::EncodingFormat format) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  bool finite = true;
  for (const float value : values) {
    finite = finite && std::isfinite(value);
  }
  const auto written = openai::write_embeddings("a \"model\"", values, 1, values.size(), format);
  ENSC_CHECK(written.has_value() == (finite || format == openai::EncodingFormat::kBase64));
  if (!written) {
    return;
  }
  const auto parsed = json::parse(as_text(*written));
  ENSC_CHECK(parsed.has_value());
  ENSC_CHECK(parsed->find("data")->as_array("data").value()->size() == values.size());
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  if (const auto request = openai::parse_embeddings_request(input); request) {
    ENSC_CHECK(!request->model.empty());
    ENSC_CHECK(!request->inputs.empty() && request->inputs.size() <= openai::kMaxInputs);
    for (const std::string& text : request->inputs) {
      ENSC_CHECK(!text.empty() && text.size() <= size);
    }
  }
  write_numbers(input, openai::EncodingFormat::kFloat);
  write_numbers(input, openai::EncodingFormat::kBase64);
  const openai::ModelEntry entry{"a", "b"};
  ENSC_CHECK(json::parse(openai::write_models({&entry, 1})).has_value());
  ENSC_CHECK(json::parse(openai::write_error(size % 2 == 0 ? 400 : 500, "m", "c")).has_value());
  return 0;
}
