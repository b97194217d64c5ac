#pragma once

#include <optional>

#include "ensconce/ohttp/message.h"

// The framing of chunks (draft-ietf-ohai-chunked-ohttp section 3), which is one for both
// directions; what seals and opens a chunk is not.
namespace ensconce::internal {

class ChunkWriter : public ChunkSealer {
 public:
  [[nodiscard]] const Bytes& prefix() const override { return prefix_; }
  void seal(ByteView plaintext, bool final, Bytes& out) override;

 protected:
  explicit ChunkWriter(Bytes prefix) : prefix_(std::move(prefix)) {}

 private:
  // seal_chunk appends the ciphertext of the next chunk.
  virtual void seal_chunk(ByteView aad, ByteView plaintext, Bytes& out) = 0;

  Bytes prefix_;
  bool ended_ = false;
};

class ChunkReader : public ChunkOpener {
 public:
  Result<void> feed(ByteView bytes, Bytes& plaintext) override;
  Result<void> finish(Bytes& plaintext) override;

 protected:
  // Whether small chunks are counted: strangers choose those of requests, an affirmed worker those
  // of its answers, each of which may be all there is at the time.
  enum class Small : std::uint8_t { kFree, kCounted };
  // A prefix of this length comes before the first chunk.
  ChunkReader(std::size_t prefix_len, Small small)
      : state_(prefix_len == 0 ? State::kLength : State::kPrefix),
        small_(small),
        wanted_(prefix_len) {}

 private:
  enum class State : std::uint8_t { kPrefix, kLength, kChunk, kFinal, kEnded };

  virtual void take_prefix(ByteView prefix);
  // open_chunk appends the plaintext of the next chunk, or fails with CryptoError::kDecryptFailed.
  virtual Result<void> open_chunk(ByteView aad, ByteView sealed, Bytes& plaintext) = 0;

  // Each takes what it can use from the front of `bytes`.
  Result<void> step(ByteView& bytes, Bytes& plaintext);
  Result<void> step_length(ByteView& bytes);
  Result<void> step_chunk(ByteView& bytes, Bytes& plaintext);
  Result<void> step_final(ByteView& bytes);
  // gather moves bytes into held_ until it has `len`; false while it has not.
  bool gather(ByteView& bytes, std::size_t len);
  Result<void> open(ByteView aad, ByteView sealed, Bytes& plaintext);
  Error fail(OhttpError code, std::string detail);

  State state_;
  const Small small_;
  std::uint64_t chunks_ = 0;  // begun and not final
  std::uint64_t sealed_ = 0;  // their bytes
  std::size_t wanted_;        // of the prefix or of the chunk
  Bytes held_;                // what is there of a prefix, a length or a chunk
  std::optional<Error> failed_;
};

}  // namespace ensconce::internal
