#pragma once

#include <map>
#include <mutex>
#include <optional>

#include "ensconce/attestation/appraise/appraise.h"
#include "ensconce/base/random.h"
#include "ensconce/channel/evidence_document.h"

// Mutual attestation: who connected shows evidence of its own on the connection that is already
// attested the other way (docs/protocols/mutual-attestation.md).
namespace ensconce {

// GET gives this connection's nonce, POST takes the evidence document for it.
inline constexpr std::string_view kPeerPath = "/.well-known/ensconce/peer";

// PeerConnection is what the side that was connected to knows of a connection by itself.
struct PeerConnection {
  std::uint64_t id = 0;   // no two of one process are the same
  Bytes certificate_der;  // whose key the handshake proved; empty where none was shown
  ByteArray<32> exporter{};
};

// PeerGate judges peers by a policy of role "peer", and remembers per connection who was affirmed
// until when. Safe to use from several threads.
class PeerGate {
 public:
  // Clock and randomness are borrowed.
  PeerGate(AppraisalPolicy policy, const Clock& clock, Random& random);

  // challenge gives a connection a nonce to show evidence for, a new one each time; an older one
  // of this connection is no longer taken.
  ByteArray<32> challenge(std::uint64_t connection);

  // admit judges a peer's document: its evidence and statement by the policy, its TLS key by the
  // certificate this connection's handshake proved, its session proof of kind 3 by the nonce and
  // the exporter of this connection. A nonce serves once. Codes: those of an appraisal,
  // ChannelError::kPeerCertificate, kForeignTlsKey, kNoSessionProof, kProof….
  Result<Affirmed> admit(const PeerConnection& connection, const EvidenceDocument& document);

  // peer_of is who was admitted on a connection and has not ended.
  [[nodiscard]] std::optional<Affirmed> peer_of(std::uint64_t connection) const;
  // forget is for a connection that has ended.
  void forget(std::uint64_t connection);

 private:
  struct State {
    std::optional<ByteArray<32>> nonce;
    std::optional<Affirmed> affirmed;
  };
  static constexpr std::size_t kMaxConnections = 4096;

  const AppraisalPolicy policy_;
  const Clock& clock_;
  Random& random_;
  mutable std::mutex mutex_;
  std::map<std::uint64_t, State> connections_;
};

}  // namespace ensconce
