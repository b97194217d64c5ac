#pragma once

#include <optional>

#include "ensconce/attestation/evidence/statement.h"
#include "ensconce/channel/evidence_document.h"
#include "ensconce/tee/provider.h"

namespace ensconce {

// AttestedStatement is what a worker or a broker says of itself, and the evidence that vouches for
// it.
struct AttestedStatement {
  Bytes statement;
  Sha256Digest digest{};  // SHA-256 of it
  std::optional<Bytes> beacon;
  HardwareEvidence hardware;
};

// attest_statement asks the secure processor for evidence whose report data is the statement's
// hash. `beacon` is the one whose hash is the statement's challenge, or none. Fails as the provider
// does.
Result<AttestedStatement> attest_statement(EvidenceProvider& provider, const Statement& statement,
                                           std::optional<Bytes> beacon);

// document_of is the evidence document without what belongs to a connection: no session proof yet.
EvidenceDocument document_of(const AttestedStatement& attested);

}  // namespace ensconce
