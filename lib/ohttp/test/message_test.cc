#include "ensconce/ohttp/message.h"

#include "ohttp_vectors.h"
#include "varint.h"

namespace ensconce {
namespace {

using testing::committed;
using testing::hex;
using testing::list;
using testing::number;
using testing::text;

constexpr std::array kKems = {hpke::Kem::kP256, hpke::Kem::kX25519};
constexpr std::array kAeads = {hpke::Aead::kAes128Gcm, hpke::Aead::kAes256Gcm,
                               hpke::Aead::kChaCha20Poly1305};

// FixedRandom gives the nonce of a vector.
class FixedRandom final : public Random {
 public:
  explicit FixedRandom(Bytes bytes) : bytes_(std::move(bytes)) {}
  void fill(MutableByteView out) override {
    ENSC_CHECK(out.size() == bytes_.size());
    std::copy(bytes_.begin(), bytes_.end(), out.begin());
  }

 private:
  Bytes bytes_;
};

OhttpKey make_key(hpke::Kem kem, std::uint8_t key_id, std::vector<OhttpAlgorithms> algorithms,
                  std::uint8_t seed = 1) {
  hpke::PrivateKey key = hpke::PrivateKey::derive(kem, Bytes(32, seed)).value();
  OhttpKeyConfig config = make_key_config(key_id, key, std::move(algorithms));
  return {std::move(config), std::move(key)};
}
OhttpKey key_of(const json::Value& vector) {
  // A published file has a zero behind the configuration that the draft does not have.
  Bytes config = hex(vector, "key_config");
  config.resize(std::min<std::size_t>(config.size(), 1 + 2 + 32 + 2 + 8));
  return {parse_key_config(config).value(),
          hpke::PrivateKey::from_bytes(hpke::Kem::kX25519, hex(vector, "skR")).value()};
}
hpke::PrivateKey ephemeral_of(const json::Value& vector) {
  return hpke::PrivateKey::from_bytes(hpke::Kem::kX25519, hex(vector, "skE")).value();
}

// feed_in_pieces gives the plaintext, or the first error, of a message fed in pieces of `step`.
Result<Bytes> feed_in_pieces(ChunkOpener& opener, ByteView message, std::size_t step) {
  Bytes out;
  while (!message.empty()) {
    const std::size_t len = std::min(step, message.size());
    ENSC_TRY(opener.feed(message.first(len), out));
    message = message.subspan(len);
  }
  ENSC_TRY(opener.finish(out));
  return out;
}
Result<Bytes> feed_whole(ChunkOpener& opener, ByteView message) {
  return feed_in_pieces(opener, message, message.size() + 1);
}

// ---- The standards' examples
// ---------------------------------------------------------------------

void agree_on_whole_messages(const json::Value& v) {
  const OhttpKey key = key_of(v);
  EXPECT_EQ(key.key.public_key(), key.config.public_key);
  EXPECT_EQ(make_key_config(key.config.key_id, key.key, key.config.algorithms).encoded,
            key.config.encoded);
  auto client = OhttpRequestSealer::start_with(key.config, false, ephemeral_of(v)).value();
  const Bytes message = client.seal(hex(v, "request"));
  EXPECT_EQ(message, hex(v, "encapsulated_request"));

  const auto head = parse_request_head(message).value();
  EXPECT_EQ(head.key_id, number(v, "key_id"));
  EXPECT_EQ(head.enc, hex(v, "enc"));
  auto gateway = OhttpRequestOpener::start(key, head, false).value();
  EXPECT_EQ(gateway.open(ByteView(message).subspan(head.len)).value(), hex(v, "request"));

  FixedRandom nonce(hex(v, "response_nonce"));
  const Bytes answer = gateway.seal_response(hex(v, "response"), nonce);
  EXPECT_EQ(answer, hex(v, "encapsulated_response"));
  EXPECT_EQ(client.open_response(answer).value(), hex(v, "response"));
}

Bytes seal_chunks(const json::Value& chunks, ChunkSealer& sealer) {
  Bytes out = sealer.prefix();
  for (const json::Value& chunk : *chunks.as_array("chunks").value()) {
    sealer.seal(hex(chunk, "plaintext"), chunk.find("final")->as_bool("final").value(), out);
  }
  return out;
}

void agree_on_chunks(const json::Value& v) {
  const OhttpKey key = key_of(v);
  auto client = OhttpRequestSealer::start_with(key.config, true, ephemeral_of(v)).value();
  const Bytes message = seal_chunks(*v.find("request_chunks"), client.chunks());
  EXPECT_EQ(message, hex(v, "encapsulated_request"));
  const auto head = parse_request_head(message).value();
  auto gateway = OhttpRequestOpener::start(key, head, true).value();
  EXPECT_EQ(feed_whole(gateway.chunks(), ByteView(message).subspan(head.len)).value(),
            hex(v, "request"));

  FixedRandom nonce(hex(v, "response_nonce"));
  const Bytes answer = seal_chunks(*v.find("response_chunks"), *gateway.response_chunks(nonce));
  EXPECT_EQ(answer, hex(v, "encapsulated_response"));
  EXPECT_EQ(feed_whole(*client.response_chunks(), answer).value(), hex(v, "response"));
}

TEST(OhttpMessage, AgreesWithTheExampleOfRfc9458) {
  agree_on_whole_messages(committed("ohttp.json"));
}
TEST(OhttpMessage, AgreesWithTheExampleOfTheDraftOfChunks) {
  agree_on_chunks(committed("chunked_ohttp.json"));
}

class RealOhttp : public testing::RealVectors {};

TEST_F(RealOhttp, AgreesWithPublishedMessages) {
  agree_on_whole_messages(real("ohttp/rfc9458.json"));
  agree_on_chunks(real("ohttp/chunked-ohttp-08.json"));
}

// ---- Whole messages
// ------------------------------------------------------------------------------

// Exchange is a client and a gateway of one suite.
struct Exchange {
  explicit Exchange(bool chunked, hpke::Kem kem = hpke::Kem::kX25519, OhttpAlgorithms chosen = {},
                    std::uint64_t seed = 1)
      : random(seed),
        key(make_key(kem, 7, {chosen})),
        client(OhttpRequestSealer::start(key.config, chunked, random).value()) {}

