#include "outgoing.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "ensconce/base/log.h"
#include "ensconce/base/secret.h"
#include "http_text.h"

namespace ensconce::internal {

namespace {

constexpr std::size_t kRecord = std::size_t{16} * 1024;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// clear leaves the memory to be used again, and nothing of the old content in it.
template <typename Container>
void clear(Container& bytes) {
  wipe(bytes.data(), bytes.size());
  bytes.clear();
}

// next_piece returns whether more may follow, and nothing if the source failed.
std::optional<bool> next_piece(BodySource& source, Bytes& out) {
  try {
    const Result<bool> more = source.next(out);
    if (more) {
      return *more;
    }
    log_failure("a streamed answer was cut off", more.error());
  } catch (const std::exception&) {
    log_error("the source of a streamed answer threw");
  } catch (...) {
    log_error("the source of a streamed answer threw something that is no exception");
  }
  return std::nullopt;
}

}  // namespace

void Outgoing::put_continue() {
  head_ = kContinue;
  head_sent_ = 0;
}

void Outgoing::put_answer(HttpResponse answer, std::string_view method, Then then) {
  answer_ = std::move(answer);
  if (!write_head(method, then)) {
    log_error("a handler's answer has a status or header that may not be sent");
    answer_ = json_error(500, "internal error");
    write_head(method, then);
  }
  tail_ = {};
  join();
}

bool Outgoing::write_head(std::string_view method, Then then) {
  const int status = answer_.status;
  if (status < 200 || status > 599) {
    return false;
  }
  head_ = "HTTP/1.1 " + std::to_string(status) + " ";
  head_ += reason_of(status);
  head_ += "\r\n";
  if (!append_headers(answer_.headers, "", head_)) {
    return false;
  }
  const bool no_content = status == 204 || status == 304;
  if (answer_.stream || no_content) {
    clear(answer_.body);
  }
  // RFC 9110 section 8.6: an answer that can have no content has no length either.
  if (answer_.stream && !no_content) {
    head_ += "Transfer-Encoding: chunked\r\n";
  } else if (!no_content) {
    head_ += "Content-Length: " + std::to_string(answer_.body.size()) + "\r\n";
  }
  if (no_content || method == "HEAD") {
    clear(answer_.body);  // the answer to a HEAD ends after its head (section 9.3.2)
    answer_.stream.reset();
  }
  head_ += then == Then::kKeepAlive ? "\r\n" : "Connection: close\r\n\r\n";
  return true;
}

void Outgoing::pull_piece() {
  clear(answer_.body);
  pulled_ = next_piece(*answer_.stream, answer_.body);
}

bool Outgoing::put_piece() {
  clear(head_);
  if (!pulled_.has_value()) {
    return false;
  }
  const std::size_t len = answer_.body.size();
  if (len > 0) {  // a chunk of no bytes would end the body
    head_.reserve(kRecord);
    append_chunk_head(len, head_);
  }
  tail_ = len > 0 ? kChunkEnd : std::string_view();
  if (!*pulled_) {
    tail_ = len > 0 ? kLastChunkEnd : kBodyEnd;
    answer_.stream.reset();
  }
  join();
  return true;
}

// join lets what fits beside the head share its TLS record.
void Outgoing::join() {
  const std::size_t room = head_.size() < kRecord ? kRecord - head_.size() : 0;
  body_sent_ = std::min(answer_.body.size(), room);
  head_.append(as_text(ByteView(answer_.body).first(body_sent_)));
  if (tail_.size() <= room - body_sent_) {
    head_.append(std::exchange(tail_, {}));
  }
  head_sent_ = 0;
}

ByteView Outgoing::unsent() const {
  if (head_sent_ < head_.size()) {
    return as_bytes(head_).subspan(head_sent_);
  }
  const ByteView body = ByteView(answer_.body).subspan(body_sent_);
  return body.empty() ? as_bytes(tail_) : body;
}

void Outgoing::sent(std::size_t len) {
  if (head_sent_ < head_.size()) {
    head_sent_ += len;
  } else if (body_sent_ < answer_.body.size()) {
    body_sent_ += len;
  } else {
    tail_.remove_prefix(len);
  }
}

void Outgoing::drop() {
  clear(head_);
  std::string().swap(head_);  // a connection that waits for a request holds no memory for answers
  clear(answer_.body);
  answer_ = HttpResponse{};
  tail_ = {};
  head_sent_ = 0;
  body_sent_ = 0;
}

}  // namespace ensconce::internal
