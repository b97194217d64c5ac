#include "ensconce/attestation/evidence/beacon.h"

#include <gtest/gtest.h>

#include "ensconce/attestation/verify/beacon_verifier.h"
#include "ensconce/codec/cbor.h"
#include "ensconce/crypto/cose.h"
#include "made_snp.h"

namespace ensconce {
namespace {

Beacon made_beacon() { return {ByteArray<32>{1, 2}, made::kNow, ByteArray<16>{3, 4}}; }

TEST(Beacon, IsVerifiedByTheKeyOfItsBroker) {
  const auto key = made::broker_key();
  const Bytes message = sign_beacon(made_beacon(), key);
  ASSERT_LE(message.size(), kMaxBeacon);
  const Ed25519PublicKey keys[] = {made::owner_key(), key.public_key()};
  const auto verified = BeaconVerifier::verify(message, keys);
  ASSERT_TRUE(verified.claims) << verified.claims.error().to_string();
  EXPECT_EQ(verified.claims.value()->beacon, made_beacon());
  EXPECT_EQ(verified.claims.value()->broker_key, key.public_key());
  EXPECT_EQ(verified.claims.value()->challenge, sha256(message));
}

TEST(Beacon, RejectsAnotherBroker) {
  const Bytes message = sign_beacon(made_beacon(), made::broker_key());
  const Ed25519PublicKey keys[] = {made::owner_key()};
  EXPECT_TRUE(made::refused_by(BeaconVerifier::verify(message, keys).claims,
                               AttestationError::kBeaconSignature));
  EXPECT_TRUE(made::refused_by(BeaconVerifier::verify(message, {}).claims,
                               AttestationError::kBeaconSignature));
}

TEST(Beacon, RejectsAMessageSignedForAnotherPurpose) {
  const auto key = made::broker_key();
  const Bytes payload = *cose_payload_unverified(sign_beacon(made_beacon(), key));
  const Bytes message = cose_sign1(key, "ensconce-lease/1", payload);
  const Ed25519PublicKey keys[] = {key.public_key()};
  EXPECT_TRUE(made::refused_by(BeaconVerifier::verify(message, keys).claims,
                               AttestationError::kBeaconSignature));
}

TEST(Beacon, RejectsEveryFlippedByte) {
  const auto key = made::broker_key();
  const Bytes message = sign_beacon(made_beacon(), key);
  const Ed25519PublicKey keys[] = {key.public_key()};
  for (std::size_t i = 0; i < message.size(); ++i) {
    Bytes changed = message;
    changed[i] ^= 1;
    EXPECT_FALSE(BeaconVerifier::verify(changed, keys).claims.has_value()) << i;
  }
}

TEST(Beacon, RejectsSignedMessagesOfAnotherForm) {
  const auto key = made::broker_key();
  const Ed25519PublicKey keys[] = {key.public_key()};
  const auto map = [](cbor::Value version, cbor::Value time, bool extra) {
    cbor::Map out{{"v", std::move(version)},
                  {"random", ByteArray<32>{}},
                  {"time", std::move(time)},
                  {"boot", ByteArray<16>{}}};
    if (extra) {
      out.emplace_back("more", 1);
    }
    return cbor::encode(out);
  };
  ASSERT_TRUE(parse_beacon_payload(map(1, 5, false)));
  for (const Bytes& payload :
       {map(2, 5, false), map(1, -5, false), map(1, ~std::uint64_t{0}, false), map(1, "now", false),
        map(1, 5, true), Bytes{0xa0}, Bytes{}}) {
    EXPECT_TRUE(parse_beacon_payload(payload).error().is(EvidenceError::kBeacon));
    EXPECT_TRUE(made::refused_by(
        BeaconVerifier::verify(cose_sign1(key, kBeaconContext, payload), keys).claims,
        AttestationError::kBeaconForm));
  }
  EXPECT_TRUE(made::refused_by(BeaconVerifier::verify(Bytes(kMaxBeacon + 1), keys).claims,
                               AttestationError::kBeaconForm));
}

}  // namespace
}  // namespace ensconce
