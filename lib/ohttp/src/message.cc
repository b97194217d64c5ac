#include "ensconce/ohttp/message.h"

#include <algorithm>

#include "chunks.h"

namespace ensconce {

namespace {

// RFC 9458 sections 4.3 and 4.4; draft-ietf-ohai-chunked-ohttp sections 5 and 6.
constexpr std::string_view kRequestLabel = "message/bhttp request";
constexpr std::string_view kResponseLabel = "message/bhttp response";
constexpr std::string_view kChunkedRequestLabel = "message/bhttp chunked request";
constexpr std::string_view kChunkedResponseLabel = "message/bhttp chunked response";

constexpr std::size_t kHdrLen = 7;  // key_id ‖ kem_id ‖ kdf_id ‖ aead_id

Bytes header_of(std::uint8_t key_id, const hpke::Suite& suite) {
  ByteWriter out;
  out.u8(key_id).u16_be(static_cast<std::uint16_t>(suite.kem));
  out.u16_be(static_cast<std::uint16_t>(suite.kdf));
  out.u16_be(static_cast<std::uint16_t>(suite.aead));
  return std::move(out).take();
}

// info binds the header and the media type: what was sealed for one opens for no other.
Bytes info_of(ByteView hdr, bool chunked) {
  const std::string_view label = chunked ? kChunkedRequestLabel : kRequestLabel;
  return concat({as_bytes(label), Bytes{0}, hdr});
}

// RFC 9458 section 4.4: of the exported secret and of the response nonce.
std::size_t response_secret_len(const hpke::Suite& suite) {
  return std::max(hpke::kNonceLen, hpke::key_len(suite.aead));
}

// AnswerKey is the key of one answer: both ends derive it from the context of the request, enc and
// the nonce that the gateway drew.
class AnswerKey {
 public:
  AnswerKey(const hpke::Suite& suite, ByteView secret, ByteView enc, ByteView response_nonce)
      : AnswerKey(suite, hpke::hkdf_extract(suite.kdf, concat({enc, response_nonce}), secret)) {}

  void seal(std::uint64_t counter, ByteView aad, ByteView plaintext, Bytes& out) const {
    key_.seal(hpke::nonce_for(base_nonce_, counter), aad, plaintext, out);
  }
  [[nodiscard]] Result<void> open(std::uint64_t counter, ByteView aad, ByteView sealed,
                                  Bytes& out) const {
    return key_.open(hpke::nonce_for(base_nonce_, counter), aad, sealed, out);
  }

 private:
  AnswerKey(const hpke::Suite& suite, const SecretBytes& prk)
      : key_(suite.aead,
             hpke::hkdf_expand(suite.kdf, prk.expose(), as_bytes("key"), hpke::key_len(suite.aead))
                 .expose()) {
    const SecretBytes nonce =
        hpke::hkdf_expand(suite.kdf, prk.expose(), as_bytes("nonce"), hpke::kNonceLen);
    std::copy(nonce.expose().begin(), nonce.expose().end(), base_nonce_.begin());
  }

  hpke::AeadKey key_;
  ByteArray<hpke::kNonceLen> base_nonce_{};
};

// ---- Chunks of either direction
// ------------------------------------------------------------------

class RequestChunkSealer final : public internal::ChunkWriter {
 public:
  RequestChunkSealer(Bytes head, hpke::Sender& sender)
      : ChunkWriter(std::move(head)), sender_(sender) {}

 private:
  void seal_chunk(ByteView aad, ByteView plaintext, Bytes& out) override {
    sender_.seal(aad, plaintext, out);
  }
  hpke::Sender& sender_;
};

class RequestChunkOpener final : public internal::ChunkReader {
 public:
  explicit RequestChunkOpener(hpke::Receiver& receiver)
      : ChunkReader(0, Small::kCounted), receiver_(receiver) {}

 private:
  Result<void> open_chunk(ByteView aad, ByteView sealed, Bytes& plaintext) override {
    return receiver_.open(aad, sealed, plaintext);
  }
  hpke::Receiver& receiver_;
};

class ResponseChunkSealer final : public internal::ChunkWriter {
 public:
  ResponseChunkSealer(Bytes response_nonce, AnswerKey key)
      : ChunkWriter(std::move(response_nonce)), key_(std::move(key)) {}

