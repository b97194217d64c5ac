#include "ensconce/attestation/evidence/beacon.h"

#include "ensconce/codec/cbor.h"
#include "ensconce/crypto/cose.h"

namespace ensconce {

Bytes sign_beacon(const Beacon& beacon, const Ed25519PrivateKey& broker_key) {
  // The time of a beacon is never before 1970: Instant is signed for arithmetic only.
  ENSC_CHECK(beacon.time.unix_ms >= 0);
  const cbor::Value payload(cbor::Map{
      {"v", 1},
      {"random", beacon.random},
      {"time", static_cast<std::uint64_t>(beacon.time.unix_ms)},
      {"boot", beacon.boot_id},
  });
  return cose_sign1(broker_key, kBeaconContext, cbor::encode(payload));
}

ByteArray<32> beacon_challenge(ByteView message) { return sha256(message); }

namespace {

Result<Beacon> read_payload(ByteView payload) {
  ENSC_TRY_ASSIGN(const cbor::Value value,
                  cbor::decode(payload, {.max_depth = 2, .max_items = 16}));
  ENSC_TRY_ASSIGN(auto fields, cbor::Fields::of(value, "beacon"));
  Beacon beacon;
  ENSC_TRY_ASSIGN(const cbor::Value* version, fields.take("v"));
  ENSC_TRY_ASSIGN(const std::uint64_t v, version->as_uint("v"));
  if (v != 1) {
    return Error(EvidenceError::kBeacon, "version " + std::to_string(v));
  }
  ENSC_TRY_ASSIGN(const cbor::Value* random, fields.take("random"));
  ENSC_TRY_ASSIGN(beacon.random, random->as_fixed<32>("random"));
  ENSC_TRY_ASSIGN(const cbor::Value* time, fields.take("time"));
  ENSC_TRY_ASSIGN(const std::int64_t unix_ms, time->as_int("time"));
  // The bound keeps every later sum of times inside its type.
  if (unix_ms < 0 || unix_ms > std::int64_t{253402300799999}) {
    return Error(EvidenceError::kBeacon, "time is not between 1970 and 9999");
  }
  beacon.time = Instant{unix_ms};
  ENSC_TRY_ASSIGN(const cbor::Value* boot, fields.take("boot"));
  ENSC_TRY_ASSIGN(beacon.boot_id, boot->as_fixed<16>("boot"));
  ENSC_TRY(fields.finish());
  return beacon;
}

}  // namespace

Result<Beacon> parse_beacon_payload(ByteView payload) {
  Result<Beacon> beacon = read_payload(payload);
  if (!beacon) {
    return Error(EvidenceError::kBeacon, beacon.error().to_string());
  }
  return beacon;
}

}  // namespace ensconce
