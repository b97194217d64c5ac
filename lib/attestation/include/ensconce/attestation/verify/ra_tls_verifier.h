#pragma once

#include <span>
#include <vector>

#include "ensconce/attestation/evidence/evidence_item.h"
#include "ensconce/attestation/evidence/ra_tls.h"
#include "ensconce/attestation/verify/claims.h"

namespace ensconce {

// RaTlsVerifier judges the quote in an RA-TLS certificate, and that it vouches for the
// certificate's key. Nothing of ours opens a channel on such a certificate: it was made before
// anybody asked, so it shows no freshness and knows no session. Thread-safe.
class RaTlsVerifier {
 public:
  explicit RaTlsVerifier(std::vector<TrustAnchor> anchors) : anchors_(std::move(anchors)) {}
  // verify judges the quote as EvidenceVerifier does and then the binding. Validity and signature
  // of the certificate itself are the peer's own word, and not judged.
  [[nodiscard]] Verification verify(const RaTlsCertificate& certificate,
                                    std::span<const EndorsementItem> pool,
                                    const ExpectedReportData& expected, Instant now) const;

 private:
  std::vector<TrustAnchor> anchors_;
};

}  // namespace ensconce
