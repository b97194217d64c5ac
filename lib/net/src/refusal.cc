#include "refusal.h"

#include <boost/beast/http/error.hpp>

#include "body_sink.h"
#include "http_text.h"

namespace ensconce::internal {

namespace http = boost::beast::http;

Refusal refusal_of(const boost::system::error_code& ec) {
  if (ec == over_budget()) {
    return kBusy;
  }
  if (ec == http::error::header_limit || ec == http::error::buffer_overflow) {
    return kHeaderTooLarge;
  }
  if (ec == http::error::body_limit) {
    return {413, "body too large"};
  }
  if (ec == http::error::bad_version) {
    return {505, "HTTP version not supported"};
  }
  return {400, "malformed request"};
}

std::optional<Refusal> check_head(const HttpRequest& request, unsigned version) {
  const HttpHeaders& headers = request.headers;
  if (version != 11) {
    return Refusal{505, "HTTP version not supported"};
  }
  if (!is_target(request.target) || headers.count("Host") != 1 ||
      headers.count("Content-Length") > 1) {
    return Refusal{400, "malformed request"};
  }
  if (const auto coding = headers.get("Transfer-Encoding");
      coding && !same_name(*coding, "chunked")) {
    return Refusal{501, "transfer coding not implemented"};
  }
  if (const auto expect = headers.get("Expect"); expect && !same_name(*expect, "100-continue")) {
    return Refusal{417, "expectation not supported"};
  }
  return std::nullopt;
}

}  // namespace ensconce::internal
