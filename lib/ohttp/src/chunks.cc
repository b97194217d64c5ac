#include "chunks.h"

#include <algorithm>

#include "varint.h"

namespace ensconce::internal {

namespace {
constexpr std::string_view kFinalAad = "final";
constexpr std::size_t kMaxSealed = kMaxOhttpChunk + hpke::kTagLen;
}  // namespace

void ChunkWriter::seal(ByteView plaintext, bool final, Bytes& out) {
  ENSC_CHECK(!ended_ && plaintext.size() <= kMaxOhttpChunk);
  ENSC_CHECK(final || !plaintext.empty());
  ended_ = final;
  write_varint(final ? 0 : plaintext.size() + hpke::kTagLen, out);
  seal_chunk(final ? as_bytes(kFinalAad) : ByteView(), plaintext, out);
}

Result<void> ChunkReader::feed(ByteView bytes, Bytes& plaintext) {
  while (!failed_ && !bytes.empty()) {
    ENSC_TRY(step(bytes, plaintext));
  }
  return failed_ ? Result<void>(*failed_) : ok();
}

Result<void> ChunkReader::finish(Bytes& plaintext) {
  if (failed_) {
    return *failed_;
  }
  if (state_ != State::kFinal || held_.size() < hpke::kTagLen) {
    return fail(OhttpError::kTruncated, "no whole final chunk");
  }
  ENSC_TRY(open(as_bytes(kFinalAad), held_, plaintext));
  state_ = State::kEnded;
  return ok();
}

void ChunkReader::take_prefix(ByteView prefix) { ENSC_CHECK(prefix.empty()); }

Result<void> ChunkReader::step(ByteView& bytes, Bytes& plaintext) {
  switch (state_) {
    case State::kPrefix:
      if (gather(bytes, wanted_)) {
        take_prefix(held_);
        held_.clear();
        state_ = State::kLength;
      }
      return ok();
    case State::kLength:
      return step_length(bytes);
    case State::kChunk:
      return step_chunk(bytes, plaintext);
    case State::kFinal:
      return step_final(bytes);
    case State::kEnded:
      return fail(OhttpError::kForm, "bytes behind the end");
  }
  ENSC_CHECK(false);
}

Result<void> ChunkReader::step_length(ByteView& bytes) {
  const std::uint8_t first = held_.empty() ? bytes.front() : held_.front();
  if (!gather(bytes, varint_len(first))) {
    return ok();
  }
  ByteReader reader(held_);
  ENSC_TRY_ASSIGN(const std::uint64_t len, read_varint(reader));
  held_.clear();
  if (len == 0) {
    state_ = State::kFinal;
    return ok();
  }
  if (len > kMaxSealed) {
    return fail(OhttpError::kTooLarge, "a chunk over the limit");
  }
  if (len < hpke::kTagLen) {
    return fail(OhttpError::kForm, "a chunk shorter than a tag");
  }
  if (len == hpke::kTagLen) {
    return fail(OhttpError::kSmallChunks, "a chunk that is empty and not the final one");
  }
  chunks_ += 1;
  sealed_ += len;
  if (small_ == Small::kCounted && chunks_ > kFreeOhttpChunks + sealed_ / kMeanOhttpChunk) {
    return fail(OhttpError::kSmallChunks,
                std::to_string(chunks_) + " chunks in " + std::to_string(sealed_) + " bytes");
  }
  wanted_ = len;
  state_ = State::kChunk;
  return ok();
}

Result<void> ChunkReader::step_chunk(ByteView& bytes, Bytes& plaintext) {
  if (held_.empty() && bytes.size() >= wanted_) {  // whole as it came: no need to hold it
    const ByteView sealed = bytes.first(wanted_);
    bytes = bytes.subspan(wanted_);
    state_ = State::kLength;
    return open({}, sealed, plaintext);
  }
  if (!gather(bytes, wanted_)) {
    return ok();
  }
  state_ = State::kLength;
  ENSC_TRY(open({}, held_, plaintext));
  held_.clear();
  return ok();
}

Result<void> ChunkReader::step_final(ByteView& bytes) {
  if (bytes.size() > kMaxSealed - held_.size()) {
    return fail(OhttpError::kTooLarge, "a final chunk over the limit");
  }
  held_.insert(held_.end(), bytes.begin(), bytes.end());
  bytes = {};
  return ok();
}

bool ChunkReader::gather(ByteView& bytes, std::size_t len) {
  const std::size_t more = std::min(bytes.size(), len - held_.size());
  held_.insert(held_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(more));
  bytes = bytes.subspan(more);
  return held_.size() == len;
}

Result<void> ChunkReader::open(ByteView aad, ByteView sealed, Bytes& plaintext) {
  if (!open_chunk(aad, sealed, plaintext)) {
    return fail(OhttpError::kDecrypt, "a chunk does not open");
  }
  return ok();
}

Error ChunkReader::fail(OhttpError code, std::string detail) {
  failed_.emplace(code, std::move(detail));
  return *failed_;
}

}  // namespace ensconce::internal
