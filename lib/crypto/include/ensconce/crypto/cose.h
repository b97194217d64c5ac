#pragma once

#include <string_view>

#include "ensconce/codec/cbor.h"
#include "ensconce/crypto/keys.h"

namespace ensconce {

// COSE_Sign1 (RFC 9052 §4.2) with Ed25519 (alg -8), tagged 18, protected header exactly
// {1: -8}, empty unprotected header, attached payload. `context` is the external_aad: one string a
// message type ("ensconce-beacon/1"), so that no message stands for another.
Bytes cose_sign1(const Ed25519PrivateKey& key, std::string_view context, ByteView payload);
// cose_verify1 returns the payload. Form errors are CryptoError::kBadCose; a signature by another
// key, or over another context, is CryptoError::kBadSignature.
Result<Bytes> cose_verify1(const Ed25519PublicKey& key, std::string_view context, ByteView message);
// cose_payload_unverified reads the payload without judging it, to find out whose key to ask for.
Result<Bytes> cose_payload_unverified(ByteView message);

}  // namespace ensconce
