#pragma once

#include "ensconce/base/clock.h"
#include "ensconce/channel/error.h"
#include "ensconce/crypto/keys.h"

namespace ensconce {

// Lease is a broker's leave to serve one bundle until a time, given to one worker.
struct Lease {
  ByteArray<16> id{};
  Sha256Digest manifest_digest{};
  Ed25519PublicKey session_key;  // of the worker
  Instant not_before;
  Instant not_after;
  std::uint64_t minimum_version = 0;
  friend bool operator==(const Lease&, const Lease&) = default;
};

// sign_lease makes the COSE_Sign1 ("ensconce-lease/1") by the broker's signing key.
Bytes sign_lease(const Ed25519PrivateKey& broker_key, const Lease& lease);
// verify_lease checks form and signature; what the lease says is the caller's to compare.
Result<Lease> verify_lease(const Ed25519PublicKey& broker_key, ByteView message);

}  // namespace ensconce
