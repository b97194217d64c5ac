#include "ensconce/net/http.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "ensconce/base/secret.h"
#include "http_text.h"

namespace ensconce {
namespace {

constexpr std::size_t kMaxQueryPairs = 64;
constexpr std::size_t kMaxUrl = 8192;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alnum(char c) { return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z'); }

int hex_value(char c) {
  if (is_digit(c)) {
    return c - '0';
  }
  const char l = lower(c);
  return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

Result<std::uint16_t> parse_port(std::string_view text) {
  if (text.empty() || text.size() > 5 || !std::all_of(text.begin(), text.end(), is_digit)) {
    return Error(NetError::kBadUrl, "the port is not a number of at most five digits");
  }
  unsigned port = 0;
  for (const char c : text) {
    port = port * 10 + static_cast<unsigned>(c - '0');
  }
  if (port == 0 || port > 65535) {
    return Error(NetError::kBadUrl, "the port is outside 1 to 65535");
  }
  return static_cast<std::uint16_t>(port);
}

bool is_host(std::string_view host, bool bracketed) {
  if (host.empty() || host.size() > 253) {
    return false;
  }
  return std::all_of(host.begin(), host.end(), [&](char c) {
    return bracketed ? hex_value(c) >= 0 || c == ':' || c == '.'
                     : is_alnum(c) || c == '-' || c == '.' || c == '_';
  });
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

std::string lower_name(std::string_view name) {
  std::string out(name);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

bool is_hop_field(std::string_view name) {
  constexpr std::array<std::string_view, 11> kHop{
      "connection", "content-length",   "expect",
      "host",       "keep-alive",       "te",
      "trailer",    "proxy-connection", "proxy-authorization",
      "upgrade",    "transfer-encoding"};
  return std::any_of(kHop.begin(), kHop.end(),
                     [&](std::string_view hop) { return same_name(hop, name); });
}

bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return is_alnum(c) || kMarks.find(c) != std::string_view::npos;
  });
}

bool is_field_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return (u >= 0x20 && u != 0x7f) || c == '\t';
  });
}

bool is_target(std::string_view text) {
  return !text.empty() && text.front() == '/' && std::all_of(text.begin(), text.end(), [](char c) {
    return c > 0x20 && c < 0x7f && c != '#';
  });
}

bool append_headers(const HttpHeaders& fields, std::string_view skip, std::string& out) {
  for (const HttpHeader& field : fields.all()) {
    if (!is_token(field.name) || !is_field_value(field.value)) {
      return false;
    }
    if (same_name(field.name, "Connection") || same_name(field.name, "Content-Length") ||
        same_name(field.name, "Transfer-Encoding") || same_name(field.name, skip)) {
      continue;
    }
    out.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  return true;
}

void append_chunk_head(std::size_t len, std::string& out) {
  std::array<char, 2 * sizeof(len)> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), len, 16).ptr;
  out.append(digits.data(), end).append("\r\n");
}

std::string_view reason_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Status";
  }
}

std::optional<std::string_view> HttpHeaders::get(std::string_view name) const {
  for (const HttpHeader& field : fields_) {
    if (same_name(field.name, name)) {
      return field.value;
    }
  }
  return std::nullopt;
}

std::size_t HttpHeaders::count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::count_if(fields_.begin(), fields_.end(),
                    [&](const HttpHeader& field) { return same_name(field.name, name); }));
}

void HttpHeaders::set(std::string name, std::string value) {
  std::erase_if(fields_, [&](const HttpHeader& field) { return same_name(field.name, name); });
  add(std::move(name), std::move(value));
}

void HttpHeaders::add(std::string name, std::string value) {
  fields_.push_back({std::move(name), std::move(value)});
}

void HttpHeaders::wipe() {
  for (HttpHeader& field : fields_) {
    ensconce::wipe(field.value.data(), field.value.size());
  }
  fields_.clear();
}

std::string_view path_of(std::string_view target) { return target.substr(0, target.find('?')); }

