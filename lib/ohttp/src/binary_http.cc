#include "ensconce/ohttp/binary_http.h"

#include <algorithm>

#include "ensconce/base/secret.h"
#include "varint.h"

namespace ensconce {

namespace {

using internal::read_varint;
using internal::write_varint;
using internal::written_varint_len;

// Framing indicators, RFC 9292 section 3.3.
constexpr std::uint64_t kKnownRequest = 0;
constexpr std::uint64_t kKnownResponse = 1;
constexpr std::uint64_t kIndeterminateRequest = 2;
constexpr std::uint64_t kIndeterminateResponse = 3;

constexpr std::size_t kMaxInformational = 16;

// ---- Writing
// -------------------------------------------------------------------------------------

void write_text(std::string_view text, Bytes& out) {
  write_varint(text.size(), out);
  out.insert(out.end(), text.begin(), text.end());
}

void write_fields(const BinaryFields& fields, Bytes& out) {
  for (const BinaryField& field : fields) {
    write_text(field.name, out);
    write_text(field.value, out);
  }
}

std::size_t len_of(const BinaryFields& fields) {
  std::size_t len = 0;
  for (const BinaryField& field : fields) {
    for (const std::string* text : {&field.name, &field.value}) {
      len += written_varint_len(text->size()) + text->size();
    }
  }
  return len;
}

void write_section(const BinaryFields& fields, Bytes& out) {
  write_varint(len_of(fields), out);
  write_fields(fields, out);
}

// Room for a whole message and for most padding: growing would leave copies of it behind.
// `control_len` is that of the texts before the headers.
void reserve_whole(std::size_t control_len, const BinaryFields& headers, ByteView content,
                   const BinaryFields& trailers, Bytes& out) {
  constexpr std::size_t kLengths = 8 * internal::kMaxVarintLen;  // of eight at most
  const std::size_t whole =
      control_len + len_of(headers) + content.size() + len_of(trailers) + kLengths;
  out.reserve(whole + whole / 8);
}

void write_known_rest(const BinaryFields& headers, ByteView content, const BinaryFields& trailers,
                      Bytes& out) {
  write_section(headers, out);
  write_text(as_text(content), out);
  write_section(trailers, out);
}

// ---- Characters
// ----------------------------------------------------------------------------------

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

// RFC 9110 section 5.6.2.
bool is_tchar(char c) {
  return is_digit(c) || is_lower(c) || is_upper(c) ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_method(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_tchar);
}

// Lower case alone (RFC 9292 section 3.6); a pseudo-field has a colon and is refused with the rest.
bool is_field_name(std::string_view text) {
  return is_method(text) && std::none_of(text.begin(), text.end(), is_upper);
}

// CR and LF would begin another field, or another message, for a reader of HTTP/1.1.
bool is_field_value(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

// RFC 3986 section 3.1; empty for a CONNECT.
bool is_scheme(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return is_lower(c) || is_upper(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
  });
}

// Neither space nor control characters: a target or an authority is one word of a request line.
bool is_word(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

// ---- Reading
// -------------------------------------------------------------------------------------

Error bad(std::string detail) { return {OhttpError::kBinaryHttp, std::move(detail)}; }

Result<ByteView> read_prefixed(ByteReader& reader) {
  ENSC_TRY_ASSIGN(const std::uint64_t len, read_varint(reader));
  return reader.take(len);
}

// read_text bounds what becomes a string.
Result<std::string> read_text(ByteReader& reader, std::uint64_t len) {
  if (len > kMaxBinaryFieldBytes) {
    return bad("a text over its limit");
  }
  ENSC_TRY_ASSIGN(const ByteView view, reader.take(len));
  return std::string(as_text(view));
}

Result<std::string> read_text(ByteReader& reader) {
  ENSC_TRY_ASSIGN(const std::uint64_t len, read_varint(reader));
  return read_text(reader, len);
}

Result<void> read_field(ByteReader& reader, std::uint64_t name_len, BinaryFields& fields) {
  if (fields.size() == kMaxBinaryFields) {
    return bad("too many fields");
  }
  ENSC_TRY_ASSIGN(std::string name, read_text(reader, name_len));
  ENSC_TRY_ASSIGN(std::string value, read_text(reader));
  if (!is_field_name(name) || !is_field_value(value)) {
    return bad("a field with characters it may not have");
  }
  fields.push_back({std::move(name), std::move(value)});
  return ok();
}

// Section 3.4: the lines fill a length.
Result<BinaryFields> read_known_section(ByteReader& reader) {
  ENSC_TRY_ASSIGN(const ByteView section, read_prefixed(reader));
  if (section.size() > kMaxBinaryFieldBytes) {
    return bad("a field section over its limit");
  }
  BinaryFields out;
  ByteReader lines(section);
  while (lines.remaining() > 0) {
    ENSC_TRY_ASSIGN(const std::uint64_t name_len, read_varint(lines));
    ENSC_TRY(read_field(lines, name_len, out));
  }
  return out;
}

// Section 3.5: the lines end with a name of no length.
Result<BinaryFields> read_indeterminate_section(ByteReader& reader) {
  const std::size_t start = reader.offset();
  BinaryFields out;
  while (true) {
    ENSC_TRY_ASSIGN(const std::uint64_t name_len, read_varint(reader));
    if (name_len == 0) {
      return out;
    }
    ENSC_TRY(read_field(reader, name_len, out));
    if (reader.offset() - start > kMaxBinaryFieldBytes) {
      return bad("a field section over its limit");
    }
  }
}

// Content is where a message's content lies in it: `len` bytes in one piece or, in the other form,
// in chunks with their lengths, which `span` covers.
struct Content {
  std::size_t offset = 0;
  std::size_t span = 0;
  std::size_t len = 0;
  bool chunked = false;
};

Result<Content> find_content(ByteReader& reader, bool chunked) {
  Content out;
  out.chunked = chunked;
  out.offset = reader.offset();
  if (!chunked) {
    ENSC_TRY_ASSIGN(const ByteView piece, read_prefixed(reader));
    out.len = piece.size();
    out.offset = reader.offset() - piece.size();
    out.span = out.len;
    return out;
  }
  while (true) {
    ENSC_TRY_ASSIGN(const ByteView chunk, read_prefixed(reader));
    if (chunk.empty()) {
      out.span = reader.offset() - out.offset;
      return out;
    }
    out.len += chunk.size();
  }
}

// for_each_piece gives the pieces of a content that was found.
template <typename F>
void for_each_piece(ByteView message, const Content& content, F f) {
  const ByteView span = message.subspan(content.offset, content.span);
  if (!content.chunked) {
    f(span);
    return;
  }
  ByteReader reader(span);
  while (reader.remaining() > 0) {
    f(read_prefixed(reader).value());
  }
}

Bytes copy_of(ByteView message, const Content& content) {
  Bytes out;
  out.reserve(content.len);  // growing would leave copies behind
  for_each_piece(message, content,
                 [&](ByteView piece) { out.insert(out.end(), piece.begin(), piece.end()); });
  return out;
}

// keep_content moves the content to the front of its message and wipes the rest.
void keep_content(const Content& content, Bytes& message) {
  std::size_t kept = 0;
  for_each_piece(message, content, [&](ByteView piece) {
    std::copy(piece.begin(), piece.end(), message.begin() + static_cast<std::ptrdiff_t>(kept));
    kept += piece.size();
  });
  wipe(message.data() + kept, message.size() - kept);
  message.resize(kept);
}

// Parts reads what comes after the control data. Section 3.8: where the message ends before a part
// begins, the part is empty; within one it is truncated.
class Parts {
 public:
  Parts(ByteReader& reader, bool known) : reader_(reader), known_(known) {}

  Result<BinaryFields> section() {
    if (reader_.remaining() == 0) {
      return BinaryFields();
    }
    return known_ ? read_known_section(reader_) : read_indeterminate_section(reader_);
  }
  Result<Content> content() {
    return reader_.remaining() == 0 ? Content() : find_content(reader_, !known_);
  }
  Result<void> padding() {
    ENSC_TRY_ASSIGN(const ByteView rest, reader_.take(reader_.remaining()));
    return all_zero(rest) ? ok() : bad("bytes behind the message");
  }

 private:
  ByteReader& reader_;
  bool known_;
};

// read_framing gives whether the message is of known length.
Result<bool> read_framing(ByteReader& reader, std::uint64_t known, std::uint64_t indeterminate) {
  ENSC_TRY_ASSIGN(const std::uint64_t framing, read_varint(reader));
  if (framing != known && framing != indeterminate) {
    return bad("another framing indicator");
  }
  return framing == known;
}

// read_request and read_response fill in all but the content, which they find.
Result<Content> read_request(ByteView message, BinaryRequest& out) {
  ByteReader reader(message);
  ENSC_TRY_ASSIGN(const bool known, read_framing(reader, kKnownRequest, kIndeterminateRequest));
  ENSC_TRY_ASSIGN(out.method, read_text(reader));
  ENSC_TRY_ASSIGN(out.scheme, read_text(reader));
  ENSC_TRY_ASSIGN(out.authority, read_text(reader));
  ENSC_TRY_ASSIGN(out.path, read_text(reader));
  if (!is_method(out.method) || !is_scheme(out.scheme) || !is_word(out.authority) ||
      !is_word(out.path)) {
    return bad("control data with characters it may not have");
  }
  Parts parts(reader, known);
  ENSC_TRY_ASSIGN(out.headers, parts.section());
  ENSC_TRY_ASSIGN(const Content content, parts.content());
  ENSC_TRY_ASSIGN(out.trailers, parts.section());
  ENSC_TRY(parts.padding());
  return content;
}

// read_status passes over informational responses (section 3.5.1) to the final one.
Result<int> read_status(ByteReader& reader, Parts& parts) {
  for (std::size_t i = 0; i <= kMaxInformational; ++i) {
    ENSC_TRY_ASSIGN(const std::uint64_t status, read_varint(reader));
    if (status >= 200 && status <= 599) {
      return static_cast<int>(status);
    }
    if (status < 100 || status > 599) {
      return bad("no status of HTTP");
    }
    ENSC_TRY(parts.section());
  }
  return bad("too many informational responses");
}

Result<Content> read_response(ByteView message, BinaryResponse& out) {
  ByteReader reader(message);
  ENSC_TRY_ASSIGN(const bool known, read_framing(reader, kKnownResponse, kIndeterminateResponse));
  Parts parts(reader, known);
  ENSC_TRY_ASSIGN(out.status, read_status(reader, parts));
  ENSC_TRY_ASSIGN(out.headers, parts.section());
  ENSC_TRY_ASSIGN(const Content content, parts.content());
  ENSC_TRY_ASSIGN(out.trailers, parts.section());
  ENSC_TRY(parts.padding());
  return content;
}

// in_our_words gives one code to what the reader of bytes found truncated.
template <typename T>
Result<T> in_our_words(Result<T> result) {
  if (!result && !result.error().is(OhttpError::kBinaryHttp)) {
    return bad(result.error().detail());
  }
  return result;
}

template <typename Message, typename Read>
Result<Message> parse(ByteView message, Read read) {
  Message out;
  ENSC_TRY_ASSIGN(const Content content, in_our_words(read(message, out)));
  out.content = copy_of(message, content);
  return out;
}

template <typename Message, typename Read>
Result<Message> parse_in_place(Bytes message, Read read) {
  Message out;
  const Result<Content> content = in_our_words(read(ByteView(message), out));
  if (!content) {
    wipe(message.data(), message.size());
    return content.error();
  }
  keep_content(*content, message);
  out.content = std::move(message);
  return out;
}

}  // namespace

Bytes write_binary_request(const BinaryRequest& request) {
  Bytes out;
  reserve_whole(request.method.size() + request.scheme.size() + request.authority.size() +
                    request.path.size(),
                request.headers, request.content, request.trailers, out);
  write_varint(kKnownRequest, out);
  write_text(request.method, out);
  write_text(request.scheme, out);
  write_text(request.authority, out);
  write_text(request.path, out);
  write_known_rest(request.headers, request.content, request.trailers, out);
  return out;
}

Bytes write_binary_response(const BinaryResponse& response) {
  ENSC_CHECK(response.status >= 200 && response.status <= 599);
  Bytes out;
  reserve_whole(0, response.headers, response.content, response.trailers, out);
  write_varint(kKnownResponse, out);
  write_varint(static_cast<std::uint64_t>(response.status), out);
  write_known_rest(response.headers, response.content, response.trailers, out);
  return out;
}

void pad_binary(std::size_t len, Bytes& message) {
  ENSC_CHECK(len >= message.size());
  if (len <= message.capacity()) {
    message.resize(len);
    return;
  }
  Bytes padded;
  padded.reserve(len);
  padded.assign(message.begin(), message.end());
  padded.resize(len);
  wipe(message.data(), message.size());
  message = std::move(padded);
}

void begin_binary_response(int status, const BinaryFields& headers, Bytes& out) {
  ENSC_CHECK(status >= 200 && status <= 599);
  write_varint(kIndeterminateResponse, out);
  write_varint(static_cast<std::uint64_t>(status), out);
  write_fields(headers, out);
  write_varint(0, out);
}

void add_binary_content(ByteView content, Bytes& out) {
  if (!content.empty()) {  // no length ends the content
    write_text(as_text(content), out);
  }
}

void end_binary_response(const BinaryFields& trailers, Bytes& out) {
  write_varint(0, out);
  write_fields(trailers, out);
  write_varint(0, out);
}

Result<BinaryRequest> parse_binary_request(ByteView message) {
  return parse<BinaryRequest>(message, read_request);
}

Result<BinaryResponse> parse_binary_response(ByteView message) {
  return parse<BinaryResponse>(message, read_response);
}

Result<BinaryRequest> take_binary_request(Bytes message) {
  return parse_in_place<BinaryRequest>(std::move(message), read_request);
}

Result<BinaryResponse> take_binary_response(Bytes message) {
  return parse_in_place<BinaryResponse>(std::move(message), read_response);
}

}  // namespace ensconce
