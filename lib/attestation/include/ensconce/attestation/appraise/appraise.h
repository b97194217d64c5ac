#pragma once

#include <optional>
#include <variant>

#include "ensconce/attestation/appraise/attestation_result.h"
#include "ensconce/attestation/policy/policy.h"
#include "ensconce/attestation/verify/beacon_verifier.h"

namespace ensconce {

// How the caller knows that evidence is fresh. The appraisal holds it against the statement.
struct FreshByBeacon {
  Verified<BeaconClaims> beacon;
};
struct FreshByOwnNonce {
  ByteArray<32> nonce;  // this verifier's own, from this very exchange
};
struct FreshByRcarNonce {};  // the binding proved it (BindingKind::kRcar)
struct FreshnessUnknown {};
using Freshness = std::variant<FreshnessUnknown, FreshByBeacon, FreshByOwnNonce, FreshByRcarNonce>;

// A beacon from further ahead than this is refused: a broker's and a client's clock may differ.
inline constexpr Millis kMaxBeaconSkew = std::chrono::minutes(2);
// How long an affirmation lasts whose freshness is a nonce of the verifier's own.
inline constexpr Millis kOwnNonceLife = std::chrono::minutes(10);
// How long a broker may take to act on an affirmation.
inline constexpr Millis kReleaseWindow = std::chrono::minutes(5);

// appraise holds verified evidence and its statement against a policy. It is total: "no" is a
// result. It reads no clock, file or network.
AttestationResult appraise(const Verified<Attested>& attested, const Freshness& freshness,
                           const AppraisalPolicy& policy, Instant now);

// appraise_evidence_only is for a bare report: anchors and hardware are judged, what needs a
// statement is listed as not applied, and the best outcome is a warning.
AttestationResult appraise_evidence_only(const Verified<EvidenceClaims>& evidence,
                                         const AppraisalPolicy& policy, Instant now);

// appraise_at_rest is for a saved document and a broker's policy, which asks for an RCAR session
// that a document cannot show: all else is judged, and the best outcome is a warning.
AttestationResult appraise_at_rest(const Verified<Attested>& attested,
                                   const AppraisalPolicy& policy, Instant now);

}  // namespace ensconce
