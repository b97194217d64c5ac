#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ensconce/attestation/evidence/evidence_item.h"
#include "ensconce/channel/session_proof.h"

namespace ensconce {

inline constexpr std::string_view kEvidencePath = "/.well-known/ensconce/evidence";
inline constexpr std::string_view kServedListPath = "/.well-known/ensconce/served";
// What names the worker a sealed request is for, and the one an answer is from: the first 16 hex
// digits of SHA-256(key configuration). Balancers may route by it; it says nothing, and nobody
// believes it.
inline constexpr std::string_view kWorkerHeader = "Ensconce-Worker";
inline constexpr std::string_view kGatewayPath = "/.well-known/ohttp-gateway";  // RFC 9540
// RFC 9458 section 5.3: the problem type of a key configuration a gateway no longer has.
inline constexpr std::string_view kOhttpKeyProblem =
    "https://iana.org/assignments/http-problem-types#ohttp-key";
inline constexpr std::string_view kBundleHeader = "Ensconce-Bundle";
inline constexpr std::size_t kMaxEvidenceDocument = std::size_t{256} * 1024;

// EvidenceDocument is what a worker answers at kEvidencePath?nonce=<64 hex>: everything a verifier
// needs, offline. Unverified, all of it. Asked for with channel=ohttp it has the gateway's key, and
// is "ensconce-evidence/2"; without one it is "ensconce-evidence/1".
struct EvidenceDocument {
  Bytes statement;
  std::optional<Bytes> beacon;
  std::vector<EvidenceItem> evidence;
  std::vector<EndorsementItem> endorsements;
  std::vector<std::string> missing;  // endorsements the worker does not have
  std::optional<SessionProof> session;
  std::optional<Bytes> ohttp_key;  // a key configuration, RFC 9458 section 3.1
  friend bool operator==(const EvidenceDocument&, const EvidenceDocument&) = default;
};

// RenderedEvidence is what a document keeps from one client to the next, written once: all but its
// session proof and OHTTP key, which `with` adds.
class RenderedEvidence {
 public:
  RenderedEvidence() = default;
  explicit RenderedEvidence(const EvidenceDocument& document);
  [[nodiscard]] std::string with(const std::optional<SessionProof>& session,
                                 const std::optional<Bytes>& ohttp_key) const;

 private:
  std::string members_;  // of the JSON object, without its braces
};

std::string write_evidence_document(const EvidenceDocument& document);
// parse_evidence_document refuses unknown members, more than 8 pieces of evidence or 16
// endorsements, and anything over kMaxEvidenceDocument.
Result<EvidenceDocument> parse_evidence_document(std::string_view text);

}  // namespace ensconce
