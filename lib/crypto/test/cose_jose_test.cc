#include <gtest/gtest.h>

#include "../src/key_agreement.h"
#include "ensconce/codec/base64.h"
#include "ensconce/crypto/cose.h"
#include "ensconce/crypto/jose.h"

namespace ensconce {
namespace {

Bytes hex(std::string_view text) { return from_hex(text).value(); }

// The key of RFC 8032 §7.1, test 1.
Ed25519PrivateKey fixed_key() {
  return Ed25519PrivateKey::from_seed(
             hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
      .value();
}
Ed25519PrivateKey other_key() {
  SeededRandom random(2);
  return Ed25519PrivateKey::generate(random);
}

// ---- COSE -----------------------------------------------------------------------------------

constexpr std::string_view kContext = "ensconce-test/1";

TEST(Cose, WritesTheBytesOfAnIndependentImplementation) {
  // Made with Python's `cryptography` and the CBOR written out by hand.
  EXPECT_EQ(
      to_hex(cose_sign1(fixed_key(), kContext, as_bytes("hi"))),
      "d28443a10127a04268695840e82e88cd81c1c4ff17114fac61ef7b22f7d688e0a1d0fc8061bdb30162152cd3"
      "815b739d3593670870de1a471bcfc0fb4c39596cc1e3b5c257c376c5624be70f");
}

TEST(Cose, ReturnsThePayload) {
  const auto key = fixed_key();
  for (const std::size_t len : {std::size_t{0}, std::size_t{2}, std::size_t{70000}}) {
    const Bytes payload(len, 7);
    const Bytes message = cose_sign1(key, kContext, payload);
    EXPECT_EQ(cose_verify1(key.public_key(), kContext, message).value(), payload);
    EXPECT_EQ(cose_payload_unverified(message).value(), payload);
  }
}

TEST(Cose, RejectsAnotherContextOrKey) {
  const auto key = fixed_key();
  const Bytes message = cose_sign1(key, kContext, as_bytes("hi"));
  EXPECT_TRUE(cose_verify1(key.public_key(), "ensconce-test/2", message)
                  .error()
                  .is(CryptoError::kBadSignature));
  EXPECT_TRUE(cose_verify1(key.public_key(), "", message).error().is(CryptoError::kBadSignature));
  EXPECT_TRUE(cose_verify1(other_key().public_key(), kContext, message)
                  .error()
                  .is(CryptoError::kBadSignature));
}

TEST(Cose, RejectsEachFlippedBit) {
  const auto key = fixed_key();
  Bytes message = cose_sign1(key, kContext, as_bytes("hi"));
  for (std::size_t i = 0; i < message.size() * 8; ++i) {
    message[i / 8] ^= static_cast<std::uint8_t>(1U << (i % 8));
    const auto result = cose_verify1(key.public_key(), kContext, message);
    ASSERT_FALSE(result.has_value()) << i;
    // Behind the head of the payload it is content; before, it is form.
    const bool content = i / 8 == 8 || i / 8 == 9 || i / 8 >= 12;
    EXPECT_TRUE(result.error().is(content ? CryptoError::kBadSignature : CryptoError::kBadCose))
        << i << " " << result.error().to_string();
    message[i / 8] ^= static_cast<std::uint8_t>(1U << (i % 8));
  }
}

// sign1 builds a message that is validly signed over whatever protected header it is given.
Bytes sign1(const Bytes& header, cbor::Value unprotected, cbor::Value payload, std::uint64_t tag,
            bool short_signature = false) {
  const Bytes tbs =
      cbor::encode(cbor::Array{"Signature1", header, as_bytes(kContext), Bytes{'h', 'i'}});
  Bytes signature = to_bytes(ByteView(fixed_key().sign(tbs)));
  if (short_signature) {
    signature.pop_back();
  }
  return cbor::encode(cbor::Value::tagged(
      tag, cbor::Array{header, std::move(unprotected), std::move(payload), signature}));
}

TEST(Cose, RejectsEveryOtherForm) {
  const auto verify = [](ByteView message) {
    return cose_verify1(fixed_key().public_key(), kContext, message);
  };
  const Bytes eddsa = hex("a10127");
  const Bytes hi{'h', 'i'};
  const auto bad = [&](ByteView message) {
    const auto result = verify(message);
    const auto unverified = cose_payload_unverified(message);
    return !result && result.error().is(CryptoError::kBadCose) && !unverified &&
           unverified.error().is(CryptoError::kBadCose);
  };
  ASSERT_TRUE(verify(sign1(eddsa, cbor::Map{}, hi, 18)).has_value());
  EXPECT_TRUE(bad(sign1(hex("a10126"), cbor::Map{}, hi, 18))) << "ES256";
  EXPECT_TRUE(bad(sign1(hex("a201270441aa"), cbor::Map{}, hi, 18))) << "one more header";
  EXPECT_TRUE(bad(sign1({}, cbor::Map{}, hi, 18))) << "no header";
  EXPECT_TRUE(bad(sign1(eddsa, cbor::Map{{4, hi}}, hi, 18))) << "unprotected header";
  EXPECT_TRUE(bad(sign1(eddsa, cbor::Map{}, cbor::Value(), 18))) << "detached payload";
  EXPECT_TRUE(bad(sign1(eddsa, cbor::Map{}, hi, 17))) << "COSE_Mac0";
  EXPECT_TRUE(bad(sign1(eddsa, cbor::Map{}, hi, 18, true))) << "63 bytes of signature";
  const Bytes good = sign1(eddsa, cbor::Map{}, hi, 18);
  EXPECT_TRUE(bad(concat({good, Bytes(1)}))) << "trailing byte";
  EXPECT_TRUE(bad(ByteView(good).first(good.size() - 1))) << "truncated";
  EXPECT_TRUE(bad(ByteView(good).subspan(1))) << "untagged";
  EXPECT_TRUE(bad({}));
  EXPECT_TRUE(bad(cbor::encode(cbor::Value::tagged(18, cbor::Array{eddsa, cbor::Map{}, hi}))));
}

// ---- key agreement --------------------------------------------------------------------------

// RFC 7518, appendix C.
TEST(ConcatKdf, MatchesRfc7518) {
  const Bytes alice_d = base64url_decode("0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo").value();
  const Bytes alice_x = base64url_decode("gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0").value();
  const Bytes alice_y = base64url_decode("SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps").value();
  const Bytes bob_x = base64url_decode("weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ").value();
  const Bytes bob_y = base64url_decode("e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck").value();
  const Bytes pkcs8 =
      concat({hex("308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420"),
              alice_d, hex("a14403420004"), alice_x, alice_y});
  const auto alice = EcPrivateKey::from_pkcs8_der(pkcs8).value();
  const auto bob = EcPublicKey::from_point(Curve::kP256, concat({Bytes{4}, bob_x, bob_y})).value();
  const SecretBytes shared = alice.agree(bob).value();
  EXPECT_EQ(to_hex(shared.expose()),
            "9e56d91d817135d372834283bf84269cfb316ea3da806a48f6daa7798cfe90c4");
  const auto key =
      internal::concat_kdf(shared.expose(), "A128GCM", as_bytes("Alice"), as_bytes("Bob"), 128);
  EXPECT_EQ(base64url_encode(ByteView(key.expose()).first(16)), "VqqN6vgjbSBcIijNcacQGg");
}

// RFC 3394 §4.6.
TEST(KeyWrap, MatchesRfc3394) {
  const auto kek =
      Aes256Key::from(hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"))
          .value();
  const auto key =
      Aes256Key::from(hex("00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f"))
          .value();
  auto wrapped = internal::wrap_key(kek, key);
  EXPECT_EQ(to_hex(wrapped),
            "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21");
  EXPECT_TRUE(internal::unwrap_key(kek, wrapped).value().equals(key));
  for (std::size_t i = 0; i < wrapped.size(); ++i) {
    wrapped[i] ^= 1;
    EXPECT_TRUE(internal::unwrap_key(kek, wrapped).error().is(CryptoError::kDecryptFailed)) << i;
    wrapped[i] ^= 1;
  }
  EXPECT_TRUE(internal::unwrap_key(key, wrapped).error().is(CryptoError::kDecryptFailed));
  for (const std::size_t len : {0, 8, 16, 24, 32, 39}) {
    EXPECT_TRUE(internal::unwrap_key(kek, ByteView(wrapped).first(len))
                    .error()
                    .is(CryptoError::kDecryptFailed));
  }
  EXPECT_TRUE(internal::unwrap_key(kek, concat({wrapped, Bytes(8)}))
                  .error()
                  .is(CryptoError::kDecryptFailed));
}

// ---- JWK, JWE -------------------------------------------------------------------------------

json::Value with(json::Value object, std::string_view name, json::Value value) {
  auto& members = std::get<json::Object>(object.variant());
  for (auto& [key, old] : members) {
    if (key == name) {
      old = std::move(value);
      return object;
    }
  }
  members.emplace_back(name, std::move(value));
  return object;
}
json::Value without(json::Value object, std::string_view name) {
  std::erase_if(std::get<json::Object>(object.variant()),
                [&](const auto& member) { return member.first == name; });
  return object;
}
std::string text(const json::Value& object, std::string_view name) {
  return object.find(name)->as_text(name).value();
}

TEST(Jwk, RoundTripsInTheOrderRcarWritesIt) {
  const auto key = EcPrivateKey::generate(Curve::kP256).public_key();
  const json::Value jwk = jwk_of(key);
  EXPECT_EQ(ec_key_from_jwk(jwk).value(), key);
  EXPECT_TRUE(
      json::write(jwk).starts_with(R"({"kty":"EC","crv":"P-256","alg":"ECDH-ES+A256KW","x":")"));
  EXPECT_EQ(ec_key_from_jwk(without(jwk, "alg")).value(), key);
}

TEST(Jwk, RejectsOtherKeysAndMembers) {
  const json::Value jwk = jwk_of(EcPrivateKey::generate(Curve::kP256).public_key());
  const auto bad = [](const json::Value& value) {
    const auto result = ec_key_from_jwk(value);
    return !result && result.error().is(CryptoError::kBadJose);
  };
  EXPECT_TRUE(bad(json::Value("text")));
  for (const char* name : {"kty", "crv", "x", "y"}) {
    EXPECT_TRUE(bad(without(jwk, name))) << name;
    EXPECT_TRUE(bad(with(jwk, name, 1))) << name;
  }
  EXPECT_TRUE(bad(with(jwk, "kty", "OKP")));
  EXPECT_TRUE(bad(with(jwk, "crv", "P-384")));
  EXPECT_TRUE(bad(with(jwk, "alg", "ECDH-ES")));
  EXPECT_TRUE(bad(with(jwk, "d", "AAAA")));
  EXPECT_TRUE(bad(with(jwk, "x", "AAAA")));
  EXPECT_TRUE(bad(with(jwk, "y", text(jwk, "y") + "=")));
  EXPECT_TRUE(ec_key_from_jwk(with(jwk, "x", text(jwk, "y"))).error().is(CryptoError::kBadKey))
      << "a point off the curve";
}

struct JweCase {
  EcPrivateKey key = EcPrivateKey::generate(Curve::kP256);
  SeededRandom random{3};
  json::Value jwe = jwe_seal(key.public_key(), as_bytes("secret"), random);
};

TEST(Jwe, ReturnsTheSecret) {
  JweCase c;
  EXPECT_EQ(as_text(jwe_open(c.key, c.jwe).value().expose()), "secret");
  EXPECT_EQ(as_text(jwe_open(c.key, with(c.jwe, "more", 1)).value().expose()), "secret");
  EXPECT_EQ(as_text(jwe_open(c.key, with(c.jwe, "aad", nullptr)).value().expose()), "secret");
  EXPECT_EQ(jwe_open(c.key, jwe_seal(c.key.public_key(), {}, c.random)).value().size(), 0U);
  const json::Value again = jwe_seal(c.key.public_key(), as_bytes("secret"), c.random);
  for (const char* name : {"protected", "encrypted_key", "iv", "ciphertext", "tag"}) {
    EXPECT_NE(text(again, name), text(c.jwe, name)) << name << " must be fresh each time";
  }
}

TEST(Jwe, OpensThoseOfAnIndependentImplementation) {
  // Made with Python's `cryptography`: without and with apu, apv and aad.
  const auto key = EcPrivateKey::from_pkcs8_der(hex("308187020100301306072a8648ce3d020106082a8648ce"
                                                    "3d030107046d306b020101042040dd743b5b8289"
                                                    "e4ef66304776aa4cbbd40d7d0e15b5a04057612b19cf3c"
                                                    "9707a1440342000495c022503d1da138a57f3785"
                                                    "26cabf835510e0d5e0ddcdd46aa32f894c3289064e371e"
                                                    "9bc7e6dd36b5baf1d80663b58b377f3569e07bf9"
                                                    "ca2bc4761690356b31"))
                       .value();
  const json::Value plain =
      json::parse(
          R"({"protected":"eyJhbGciOiJFQ0RILUVTK0EyNTZLVyIsImVuYyI6IkEyNTZHQ00iLCJlcGsiOnsiY3J2IjoiUC0yNTYiLCJrdHkiOiJFQyIsIngiOiJ6VlJLR2xveHB1cnRZNFpBMUEzMVlpdjA1NGZOVXNnWVpRVUNzeUlUZFBBIiwieSI6Ik9LUmdMRDV6c0VVQVBuSXZfMFJMZkhnckJkV0d6bHAzYl9fQUZpLUg1QVEifX0","encrypted_key":"-W_pOAWvCENGPe021yi7atCsmD4PDLnfQOVnBWA9ydCHLjzfDUZjqg","iv":"CrMGgjA1Zhu426Ic","ciphertext":"rTx7KFpgCAAvoY-G74_8AUu0Ni9Azj0","tag":"LpX-zZPcisL-f7TZDB-jRg"})")
          .value();
  const json::Value with_aad =
      json::parse(
          R"({"protected":"eyJhbGciOiJFQ0RILUVTK0EyNTZLVyIsImVuYyI6IkEyNTZHQ00iLCJlcGsiOnsiY3J2IjoiUC0yNTYiLCJrdHkiOiJFQyIsIngiOiJ6VlJLR2xveHB1cnRZNFpBMUEzMVlpdjA1NGZOVXNnWVpRVUNzeUlUZFBBIiwieSI6Ik9LUmdMRDV6c0VVQVBuSXZfMFJMZkhnckJkV0d6bHAzYl9fQUZpLUg1QVEifSwiYXB1IjoiUVd4cFkyVSIsImFwdiI6IlFtOWkifQ","encrypted_key":"r6dt7a3A_APDiNbxMNaar3S-FHcRcokcC1xUaviKnSsEDx46Jp115Q","iv":"CrMGgjA1Zhu426Ic","aad":"ZXh0cmE","ciphertext":"rTx7KFpgCAAvoY-G74_8AUu0Ni9Azj0","tag":"oub7I_G3eHBM0R8dlEsI6A"})")
          .value();
  EXPECT_EQ(as_text(jwe_open(key, plain).value().expose()), "a secret from elsewhere");
  EXPECT_EQ(as_text(jwe_open(key, with_aad).value().expose()), "a secret from elsewhere");
  EXPECT_TRUE(jwe_open(key, without(with_aad, "aad")).error().is(CryptoError::kDecryptFailed));
}

TEST(Jwe, RejectsEachChangedMember) {
  JweCase c;
  for (const char* name : {"encrypted_key", "iv", "ciphertext", "tag"}) {
    Bytes bytes = base64url_decode(text(c.jwe, name)).value();
    bytes[0] ^= 1;
    EXPECT_TRUE(jwe_open(c.key, with(c.jwe, name, base64url_encode(bytes)))
                    .error()
                    .is(CryptoError::kDecryptFailed))
        << name;
  }
  EXPECT_TRUE(jwe_open(c.key, with(c.jwe, "aad", "AAAA")).error().is(CryptoError::kDecryptFailed));
  EXPECT_TRUE(jwe_open(EcPrivateKey::generate(Curve::kP256), c.jwe)
                  .error()
                  .is(CryptoError::kDecryptFailed));
  EXPECT_TRUE(jwe_open(EcPrivateKey::generate(Curve::kP384), c.jwe)
                  .error()
                  .is(CryptoError::kDecryptFailed));
}

TEST(Jwe, RejectsOtherForms) {
  JweCase c;
  const auto bad = [&](const json::Value& jwe) {
    const auto result = jwe_open(c.key, jwe);
    return !result && result.error().is(CryptoError::kBadJose);
  };
  EXPECT_TRUE(bad(json::Value("a.b.c.d.e")));
  for (const char* name : {"protected", "encrypted_key", "iv", "ciphertext", "tag"}) {
    EXPECT_TRUE(bad(without(c.jwe, name))) << name;
    EXPECT_TRUE(bad(with(c.jwe, name, 1))) << name;
    EXPECT_TRUE(bad(with(c.jwe, name, text(c.jwe, name) + "="))) << name;
  }
  EXPECT_TRUE(bad(with(c.jwe, "aad", 1)));
  EXPECT_TRUE(bad(with(c.jwe, "iv", base64url_encode(Bytes(16)))));
  EXPECT_TRUE(bad(with(c.jwe, "tag", base64url_encode(Bytes(12)))));
}

TEST(Jwe, RejectsOtherHeaders) {
  JweCase c;
  const json::Value header =
      json::parse(as_text(base64url_decode(text(c.jwe, "protected")).value())).value();
  const auto open = [&](const json::Value& changed) {
    return jwe_open(c.key,
                    with(c.jwe, "protected", base64url_encode(as_bytes(json::write(changed)))));
  };
  const auto bad = [&](const json::Value& changed) {
    const auto result = open(changed);
    return !result && result.error().is(CryptoError::kBadJose);
  };
  ASSERT_TRUE(open(header).has_value());
  EXPECT_TRUE(bad(with(header, "alg", "ECDH-ES+A128KW")));
  EXPECT_TRUE(bad(with(header, "alg", "ECDH-ES")));
  EXPECT_TRUE(bad(with(header, "enc", "A128GCM")));
  EXPECT_TRUE(bad(with(header, "crit", json::Array{"x"})));
  EXPECT_TRUE(bad(with(header, "zip", "DEF")));
  EXPECT_TRUE(bad(with(header, "apu", base64url_encode(Bytes(300)))));
  EXPECT_TRUE(bad(with(header, "kid", std::string(5000, 'a'))));
  EXPECT_TRUE(bad(with(header, "epk", "text")));
  EXPECT_TRUE(bad(json::Array{}));
  for (const char* name : {"alg", "enc", "epk"}) {
    EXPECT_TRUE(bad(without(header, name))) << name;
  }
  const json::Value epk = *header.find("epk");
  EXPECT_TRUE(bad(with(header, "epk", with(epk, "crv", "P-521"))));
  EXPECT_TRUE(open(with(header, "epk", with(epk, "x", text(epk, "y"))))
                  .error()
                  .is(CryptoError::kDecryptFailed))
      << "an invalid curve point";
  // What is not understood is authenticated all the same.
  EXPECT_TRUE(open(with(header, "kid", "a")).error().is(CryptoError::kDecryptFailed));
  EXPECT_TRUE(open(with(header, "apv", "QUJD")).error().is(CryptoError::kDecryptFailed));
}

// ---- JWS ------------------------------------------------------------------------------------

TEST(Jws, WritesTheTokenOfAnIndependentImplementation) {
  EXPECT_EQ(
      jws_sign(fixed_key(), "eat+jwt", as_bytes(R"({"a":1})")),
      "eyJhbGciOiJFZERTQSIsInR5cCI6ImVhdCtqd3QifQ.eyJhIjoxfQ."
      "S1Ep8-VdLnfErMtj-JGXGj3xt-dJEIk6STTvuTREr42VyDUzx58x3RuBI5IMamOaTQb-sHLBuu1UZ2zzOmUsDg");
}

TEST(Jws, RejectsAnotherKeyAndEachChangedPart) {
  const auto key = fixed_key();
  const std::string token = jws_sign(key, "t", as_bytes("payload"));
  EXPECT_EQ(as_text(jws_verify(key.public_key(), "t", token).value()), "payload");
  EXPECT_TRUE(
      jws_verify(other_key().public_key(), "t", token).error().is(CryptoError::kBadSignature));
  const std::string other = jws_sign(key, "t", as_bytes("another"));
  const std::string mixed = token.substr(0, token.rfind('.')) + other.substr(other.rfind('.'));
  EXPECT_TRUE(jws_verify(key.public_key(), "t", mixed).error().is(CryptoError::kBadSignature));
}

TEST(Jws, RejectsOtherHeadersAndForms) {
  const auto key = fixed_key();
  const auto sign = [&](std::string_view header) {
    const std::string tbs = base64url_encode(as_bytes(header)) + ".e30";
    return tbs + "." + base64url_encode(key.sign(as_bytes(tbs)));
  };
  const auto bad = [&](std::string_view token) {
    const auto result = jws_verify(key.public_key(), "t", token);
    return !result && result.error().is(CryptoError::kBadJose);
  };
  ASSERT_TRUE(jws_verify(key.public_key(), "t", sign(R"({"alg":"EdDSA","typ":"t"})")).has_value());
  EXPECT_TRUE(bad(sign(R"({"alg":"none","typ":"t"})")));
  EXPECT_TRUE(bad(sign(R"({"alg":"HS256","typ":"t"})")));
  EXPECT_TRUE(bad(sign(R"({"alg":"EdDSA","typ":"u"})"))) << "a token of another type";
  EXPECT_TRUE(bad(sign(R"({"alg":"EdDSA"})")));
  EXPECT_TRUE(bad(sign(R"({"typ":"t"})")));
  EXPECT_TRUE(bad(sign(R"({"alg":"EdDSA","typ":"t","crit":["b64"],"b64":false})")));
  EXPECT_TRUE(bad(sign(R"({"alg":"EdDSA","alg":"EdDSA","typ":"t"})")));
  EXPECT_TRUE(bad(sign(R"([])")));
  const std::string good = sign(R"({"alg":"EdDSA","typ":"t"})");
  EXPECT_TRUE(bad(good + "."));
  EXPECT_TRUE(bad(good + "="));
  EXPECT_TRUE(bad(good.substr(0, good.rfind('.'))));
  EXPECT_TRUE(bad(""));
  EXPECT_TRUE(bad(std::string(2'000'000, 'a')));
}

}  // namespace
}  // namespace ensconce
