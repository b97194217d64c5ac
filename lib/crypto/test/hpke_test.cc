#include "ensconce/crypto/hpke.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "ensconce/base/file.h"
#include "ensconce/codec/json.h"
#include "hpke_kem.h"

namespace ensconce::hpke {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxVectorFile = std::size_t{4} * 1024 * 1024;
constexpr std::array kKems = {Kem::kP256, Kem::kX25519};
constexpr std::array kKdfs = {Kdf::kHkdfSha256, Kdf::kHkdfSha384, Kdf::kHkdfSha512};
constexpr std::array kAeads = {Aead::kAes128Gcm, Aead::kAes256Gcm, Aead::kChaCha20Poly1305};

Bytes hex(std::string_view text) { return from_hex(text).value(); }
Bytes hex(const json::Value& object, std::string_view name) {
  return hex(object.find(name)->as_text(name).value());
}
std::uint64_t number(const json::Value& object, std::string_view name) {
  return object.find(name)->as_uint(name).value();
}
std::uint16_t id(const json::Value& object, std::string_view name) {
  return static_cast<std::uint16_t>(number(object, name));
}
const json::Array& list(const json::Value& object, std::string_view name) {
  return *object.find(name)->as_array(name).value();
}
json::Value document(const fs::path& path) {
  return json::parse(as_text(read_file(path, kMaxVectorFile).value())).value();
}
fs::path source_dir() {
  const char* source = std::getenv("ENSCONCE_SOURCE_DIR");  // NOLINT(concurrency-mt-unsafe)
  return source == nullptr ? "." : source;
}

std::optional<Suite> suite_of(const json::Value& vector) {
  const auto kem = kem_from(id(vector, "kem_id"));
  const auto kdf = kdf_from(id(vector, "kdf_id"));
  const auto aead = aead_from(id(vector, "aead_id"));
  return kem && kdf && aead ? std::optional(Suite{*kem, *kdf, *aead}) : std::nullopt;
}

// agree_on_messages runs both ends side by side, through the sequence numbers the vector leaves
// out.
void agree_on_messages(const json::Value& vector, Sender& sender, Receiver& receiver) {
  std::uint64_t next = 0;
  for (const json::Value& message : list(vector, "encryptions")) {
    for (; next < number(message, "seq"); ++next) {
      Bytes sealed;
      Bytes opened;
      sender.seal({}, {}, sealed);
      ASSERT_TRUE(receiver.open({}, sealed, opened).has_value()) << next;
    }
    Bytes sealed;
    Bytes opened;
    sender.seal(hex(message, "aad"), hex(message, "pt"), sealed);
    EXPECT_EQ(sealed, hex(message, "ct")) << next;
    ASSERT_TRUE(receiver.open(hex(message, "aad"), hex(message, "ct"), opened).has_value()) << next;
    EXPECT_EQ(opened, hex(message, "pt")) << next;
    const auto base = to_array<kNonceLen>(hex(vector, "base_nonce")).value();
    EXPECT_EQ(to_bytes(nonce_for(base, next)), hex(message, "nonce"));
    ++next;
  }
}

void agree(const json::Value& vector) {
  const Suite suite = suite_of(vector).value();
  const auto recipient = PrivateKey::derive(suite.kem, hex(vector, "ikmR")).value();
  EXPECT_EQ(recipient.public_key(), hex(vector, "pkRm"));
  EXPECT_EQ(PrivateKey::from_bytes(suite.kem, hex(vector, "skRm")).value().public_key(),
            hex(vector, "pkRm"));
  const auto ephemeral = PrivateKey::derive(suite.kem, hex(vector, "ikmE")).value();
  EXPECT_EQ(ephemeral.public_key(), hex(vector, "enc"));
  EXPECT_EQ(PrivateKey::from_bytes(suite.kem, hex(vector, "skEm")).value().public_key(),
            hex(vector, "enc"));

  auto sender =
      Sender::start_with(suite, hex(vector, "pkRm"), hex(vector, "info"), ephemeral).value();
  EXPECT_EQ(sender.enc(), hex(vector, "enc"));
  auto receiver =
      Receiver::start(suite, recipient, hex(vector, "enc"), hex(vector, "info")).value();
  agree_on_messages(vector, sender, receiver);
  for (const json::Value& exported : list(vector, "exports")) {
    const std::size_t len = number(exported, "L");
    const Bytes context = hex(exported, "exporter_context");
    const Bytes expected = hex(exported, "exported_value");
    EXPECT_EQ(to_bytes(sender.export_secret(context, len).expose()), expected);
    EXPECT_EQ(to_bytes(receiver.export_secret(context, len).expose()), expected);
  }
}

TEST(Hpke, AgreesWithTheExamplesOfRfc9180) {
  const json::Value vectors = document(source_dir() / "tests/vectors/hpke.json");
  EXPECT_EQ(list(vectors, "vectors").size(), 7U);
  for (const json::Value& vector : list(vectors, "vectors")) {
    SCOPED_TRACE(vector.find("section")->as_text("section").value());
    agree(vector);
  }
}

class HpkeVectors : public testing::Test {
 protected:
  void SetUp() override {
    const char* given = std::getenv("ENSCONCE_VECTORS");  // NOLINT(concurrency-mt-unsafe)
    root_ = given != nullptr ? fs::path(given) : source_dir() / ".." / "shared" / "vectors";
    if (!fs::is_directory(root_)) {
      GTEST_SKIP() << "no vectors: set ENSCONCE_VECTORS to their folder";
    }
  }
  fs::path root_;
};

// Of the whole file: mode Base with two KEMs, two KDFs and three AEADs is twelve. What else it has
// are modes and algorithms nobody here speaks.
TEST_F(HpkeVectors, AgreeInEverySuiteOfOurs) {
  int ours = 0;
  int others = 0;
  const json::Value vectors = document(root_ / "hpke/rfc9180.json");
  for (const json::Value& vector : list(vectors, "vectors")) {
    if (number(vector, "mode") != 0 || !suite_of(vector)) {
      ++others;
      continue;
    }
    SCOPED_TRACE(ours);
    agree(vector);
    ++ours;
  }
  EXPECT_EQ(ours, 12);
  EXPECT_EQ(others, 36);
}

// ---- Names and lengths
// ---------------------------------------------------------------------------

TEST(Hpke, KnowsTheNumbersOfItsRegistryAndNoOthers) {
  EXPECT_EQ(kem_from(0x0010), Kem::kP256);
  EXPECT_EQ(kem_from(0x0020), Kem::kX25519);
  for (const std::uint16_t unknown : {0x0000, 0x0011, 0x0012, 0x0021, 0x647a, 0xffff}) {
    EXPECT_EQ(kem_from(unknown), std::nullopt) << unknown;
  }
  EXPECT_EQ(kdf_from(1), Kdf::kHkdfSha256);
  EXPECT_EQ(kdf_from(3), Kdf::kHkdfSha512);
  EXPECT_EQ(aead_from(1), Aead::kAes128Gcm);
  EXPECT_EQ(aead_from(3), Aead::kChaCha20Poly1305);
  for (const std::uint16_t unknown : {0, 4, 0xffff}) {
    EXPECT_EQ(kdf_from(unknown), std::nullopt) << unknown;
    EXPECT_EQ(aead_from(unknown), std::nullopt) << unknown;
  }
  EXPECT_EQ(public_key_len(Kem::kP256), 65U);
  EXPECT_EQ(enc_len(Kem::kP256), 65U);
  EXPECT_EQ(public_key_len(Kem::kX25519), 32U);
  EXPECT_EQ(enc_len(Kem::kX25519), 32U);
  EXPECT_EQ(key_len(Aead::kAes128Gcm), 16U);
  EXPECT_EQ(key_len(Aead::kAes256Gcm), 32U);
  EXPECT_EQ(key_len(Aead::kChaCha20Poly1305), 32U);
}

TEST(Hpke, CountsIntoTheEndOfTheNonce) {
  const ByteArray<kNonceLen> base = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0xff};
  EXPECT_EQ(nonce_for(base, 0), base);
  EXPECT_EQ(to_hex(nonce_for(base, 1)), "000102030405060708090afe");
  EXPECT_EQ(to_hex(nonce_for(base, 0x0123456789abcdef)), "000102030526436081a2c710");
}

