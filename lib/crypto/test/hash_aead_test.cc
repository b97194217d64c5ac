#include <gtest/gtest.h>

#include "ensconce/crypto/aead.h"
#include "ensconce/crypto/hash.h"

namespace ensconce {
namespace {

Bytes hex(std::string_view text) { return from_hex(text).value(); }

TEST(Hash, MatchesFips180) {
  EXPECT_EQ(to_hex(sha256(as_bytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(
      to_hex(sha384(as_bytes("abc"))),
      "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca1"
      "34c825a7");
  EXPECT_EQ(to_hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Hasher, ReturnsTheSameForPiecesAsForTheWhole) {
  const Bytes text = to_bytes("a longer text that comes in pieces");
  Sha384 hasher;
  hasher.update({});
  hasher.update(ByteView(text).first(7));
  Sha384 moved = std::move(hasher);
  moved.update(ByteView(text).subspan(7));
  EXPECT_EQ(moved.finish(), sha384(text));
}

// RFC 4231, test case 2; and the empty key, which HMAC pads like any other.
TEST(Hmac, MatchesRfc4231) {
  EXPECT_EQ(to_hex(hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hmac_sha256({}, as_bytes("x")), hmac_sha256(Bytes(64), as_bytes("x")));
}

TEST(Hmac, InPiecesIsHmacAtOnce) {
  HmacSha256 pieces(as_bytes("Jefe"));
  pieces.update(as_bytes("what do ya want "));
  pieces.update({});
  HmacSha256 moved = std::move(pieces);
  moved.update(as_bytes("for nothing?"));
  EXPECT_EQ(moved.finish(),
            hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?")));
  EXPECT_EQ(HmacSha256(ByteView{}).finish(), hmac_sha256({}, {}));
}

// RFC 5869, appendix A.1 and A.3.
TEST(Hkdf, MatchesRfc5869) {
  const Bytes key(22, 0x0b);
  Bytes out(42);
  hkdf_sha256(key, hex("000102030405060708090a0b0c"), hex("f0f1f2f3f4f5f6f7f8f9"), out);
  EXPECT_EQ(to_hex(out),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  hkdf_sha256(key, {}, {}, out);
  EXPECT_EQ(to_hex(out),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

// The GCM submission's test cases 13 and 16 (McGrew and Viega, appendix B).
struct GcmCase {
  Aes256Key key = Aes256Key::from(hex("feffe9928665731c6d6a8f9467308308"
                                      "feffe9928665731c6d6a8f9467308308"))
                      .value();
  Bytes nonce = hex("cafebabefacedbaddecaf888");
  Bytes aad = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  Bytes plaintext =
      hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e24"
          "49a6b"
          "525b16aedf5aa0de657ba637b39");
  Bytes sealed =
      hex("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b10"
          "56828"
          "838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b");
};

TEST(Aes256Gcm, MatchesTheSubmissionsVectors) {
  const GcmCase c;
  Aes256Gcm aead(c.key);
  Bytes sealed(c.sealed.size());
  Bytes opened(c.plaintext.size());
  // Twice, and turn about: a call must leave nothing behind but the key schedule.
  for (int i = 0; i < 2; ++i) {
    aead.seal(c.nonce, c.aad, c.plaintext, sealed);
    EXPECT_EQ(sealed, c.sealed);
    ASSERT_TRUE(aead.open(c.nonce, c.aad, sealed, opened).has_value());
    EXPECT_EQ(opened, c.plaintext);
  }
  Bytes tag(16);
  Aes256Gcm(Aes256Key()).seal(Bytes(12), {}, {}, tag);
  EXPECT_EQ(to_hex(tag), "530f8afbc74536b9a963b4f1c4cb738b");
  EXPECT_TRUE(Aes256Gcm(Aes256Key()).open(Bytes(12), {}, tag, {}).has_value());
}

TEST(Aes256Gcm, WorksInPlace) {
  const GcmCase c;
  Aes256Gcm aead(c.key);
  Bytes buffer = concat({c.plaintext, Bytes(16)});
  const std::size_t len = c.plaintext.size();
  aead.seal(c.nonce, c.aad, ByteView(buffer).first(len), buffer);
  EXPECT_EQ(buffer, c.sealed);
  ASSERT_TRUE(aead.open(c.nonce, c.aad, buffer, MutableByteView(buffer).first(len)).has_value());
  buffer.resize(len);
  EXPECT_EQ(buffer, c.plaintext);
}

TEST(Aes256Gcm, RejectsEachChangeAndWipesTheOutput) {
  const GcmCase c;
  Aes256Gcm aead(c.key);
  const auto refused = [&](ByteView nonce, ByteView aad, ByteView sealed) {
    Bytes out(c.plaintext.size(), 0xaa);
    const auto result = aead.open(nonce, aad, sealed, out);
    return !result && result.error().is(CryptoError::kDecryptFailed) && all_zero(out);
  };
  Bytes sealed = c.sealed;
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    sealed[i] ^= 0x80;
    EXPECT_TRUE(refused(c.nonce, c.aad, sealed)) << i;
    sealed[i] ^= 0x80;
  }
  Bytes nonce = c.nonce;
  nonce[11] ^= 1;
  EXPECT_TRUE(refused(nonce, c.aad, c.sealed));
  EXPECT_TRUE(refused(ByteView(c.nonce).first(11), c.aad, c.sealed));
  EXPECT_TRUE(refused(c.nonce, ByteView(c.aad).first(19), c.sealed));
  EXPECT_TRUE(refused(c.nonce, c.aad, ByteView(c.sealed).first(c.sealed.size() - 1)));
  EXPECT_TRUE(refused(c.nonce, c.aad, ByteView(c.sealed).first(15)));
  EXPECT_FALSE(refused(c.nonce, c.aad, c.sealed)) << "a failure must not spoil the next call";
}

TEST(Aes256Gcm, RejectsAnotherKey) {
  const GcmCase c;
  Bytes out(c.plaintext.size());
  const auto result = Aes256Gcm(Aes256Key()).open(c.nonce, c.aad, c.sealed, out);
  EXPECT_TRUE(result.error().is(CryptoError::kDecryptFailed));
}

}  // namespace
}  // namespace ensconce
