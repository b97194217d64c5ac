#pragma once

#include <optional>

#include "ensconce/ohttp/binary_http.h"

namespace ensconce {

inline constexpr std::size_t kMaxBinaryHead = std::size_t{256} * 1024;  // with what comes before it

// BinaryResponseReader reads a response as it arrives, in either form and in pieces of any size; it
// takes what parse_binary_response takes, but for a head over kMaxBinaryHead. What it gave may have
// been cut off until finish() succeeded.
class BinaryResponseReader {
 public:
  BinaryResponseReader() = default;
  ~BinaryResponseReader();
  BinaryResponseReader(const BinaryResponseReader&) = delete;
  BinaryResponseReader& operator=(const BinaryResponseReader&) = delete;

  // feed takes the next bytes and appends what there is of the content: OhttpError::kBinaryHttp.
  Result<void> feed(ByteView bytes, Bytes& content);
  // finish takes the end of the message.
  Result<void> finish();

  // head_known says that status() and headers() are there; trailers() are after finish().
  [[nodiscard]] bool head_known() const { return state_ != State::kHead; }
  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] const BinaryFields& headers() const { return headers_; }
  [[nodiscard]] const BinaryFields& trailers() const { return trailers_; }

 private:
  enum class State : std::uint8_t { kHead, kLength, kContent, kTrailers, kPadding };

  // Each takes what it can use from the front of `bytes`.
  Result<void> step(ByteView& bytes, Bytes& content);
  Result<void> step_head(ByteView& bytes);
  Result<void> step_length(ByteView& bytes);
  void step_content(ByteView& bytes, Bytes& content);
  Result<void> step_trailers(ByteView& bytes);
  Result<void> read_head(ByteReader& reader);
  void hold(ByteView bytes);
  void let_go();

  State state_ = State::kHead;
  bool known_ = true;       // the length, by the framing indicator
  bool has_begun_ = false;  // the content, in chunks
  std::uint64_t left_ = 0;  // of the content, or of its chunk
  Bytes held_;              // what is there of a head, a length or a section
  int status_ = 0;
  BinaryFields headers_;
  BinaryFields trailers_;
};

}  // namespace ensconce