TEST(Hpke, EndsAContextBeforeANonceRepeats) {
  internal::Sequence sequence(~std::uint64_t{0} - 1);
  EXPECT_FALSE(sequence.at_end());
  sequence.advance();
  EXPECT_TRUE(sequence.at_end());
  EXPECT_DEATH(sequence.advance(), "at_end");
}

// ---- Keys
// ----------------------------------------------------------------------------------------

TEST(Hpke, RejectsPrivateKeysOutOfRange) {
  const std::string order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
  const std::string last = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550";
  for (const Bytes& bad : {Bytes(32, 0), hex(order), Bytes(32, 0xff), Bytes(31, 1), Bytes(33, 1)}) {
    EXPECT_TRUE(PrivateKey::from_bytes(Kem::kP256, bad).error().is(CryptoError::kBadKey));
  }
  EXPECT_TRUE(PrivateKey::from_bytes(Kem::kP256, hex(last)).has_value());
  for (const std::size_t len : {0U, 31U, 33U}) {
    EXPECT_TRUE(
        PrivateKey::from_bytes(Kem::kX25519, Bytes(len, 1)).error().is(CryptoError::kBadKey));
  }
  EXPECT_TRUE(PrivateKey::from_bytes(Kem::kX25519, Bytes(32, 0)).has_value());
}

