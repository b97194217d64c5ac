#pragma once

#include <span>
#include <vector>

#include "ensconce/attestation/evidence/beacon.h"
#include "ensconce/attestation/verify/check.h"
#include "ensconce/attestation/verify/verified.h"

namespace ensconce {

// BeaconClaims is a beacon whose signature holds.
struct BeaconClaims {
  Beacon beacon;
  ByteArray<32> challenge{};    // SHA-256 of the message
  Ed25519PublicKey broker_key;  // the key that signed
};

struct BeaconVerification {
  std::vector<Check> checks;
  Result<Verified<BeaconClaims>> claims;
};

class BeaconVerifier {
 public:
  // verify holds only if one of the keys signed the message. Age and use are for the appraisal.
  static BeaconVerification verify(ByteView message, std::span<const Ed25519PublicKey> broker_keys);
};

}  // namespace ensconce