  // open gives what a gateway of this key makes of a whole message.
  [[nodiscard]] Result<Bytes> open(ByteView message, bool chunked = false) const {
    ENSC_TRY_ASSIGN(const OhttpRequestHead head, parse_request_head(message));
    ENSC_TRY_ASSIGN(OhttpRequestOpener gateway, OhttpRequestOpener::start(key, head, chunked));
    const ByteView rest = message.subspan(head.len);
    return chunked ? feed_whole(gateway.chunks(), rest) : gateway.open(rest);
  }
  [[nodiscard]] OhttpRequestOpener gateway_for(ByteView message, bool chunked) const {
    return OhttpRequestOpener::start(key, parse_request_head(message).value(), chunked).value();
  }

  SeededRandom random;
  OhttpKey key;
  OhttpRequestSealer client;
};

TEST(OhttpMessage, GoesThereAndBackInEverySuite) {
  const Bytes request = to_bytes("request");
  const Bytes response = to_bytes("response");
  for (const hpke::Kem kem : kKems) {
    for (const hpke::Aead aead : kAeads) {
      Exchange x(false, kem, {hpke::Kdf::kHkdfSha256, aead});
      const Bytes message = x.client.seal(request);
      EXPECT_EQ(message.size(), 7 + hpke::enc_len(kem) + request.size() + hpke::kTagLen);
      const auto head = parse_request_head(message).value();
      EXPECT_EQ(head.suite, (hpke::Suite{kem, hpke::Kdf::kHkdfSha256, aead}));
      EXPECT_EQ(head.len, 7 + hpke::enc_len(kem));
      OhttpRequestOpener gateway = x.gateway_for(message, false);
      EXPECT_EQ(gateway.open(ByteView(message).subspan(head.len)).value(), request);
      const Bytes answer = gateway.seal_response(response, x.random);
      EXPECT_EQ(answer.size(),
                std::max<std::size_t>(12, hpke::key_len(aead)) + response.size() + hpke::kTagLen);
      EXPECT_EQ(x.client.open_response(answer).value(), response);
      // Each answer has its own nonce.
      EXPECT_NE(gateway.seal_response(response, x.random), answer);
    }
  }
}

TEST(OhttpMessage, RejectsEveryFlippedBitAndTruncation) {
  for (const hpke::Kem kem : kKems) {
    Exchange x(false, kem);
    const Bytes message = x.client.seal(as_bytes("request"));
    ASSERT_TRUE(x.open(message).has_value());
    for (std::size_t bit = 0; bit < 8 * message.size(); ++bit) {
      Bytes bad = message;
      bad[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
      EXPECT_FALSE(x.open(bad).has_value()) << bit;
    }
    for (std::size_t len = 0; len < message.size(); ++len) {
      const auto opened = x.open(ByteView(message).first(len));
      const bool head = len < 7 + hpke::enc_len(kem);
      EXPECT_TRUE(opened.error().is(head ? OhttpError::kForm : OhttpError::kDecrypt)) << len;
    }
    EXPECT_TRUE(x.open(concat({message, Bytes{0}})).error().is(OhttpError::kDecrypt));
  }
}

TEST(OhttpMessage, SaysWhatOfTheHeadItDoesNotTake) {
  Exchange x(false);
  const Bytes message = x.client.seal(as_bytes("request"));
  const auto with = [&](std::size_t at, std::uint8_t byte) {
    Bytes out = message;
    out[at] = byte;
    return x.open(out);
  };
  EXPECT_TRUE(with(0, 8).error().is(OhttpError::kKeyId));
  EXPECT_TRUE(with(2, 0x99).error().is(OhttpError::kSuite));  // no KEM
  EXPECT_TRUE(with(4, 4).error().is(OhttpError::kSuite));     // no KDF
  EXPECT_TRUE(with(6, 4).error().is(OhttpError::kSuite));     // no AEAD
  EXPECT_TRUE(with(4, 2).error().is(OhttpError::kSuite));     // a KDF not offered
  EXPECT_TRUE(with(6, 3).error().is(OhttpError::kSuite));     // an AEAD not offered
  // The right number with a key of another KEM.
  const OhttpKey p256 = make_key(hpke::Kem::kP256, 7, {{}});
  EXPECT_TRUE(OhttpRequestOpener::start(p256, parse_request_head(message).value(), false)
                  .error()
                  .is(OhttpError::kKeyId));
  // The right number with another key.
  Exchange other(false);
  other.key = make_key(hpke::Kem::kX25519, 7, {{}}, 2);
  EXPECT_TRUE(other.open(message).error().is(OhttpError::kDecrypt));
  // enc that is no key, or not of its length.
  OhttpRequestHead head = parse_request_head(message).value();
  head.enc.assign(32, 0);
  EXPECT_TRUE(OhttpRequestOpener::start(x.key, head, false).error().is(OhttpError::kDecrypt));
  head.enc.pop_back();
  EXPECT_TRUE(OhttpRequestOpener::start(x.key, head, false).error().is(OhttpError::kForm));
}

TEST(OhttpMessage, TakesTheFirstAlgorithmsOrThoseWanted) {
  SeededRandom random(1);
  const OhttpAlgorithms first = {hpke::Kdf::kHkdfSha256, hpke::Aead::kChaCha20Poly1305};
  const OhttpAlgorithms second = {hpke::Kdf::kHkdfSha512, hpke::Aead::kAes256Gcm};
  const OhttpKey key = make_key(hpke::Kem::kX25519, 1, {first, second});
  const auto suite = [&](std::optional<OhttpAlgorithms> wanted) {
    auto client = OhttpRequestSealer::start(key.config, false, random, wanted).value();
    return parse_request_head(client.seal({})).value().suite;
  };
  EXPECT_EQ(suite(std::nullopt), (hpke::Suite{hpke::Kem::kX25519, first.kdf, first.aead}));
  EXPECT_EQ(suite(second), (hpke::Suite{hpke::Kem::kX25519, second.kdf, second.aead}));
  EXPECT_TRUE(OhttpRequestSealer::start(key.config, false, random, OhttpAlgorithms())
                  .error()
                  .is(OhttpError::kSuite));
  OhttpKeyConfig config = key.config;
  config.algorithms.clear();
  EXPECT_TRUE(OhttpRequestSealer::start(config, false, random).error().is(OhttpError::kSuite));
  config = key.config;
  config.public_key.assign(32, 0);
  EXPECT_TRUE(OhttpRequestSealer::start(config, false, random).error().is(OhttpError::kKeyConfig));
}

TEST(OhttpMessage, SealsOnce) {
  Exchange x(false);
  (void)x.client.seal({});
  EXPECT_DEATH((void)x.client.seal({}), "used");
  EXPECT_DEATH((void)x.client.chunks(), "chunked");
  Exchange y(true);
  EXPECT_DEATH((void)y.client.seal({}), "chunked");
}

TEST(OhttpMessage, OpensAnAnswerForItsRequestAlone) {
  Exchange x(false);
  Exchange y(false, hpke::Kem::kX25519, {}, 2);
  const Bytes first = x.client.seal(as_bytes("request"));
  const Bytes second = y.client.seal(as_bytes("request"));
  OhttpRequestOpener gateway = x.gateway_for(first, false);
  const Bytes answer = gateway.seal_response(as_bytes("response"), x.random);
  EXPECT_EQ(x.client.open_response(answer).value(), to_bytes("response"));
  EXPECT_TRUE(y.client.open_response(answer).error().is(OhttpError::kDecrypt));
  for (std::size_t bit = 0; bit < 8 * answer.size(); ++bit) {
    Bytes bad = answer;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    EXPECT_TRUE(x.client.open_response(bad).error().is(OhttpError::kDecrypt)) << bit;
  }
  for (std::size_t len = 0; len < answer.size(); ++len) {
    const bool form = len < 16 + hpke::kTagLen;
    EXPECT_TRUE(x.client.open_response(ByteView(answer).first(len))
                    .error()
                    .is(form ? OhttpError::kForm : OhttpError::kDecrypt))
        << len;
  }
}

// ---- Chunks
// --------------------------------------------------------------------------------------

constexpr std::array<std::string_view, 4> kTexts = {"first", "second one", "third", "last"};

// Sealed is a chunked message: its prefix, and each chunk with its length.
struct Sealed {
  Bytes prefix;
  std::vector<Bytes> chunks;
  Bytes bytes() const {
    Bytes out = prefix;
    for (const Bytes& chunk : chunks) {
      out = concat({out, chunk});
    }
    return out;
  }
};
Sealed seal_texts(ChunkSealer& sealer) {
  Sealed out{sealer.prefix(), {}};
  for (const std::string_view text : kTexts) {
    Bytes chunk;
    sealer.seal(as_bytes(text), text == kTexts.back(), chunk);
    out.chunks.push_back(std::move(chunk));
  }
  return out;
}
std::string joined() {
  std::string out;
  for (const std::string_view text : kTexts) {
    out += text;
  }
  return out;
}

// Direction is one of a chunked exchange: what was sealed, and openers for it.
class OhttpChunks : public ::testing::TestWithParam<bool> {
 protected:
  OhttpChunks() {
    const Sealed request = seal_texts(x_.client.chunks());
    request_ = request.bytes();
    gateway_.emplace(x_.gateway_for(request_, true));
    sealed_ = is_request() ? request : seal_texts(*gateway_->response_chunks(x_.random));
  }
  [[nodiscard]] static bool is_request() { return GetParam(); }

  // open gives what the receiver makes of a message without the request's head.
  [[nodiscard]] Result<Bytes> open(ByteView message, std::size_t step = 1'000'000) const {
    if (!is_request()) {
      return feed_in_pieces(*x_.client.response_chunks(), message, step);
    }
    OhttpRequestOpener gateway = x_.gateway_for(request_, true);
    return feed_in_pieces(gateway.chunks(), message, step);
  }
  // body is what an opener is fed: a response with its nonce, a request without its head.
  [[nodiscard]] Bytes body(const std::vector<Bytes>& chunks) const {
    return Sealed{is_request() ? Bytes() : sealed_.prefix, chunks}.bytes();
  }
  [[nodiscard]] Bytes body() const { return body(sealed_.chunks); }
  [[nodiscard]] std::size_t prefix_len() const { return is_request() ? 0 : sealed_.prefix.size(); }

  Exchange x_{true};
  Bytes request_;
  std::optional<OhttpRequestOpener> gateway_;
  Sealed sealed_;
};

TEST_P(OhttpChunks, GiveTheSameInPiecesOfEverySize) {
  const Bytes message = body();
  for (std::size_t step = 1; step <= message.size(); ++step) {
    EXPECT_EQ(as_text(open(message, step).value()), joined()) << step;
  }
}

TEST_P(OhttpChunks, RejectsEveryTruncation) {
  const Bytes message = body();
  std::vector<std::size_t> ends = {prefix_len()};
  for (const Bytes& chunk : sealed_.chunks) {
    ends.push_back(ends.back() + chunk.size());
  }
  ASSERT_EQ(ends.back(), message.size());
  for (std::size_t len = 0; len < message.size(); ++len) {
    const auto opened = open(ByteView(message).first(len));
    ASSERT_FALSE(opened.has_value()) << len;
    // Enough of the final chunk to have a tag, and it is not the tag.
    const bool with_tag = len >= ends[ends.size() - 2] + 1 + hpke::kTagLen;
    EXPECT_TRUE(opened.error().is(with_tag ? OhttpError::kDecrypt : OhttpError::kTruncated)) << len;
  }
}

TEST_P(OhttpChunks, RejectsEveryFlippedBit) {
  const Bytes message = body();
  for (std::size_t bit = 0; bit < 8 * message.size(); ++bit) {
    Bytes bad = message;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    EXPECT_FALSE(open(bad).has_value()) << bit;
  }
}

TEST_P(OhttpChunks, RejectsChunksMovedDoubledOrLeftOut) {
  const auto refused = [&](std::vector<std::size_t> order) {
    std::vector<Bytes> chunks;
    for (const std::size_t i : order) {
      chunks.push_back(sealed_.chunks[i]);
    }
    const auto opened = open(body(chunks));
    return !opened && opened.error().is(OhttpError::kDecrypt);
  };
  EXPECT_FALSE(refused({0, 1, 2, 3}));
  for (const std::vector<std::size_t>& order :
       std::vector<std::vector<std::size_t>>{{1, 0, 2, 3},
                                             {0, 2, 1, 3},
                                             {0, 0, 1, 2, 3},
                                             {0, 1, 2, 2, 3},
                                             {1, 2, 3},
                                             {0, 1, 3},
                                             {0, 2, 3},
                                             {3},
                                             {0, 1, 2, 3, 3},
                                             {0, 1, 2, 3, 0},
                                             {3, 0, 1, 2}}) {
    EXPECT_TRUE(refused(order));
  }
}

// with_length replaces the length before a ciphertext; both of these are one byte.
Bytes with_length(const Bytes& chunk, std::uint8_t length) {
  Bytes out = chunk;
  out[0] = length;
  return out;
}

TEST_P(OhttpChunks, KnowsAFinalChunkFromAnother) {
  std::vector<Bytes> chunks = {sealed_.chunks[0], with_length(sealed_.chunks[1], 0)};
  EXPECT_TRUE(open(body(chunks)).error().is(OhttpError::kDecrypt));
  const auto len = static_cast<std::uint8_t>(sealed_.chunks[3].size() - 1);
  chunks = sealed_.chunks;
  chunks[3] = with_length(chunks[3], len);
  EXPECT_TRUE(open(body(chunks)).error().is(OhttpError::kDecrypt));
}

TEST_P(OhttpChunks, GivesTheSameErrorAgain) {
  const auto opener = is_request() ? nullptr : x_.client.response_chunks();
  ChunkOpener& chunks = is_request() ? gateway_->chunks() : *opener;
  Bytes message = body();
  message[prefix_len() + 1] ^= 1;
  Bytes out;
  EXPECT_TRUE(chunks.feed(message, out).error().is(OhttpError::kDecrypt));
  EXPECT_TRUE(chunks.feed({}, out).error().is(OhttpError::kDecrypt));
  EXPECT_TRUE(chunks.feed(body(), out).error().is(OhttpError::kDecrypt));
  EXPECT_TRUE(chunks.finish(out).error().is(OhttpError::kDecrypt));
  EXPECT_TRUE(out.empty());
}

TEST_P(OhttpChunks, TakesNothingBehindTheEnd) {
  const auto opener = is_request() ? nullptr : x_.client.response_chunks();
  ChunkOpener& chunks = is_request() ? gateway_->chunks() : *opener;
  Bytes out;
  ASSERT_TRUE(chunks.feed(body(), out).has_value());
  EXPECT_EQ(as_text(out), "firstsecond onethird");
  ASSERT_TRUE(chunks.finish(out).has_value());
  EXPECT_EQ(as_text(out), joined());
  EXPECT_TRUE(chunks.feed({}, out).has_value());
  EXPECT_TRUE(chunks.feed(Bytes{0}, out).error().is(OhttpError::kForm));
}

TEST_P(OhttpChunks, BoundsAChunkBeforeItIsThere) {
  const auto announced = [&](std::uint64_t len) {
    Bytes length;
    internal::write_varint(len, length);
    const Bytes front = is_request() ? Bytes() : sealed_.prefix;
    return open(concat({front, length, Bytes(10, 0)}));
  };
  const std::uint64_t most = kMaxOhttpChunk + hpke::kTagLen;
  EXPECT_TRUE(announced(most).error().is(OhttpError::kTruncated));
  EXPECT_TRUE(announced(most + 1).error().is(OhttpError::kTooLarge));
  EXPECT_TRUE(announced(internal::kMaxVarint).error().is(OhttpError::kTooLarge));
  EXPECT_TRUE(announced(hpke::kTagLen + 1).error().is(OhttpError::kTruncated));
  EXPECT_TRUE(announced(hpke::kTagLen).error().is(OhttpError::kSmallChunks));  // empty
  EXPECT_TRUE(announced(hpke::kTagLen - 1).error().is(OhttpError::kForm));
  const Bytes front = is_request() ? Bytes() : sealed_.prefix;
  const auto final_of = [&](std::size_t len, std::size_t step) {
    return open(concat({front, Bytes{0}, Bytes(len, 1)}), step);
  };
  for (const std::size_t step : {1U, 1000U, 1'000'000U}) {
    EXPECT_TRUE(final_of(most, step).error().is(OhttpError::kDecrypt));
    EXPECT_TRUE(final_of(most + 1, step).error().is(OhttpError::kTooLarge));
  }
}

// Each chunk costs an opening, and a stranger can seal requests. What an affirmed worker answers
// may come as it pleases.
TEST_P(OhttpChunks, BoundsSmallChunksOfRequestsByTheirBytes) {
  const auto of = [&](std::size_t count, std::size_t len, std::size_t step) -> Result<Bytes> {
    Exchange x(true);
    const Bytes head = x.client.chunks().prefix();
    OhttpRequestOpener gateway = x.gateway_for(head, true);
    const auto answer = gateway.response_chunks(x.random);
    ChunkSealer& sealer = is_request() ? x.client.chunks() : *answer;
    Bytes message = is_request() ? Bytes() : sealer.prefix();
    for (std::size_t i = 0; i < count; ++i) {
      sealer.seal(Bytes(len, 1), false, message);
    }
    sealer.seal({}, true, message);
    const auto opener = x.client.response_chunks();
    return feed_in_pieces(is_request() ? gateway.chunks() : *opener, message, step);
  };
  for (const std::size_t step : {1U, 100U, 1'000'000U}) {
    EXPECT_TRUE(of(1096, 1, step)) << step;  // 1096 · 17 bytes are 72 more
    const auto many = of(1097, 1, step);
    EXPECT_EQ(many.has_value(), !is_request()) << step;
    EXPECT_TRUE(many || many.error().is(OhttpError::kSmallChunks));
    EXPECT_TRUE(of(3000, 256 - hpke::kTagLen, step)) << step;
  }
}

TEST_P(OhttpChunks, TakesALengthThatIsNotTheShortest) {
  std::vector<Bytes> chunks = sealed_.chunks;
  const std::uint8_t len = chunks[0][0];
  chunks[0] = concat({Bytes{0x40, len}, ByteView(chunks[0]).subspan(1)});
  chunks[3] = concat({Bytes{0x80, 0, 0, 0}, ByteView(chunks[3]).subspan(1)});
  for (const std::size_t step : {1U, 2U, 3U, 1000U}) {  // a length in pieces, too
    EXPECT_EQ(as_text(open(body(chunks), step).value()), joined());
  }
}

INSTANTIATE_TEST_SUITE_P(Both, OhttpChunks, ::testing::Bool(),
                         [](const auto& which) { return which.param ? "Request" : "Response"; });

TEST(OhttpChunk, GoesThereAndBackInEverySuiteAndSize) {
  for (const hpke::Kem kem : kKems) {
    for (const hpke::Aead aead : kAeads) {
      Exchange x(true, kem, {hpke::Kdf::kHkdfSha384, aead});
      const Bytes largest(kMaxOhttpChunk, 5);
      const auto seal = [&](ChunkSealer& sealer) {
        Bytes out = sealer.prefix();
        sealer.seal(largest, false, out);
        sealer.seal(Bytes{1}, false, out);
        sealer.seal(largest, true, out);
        return out;
      };
      const Bytes expected = concat({largest, Bytes{1}, largest});
      const Bytes message = seal(x.client.chunks());
      OhttpRequestOpener gateway = x.gateway_for(message, true);
      const ByteView body = ByteView(message).subspan(7 + hpke::enc_len(kem));
      EXPECT_EQ(feed_in_pieces(gateway.chunks(), body, 10'000).value(), expected);
      const Bytes answer = seal(*gateway.response_chunks(x.random));
      EXPECT_EQ(feed_in_pieces(*x.client.response_chunks(), answer, 10'000).value(), expected);
    }
  }
}

TEST(OhttpChunk, SealsOnlyWhatMayBeSealed) {
  Exchange x(true);
  Bytes out;
  ChunkSealer& sealer = x.client.chunks();
  EXPECT_DEATH(sealer.seal({}, false, out), "empty");
  EXPECT_DEATH(sealer.seal(Bytes(kMaxOhttpChunk + 1), true, out), "kMaxOhttpChunk");
  sealer.seal({}, true, out);
  EXPECT_EQ(out.size(), 1 + hpke::kTagLen);
  EXPECT_DEATH(sealer.seal({}, true, out), "ended");
}

TEST(OhttpChunk, OpensForItsRequestAndItsFormAlone) {
  Exchange x(true);
  Exchange y(true, hpke::Kem::kX25519, {}, 2);
  Exchange whole(false);
  const Bytes first = seal_texts(x.client.chunks()).bytes();
  const Bytes second = seal_texts(y.client.chunks()).bytes();
  const std::size_t head = 7 + 32;
  // Chunks of one request behind the head of another.
  OhttpRequestOpener mixed = x.gateway_for(first, true);
  EXPECT_TRUE(
      feed_whole(mixed.chunks(), ByteView(second).subspan(head)).error().is(OhttpError::kDecrypt));
  // A chunked request taken for a whole one, and the other way round: the labels differ.
  OhttpRequestOpener as_whole = x.gateway_for(first, false);
  const ByteView first_sealed = ByteView(first).subspan(head + 1, kTexts[0].size() + 16);
  EXPECT_TRUE(as_whole.open(first_sealed).error().is(OhttpError::kDecrypt));
  const Bytes message = whole.client.seal(as_bytes("request"));
  EXPECT_TRUE(
      whole
          .open(concat({ByteView(message).first(head), Bytes{23}, ByteView(message).subspan(head)}),
                true)
          .error()
          .is(OhttpError::kDecrypt));
  OhttpRequestOpener gateway = x.gateway_for(first, true);
  EXPECT_DEATH((void)gateway.open({}), "chunked");
  EXPECT_DEATH((void)as_whole.chunks(), "chunked");
  const Bytes answer = seal_texts(*gateway.response_chunks(x.random)).bytes();
  EXPECT_EQ(as_text(feed_whole(*x.client.response_chunks(), answer).value()), joined());
  EXPECT_TRUE(feed_whole(*y.client.response_chunks(), answer).error().is(OhttpError::kDecrypt));
}

// The openers and sealers of answers outlive what made them.
TEST(OhttpChunk, AnswersBorrowNothing) {
  std::unique_ptr<ChunkOpener> opener;
  std::unique_ptr<ChunkSealer> sealer;
  {
    Exchange x(true);
    const Bytes message = seal_texts(x.client.chunks()).bytes();
    OhttpRequestOpener gateway = x.gateway_for(message, true);
    sealer = gateway.response_chunks(x.random);
    OhttpRequestSealer moved = std::move(x.client);
    opener = moved.response_chunks();
  }
  const Bytes answer = seal_texts(*sealer).bytes();
  EXPECT_EQ(as_text(feed_whole(*opener, answer).value()), joined());
}

TEST(OhttpChunk, ARequestGoesOnAfterItsSealerMoved) {
  Exchange x(true);
  ChunkSealer& sealer = x.client.chunks();
  OhttpRequestSealer moved = std::move(x.client);
  const Bytes message = seal_texts(sealer).bytes();
  EXPECT_EQ(as_text(x.open(message, true).value()), joined());
}

}  // namespace
}  // namespace ensconce
