#pragma once

#include "ensconce/base/clock.h"
#include "ensconce/base/random.h"
#include "ensconce/crypto/keys.h"
#include "ensconce/keybroker/error.h"
#include "ensconce/keybroker/wire.h"

namespace ensconce {

// An owner's request to a broker is signed by the owner's key, for one broker (`audience`: SHA-256
// of the SubjectPublicKeyInfo the broker's TLS shows), one moment and one use
// (docs/protocols/key-release.md, section 5).
struct AdminCaller {
  Ed25519PublicKey key;
  ByteArray<16> nonce{};
  Instant time;
};

inline constexpr Millis kAdminWindow = std::chrono::minutes(5);

// sign_admin_request adds the four ensconce-admin-* headers.
WireRequest sign_admin_request(WireRequest request, const Ed25519PrivateKey& owner,
                               const Sha256Digest& audience, Instant now, Random& random);
// verify_admin_signature returns who signed. Absent, malformed or wrong signatures are
// kUnauthorised; a time further than kAdminWindow from `now` is kReplayed. Whether that key may do
// what it asks, and whether the nonce is new, is the caller's to judge.
Result<AdminCaller> verify_admin_signature(const WireRequest& request, const Sha256Digest& audience,
                                           Instant now);

}  // namespace ensconce
