#pragma once

#include "ensconce/attestation/evidence/error.h"
#include "ensconce/base/clock.h"
#include "ensconce/crypto/keys.h"

namespace ensconce {

// Beacon is a broker's word on the time, made for one boot of one worker. Its challenge is the
// SHA-256 of the whole signed message (docs/protocols/statement.md, section 4).
struct Beacon {
  ByteArray<32> random{};
  Instant time;
  ByteArray<16> boot_id{};
  friend bool operator==(const Beacon&, const Beacon&) = default;
};

inline constexpr std::string_view kBeaconContext = "ensconce-beacon/1";
inline constexpr std::size_t kMaxBeacon = 512;

// sign_beacon makes the COSE_Sign1 message; the broker calls it.
Bytes sign_beacon(const Beacon& beacon, const Ed25519PrivateKey& broker_key);
// beacon_challenge is SHA-256(message): what the worker puts into its statement.
ByteArray<32> beacon_challenge(ByteView message);
// parse_beacon_payload reads the CBOR inside. Form only; verify_beacon judges the signature.
Result<Beacon> parse_beacon_payload(ByteView payload);

}  // namespace ensconce
