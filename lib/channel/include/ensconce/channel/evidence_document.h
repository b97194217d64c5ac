#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ensconce/attestation/evidence/evidence_item.h"
#include "ensconce/channel/session_proof.h"

namespace ensconce {

inline constexpr std::string_view kEvidencePath = "/.well-known/ensconce/evidence";
inline constexpr std::string_view kServedListPath = "/.well-known/ensconce/served";
inline constexpr std::string_view kBundleHeader = "Ensconce-Bundle";
inline constexpr std::size_t kMaxEvidenceDocument = std::size_t{256} * 1024;

// EvidenceDocument is what a worker answers at kEvidencePath?nonce=<64 hex>: everything a verifier
// needs, offline. Unverified, all of it.
struct EvidenceDocument {
  Bytes statement;
  std::optional<Bytes> beacon;
  std::vector<EvidenceItem> evidence;
  std::vector<EndorsementItem> endorsements;
  std::vector<std::string> missing;  // endorsements the worker does not have
  std::optional<SessionProof> session;
  friend bool operator==(const EvidenceDocument&, const EvidenceDocument&) = default;
};

std::string write_evidence_document(const EvidenceDocument& document);
// parse_evidence_document refuses unknown members, more than 8 pieces of evidence or 16
// endorsements, and anything over kMaxEvidenceDocument.
Result<EvidenceDocument> parse_evidence_document(std::string_view text);

}  // namespace ensconce
