#pragma once

#include <memory>
#include <optional>

#include "ensconce/ohttp/key_config.h"

// Oblivious HTTP (RFC 9458) and chunked OHTTP (draft-ietf-ohai-chunked-ohttp-08). Plaintexts are
// binary HTTP messages, which these classes do not look into.
namespace ensconce {

// What a message begins with: hdr ‖ enc. The gateway looks here, before it decapsulates, for
// requests it has seen.
struct OhttpRequestHead {
  std::uint8_t key_id = 0;
  hpke::Suite suite;
  Bytes enc;
  std::size_t len = 0;  // of hdr ‖ enc
};
Result<OhttpRequestHead> parse_request_head(ByteView message);

inline constexpr std::size_t kMaxOhttpChunk = std::size_t{64} * 1024;  // plaintext, of either end

// Of a request so many chunks are free; beyond them each must come with so many bytes of
// ciphertext on average. Whoever has the public key can make chunks that open, and each costs an
// opening.
inline constexpr std::size_t kFreeOhttpChunks = 1024;
inline constexpr std::size_t kMeanOhttpChunk = 256;

// ---- Chunks ------------------------------------------------------------------------------------

// ChunkSealer writes the chunks of one direction: non-final ones as varint length ‖ ciphertext, the
// final one as varint 0 ‖ ciphertext to the end of the message.
class ChunkSealer {
 public:
  virtual ~ChunkSealer() = default;
  // prefix is what comes before the first chunk: hdr ‖ enc, or the response nonce.
  [[nodiscard]] virtual const Bytes& prefix() const = 0;
  // seal appends one chunk of at most kMaxOhttpChunk plaintext bytes; a non-final one is not empty.
  virtual void seal(ByteView plaintext, bool final, Bytes& out) = 0;
};

// ChunkOpener is fed a message in pieces of any size, after its prefix, and appends the plaintext
// of each chunk as it is whole. What it gives before finish() succeeded may have been cut off.
class ChunkOpener {
 public:
  virtual ~ChunkOpener() = default;
  // feed takes bytes as they come: OhttpError::kForm, kTooLarge (a chunk over kMaxOhttpChunk),
  // kSmallChunks, kDecrypt. After an error every call gives the same one.
  virtual Result<void> feed(ByteView bytes, Bytes& plaintext) = 0;
  // finish takes the end of the message: kTruncated unless the final chunk is there and opens.
  virtual Result<void> finish(Bytes& plaintext) = 0;
};

// ---- Client ------------------------------------------------------------------------------------

// OhttpRequestSealer encapsulates one request and keeps what opens its answer.
class OhttpRequestSealer {
 public:
  // start takes the first algorithms of the configuration that `wanted` has, or without a wish the
  // first: OhttpError::kSuite, kKeyConfig.
  static Result<OhttpRequestSealer> start(const OhttpKeyConfig& config, bool chunked,
                                          Random& random,
                                          std::optional<OhttpAlgorithms> wanted = std::nullopt);
  static Result<OhttpRequestSealer> start_with(
      const OhttpKeyConfig& config, bool chunked, const hpke::PrivateKey& ephemeral,
      std::optional<OhttpAlgorithms> wanted = std::nullopt);
  ~OhttpRequestSealer();
  OhttpRequestSealer(OhttpRequestSealer&&) noexcept;
  OhttpRequestSealer& operator=(OhttpRequestSealer&&) noexcept;
  OhttpRequestSealer(const OhttpRequestSealer&) = delete;
  OhttpRequestSealer& operator=(const OhttpRequestSealer&) = delete;

  // seal gives the whole message/ohttp-req; for a request that is not chunked, once.
  [[nodiscard]] Bytes seal(ByteView bhttp);
  // chunks seals a chunked request. It borrows this object.
  [[nodiscard]] ChunkSealer& chunks();
  // open_response opens a whole message/ohttp-res: kForm, kDecrypt.
  [[nodiscard]] Result<Bytes> open_response(ByteView message) const;
  // response_chunks opens a message/ohttp-chunked-res, its nonce included. It borrows nothing.
  [[nodiscard]] std::unique_ptr<ChunkOpener> response_chunks() const;

 private:
  struct State;
  explicit OhttpRequestSealer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// ---- Gateway -----------------------------------------------------------------------------------

struct OhttpKey {
  OhttpKeyConfig config;
  hpke::PrivateKey key;
};

// OhttpRequestOpener decapsulates one request and keeps what seals its answer.
class OhttpRequestOpener {
 public:
  // start reads hdr ‖ enc: kForm, kKeyId where it is not of this key, kSuite, kDecrypt where enc is
  // no key.
  static Result<OhttpRequestOpener> start(const OhttpKey& key, const OhttpRequestHead& head,
                                          bool chunked);
  ~OhttpRequestOpener();
  OhttpRequestOpener(OhttpRequestOpener&&) noexcept;
  OhttpRequestOpener& operator=(OhttpRequestOpener&&) noexcept;
  OhttpRequestOpener(const OhttpRequestOpener&) = delete;
  OhttpRequestOpener& operator=(const OhttpRequestOpener&) = delete;

  // open takes what follows the head of a whole message/ohttp-req.
  [[nodiscard]] Result<Bytes> open(ByteView ciphertext);
  // chunks opens what follows the head of a message/ohttp-chunked-req. It borrows this object.
  [[nodiscard]] ChunkOpener& chunks();
  // seal_response gives the whole message/ohttp-res.
  [[nodiscard]] Bytes seal_response(ByteView bhttp, Random& random) const;
  // response_chunks seals a message/ohttp-chunked-res; its prefix is the response nonce. It borrows
  // nothing.
  [[nodiscard]] std::unique_ptr<ChunkSealer> response_chunks(Random& random) const;

 private:
  struct State;
  explicit OhttpRequestOpener(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ensconce
