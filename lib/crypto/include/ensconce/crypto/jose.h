#pragma once

#include "ensconce/codec/json.h"
#include "ensconce/crypto/keys.h"

namespace ensconce {

// jwk_of writes a P-256 key as RCAR wants it: {"kty":"EC","crv":"P-256",
// "alg":"ECDH-ES+A256KW","x","y"}. ec_key_from_jwk reads it: `alg` may be left out, other members
// are CryptoError::kBadJose, a point off the curve is CryptoError::kBadKey.
json::Value jwk_of(const EcPublicKey& key);
Result<EcPublicKey> ec_key_from_jwk(const json::Value& jwk);

// jwe_seal wraps a secret to a P-256 key: flattened JWE (RFC 7516 §7.2.2), ECDH-ES+A256KW
// (RFC 7518 §4.6), A256GCM, members protected, encrypted_key, iv, ciphertext, tag.
json::Value jwe_seal(const EcPublicKey& to, ByteView secret, Random& random);
// jwe_open: form errors are CryptoError::kBadJose, all others CryptoError::kDecryptFailed.
// `aad`, apu and apv are taken into account; unknown members and header parameters are ignored
// (RFC 7516 §7.2.1), `crit` and `zip` refused.
Result<SecretBytes> jwe_open(const EcPrivateKey& key, const json::Value& jwe);

// jws_sign makes a compact JWS (RFC 7515) with EdDSA (RFC 8037); jws_verify returns the payload.
// Another alg or typ, or a form it does not know, is CryptoError::kBadJose.
std::string jws_sign(const Ed25519PrivateKey& key, std::string_view typ, ByteView payload);
Result<Bytes> jws_verify(const Ed25519PublicKey& key, std::string_view typ, std::string_view token);

}  // namespace ensconce
