#include "ensconce/channel/peer.h"

#include "ensconce/channel/appraise_document.h"
#include "ensconce/channel/tls_binding.h"

namespace ensconce {

PeerGate::PeerGate(AppraisalPolicy policy, const Clock& clock, Random& random)
    : policy_(std::move(policy)), clock_(clock), random_(random) {}

ByteArray<32> PeerGate::challenge(std::uint64_t connection) {
  const auto nonce = random_.array<32>();
  const std::lock_guard lock(mutex_);
  // The server bounds its connections and says when one ends; this bounds what is forgotten by it.
  if (connections_.size() >= kMaxConnections && !connections_.contains(connection)) {
    connections_.erase(connections_.begin());
  }
  connections_[connection].nonce = nonce;
  return nonce;
}

Result<Affirmed> PeerGate::admit(const PeerConnection& connection,
                                 const EvidenceDocument& document) {
  std::optional<ByteArray<32>> nonce;
  {
    const std::lock_guard lock(mutex_);
    const auto found = connections_.find(connection.id);
    if (found != connections_.end()) {
      nonce = std::exchange(found->second.nonce, std::nullopt);
      found->second.affirmed.reset();  // who shows evidence anew is judged by it alone
    }
  }
  if (!nonce) {
    return Error(ChannelError::kProofNonce, "this connection has no nonce to show evidence for")
        .with_remedy("GET " + std::string(kPeerPath) + " first, on the same connection");
  }
  if (connection.certificate_der.empty()) {
    return Error(ChannelError::kPeerCertificate, "this connection showed no certificate of its own")
        .with_remedy("connect with the TLS key that the statement names");
  }
  const AttestationResult result =
      appraise_document(document, policy_, asks_hardware(policy_) ? nonce : std::nullopt,
                        clock_.now())
          .result;
  if (!result.affirmed()) {
    return why_not_affirmed(result, "a peer in");
  }
  const Affirmed& affirmed = *result.affirmed();
  ENSC_TRY(bind_to_tls(document, affirmed, ChannelKind::kTlsPeer, *nonce,
                       {connection.certificate_der, connection.exporter}));
  const std::lock_guard lock(mutex_);
  connections_[connection.id].affirmed = affirmed;
  return affirmed;
}

std::optional<Affirmed> PeerGate::peer_of(std::uint64_t connection) const {
  const std::lock_guard lock(mutex_);
  const auto found = connections_.find(connection);
  if (found == connections_.end() || !found->second.affirmed ||
      clock_.now() > found->second.affirmed->expires()) {
    return std::nullopt;
  }
  return found->second.affirmed;
}

void PeerGate::forget(std::uint64_t connection) {
  const std::lock_guard lock(mutex_);
  connections_.erase(connection);
}

}  // namespace ensconce
