#include "ensconce/crypto/keys.h"

#include <gtest/gtest.h>

#include "ensconce/codec/base64.h"
#include "ensconce/crypto/x509.h"

namespace ensconce {
namespace {

Bytes hex(std::string_view text) { return from_hex(text).value(); }

struct Ed25519Case {
  const char* seed;
  const char* pub;
  const char* message;
  const char* signature;
};
// RFC 8032 §7.1, tests 1 and 2.
constexpr Ed25519Case kRfc8032[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b"
     "46b"
     "d25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11"
     "d8c"
     "387b2eaeb4302aeeb00d291612bb0c00"},
};

TEST(Ed25519, MatchesRfc8032) {
  for (const Ed25519Case& c : kRfc8032) {
    const auto key = Ed25519PrivateKey::from_seed(hex(c.seed)).value();
    EXPECT_EQ(to_hex(key.public_key().bytes), c.pub);
    const Bytes message = hex(c.message);
    EXPECT_EQ(to_hex(key.sign(message)), c.signature);
    EXPECT_TRUE(ed25519_verify(key.public_key(), message, hex(c.signature)).has_value());
  }
}

TEST(Ed25519, RejectsChangedMessageSignatureAndKey) {
  SeededRandom random(1);
  const auto key = Ed25519PrivateKey::generate(random);
  const auto other = Ed25519PrivateKey::generate(random);
  const Bytes message = to_bytes("message");
  const Ed25519Signature good = key.sign(message);
  const auto refused = [&](const Ed25519PublicKey& k, ByteView m, ByteView s) {
    const auto result = ed25519_verify(k, m, s);
    return !result && result.error().is(CryptoError::kBadSignature);
  };
  EXPECT_TRUE(refused(other.public_key(), message, good));
  EXPECT_TRUE(refused(key.public_key(), as_bytes("messagf"), good));
  EXPECT_TRUE(refused(key.public_key(), message, ByteView(good).first(63)));
  EXPECT_TRUE(refused(key.public_key(), message, concat({good, Bytes(1)})));
  for (const std::size_t i : {std::size_t{0}, std::size_t{32}, std::size_t{63}}) {
    Ed25519Signature bad = good;
    bad[i] ^= 1;
    EXPECT_TRUE(refused(key.public_key(), message, bad)) << i;
  }
}

TEST(Ed25519, RejectsASeedOfAnotherLength) {
  EXPECT_TRUE(Ed25519PrivateKey::from_seed(Bytes(31)).error().is(CryptoError::kBadKey));
  EXPECT_TRUE(Ed25519PrivateKey::from_seed(Bytes(33)).error().is(CryptoError::kBadKey));
}

struct EcdsaCase {
  Curve curve;
  const char* point;
  const char* signature;
};
// RFC 6979, appendices A.2.5 (SHA-256) and A.2.6 (SHA-384), message "sample".
constexpr EcdsaCase kRfc6979[] = {
    {Curve::kP256,
     "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
     "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
     "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
     "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"},
    {Curve::kP384,
     "04ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64def8f0ea9055866064a25451548"
     "0bc1"
     "38015d9b72d7d57244ea8ef9ac0c621896708a59367f9dfb9f54ca84b3f1c9db1288b231c3ae0d4fe7344fd253326"
     "4720",
     "94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fab"
     "e46"
     "99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628"
     "ac8"},
};

TEST(Ecdsa, AcceptsRfc6979) {
  for (const EcdsaCase& c : kRfc6979) {
    const auto key = EcPublicKey::from_point(c.curve, hex(c.point)).value();
    EXPECT_TRUE(ecdsa_verify(key, as_bytes("sample"), hex(c.signature)).has_value());
  }
}

class EcCurves : public testing::TestWithParam<Curve> {
 protected:
  static std::size_t width() { return GetParam() == Curve::kP256 ? 32 : 48; }
};
INSTANTIATE_TEST_SUITE_P(Both, EcCurves, testing::Values(Curve::kP256, Curve::kP384),
                         [](const auto& param_info) {
                           return param_info.param == Curve::kP256 ? "P256" : "P384";
                         });

TEST_P(EcCurves, RejectsChangedMessageSignatureAndKey) {
  const auto key = EcPrivateKey::generate(GetParam());
  const auto other = EcPrivateKey::generate(GetParam());
  const Bytes message = to_bytes("message");
  const Bytes good = key.sign(message);
  ASSERT_EQ(good.size(), 2 * width());
  EXPECT_TRUE(ecdsa_verify(key.public_key(), message, good).has_value());
  const auto refused = [](const EcPublicKey& k, ByteView m, ByteView s) {
    const auto result = ecdsa_verify(k, m, s);
    return !result && result.error().is(CryptoError::kBadSignature);
  };
  EXPECT_TRUE(refused(other.public_key(), message, good));
  EXPECT_TRUE(refused(key.public_key(), as_bytes("messagf"), good));
  EXPECT_TRUE(refused(key.public_key(), message, ByteView(good).first(good.size() - 1)));
  EXPECT_TRUE(refused(key.public_key(), message, concat({good, Bytes(1)})));
  EXPECT_TRUE(refused(key.public_key(), message, Bytes(2 * width())));
  for (const std::size_t i : {std::size_t{0}, width() - 1, width(), 2 * width() - 1}) {
    Bytes bad = good;
    bad[i] ^= 1;
    EXPECT_TRUE(refused(key.public_key(), message, bad)) << i;
  }
}

TEST_P(EcCurves, RejectsWhatIsNoPointOfTheCurve) {
  const Bytes good = EcPrivateKey::generate(GetParam()).public_key().point();
  const auto refused = [](ByteView point) {
    const auto result = EcPublicKey::from_point(GetParam(), point);
    return !result && result.error().is(CryptoError::kBadKey);
  };
  Bytes off = good;
  off.back() ^= 1;
  EXPECT_TRUE(refused(off));
  EXPECT_TRUE(refused(Bytes{0}));  // the point at infinity
  EXPECT_TRUE(refused({}));
  EXPECT_TRUE(refused(concat({Bytes{2}, ByteView(good).subspan(1, width())})));  // compressed
  Bytes hybrid = good;
  hybrid[0] = static_cast<std::uint8_t>(0x06 | (good.back() & 1U));
  EXPECT_TRUE(refused(hybrid));
  EXPECT_TRUE(refused(concat({good, Bytes(1)})));
  Bytes zero(good.size());
  zero[0] = 4;
  EXPECT_TRUE(refused(zero));
}

TEST_P(EcCurves, AgreesOnOneSecretInBothDirections) {
  const auto a = EcPrivateKey::generate(GetParam());
  const auto b = EcPrivateKey::generate(GetParam());
  const auto ab = a.agree(b.public_key()).value();
  const auto ba = b.agree(a.public_key()).value();
  EXPECT_EQ(ab.size(), width());
  EXPECT_TRUE(equal_in_constant_time(ab.expose(), ba.expose()));
  const auto elsewhere =
      EcPrivateKey::generate(GetParam() == Curve::kP256 ? Curve::kP384 : Curve::kP256);
  EXPECT_TRUE(a.agree(elsewhere.public_key()).error().is(CryptoError::kBadKey));
}

TEST_P(EcCurves, KeepsAKeyThroughPkcs8) {
  const auto key = EcPrivateKey::generate(GetParam());
  const auto der = key.pkcs8_der();
  const auto again = EcPrivateKey::from_pkcs8_der(der.expose()).value();
  EXPECT_EQ(again.public_key(), key.public_key());
  EXPECT_EQ(again.curve(), GetParam());
  EXPECT_TRUE(ecdsa_verify(key.public_key(), as_bytes("m"), again.sign(as_bytes("m"))).has_value());

  const Bytes bytes = to_bytes(der.expose());
  const auto refused = [](ByteView b) {
    const auto result = EcPrivateKey::from_pkcs8_der(b);
    return !result && result.error().is(CryptoError::kBadKey);
  };
  EXPECT_TRUE(refused({}));
  EXPECT_TRUE(refused(concat({bytes, Bytes(1)})));
  EXPECT_TRUE(refused(ByteView(bytes).first(bytes.size() - 1)));
  EXPECT_TRUE(refused(Bytes(20000)));
}

TEST(EcPrivateKey, RejectsAPublicHalfOfAnotherKey) {
  const auto key = EcPrivateKey::generate(Curve::kP256);
  const auto other = EcPrivateKey::generate(Curve::kP256);
  Bytes bytes = to_bytes(key.pkcs8_der().expose());
  const Bytes point = other.public_key().point();
  ASSERT_GT(bytes.size(), point.size());
  std::copy(point.begin(), point.end(), bytes.end() - static_cast<std::ptrdiff_t>(point.size()));
  EXPECT_TRUE(EcPrivateKey::from_pkcs8_der(bytes).error().is(CryptoError::kBadKey));
}

TEST(EcPrivateKey, RejectsKeysOfOtherKinds) {
  const auto rsa = RsaPrivateKey::generate(2048).pkcs8_der();
  EXPECT_TRUE(EcPrivateKey::from_pkcs8_der(rsa.expose()).error().is(CryptoError::kBadKey));
  const auto ec = EcPrivateKey::generate(Curve::kP256).pkcs8_der();
  EXPECT_TRUE(RsaPrivateKey::from_pkcs8_der(ec.expose()).error().is(CryptoError::kBadKey));
  EXPECT_TRUE(RsaPrivateKey::from_pkcs8_der(rsa.expose()).has_value());
}

// ---- RSA ------------------------------------------------------------------------------------

// RFC 7515, appendix A.2.
constexpr const char* kRs256Modulus =
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4"
    "d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5re"
    "xMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxX"
    "FvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
constexpr const char* kRs256Input =
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNv"
    "bS9pc19yb290Ijp0cnVlfQ";
constexpr const char* kRs256Signature =
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5"
    "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb"
    "1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QO"
    "YEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
const Bytes kF4{1, 0, 1};

TEST(Rsa, AcceptsRfc7515) {
  const auto key = RsaPublicKey::from_modulus(base64url_decode(kRs256Modulus).value(), kF4).value();
  const Bytes signature = base64url_decode(kRs256Signature).value();
  EXPECT_TRUE(rsa_pkcs1_sha256_verify(key, as_bytes(kRs256Input), signature));
  EXPECT_TRUE(rsa_pkcs1_sha256_verify(key, as_bytes("another"), signature)
                  .error()
                  .is(CryptoError::kBadSignature));
}

RsaPublicKey public_half(const RsaPrivateKey& key) {
  return RsaPublicKey::from_modulus(key.modulus(), key.exponent()).value();
}

TEST(Rsa, RejectsChangedMessageSignatureAndKey) {
  for (const int bits : {2048, 3072, 4096}) {
    static const auto other = RsaPrivateKey::generate(2048);
    const auto key = RsaPrivateKey::generate(bits);
    const RsaPublicKey pub = public_half(key);
    ASSERT_EQ(pub.modulus().size(), static_cast<std::size_t>(bits) / 8);
    ASSERT_EQ(pub.exponent(), kF4);
    const Bytes message = to_bytes("message");
    const Bytes good = key.sign_pkcs1_sha256(message);
    EXPECT_TRUE(rsa_pkcs1_sha256_verify(pub, message, good));
    const auto refused = [](const RsaPublicKey& k, ByteView m, ByteView s) {
      const auto result = rsa_pkcs1_sha256_verify(k, m, s);
      return !result && result.error().is(CryptoError::kBadSignature);
    };
    EXPECT_TRUE(refused(public_half(other), message, good));
    EXPECT_TRUE(refused(pub, as_bytes("messagf"), good));
    EXPECT_TRUE(refused(pub, message, ByteView(good).first(good.size() - 1)));
    EXPECT_TRUE(refused(pub, message, concat({Bytes(1), good})));
    EXPECT_TRUE(refused(pub, message, {}));
    EXPECT_TRUE(refused(pub, message, Bytes(good.size())));
    EXPECT_TRUE(refused(pub, message, Bytes(good.size(), 0xff)));  // beyond the modulus
    for (const std::size_t i : {std::size_t{0}, good.size() / 2, good.size() - 1}) {
      Bytes bad = good;
      bad[i] ^= 1;
      EXPECT_TRUE(refused(pub, message, bad)) << i;
    }
  }
}

TEST(Rsa, RejectsKeysOutsideItsBounds) {
  Bytes modulus(256, 0x5a);
  modulus.front() = 0x80;
  modulus.back() = 0x01;
  const auto refused = [](ByteView n, ByteView e) {
    const auto result = RsaPublicKey::from_modulus(n, e);
    return !result && result.error().is(CryptoError::kBadKey);
  };
  EXPECT_TRUE(RsaPublicKey::from_modulus(modulus, kF4));
  EXPECT_TRUE(RsaPublicKey::from_modulus(modulus, Bytes{3}));
  EXPECT_TRUE(RsaPublicKey::from_modulus(modulus, Bytes{0x80, 0, 0, 0, 0, 0, 0, 1}));
  Bytes longest(512, 0xff);
  EXPECT_TRUE(RsaPublicKey::from_modulus(longest, kF4));

  EXPECT_TRUE(refused({}, kF4));
  EXPECT_TRUE(refused(ByteView(longest).first(255), kF4));
  EXPECT_TRUE(refused(Bytes(513, 0xff), kF4));
  EXPECT_TRUE(refused(concat({Bytes{0}, modulus}), kF4));
  Bytes shorter = modulus;
  shorter.front() = 0x7f;  // 2047 bits
  EXPECT_TRUE(refused(shorter, kF4));
  Bytes even = modulus;
  even.back() = 0x02;
  EXPECT_TRUE(refused(even, kF4));

  EXPECT_TRUE(refused(modulus, {}));
  EXPECT_TRUE(refused(modulus, Bytes{1}));
  EXPECT_TRUE(refused(modulus, Bytes{0, 1, 0, 1}));
  EXPECT_TRUE(refused(modulus, Bytes{1, 0, 0}));
  EXPECT_TRUE(refused(modulus, Bytes(9, 0x11)));
}

// What keys of any form do not verify, they do not bring down either.
TEST(Rsa, VerifiesNothingUnderAModulusNobodyMade) {
  const auto key = RsaPublicKey::from_modulus(Bytes(512, 0xff), Bytes(8, 0xff)).value();
  EXPECT_TRUE(rsa_pkcs1_sha256_verify(key, as_bytes("message"), Bytes(512, 0x01))
                  .error()
                  .is(CryptoError::kBadSignature));
}

}  // namespace
}  // namespace ensconce
