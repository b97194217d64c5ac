#pragma once

#include <boost/system/error_code.hpp>
#include <optional>
#include <string_view>

#include "ensconce/net/http.h"

namespace ensconce::internal {

// Refusal is what a request is answered with that no handler sees.
struct Refusal {
  int status;
  std::string_view message;
};

inline constexpr Refusal kBusy{503, "server busy"};
inline constexpr Refusal kHeaderTooLarge{431, "header too large"};

// refusal_of says what the parser's error is answered with.
Refusal refusal_of(const boost::system::error_code& ec);

// check_head holds what the parser leaves to us. The parser refuses a length beside a coding
// and a coding after `chunked` (RFC 9112 section 6.1: two framings of one message are smuggling)
// and a length over the limit.
std::optional<Refusal> check_head(const HttpRequest& request, unsigned version);

}  // namespace ensconce::internal
