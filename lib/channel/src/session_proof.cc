#include "ensconce/channel/session_proof.h"

namespace ensconce {

namespace {

Bytes signed_bytes(const SessionProof& proof) {
  ByteWriter w;
  w.raw(as_bytes("ensconce-session/1")).u8(0);
  w.u8(static_cast<std::uint8_t>(proof.kind));
  w.raw(proof.nonce).raw(proof.binding).raw(proof.statement_digest);
  w.u64_be(static_cast<std::uint64_t>(proof.time.unix_ms));
  return std::move(w).take();
}

Error differs(ChannelError code, std::string_view what, ByteView expected, ByteView got) {
  return {code, std::string(what) + ": expected " + to_hex(expected) + ", got " + to_hex(got)};
}

}  // namespace

SessionProof prove_session(const Ed25519PrivateKey& session_key, ChannelKind kind,
                           const ByteArray<32>& nonce, const ByteArray<32>& binding,
                           const Sha256Digest& statement_digest, Instant time) {
  SessionProof proof{kind, nonce, binding, statement_digest, time, {}};
  proof.signature = session_key.sign(signed_bytes(proof));
  return proof;
}

Result<void> verify_session(const SessionProof& proof, const SessionExpectation& expected) {
  // A proof for the OHTTP key says nothing about this TLS session, and the other way round.
  if (proof.kind != expected.kind) {
    return Error(ChannelError::kProofKind, "the session proof is of kind " +
                                               std::to_string(static_cast<int>(proof.kind)) +
                                               ", this channel needs kind " +
                                               std::to_string(static_cast<int>(expected.kind)));
  }
  // Without the client's own nonce an old proof could be played again.
  if (!equal(proof.nonce, expected.nonce)) {
    return differs(ChannelError::kProofNonce, "nonce of the session proof", expected.nonce,
                   proof.nonce);
  }
  // Without the binding a relay could stand between client and worker and read (CVE-2026-33697).
  if (!equal(proof.binding, expected.binding)) {
    return differs(ChannelError::kProofBinding,
                   "the session proof belongs to another session; binding", expected.binding,
                   proof.binding)
        .with_remedy(
            "somebody ends the TLS connection between you and the worker; reach the "
            "worker without it");
  }
  if (!equal(proof.statement_digest, expected.statement_digest)) {
    return differs(ChannelError::kProofStatement, "statement digest of the session proof",
                   expected.statement_digest, proof.statement_digest);
  }
  if (!ed25519_verify(expected.session_key, signed_bytes(proof), proof.signature)) {
    return Error(ChannelError::kProofSignature,
                 "the session proof is not signed by the session key of the statement");
  }
  return ok();
}

}  // namespace ensconce
