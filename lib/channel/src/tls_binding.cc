#include "ensconce/channel/tls_binding.h"

#include <algorithm>

#include "ensconce/channel/error.h"
#include "ensconce/crypto/x509.h"

namespace ensconce {

std::string evidence_target(const ByteArray<32>& nonce, bool hardware) {
  return std::string(kEvidencePath) + "?nonce=" + to_hex(nonce) +
         (hardware ? "&freshness=hardware" : "");
}

Result<EvidenceDocument> read_evidence_answer(int status, ByteView body) {
  if (status == 429 || status >= 500) {
    return Error(ChannelError::kBusy,
                 "no evidence just now (status " + std::to_string(status) +
                     "): the other side's secure processor, or what is before it")
        .with_remedy("try again in a few seconds, or let a client's policy take a beacon");
  }
  if (status != 200) {
    return Error(ChannelError::kNoEvidence, "expected an evidence document at " +
                                                std::string(kEvidencePath) + ", got status " +
                                                std::to_string(status))
        .with_remedy("is this an Ensconce worker? A certificate alone proves no TEE");
  }
  return parse_evidence_document(as_text(body));
}

Result<void> bind_to_tls(const EvidenceDocument& document, const Affirmed& affirmed,
                         ChannelKind kind, const ByteArray<32>& nonce, const TlsSession& session) {
  // Nothing is taken from the certificate but its key.
  ENSC_TRY_ASSIGN(const Certificate certificate, Certificate::from_der(session.certificate_der));
  const Sha384Digest key = sha384(certificate.spki_der());
  const std::vector<Sha384Digest>& named = affirmed.statement().keys.tls;
  if (std::find(named.begin(), named.end(), key) == named.end()) {
    return Error(ChannelError::kForeignTlsKey, "this connection's key has SHA-384 " + to_hex(key) +
                                                   ", the attested statement names " +
                                                   to_hex(named.front()))
        .with_remedy(
            "somebody else than who is attested ends this connection: a proxy, or an attacker with "
            "a certificate; reach the attested one itself, or a worker by the oblivious channel");
  }
  if (!document.session) {
    return Error(ChannelError::kNoSessionProof, "the evidence document carries no session proof");
  }
  return verify_session(*document.session,
                        {kind, nonce, session.exporter, affirmed.statement_sha256(),
                         affirmed.statement().keys.session});
}

Result<void> require_broker_key(const Statement& statement,
                                const std::optional<Ed25519PublicKey>& expected) {
  const Ed25519PublicKey& believed = statement.security.broker_key;
  const Ed25519PublicKey& own = statement.keys.receipt;
  // Without this a worker of the same image could stand in a broker's place and be given keys.
  if (!is_of_broker(statement)) {
    return Error(ChannelError::kBrokerKey,
                 "the statement is no broker's: it believes beacons and leases by " +
                     to_hex(believed.bytes) + ", and signs by " + to_hex(own.bytes))
        .with_remedy("is this the broker's address? A worker shows evidence too");
  }
  if (expected && own != *expected) {
    return Error(ChannelError::kBrokerKey, "the attested broker signs by " + to_hex(own.bytes) +
                                               ", expected " + to_hex(expected->bytes))
        .with_remedy("compare the key with the broker's ready line");
  }
  return ok();
}

}  // namespace ensconce
