#include "ensconce/ohttp/binary_reader.h"

#include <algorithm>

#include "binary_fields.h"
#include "ensconce/base/secret.h"
#include "varint.h"

namespace ensconce {

using namespace internal;  // NOLINT(google-build-using-namespace): our own parts

namespace {

constexpr std::size_t kMaxTrailers = kMaxBinaryFieldBytes + kMaxVarintLen;

Error cut_off() { return bad_binary("the message is cut off"); }

// Whether an error only says that more must come.
bool is_short(const Error& error) { return error.is(BaseError::kTruncated); }

Error in_our_words(const Error& error) {
  return error.is(OhttpError::kBinaryHttp) ? error : bad_binary(error.detail());
}

}  // namespace

BinaryResponseReader::~BinaryResponseReader() { let_go(); }

void BinaryResponseReader::hold(ByteView bytes) {
  const std::size_t len = held_.size() + bytes.size();
  if (len > held_.capacity()) {  // growing by itself would leave a copy behind
    Bytes grown;
    grown.reserve(std::max(len, 2 * held_.capacity()));
    grown.assign(held_.begin(), held_.end());
    wipe(held_.data(), held_.size());
    held_ = std::move(grown);
  }
  held_.insert(held_.end(), bytes.begin(), bytes.end());
}

void BinaryResponseReader::let_go() {
  wipe(held_.data(), held_.size());
  held_.clear();
}

Result<void> BinaryResponseReader::feed(ByteView bytes, Bytes& content) {
  while (!bytes.empty()) {
    ENSC_TRY(step(bytes, content));
  }
  return ok();
}

Result<void> BinaryResponseReader::step(ByteView& bytes, Bytes& content) {
  switch (state_) {
    case State::kHead:
      return step_head(bytes);
    case State::kLength:
      return step_length(bytes);
    case State::kContent:
      step_content(bytes, content);
      return ok();
    case State::kTrailers:
      return step_trailers(bytes);
    case State::kPadding: {
      const ByteView rest = std::exchange(bytes, {});
      return all_zero(rest) ? ok() : Result<void>(bad_binary("bytes behind the message"));
    }
  }
  ENSC_CHECK(false);
}

Result<void> BinaryResponseReader::read_head(ByteReader& reader) {
  ENSC_TRY_ASSIGN(known_, read_framing(reader, kKnownResponse, kIndeterminateResponse));
  ENSC_TRY_ASSIGN(status_, read_status(reader, known_));
  ENSC_TRY_ASSIGN(headers_, read_section(reader, known_));
  return ok();
}

// step_head tries again with all that is there: heads are short and come in one piece or two.
Result<void> BinaryResponseReader::step_head(ByteView& bytes) {
  const std::size_t had = held_.size();
  hold(bytes);
  ByteReader reader(held_);
  if (const Result<void> read = read_head(reader); !read) {
    bytes = {};
    if (is_short(read.error()) && held_.size() <= kMaxBinaryHead) {
      return ok();
    }
    return in_our_words(read.error());
  }
  bytes = bytes.subspan(reader.offset() - had);
  state_ = State::kLength;
  let_go();
  return ok();
}

Result<void> BinaryResponseReader::step_length(ByteView& bytes) {
  const std::uint8_t first = held_.empty() ? bytes.front() : held_.front();
  const std::size_t more = std::min(bytes.size(), varint_len(first) - held_.size());
  hold(bytes.first(more));
  bytes = bytes.subspan(more);
  if (held_.size() < varint_len(first)) {
    return ok();
  }
  ByteReader reader(held_);
  ENSC_TRY_ASSIGN(left_, read_varint(reader));
  let_go();
  has_begun_ = true;
  state_ = left_ > 0 ? State::kContent : State::kTrailers;
  return ok();
}

void BinaryResponseReader::step_content(ByteView& bytes, Bytes& content) {
  const auto len = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), left_));
  content.insert(content.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(len));
  bytes = bytes.subspan(len);
  left_ -= len;
  if (left_ == 0) {
    state_ = known_ ? State::kTrailers : State::kLength;
  }
}

Result<void> BinaryResponseReader::step_trailers(ByteView& bytes) {
  const std::size_t had = held_.size();
  hold(bytes);
  ByteReader reader(held_);
  Result<BinaryFields> read = read_section(reader, known_);
  if (!read) {
    bytes = {};
    // A section whose length is known is read when all of it is there, so one over its limit is
    // found like any other: when more is held than a section may have.
    if (is_short(read.error()) && held_.size() <= kMaxTrailers) {
      return ok();
    }
    return in_our_words(read.error());
  }
  trailers_ = *std::move(read);
  bytes = bytes.subspan(reader.offset() - had);
  state_ = State::kPadding;
  let_go();
  return ok();
}

// RFC 9292 section 3.8: where the message ends before a part begins, the part is empty.
Result<void> BinaryResponseReader::finish() {
  switch (state_) {
    case State::kHead: {
      ByteReader reader(held_);
      const auto known = read_framing(reader, kKnownResponse, kIndeterminateResponse);
      const auto status = known ? read_status(reader, *known) : Result<int>(known.error());
      if (!status || reader.remaining() > 0) {
        return cut_off();
      }
      status_ = *status;
      state_ = State::kPadding;
      return ok();
    }
    case State::kLength:
      return held_.empty() && (known_ || !has_begun_) ? ok() : Result<void>(cut_off());
    case State::kContent:
      return cut_off();
    case State::kTrailers:
      return held_.empty() ? ok() : Result<void>(cut_off());
    case State::kPadding:
      return ok();
  }
  ENSC_CHECK(false);
}

}  // namespace ensconce
