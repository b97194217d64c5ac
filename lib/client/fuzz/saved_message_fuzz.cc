// A message that somebody kept, or says they kept: what reads is written as RFC 9112 has it, and
// reads to the same again.

#include <string>

#include "ensconce/client/saved_message.h"

namespace {
using namespace ensconce;

std::string fields_of(const HttpHeaders& headers) {
  std::string out;
  for (const HttpHeader& field : headers.all()) {
    out += field.name + ": " + field.value + "\r\n";
  }
  return out + "\r\n";
}

bool same(const HttpHeaders& a, const HttpHeaders& b) { return fields_of(a) == fields_of(b); }
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  const auto request = parse_saved_request(input);
  if (request) {
    const std::string head =
        request->method + " " + request->target + " HTTP/1.1\r\n" + fields_of(request->headers);
    const auto again = parse_saved_request(concat({as_bytes(head), request->body}));
    ENSC_CHECK(again && again->method == request->method && again->target == request->target &&
               again->body == request->body && same(again->headers, request->headers));
  }
  const auto response = parse_saved_response(input);
  if (response) {
    ENSC_CHECK(response->status >= 0 && response->status <= 999);
    const std::string status = std::to_string(1000 + response->status).substr(1);
    const std::string head = "HTTP/1.1 " + status + "\r\n" + fields_of(response->headers);
    const auto again = parse_saved_response(concat({as_bytes(head), response->body}));
    ENSC_CHECK(again && again->status == response->status && again->body == response->body &&
               same(again->headers, response->headers));
  }
  return 0;
}
