#include "ensconce/ohttp/binary_http.h"

#include <algorithm>

#include "binary_fields.h"
#include "ensconce/base/secret.h"
#include "varint.h"

namespace ensconce {

namespace {

using namespace internal;  // NOLINT(google-build-using-namespace): our own parts

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
  constexpr std::size_t kLengths = 8 * kMaxVarintLen;  // of eight at most
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

// ---- Reading
// -------------------------------------------------------------------------------------

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
    return read_section(reader_, known_);
  }
  Result<Content> content() {
    return reader_.remaining() == 0 ? Content() : find_content(reader_, !known_);
  }
  Result<void> padding() {
    ENSC_TRY_ASSIGN(const ByteView rest, reader_.take(reader_.remaining()));
    return all_zero(rest) ? ok() : bad_binary("bytes behind the message");
  }

 private:
  ByteReader& reader_;
  bool known_;
};

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
    return bad_binary("control data with characters it may not have");
  }
  Parts parts(reader, known);
  ENSC_TRY_ASSIGN(out.headers, parts.section());
  ENSC_TRY_ASSIGN(const Content content, parts.content());
  ENSC_TRY_ASSIGN(out.trailers, parts.section());
  ENSC_TRY(parts.padding());
  return content;
}

Result<Content> read_response(ByteView message, BinaryResponse& out) {
  ByteReader reader(message);
  ENSC_TRY_ASSIGN(const bool known, read_framing(reader, kKnownResponse, kIndeterminateResponse));
  Parts parts(reader, known);
  ENSC_TRY_ASSIGN(out.status, read_status(reader, known));
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
    return bad_binary(result.error().detail());
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
