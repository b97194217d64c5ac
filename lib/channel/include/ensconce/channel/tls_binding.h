#pragma once

#include "ensconce/attestation/appraise/appraise.h"
#include "ensconce/channel/evidence_document.h"

// Evidence and the TLS connection it came over: what a verifier asks and requires at either end.
namespace ensconce {

// TlsSession is what one end of a TLS connection knows of it by itself.
struct TlsSession {
  Bytes certificate_der;  // the other end's, whose key the handshake proved
  ByteArray<32> exporter{};
};

// evidence_target is what a verifier GETs for its nonce. `hardware` asks for a report made for it.
std::string evidence_target(const ByteArray<32>& nonce, bool hardware);
// read_evidence_answer takes the answer to it. Errors: ChannelError::kBusy where the other side
// cannot just now, kNoEvidence where it has none, kBadDocument.
Result<EvidenceDocument> read_evidence_answer(int status, ByteView body);

// bind_to_tls requires that the other end of this connection is who the document speaks of: its key
// stands in the affirmed statement, and the session proof is of this kind, for this nonce, this
// connection's exporter and this statement. Errors: ChannelError::kForeignTlsKey, kNoSessionProof,
// kProof….
Result<void> bind_to_tls(const EvidenceDocument& document, const Affirmed& affirmed,
                         ChannelKind kind, const ByteArray<32>& nonce, const TlsSession& session);

// require_broker_key requires that the statement is a broker's and names the key that signs its
// beacons and leases as its own (docs/protocols/statement.md, section 6); `expected` is that key
// where the caller knows it. A worker's statement names its broker's key too, as somebody else's.
// Error: ChannelError::kBrokerKey.
Result<void> require_broker_key(const Statement& statement,
                                const std::optional<Ed25519PublicKey>& expected);

}  // namespace ensconce