 private:
  void seal_chunk(ByteView aad, ByteView plaintext, Bytes& out) override {
    key_.seal(counter_++, aad, plaintext, out);
  }
  AnswerKey key_;
  std::uint64_t counter_ = 0;
};

class ResponseChunkOpener final : public internal::ChunkReader {
 public:
  ResponseChunkOpener(const hpke::Suite& suite, SecretBytes secret, Bytes enc)
      : ChunkReader(response_secret_len(suite), Small::kFree),
        suite_(suite),
        secret_(std::move(secret)),
        enc_(std::move(enc)) {}

 private:
  void take_prefix(ByteView response_nonce) override {
    key_.emplace(suite_, secret_.expose(), enc_, response_nonce);
    secret_ = {};
  }
  Result<void> open_chunk(ByteView aad, ByteView sealed, Bytes& plaintext) override {
    return key_->open(counter_++, aad, sealed, plaintext);
  }
  hpke::Suite suite_;
  SecretBytes secret_;
  Bytes enc_;
  std::optional<AnswerKey> key_;
  std::uint64_t counter_ = 0;
};

SecretBytes response_secret(const hpke::Context& context, bool chunked) {
  const std::string_view label = chunked ? kChunkedResponseLabel : kResponseLabel;
  return context.export_secret(as_bytes(label), response_secret_len(context.suite()));
}

}  // namespace

Result<OhttpRequestHead> parse_request_head(ByteView message) {
  ByteReader reader(message);
  const auto truncated = [] { return Error(OhttpError::kForm, "no whole head of a request"); };
  if (message.size() < kHdrLen) {
    return truncated();
  }
  OhttpRequestHead out;
  out.key_id = reader.u8().value();
  const auto kem = hpke::kem_from(reader.u16_be().value());
  const auto kdf = hpke::kdf_from(reader.u16_be().value());
  const auto aead = hpke::aead_from(reader.u16_be().value());
  if (!kem || !kdf || !aead) {
    return Error(OhttpError::kSuite, "algorithms we do not know");
  }
  out.suite = {*kem, *kdf, *aead};
  const auto enc = reader.take(hpke::enc_len(*kem));
  if (!enc) {
    return truncated();
  }
  out.enc = to_bytes(*enc);
  out.len = reader.offset();
  return out;
}

// ---- Client
// --------------------------------------------------------------------------------------

struct OhttpRequestSealer::State {
  hpke::Sender sender;
  Bytes head;  // hdr ‖ enc
  bool chunked;
  bool used = false;
  std::optional<RequestChunkSealer> chunks;
};

OhttpRequestSealer::OhttpRequestSealer(std::unique_ptr<State> state) : state_(std::move(state)) {}
OhttpRequestSealer::~OhttpRequestSealer() = default;
OhttpRequestSealer::OhttpRequestSealer(OhttpRequestSealer&&) noexcept = default;
OhttpRequestSealer& OhttpRequestSealer::operator=(OhttpRequestSealer&&) noexcept = default;

Result<OhttpRequestSealer> OhttpRequestSealer::start(const OhttpKeyConfig& config, bool chunked,
                                                     Random& random,
                                                     std::optional<OhttpAlgorithms> wanted) {
  return start_with(config, chunked, hpke::PrivateKey::generate(config.kem, random), wanted);
}

Result<OhttpRequestSealer> OhttpRequestSealer::start_with(const OhttpKeyConfig& config,
                                                          bool chunked,
                                                          const hpke::PrivateKey& ephemeral,
                                                          std::optional<OhttpAlgorithms> wanted) {
  const auto& offered = config.algorithms;
  const auto chosen = wanted ? std::find(offered.begin(), offered.end(), *wanted) : offered.begin();
  if (chosen == offered.end()) {
    return Error(OhttpError::kSuite, "the key configuration does not offer the algorithms");
  }
  const hpke::Suite suite = {config.kem, chosen->kdf, chosen->aead};
  const Bytes hdr = header_of(config.key_id, suite);
  auto sender =
      hpke::Sender::start_with(suite, config.public_key, info_of(hdr, chunked), ephemeral);
  if (!sender) {
    return Error(OhttpError::kKeyConfig, sender.error().detail());
  }
  Bytes head = concat({hdr, sender->enc()});
  return OhttpRequestSealer(std::make_unique<State>(
      State{*std::move(sender), std::move(head), chunked, false, std::nullopt}));
}

Bytes OhttpRequestSealer::seal(ByteView bhttp) {
  ENSC_CHECK(!state_->chunked && !state_->used);
  state_->used = true;
  Bytes out = state_->head;
  state_->sender.seal({}, bhttp, out);
  return out;
}

ChunkSealer& OhttpRequestSealer::chunks() {
  ENSC_CHECK(state_->chunked);
  if (!state_->chunks) {
    state_->chunks.emplace(state_->head, state_->sender);
  }
  return *state_->chunks;
}

Result<Bytes> OhttpRequestSealer::open_response(ByteView message) const {
  const hpke::Sender& sender = state_->sender;
  const std::size_t nonce_len = response_secret_len(sender.suite());
  if (message.size() < nonce_len + hpke::kTagLen) {
    return Error(OhttpError::kForm, "shorter than a nonce and a tag");
  }
  const AnswerKey key(sender.suite(), response_secret(sender, false).expose(), sender.enc(),
                      message.first(nonce_len));
  Bytes out;
  if (!key.open(0, {}, message.subspan(nonce_len), out)) {
    return Error(OhttpError::kDecrypt, "the answer does not open");
  }
  return out;
}

std::unique_ptr<ChunkOpener> OhttpRequestSealer::response_chunks() const {
  const hpke::Sender& sender = state_->sender;
  return std::make_unique<ResponseChunkOpener>(sender.suite(), response_secret(sender, true),
                                               sender.enc());
}

// ---- Gateway
// -------------------------------------------------------------------------------------

struct OhttpRequestOpener::State {
  hpke::Receiver receiver;
  Bytes enc;
  bool chunked;
  std::optional<RequestChunkOpener> chunks;
};

OhttpRequestOpener::OhttpRequestOpener(std::unique_ptr<State> state) : state_(std::move(state)) {}
OhttpRequestOpener::~OhttpRequestOpener() = default;
OhttpRequestOpener::OhttpRequestOpener(OhttpRequestOpener&&) noexcept = default;
OhttpRequestOpener& OhttpRequestOpener::operator=(OhttpRequestOpener&&) noexcept = default;

Result<OhttpRequestOpener> OhttpRequestOpener::start(const OhttpKey& key,
                                                     const OhttpRequestHead& head, bool chunked) {
  const hpke::Suite& suite = head.suite;
  if (head.key_id != key.config.key_id || suite.kem != key.config.kem) {
    return Error(OhttpError::kKeyId, "for another key");
  }
  const auto& offered = key.config.algorithms;
  if (std::find(offered.begin(), offered.end(), OhttpAlgorithms{suite.kdf, suite.aead}) ==
      offered.end()) {
    return Error(OhttpError::kSuite, "the key configuration does not offer these algorithms");
  }
  if (head.enc.size() != hpke::enc_len(suite.kem)) {
    return Error(OhttpError::kForm, "an encapsulated key of another length");
  }
  const Bytes hdr = header_of(head.key_id, suite);
  auto receiver = hpke::Receiver::start(suite, key.key, head.enc, info_of(hdr, chunked));
  if (!receiver) {
    return Error(OhttpError::kDecrypt, receiver.error().detail());
  }
  return OhttpRequestOpener(
      std::make_unique<State>(State{*std::move(receiver), head.enc, chunked, std::nullopt}));
}

Result<Bytes> OhttpRequestOpener::open(ByteView ciphertext) {
  ENSC_CHECK(!state_->chunked);
  Bytes out;
  if (!state_->receiver.open({}, ciphertext, out)) {
    return Error(OhttpError::kDecrypt, "the request does not open");
  }
  return out;
}

ChunkOpener& OhttpRequestOpener::chunks() {
  ENSC_CHECK(state_->chunked);
  if (!state_->chunks) {
    state_->chunks.emplace(state_->receiver);
  }
  return *state_->chunks;
}

Bytes OhttpRequestOpener::seal_response(ByteView bhttp, Random& random) const {
  const hpke::Receiver& receiver = state_->receiver;
  Bytes out(response_secret_len(receiver.suite()));
  random.fill(out);
  const AnswerKey key(receiver.suite(), response_secret(receiver, false).expose(), state_->enc,
                      out);
  key.seal(0, {}, bhttp, out);
  return out;
}

std::unique_ptr<ChunkSealer> OhttpRequestOpener::response_chunks(Random& random) const {
  const hpke::Receiver& receiver = state_->receiver;
  Bytes nonce(response_secret_len(receiver.suite()));
  random.fill(nonce);
  AnswerKey key(receiver.suite(), response_secret(receiver, true).expose(), state_->enc, nonce);
  return std::make_unique<ResponseChunkSealer>(std::move(nonce), std::move(key));
}

}  // namespace ensconce
