#include "ensconce/crypto/jose.h"

#include <algorithm>

#include "ensconce/codec/base64.h"
#include "ensconce/crypto/aead.h"
#include "key_agreement.h"

namespace ensconce {

namespace {

constexpr std::string_view kAlg = "ECDH-ES+A256KW";
constexpr std::string_view kEnc = "A256GCM";
constexpr std::uint32_t kWrappingKeyBits = 256;
constexpr std::size_t kCoordinateLen = 32;
constexpr std::size_t kMaxHeaderLen = 4096;
constexpr std::size_t kMaxPartyInfoLen = 256;
constexpr std::size_t kMaxTokenLen = std::size_t{1024} * 1024;

Error bad_jose(std::string detail) { return {CryptoError::kBadJose, std::move(detail)}; }
Error bad_jose(const Error& why) { return bad_jose(why.to_string()); }
Error decrypt_failed() { return {CryptoError::kDecryptFailed, "JWE"}; }

// text_member returns a member that must be there and be text.
Result<std::string> text_member(const json::Value& object, std::string_view name) {
  const json::Value* member = object.find(name);
  if (member == nullptr) {
    return bad_jose("no member " + std::string(name));
  }
  auto text = member->as_text(name);
  if (!text) {
    return bad_jose(text.error());
  }
  return *std::move(text);
}

Result<Bytes> decoded_member(const json::Value& object, std::string_view name) {
  ENSC_TRY_ASSIGN(const std::string text, text_member(object, name));
  auto bytes = base64url_decode(text);
  if (!bytes) {
    return bad_jose(bytes.error()).with_context(name);
  }
  return *std::move(bytes);
}

Result<void> expect_member(const json::Value& object, std::string_view name,
                           std::string_view expected) {
  ENSC_TRY_ASSIGN(const std::string text, text_member(object, name));
  if (text != expected) {
    return bad_jose(std::string(name) + " is not " + std::string(expected));
  }
  return ok();
}

// refuse_critical: what we would have to understand and do not (RFC 7515 §4.1.11, RFC 7516 §4.1.3).
Result<void> refuse_critical(const json::Value& header) {
  for (const std::string_view name : {"crit", "zip", "b64"}) {
    if (header.find(name) != nullptr) {
      return bad_jose("header with " + std::string(name));
    }
  }
  return ok();
}

Result<json::Value> read_header(std::string_view encoded) {
  if (encoded.size() > kMaxHeaderLen) {
    return bad_jose("header too long");
  }
  const auto bytes = base64url_decode(encoded);
  if (!bytes) {
    return bad_jose(bytes.error());
  }
  auto header = json::parse(as_text(*bytes));
  if (!header) {
    return bad_jose(header.error());
  }
  if (!header->is_object()) {
    return bad_jose("the header is not an object");
  }
  ENSC_TRY(refuse_critical(*header));
  return *std::move(header);
}

json::Object coordinates(const EcPublicKey& key, bool with_alg) {
  ENSC_CHECK(key.curve() == Curve::kP256);
  const ByteView point = key.point();
  json::Object out{{"kty", "EC"}, {"crv", "P-256"}};
  if (with_alg) {
    out.emplace_back("alg", kAlg);
  }
  out.emplace_back("x", base64url_encode(point.subspan(1, kCoordinateLen)));
  out.emplace_back("y", base64url_encode(point.subspan(1 + kCoordinateLen)));
  return out;
}

// party_info reads apu or apv, which are empty when they are not there (RFC 7518 §4.6.1).
Result<Bytes> party_info(const json::Value& header, std::string_view name) {
  if (header.find(name) == nullptr) {
    return Bytes();
  }
  ENSC_TRY_ASSIGN(Bytes bytes, decoded_member(header, name));
  if (bytes.size() > kMaxPartyInfoLen) {
    return bad_jose(std::string(name) + " too long");
  }
  return bytes;
}

}  // namespace

json::Value jwk_of(const EcPublicKey& key) { return coordinates(key, true); }

Result<EcPublicKey> ec_key_from_jwk(const json::Value& jwk) {
  if (!jwk.is_object()) {
    return bad_jose("the JWK is not an object");
  }
  ENSC_TRY(expect_member(jwk, "kty", "EC"));
  ENSC_TRY(expect_member(jwk, "crv", "P-256"));
  if (jwk.find("alg") != nullptr) {
    ENSC_TRY(expect_member(jwk, "alg", kAlg));
  }
  for (const auto& [name, value] : std::get<json::Object>(jwk.variant())) {
    if (name != "kty" && name != "crv" && name != "alg" && name != "x" && name != "y") {
      return bad_jose("a JWK with a member that is not one of a public P-256 key");
    }
  }
  ENSC_TRY_ASSIGN(const Bytes x, decoded_member(jwk, "x"));
  ENSC_TRY_ASSIGN(const Bytes y, decoded_member(jwk, "y"));
  if (x.size() != kCoordinateLen || y.size() != kCoordinateLen) {
    return bad_jose("a coordinate of another length");
  }
  return EcPublicKey::from_point(Curve::kP256, concat({Bytes{0x04}, x, y}));
}

json::Value jwe_seal(const EcPublicKey& to, ByteView secret, Random& random) {
  const EcPrivateKey ephemeral = EcPrivateKey::generate(Curve::kP256);
  const SecretBytes shared = ephemeral.agree(to).value();
  const Aes256Key wrapping_key =
      internal::concat_kdf(shared.expose(), kAlg, {}, {}, kWrappingKeyBits);
  Aes256Key content_key;
  random.fill(content_key.expose_mutable());
  const auto iv = random.array<Aes256Gcm::kNonceLen>();

  const std::string header = base64url_encode(as_bytes(json::write(json::Object{
      {"alg", kAlg}, {"enc", kEnc}, {"epk", coordinates(ephemeral.public_key(), false)}})));
  Bytes sealed(secret.size() + Aes256Gcm::kTagLen);
  Aes256Gcm(content_key).seal(iv, as_bytes(header), secret, sealed);
  const ByteView view(sealed);
  return json::Object{
      {"protected", header},
      {"encrypted_key", base64url_encode(internal::wrap_key(wrapping_key, content_key))},
      {"iv", base64url_encode(iv)},
      {"ciphertext", base64url_encode(view.first(secret.size()))},
      {"tag", base64url_encode(view.subspan(secret.size()))},
  };
}

Result<SecretBytes> jwe_open(const EcPrivateKey& key, const json::Value& jwe) {
  if (!jwe.is_object()) {
    return bad_jose("the JWE is not an object");
  }
  ENSC_TRY_ASSIGN(std::string aad, text_member(jwe, "protected"));
  ENSC_TRY_ASSIGN(const json::Value header, read_header(aad));
  ENSC_TRY(expect_member(header, "alg", kAlg));
  ENSC_TRY(expect_member(header, "enc", kEnc));
  const json::Value* epk = header.find("epk");
  if (epk == nullptr) {
    return bad_jose("no member epk");
  }
  ENSC_TRY_ASSIGN(const Bytes apu, party_info(header, "apu"));
  ENSC_TRY_ASSIGN(const Bytes apv, party_info(header, "apv"));
  ENSC_TRY_ASSIGN(const Bytes encrypted_key, decoded_member(jwe, "encrypted_key"));
  ENSC_TRY_ASSIGN(const Bytes iv, decoded_member(jwe, "iv"));
  ENSC_TRY_ASSIGN(const Bytes ciphertext, decoded_member(jwe, "ciphertext"));
  ENSC_TRY_ASSIGN(const Bytes tag, decoded_member(jwe, "tag"));
  if (iv.size() != Aes256Gcm::kNonceLen || tag.size() != Aes256Gcm::kTagLen) {
    return bad_jose("iv or tag of another length");
  }
  // RFC 7516 §5.1 step 14: the `aad` member, when there is one, is authenticated as well.
  if (const json::Value* extra = jwe.find("aad"); extra != nullptr && !extra->is_null()) {
    ENSC_TRY_ASSIGN(const std::string text, text_member(jwe, "aad"));
    aad += "." + text;
  }

  // From here on every failure is the same failure, but for the form of the key.
  const auto peer = ec_key_from_jwk(*epk);
  if (!peer) {
    return peer.error().is(CryptoError::kBadJose) ? peer.error() : decrypt_failed();
  }
  const auto shared = key.agree(*peer);
  if (!shared) {
    return decrypt_failed();
  }
  const Aes256Key wrapping_key =
      internal::concat_kdf(shared->expose(), kAlg, apu, apv, kWrappingKeyBits);
  const auto content_key = internal::unwrap_key(wrapping_key, encrypted_key);
  if (!content_key) {
    return decrypt_failed();
  }
  SecretBytes out(ciphertext.size());
  if (!Aes256Gcm(*content_key)
           .open(iv, as_bytes(aad), concat({ciphertext, tag}), out.expose_mutable())) {
    return decrypt_failed();
  }
  return out;
}

std::string jws_sign(const Ed25519PrivateKey& key, std::string_view typ, ByteView payload) {
  std::string token =
      base64url_encode(as_bytes(json::write(json::Object{{"alg", "EdDSA"}, {"typ", typ}}))) + "." +
      base64url_encode(payload);
  const Ed25519Signature signature = key.sign(as_bytes(token));
  token += "." + base64url_encode(signature);
  return token;
}

Result<Bytes> jws_verify(const Ed25519PublicKey& key, std::string_view typ,
                         std::string_view token) {
  if (token.size() > kMaxTokenLen) {
    return bad_jose("token too long");
  }
  const std::size_t first = token.find('.');
  const std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) {
    return bad_jose("not three parts");
  }
  ENSC_TRY_ASSIGN(const json::Value header, read_header(token.substr(0, first)));
  ENSC_TRY(expect_member(header, "alg", "EdDSA"));
  ENSC_TRY(expect_member(header, "typ", typ));
  auto payload = base64url_decode(token.substr(first + 1, second - first - 1));
  const auto signature = base64url_decode(token.substr(second + 1));
  if (!payload || !signature) {
    return bad_jose("a part is not base64url");
  }
  ENSC_TRY(ed25519_verify(key, as_bytes(token.substr(0, second)), *signature));
  return *std::move(payload);
}

}  // namespace ensconce
