#include "ensconce/attestation/verify/beacon_verifier.h"

#include "ensconce/crypto/cose.h"

namespace ensconce {

BeaconVerification BeaconVerifier::verify(ByteView message,
                                          std::span<const Ed25519PublicKey> broker_keys) {
  CheckLog log;
  BeaconClaims claims;
  claims.challenge = beacon_challenge(message);

  const bool small = message.size() <= kMaxBeacon;
  ENSC_REQUIRE(log, AttestationError::kBeaconForm, small,
               "at most " + std::to_string(kMaxBeacon) + " bytes",
               std::to_string(message.size()) + " bytes");
  std::optional<Bytes> payload;
  std::string reason = broker_keys.empty() ? "no broker key is named" : "";
  for (const Ed25519PublicKey& key : broker_keys) {
    if (!small || payload.has_value()) {
      break;
    }
    auto opened = cose_verify1(key, kBeaconContext, message);
    if (opened) {
      payload = *std::move(opened);
      claims.broker_key = key;
    } else {
      reason = opened.error().to_string();
    }
  }
  if (small) {
    ENSC_REQUIRE(log, AttestationError::kBeaconSignature, payload.has_value(),
                 "a COSE_Sign1 by one of " + std::to_string(broker_keys.size()) + " named brokers",
                 payload.has_value() ? "signed by " + to_hex(claims.broker_key.bytes) : reason);
  }
  if (payload.has_value()) {
    const auto beacon = parse_beacon_payload(*payload);
    ENSC_REQUIRE(log, AttestationError::kBeaconForm, beacon.has_value(), "version 1",
                 beacon ? "version 1" : beacon.error().detail());
    if (beacon) {
      claims.beacon = *beacon;
    }
  }

  const Result<void> verdict = log.verdict();
  if (!verdict) {
    return {log.checks(), verdict.error()};
  }
  return {log.checks(), Verified<BeaconClaims>(std::move(claims))};
}

}  // namespace ensconce
