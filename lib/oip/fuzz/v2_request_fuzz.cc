// The first two bytes choose the header length; what parses must write and parse again the same.
#include "ensconce/oip/oip.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ensconce;
  if (size < 2) {
    return 0;
  }
  const std::size_t said = data[0] * 256U + data[1];
  const ByteView body(data + 2, size - 2);
  const std::optional<std::size_t> header_length =
      said == 0xffff ? std::nullopt : std::optional<std::size_t>(said);
  const auto request = oip::parse_infer_request(body, header_length);
  if (request) {
    const oip::Message message = oip::write_infer_request(*request);
    const auto again = oip::parse_infer_request(message.body, message.header_length);
    ENSC_CHECK(again.has_value());
    ENSC_CHECK(again->inputs.size() == request->inputs.size());
    for (std::size_t i = 0; i < again->inputs.size(); ++i) {
      ENSC_CHECK(equal(again->inputs[i].data(), request->inputs[i].data()));
    }
  }
  (void)oip::parse_infer_response(body, header_length).has_value();
  return 0;
}