Result<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 1 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return Error(NetError::kHttpMalformed, "broken percent escape");
      }
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (c == '\0') {
      return Error(NetError::kHttpMalformed, "NUL in a percent-encoded text");
    }
    out.push_back(c);
  }
  return out;
}

Result<Query> query_of(std::string_view target) {
  Query out;
  const std::size_t mark = target.find('?');
  if (mark == std::string_view::npos || mark + 1 == target.size()) {
    return out;
  }
  std::string_view rest = target.substr(mark + 1);
  for (bool more = true; more;) {
    const std::size_t end = rest.find('&');
    more = end != std::string_view::npos;
    const std::string_view pair = rest.substr(0, end);
    rest = more ? rest.substr(end + 1) : std::string_view{};
    const std::size_t equals = pair.find('=');
    ENSC_TRY_ASSIGN(std::string name, percent_decode(pair.substr(0, equals)));
    std::string value;
    if (equals != std::string_view::npos) {
      ENSC_TRY_ASSIGN(value, percent_decode(pair.substr(equals + 1)));
    }
    if (name.empty()) {
      return Error(NetError::kHttpMalformed, "a query parameter without a name");
    }
    if (out.size() == kMaxQueryPairs) {
      return Error(NetError::kHttpMalformed, "too many query parameters");
    }
    if (!out.emplace(std::move(name), std::move(value)).second) {
      return Error(NetError::kHttpMalformed, "a query parameter is repeated");
    }
  }
  return out;
}

std::string Url::authority() const {
  std::string out = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != (scheme == "https" ? 443 : 80)) {
    out += ":" + std::to_string(port);
  }
  return out;
}

std::string Url::to_string() const { return scheme + "://" + authority() + path; }

Result<Url> parse_url(std::string_view text) {
  if (text.size() > kMaxUrl) {
    return Error(NetError::kBadUrl, "the URL is too long");
  }
  Url url;
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos) {
    return Error(NetError::kBadUrl, "the URL has no scheme")
        .with_remedy("write http://host:port or https://host:port");
  }
  if (same_name(text.substr(0, colon), "https")) {
    url.scheme = "https";
  } else if (same_name(text.substr(0, colon), "http")) {
    url.scheme = "http";
  } else {
    return Error(NetError::kBadUrl, "the scheme is neither http nor https");
  }
  std::string_view rest = text.substr(colon + 3);
  const std::size_t path_start = rest.find_first_of("/?#");
  std::string_view authority = rest.substr(0, path_start);
  rest = path_start == std::string_view::npos ? std::string_view{} : rest.substr(path_start);

  std::string_view host;
  const bool bracketed = !authority.empty() && authority.front() == '[';
  if (bracketed) {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) {
      return Error(NetError::kBadUrl, "the address has no closing bracket");
    }
    host = authority.substr(1, close - 1);
    authority = authority.substr(close + 1);
  } else {
    host = authority.substr(0, authority.find(':'));
    authority = authority.substr(host.size());
  }
  if (!is_host(host, bracketed)) {
    return Error(NetError::kBadUrl, "the host is empty or has a character no host has");
  }
  std::transform(host.begin(), host.end(), std::back_inserter(url.host), lower);
  if (authority.empty()) {
    url.port = url.scheme == "https" ? 443 : 80;
  } else {
    if (authority.front() != ':') {
      return Error(NetError::kBadUrl, "text after the address's closing bracket");
    }
    ENSC_TRY_ASSIGN(url.port, parse_port(authority.substr(1)));
  }
  if (rest.empty() || rest.front() == '?') {
    url.path = "/";
  }
  url.path += rest;
  if (!is_target(url.path)) {
    return Error(NetError::kBadUrl, "the path has a fragment or a character that must be escaped");
  }
  return url;
}

HttpResponse json_error(int status, std::string_view message) {
  HttpResponse response;
  response.status = status;
  response.headers.add("Content-Type", "application/json");
  std::string body = "{\"error\":\"";
  for (const char c : message) {
    body.push_back(c >= 0x20 && c < 0x7f && c != '"' && c != '\\' ? c : '?');
  }
  body += "\"}";
  response.body = to_bytes(body);
  return response;
}

}  // namespace ensconce
