#include "ensconce/channel/peer.h"

#include <algorithm>

#include "ensconce/channel/appraise_document.h"
#include "ensconce/crypto/x509.h"

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
  const bool hardware =
      policy_.freshness() && std::holds_alternative<HardwareFreshness>(*policy_.freshness());
  const AttestationResult result =
      appraise_document(document, policy_, hardware ? nonce : std::nullopt, clock_.now()).result;
  if (!result.affirmed()) {
    return result.error()
               ? *result.error()
               : Error(ChannelError::kNotAffirmed,
                       "the appraisal ended with " + std::string(name_of(result.outcome())));
  }
  const Affirmed& affirmed = *result.affirmed();
  ENSC_TRY_ASSIGN(const Certificate certificate, Certificate::from_der(connection.certificate_der));
  const Sha384Digest key = sha384(certificate.spki_der());
  const std::vector<Sha384Digest>& named = affirmed.statement().keys.tls;
  if (std::find(named.begin(), named.end(), key) == named.end()) {
    return Error(ChannelError::kForeignTlsKey,
                 "the peer's key on this connection is not one its statement names");
  }
  if (!document.session) {
    return Error(ChannelError::kNoSessionProof, "the evidence document carries no session proof");
  }
  ENSC_TRY(verify_session(*document.session,
                          {ChannelKind::kTlsPeer, *nonce, connection.exporter,
                           affirmed.statement_sha256(), affirmed.statement().keys.session}));
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
