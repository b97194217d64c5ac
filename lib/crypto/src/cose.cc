#include "ensconce/crypto/cose.h"

#include <algorithm>

namespace ensconce {

namespace {

constexpr std::uint64_t kSign1Tag = 18;                  // RFC 9052 §2
constexpr ByteArray<3> kProtected = {0xa1, 0x01, 0x27};  // {1: -8}, EdDSA (RFC 9053 §2.2)

// to_be_signed is RFC 9052 §4.4:
//   Sig_structure = ["Signature1", body_protected, external_aad, payload]
Bytes to_be_signed(std::string_view context, ByteView payload) {
  return cbor::encode(cbor::Array{"Signature1", kProtected, as_bytes(context), payload});
}

Error bad_cose(std::string detail) { return {CryptoError::kBadCose, std::move(detail)}; }
Error bad_cose(const Error& why) { return bad_cose(why.to_string()); }

struct Sign1 {
  Bytes payload;
  Bytes signature;
};

// read_sign1 accepts exactly the form that cose_sign1 writes:
//   COSE_Sign1 = #6.18([protected: bstr, unprotected: {}, payload: bstr, signature: bstr .size 64])
Result<Sign1> read_sign1(ByteView message) {
  const auto value = cbor::decode(message);
  if (!value) {
    return bad_cose(value.error());
  }
  const auto content = value->as_tagged(kSign1Tag, "COSE_Sign1");
  if (!content) {
    return bad_cose(content.error());
  }
  const auto fields = (*content)->as_array("COSE_Sign1");
  if (!fields) {
    return bad_cose(fields.error());
  }
  const cbor::Array& items = **fields;
  if (items.size() != 4) {
    return bad_cose("not four items");
  }
  const auto protected_header = items[0].as_bytes("protected");
  const auto unprotected = items[1].as_map("unprotected");
  auto payload = items[2].as_bytes("payload");
  auto signature = items[3].as_bytes("signature");
  if (!protected_header || !equal(*protected_header, kProtected)) {
    return bad_cose("the protected header is not {1: -8}");
  }
  if (!unprotected || !(*unprotected)->empty()) {
    return bad_cose("the unprotected header is not empty");
  }
  if (!payload || !signature || signature->size() != Ed25519Signature().size()) {
    return bad_cose("no attached payload, or no signature of 64 bytes");
  }
  return Sign1{std::move(*payload), std::move(*signature)};
}

}  // namespace

Bytes cose_sign1(const Ed25519PrivateKey& key, std::string_view context, ByteView payload) {
  const Ed25519Signature signature = key.sign(to_be_signed(context, payload));
  return cbor::encode(
      cbor::Value::tagged(kSign1Tag, cbor::Array{kProtected, cbor::Map{}, payload, signature}));
}

Result<Bytes> cose_verify1(const Ed25519PublicKey& key, std::string_view context,
                           ByteView message) {
  ENSC_TRY_ASSIGN(Sign1 sign1, read_sign1(message));
  ENSC_TRY(ed25519_verify(key, to_be_signed(context, sign1.payload), sign1.signature));
  return std::move(sign1.payload);
}

Result<Bytes> cose_payload_unverified(ByteView message) {
  ENSC_TRY_ASSIGN(Sign1 sign1, read_sign1(message));
  return std::move(sign1.payload);
}

}  // namespace ensconce
