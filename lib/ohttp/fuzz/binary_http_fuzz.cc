// Binary HTTP from a stranger: what parses is written, and what was written parses to the same, in
// either form.

#include <algorithm>
#include <optional>

#include "../test/indeterminate.h"
#include "ensconce/ohttp/binary_http.h"
#include "ensconce/ohttp/binary_reader.h"

namespace {
using namespace ensconce;
using testing::add_binary_content;
using testing::begin_binary_response;
using testing::end_binary_response;

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
// piecewise reads the same in pieces of that many bytes.
std::optional<BinaryResponse> piecewise(ByteView message, std::size_t step) {
  BinaryResponseReader reader;
  Bytes content;
  for (; !message.empty(); message = message.subspan(std::min(step, message.size()))) {
    if (!reader.feed(message.first(std::min(step, message.size())), content)) {
      return std::nullopt;
    }
  }
  if (!reader.finish()) {
    return std::nullopt;
  }
  return BinaryResponse{reader.status(), reader.headers(), content, reader.trailers()};
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
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::max(size, std::size_t{1})}) {
    const auto read = piecewise(input, step);
    ENSC_CHECK(read.has_value() == response.has_value() && (!read || *read == *response));
  }
  if (response) {
    ENSC_CHECK(*taken_response == *response);
    ENSC_CHECK(parse_binary_response(write_binary_response(*response)).value() == *response);
    ENSC_CHECK(parse_binary_response(in_steps(*response)).value() == *response);
  }
  return 0;
}
