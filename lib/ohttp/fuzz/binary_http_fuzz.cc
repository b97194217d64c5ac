// Binary HTTP from a stranger: what parses is written, and what was written parses to the same, in
// either form.

#include "ensconce/ohttp/binary_http.h"

namespace {
using namespace ensconce;

Bytes in_steps(const BinaryResponse& response) {
  Bytes out;
  begin_binary_response(response.status, response.headers, out);
  const ByteView content(response.content);
  const std::size_t half = content.size() / 2;
  add_binary_content(content.first(half), out);
  add_binary_content(content.subspan(half), out);
  end_binary_response(response.trailers, out);
  return out;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  const auto request = parse_binary_request(input);
  const auto taken_request = take_binary_request(to_bytes(input));
  ENSC_CHECK(request.has_value() == taken_request.has_value());
  if (request) {
    ENSC_CHECK(*taken_request == *request);
    const Bytes written = write_binary_request(*request);
    ENSC_CHECK(parse_binary_request(written).value() == *request);
    ENSC_CHECK(write_binary_request(parse_binary_request(written).value()) == written);
  }
  const auto response = parse_binary_response(input);
  ENSC_CHECK(!request || !response);
  const auto taken_response = take_binary_response(to_bytes(input));
  ENSC_CHECK(response.has_value() == taken_response.has_value());
  if (response) {
    ENSC_CHECK(*taken_response == *response);
    ENSC_CHECK(parse_binary_response(write_binary_response(*response)).value() == *response);
    ENSC_CHECK(parse_binary_response(in_steps(*response)).value() == *response);
  }
  return 0;
}
