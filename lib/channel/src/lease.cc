#include "ensconce/channel/lease.h"

#include "ensconce/crypto/cose.h"

namespace ensconce {

namespace {

constexpr std::string_view kContext = "ensconce-lease/1";

Result<Lease> read_lease(ByteView payload) {
  ENSC_TRY_ASSIGN(const cbor::Value root, cbor::decode(payload));
  ENSC_TRY_ASSIGN(cbor::Fields fields, cbor::Fields::of(root, "lease"));
  Lease out;
  ENSC_TRY_ASSIGN(const cbor::Value* id, fields.take("id"));
  ENSC_TRY_ASSIGN(out.id, id->as_fixed<16>("id"));
  ENSC_TRY_ASSIGN(const cbor::Value* manifest, fields.take("manifest"));
  ENSC_TRY_ASSIGN(out.manifest_digest, manifest->as_fixed<32>("manifest"));
  ENSC_TRY_ASSIGN(const cbor::Value* session, fields.take("session"));
  ENSC_TRY_ASSIGN(out.session_key.bytes, session->as_fixed<32>("session"));
  ENSC_TRY_ASSIGN(const cbor::Value* not_before, fields.take("not_before"));
  ENSC_TRY_ASSIGN(out.not_before.unix_ms, not_before->as_int("not_before"));
  ENSC_TRY_ASSIGN(const cbor::Value* not_after, fields.take("not_after"));
  ENSC_TRY_ASSIGN(out.not_after.unix_ms, not_after->as_int("not_after"));
  ENSC_TRY_ASSIGN(const cbor::Value* minimum, fields.take("minimum_version"));
  ENSC_TRY_ASSIGN(out.minimum_version, minimum->as_uint("minimum_version"));
  ENSC_TRY(fields.finish());
  return out;
}

}  // namespace

Bytes sign_lease(const Ed25519PrivateKey& broker_key, const Lease& lease) {
  return cose_sign1(broker_key, kContext,
                    cbor::encode(cbor::Map{{"id", lease.id},
                                           {"manifest", lease.manifest_digest},
                                           {"session", lease.session_key.bytes},
                                           {"not_before", lease.not_before.unix_ms},
                                           {"not_after", lease.not_after.unix_ms},
                                           {"minimum_version", lease.minimum_version}}));
}

Result<Lease> verify_lease(const Ed25519PublicKey& broker_key, ByteView message) {
  const Result<Bytes> payload = cose_verify1(broker_key, kContext, message);
  if (!payload) {
    if (payload.error().is(CryptoError::kBadSignature)) {
      return Error(ChannelError::kLeaseSignature,
                   "the lease is not signed by the broker key " + to_hex(broker_key.bytes));
    }
    return Error(ChannelError::kBadLease, payload.error().to_string());
  }
  Result<Lease> lease = read_lease(*payload);
  if (!lease) {
    return Error(ChannelError::kBadLease, lease.error().to_string());
  }
  return lease;
}

}  // namespace ensconce
