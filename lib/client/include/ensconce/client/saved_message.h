#pragma once

#include "ensconce/net/http.h"

namespace ensconce {

// A saved message is an HTTP/1.1 request or answer as RFC 9112 writes it: first line, fields, an
// empty line, and the body to the end of the file, not chunked. Lines end with LF or CRLF. Another
// form is BaseError::kInvalidArgument. For whoever kept both sides of an exchange to judge its
// receipt by.
Result<HttpRequest> parse_saved_request(ByteView file);
Result<HttpResponse> parse_saved_response(ByteView file);

}  // namespace ensconce
