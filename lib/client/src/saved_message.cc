#include "ensconce/client/saved_message.h"

#include <optional>

namespace ensconce {

namespace {

Error bad(std::string what) {
  return Error(BaseError::kInvalidArgument, std::move(what))
      .with_remedy(
          "give an HTTP/1.1 message: first line, fields, an empty line, the body "
          "(docs/protocols/receipt.md, section 5)");
}

// Takes a line off the front, without its end; nothing when there is no end.
std::optional<std::string_view> take_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  if (end == std::string_view::npos) {
    return std::nullopt;
  }
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  return line;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Reads the fields after the first line; what is left of `rest` is the body.
Result<HttpHeaders> take_fields(std::string_view& rest) {
  HttpHeaders out;
  while (true) {
    const auto line = take_line(rest);
    if (!line) {
      return bad("the message has no empty line after its fields");
    }
    if (line->empty()) {
      return out;
    }
    const std::size_t colon = line->find(':');
    if (colon == 0 || colon == std::string_view::npos) {
      return bad("a line of the message is no field");
    }
    out.add(std::string(line->substr(0, colon)), std::string(trimmed(line->substr(colon + 1))));
  }
}

}  // namespace

Result<HttpRequest> parse_saved_request(ByteView file) {
  std::string_view rest = as_text(file);
  const std::string_view line = take_line(rest).value_or("");
  const std::size_t method = line.find(' ');
  const std::size_t target = line.rfind(' ');
  if (method == std::string_view::npos || method == 0 || target <= method + 1 ||
      line.substr(target) != " HTTP/1.1") {
    return bad("the request does not begin with METHOD TARGET HTTP/1.1");
  }
  HttpRequest out;
  out.method = line.substr(0, method);
  out.target = line.substr(method + 1, target - method - 1);
  ENSC_TRY_ASSIGN(out.headers, take_fields(rest));
  out.body = to_bytes(rest);
  return out;
}

Result<HttpResponse> parse_saved_response(ByteView file) {
  constexpr std::string_view kVersion = "HTTP/1.1 ";
  std::string_view rest = as_text(file);
  const std::string_view line = take_line(rest).value_or("");
  const std::string_view digits =
      line.starts_with(kVersion) ? line.substr(kVersion.size(), 3) : std::string_view();
  const bool number = digits.size() == 3 &&
                      digits.find_first_not_of("0123456789") == std::string_view::npos &&
                      (line.size() == kVersion.size() + 3 || line[kVersion.size() + 3] == ' ');
  if (!number) {
    return bad("the answer does not begin with HTTP/1.1 STATUS");
  }
  HttpResponse out;
  out.status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
  ENSC_TRY_ASSIGN(out.headers, take_fields(rest));
  out.body = to_bytes(rest);
  return out;
}

}  // namespace ensconce
