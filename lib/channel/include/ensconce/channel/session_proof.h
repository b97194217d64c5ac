#pragma once

#include "ensconce/base/clock.h"
#include "ensconce/channel/error.h"
#include "ensconce/crypto/keys.h"

namespace ensconce {

// ChannelKind is what a session proof binds to. A client accepts only that of the channel it uses.
enum class ChannelKind : std::uint8_t {
  kTlsExporter = 1,  // binding = TLS exporter, RFC 9266
  kOhttpKey = 2,     // binding = SHA-256 of the OHTTP key configuration
  kTlsPeer = 3,      // of who connected: binding as in 1, the nonce is the other side's
};

// SessionProof makes one connection fresh and bound to its own session, also against relays
// (docs/protocols/evidence-document.md).
struct SessionProof {
  ChannelKind kind = ChannelKind::kTlsExporter;
  ByteArray<32> nonce{};  // the client's
  ByteArray<32> binding{};
  Sha256Digest statement_digest{};  // SHA-256 of the statement bytes
  Instant time;                     // the worker's clock: said, not trusted
  Ed25519Signature signature{};
  friend bool operator==(const SessionProof&, const SessionProof&) = default;
};

// prove_session signs "ensconce-session/1" ‖ 00 ‖ kind u8 ‖ nonce ‖ binding ‖ SHA-256(statement) ‖
// time u64 BE ms with the worker's session key.
SessionProof prove_session(const Ed25519PrivateKey& session_key, ChannelKind kind,
                           const ByteArray<32>& nonce, const ByteArray<32>& binding,
                           const Sha256Digest& statement_digest, Instant time);

// SessionExpectation is what the client knows by itself.
struct SessionExpectation {
  ChannelKind kind = ChannelKind::kTlsExporter;
  ByteArray<32> nonce{};
  ByteArray<32> binding{};
  Sha256Digest statement_digest{};
  Ed25519PublicKey session_key;  // from the attested statement
};

// verify_session compares every member with what the client expects, then the signature. Each
// difference has its own code, because each is a different attack.
Result<void> verify_session(const SessionProof& proof, const SessionExpectation& expected);

}  // namespace ensconce