TEST(Hpke, DerivesFromNoLessThanAKeysEntropy) {
  for (const Kem kem : kKems) {
    EXPECT_TRUE(PrivateKey::derive(kem, Bytes(31, 1)).error().is(CryptoError::kBadKey));
    EXPECT_TRUE(PrivateKey::derive(kem, Bytes(32, 1)).has_value());
    EXPECT_TRUE(PrivateKey::derive(kem, Bytes(100, 1)).has_value());
  }
}

TEST(Hpke, GeneratesFromTheRandomnessGiven) {
  for (const Kem kem : kKems) {
    SeededRandom random(1);
    SeededRandom again(1);
    const PrivateKey first = PrivateKey::generate(kem, random);
    EXPECT_EQ(first.kem(), kem);
    EXPECT_EQ(first.public_key().size(), public_key_len(kem));
    EXPECT_EQ(first.public_key(), PrivateKey::generate(kem, again).public_key());
    EXPECT_NE(first.public_key(), PrivateKey::generate(kem, random).public_key());
  }
}

// bad_points are public keys that must never be agreed with.
std::vector<Bytes> bad_points(Kem kem) {
  std::vector<Bytes> out = {
      {}, Bytes(public_key_len(kem) - 1, 4), Bytes(public_key_len(kem) + 1, 4)};
  if (kem == Kem::kX25519) {
    // Points of small order, RFC 7748 section 6.1: the result is zero for every private key.
    out.push_back(Bytes(32, 0));
    out.push_back(hex("0100000000000000000000000000000000000000000000000000000000000000"));
    out.push_back(hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"));
    out.push_back(hex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"));
    out.push_back(hex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"));
    out.push_back(hex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"));
    out.push_back(hex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"));
    return out;
  }
  Bytes point = PrivateKey::derive(kem, Bytes(32, 7)).value().public_key();
  out.push_back(Bytes(1, 0));  // infinity
  out.push_back(to_bytes(ByteView(point).first(33)));
  point[0] = 0x06;  // the hybrid form
  out.push_back(point);
  point[0] = 0x04;
  point.back() ^= 1;  // not on the curve
  out.push_back(point);
  out.push_back(Bytes(65, 0));
  return out;
}

TEST(Hpke, RejectsPublicKeysThatGiveNoSecret) {
  SeededRandom random(2);
  for (const Kem kem : kKems) {
    const Suite suite = {kem, Kdf::kHkdfSha256, Aead::kAes128Gcm};
    const PrivateKey key = PrivateKey::generate(kem, random);
    for (const Bytes& bad : bad_points(kem)) {
      EXPECT_TRUE(Sender::start(suite, bad, {}, random).error().is(CryptoError::kBadKey))
          << to_hex(bad);
      EXPECT_TRUE(Receiver::start(suite, key, bad, {}).error().is(CryptoError::kBadKey))
          << to_hex(bad);
    }
  }
}

TEST(Hpke, RejectsAKeyOfAnotherKem) {
  SeededRandom random(3);
  const PrivateKey p256 = PrivateKey::generate(Kem::kP256, random);
  const PrivateKey x25519 = PrivateKey::generate(Kem::kX25519, random);
  const Suite suite;
  EXPECT_TRUE(
      Sender::start_with(suite, x25519.public_key(), {}, p256).error().is(CryptoError::kBadKey));
  EXPECT_TRUE(
      Receiver::start(suite, p256, x25519.public_key(), {}).error().is(CryptoError::kBadKey));
}

// ---- Messages
// ------------------------------------------------------------------------------------

TEST(Hpke, OpensWhatItSealedInEverySuite) {
  SeededRandom random(4);
  const Bytes plaintext = to_bytes("plaintext");
  for (const Kem kem : kKems) {
    const PrivateKey key = PrivateKey::generate(kem, random);
    for (const Kdf kdf : kKdfs) {
      for (const Aead aead : kAeads) {
        const Suite suite = {kem, kdf, aead};
        auto sender = Sender::start(suite, key.public_key(), as_bytes("info"), random).value();
        auto receiver = Receiver::start(suite, key, sender.enc(), as_bytes("info")).value();
        EXPECT_EQ(sender.suite(), suite);
        EXPECT_EQ(receiver.suite(), suite);
        for (int i = 0; i < 3; ++i) {
          Bytes sealed = {1, 2, 3};
          Bytes opened = {4, 5};
          sender.seal(as_bytes("aad"), plaintext, sealed);
          ASSERT_EQ(sealed.size(), 3 + plaintext.size() + kTagLen);
          ASSERT_TRUE(
              receiver.open(as_bytes("aad"), ByteView(sealed).subspan(3), opened).has_value());
          EXPECT_EQ(opened, concat({Bytes{4, 5}, plaintext}));
        }
        EXPECT_EQ(to_bytes(sender.export_secret(as_bytes("x"), 100).expose()),
                  to_bytes(receiver.export_secret(as_bytes("x"), 100).expose()));
      }
    }
  }
}

class HpkePair : public testing::Test {
 protected:
  SeededRandom random_{5};
  Suite suite_;
  PrivateKey key_ = PrivateKey::generate(suite_.kem, random_);
  Sender sender_ = Sender::start(suite_, key_.public_key(), as_bytes("info"), random_).value();
  Receiver receiver_ = Receiver::start(suite_, key_, sender_.enc(), as_bytes("info")).value();

  Bytes sealed(std::string_view text) {
    Bytes out;
    sender_.seal(as_bytes("aad"), as_bytes(text), out);
    return out;
  }
  static bool refuses(Receiver& receiver, ByteView aad, ByteView sealed) {
    Bytes out = {7};
    const auto opened = receiver.open(aad, sealed, out);
    return !opened && opened.error().is(CryptoError::kDecryptFailed) && out == Bytes{7};
  }
};

TEST_F(HpkePair, RejectsMessagesOutOfOrderAndGoesOnWithTheRightOne) {
  const Bytes first = sealed("first");
  const Bytes second = sealed("second");
  EXPECT_TRUE(refuses(receiver_, as_bytes("aad"), second));
  Bytes out;
  EXPECT_TRUE(receiver_.open(as_bytes("aad"), first, out).has_value());
  EXPECT_TRUE(refuses(receiver_, as_bytes("aad"), first));
  EXPECT_TRUE(receiver_.open(as_bytes("aad"), second, out).has_value());
  EXPECT_EQ(as_text(out), "firstsecond");
}

TEST_F(HpkePair, RejectsEveryChangedByte) {
  const Bytes good = sealed("text");
  for (std::size_t i = 0; i < good.size(); ++i) {
    Bytes bad = good;
    bad[i] ^= 1;
    EXPECT_TRUE(refuses(receiver_, as_bytes("aad"), bad)) << i;
    EXPECT_TRUE(refuses(receiver_, as_bytes("aad"), ByteView(good).first(i))) << i;
  }
  EXPECT_TRUE(refuses(receiver_, as_bytes("bad"), good));
  EXPECT_TRUE(refuses(receiver_, {}, good));
}

TEST_F(HpkePair, BindsInfoSuiteKeyAndEnc) {
  const Bytes good = sealed("text");
  auto info = Receiver::start(suite_, key_, sender_.enc(), as_bytes("other")).value();
  EXPECT_TRUE(refuses(info, as_bytes("aad"), good));
  for (const Suite& other : {Suite{suite_.kem, Kdf::kHkdfSha384, suite_.aead},
                             Suite{suite_.kem, suite_.kdf, Aead::kAes256Gcm}}) {
    auto receiver = Receiver::start(other, key_, sender_.enc(), as_bytes("info")).value();
    EXPECT_TRUE(refuses(receiver, as_bytes("aad"), good));
  }
  const PrivateKey stranger = PrivateKey::generate(suite_.kem, random_);
  auto key = Receiver::start(suite_, stranger, sender_.enc(), as_bytes("info")).value();
  EXPECT_TRUE(refuses(key, as_bytes("aad"), good));
  // The highest bit of an X25519 key counts for nothing in the agreement (RFC 7748 section 5), but
  // the KEM hashes the bytes as they came.
  Bytes enc = sender_.enc();
  enc.back() ^= 0x80;
  auto same_point = Receiver::start(suite_, key_, enc, as_bytes("info")).value();
  EXPECT_TRUE(refuses(same_point, as_bytes("aad"), good));
}

TEST_F(HpkePair, ExportsDifferByContextAndLength) {
  const auto exported = [&](std::string_view context, std::size_t len) {
    return to_bytes(sender_.export_secret(as_bytes(context), len).expose());
  };
  EXPECT_NE(exported("a", 32), exported("b", 32));
  // The length is in the label: the shorter is no prefix of the longer.
  EXPECT_NE(exported("a", 16), to_bytes(ByteView(exported("a", 32)).first(16)));
  EXPECT_EQ(exported("a", 255 * 32).size(), 255U * 32);
  EXPECT_DEATH((void)sender_.export_secret({}, 255 * 32 + 1), "255");
}

TEST_F(HpkePair, MovesAndDoesNotCopy) {
  static_assert(!std::is_copy_constructible_v<PrivateKey> &&
                !std::is_copy_assignable_v<PrivateKey>);
  static_assert(!std::is_copy_constructible_v<Sender> && !std::is_copy_constructible_v<Receiver>);
  static_assert(!std::is_copy_constructible_v<AeadKey> && !std::is_copy_assignable_v<AeadKey>);
  const Bytes message = sealed("text");
  Receiver moved = std::move(receiver_);
  Bytes out;
  EXPECT_TRUE(moved.open(as_bytes("aad"), message, out).has_value());
}

// ---- AeadKey and HKDF
// ----------------------------------------------------------------------------

TEST(HpkeAeadKey, OpensOnlyWhatItSealed) {
  const ByteArray<kNonceLen> nonce = {1, 2, 3};
  const ByteArray<kNonceLen> other = {1, 2, 4};
  for (const Aead aead : kAeads) {
    const AeadKey key(aead, Bytes(key_len(aead), 9));
    const AeadKey stranger(aead, Bytes(key_len(aead), 8));
    for (const std::string_view text : {"", "text"}) {
      Bytes sealed;
      key.seal(nonce, {}, as_bytes(text), sealed);
      Bytes out = {7};
      EXPECT_TRUE(key.open(nonce, {}, sealed, out).has_value());
      EXPECT_EQ(out, concat({Bytes{7}, as_bytes(text)}));
      for (const auto& failed :
           {key.open(other, {}, sealed, out), key.open(nonce, Bytes{1}, sealed, out),
            stranger.open(nonce, {}, sealed, out),
            key.open(nonce, {}, ByteView(sealed).first(kTagLen - 1), out),
            key.open(Bytes(8, 1), {}, sealed, out)}) {
        EXPECT_TRUE(failed.error().is(CryptoError::kDecryptFailed));
      }
      EXPECT_EQ(out, concat({Bytes{7}, as_bytes(text)}));
    }
    EXPECT_DEATH(AeadKey(aead, Bytes(key_len(aead) - 1, 9)), "key_length");
  }
}

// Input of RFC 5869 test case 1; the values for the longer hashes are those of hmac in Python.
TEST(HpkeHkdf, AgreesWithHkdfOfEachHash) {
  const Bytes ikm(22, 0x0b);
  const Bytes salt = hex("000102030405060708090a0b0c");
  const Bytes info = hex("f0f1f2f3f4f5f6f7f8f9");
  const auto okm = [&](Kdf kdf) {
    const SecretBytes prk = hkdf_extract(kdf, salt, ikm);
    return to_hex(hkdf_expand(kdf, prk.expose(), info, 42).expose());
  };
  EXPECT_EQ(to_hex(hkdf_extract(Kdf::kHkdfSha256, salt, ikm).expose()),
            "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
  EXPECT_EQ(okm(Kdf::kHkdfSha256),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  EXPECT_EQ(okm(Kdf::kHkdfSha384),
            "9b5097a86038b805309076a44b3a9f38063e25b516dcbf369f394cfab43685f748b6457763e4f0204fc5");
  EXPECT_EQ(okm(Kdf::kHkdfSha512),
            "832390086cda71fb47625bb5ceb168e4c8e26a1a16ed34d9fc7fe92c1481579338da362cb8d9f925d7cb");
}

}  // namespace
}  // namespace ensconce::hpke
