#include "ensconce/channel/appraise_document.h"

#include "ensconce/attestation/verify/binding.h"
#include "ensconce/attestation/verify/evidence_verifier.h"
#include "ensconce/channel/error.h"

namespace ensconce {

namespace {

DocumentAppraisal refused(const std::string& kind, std::vector<Check> checks, const Error& error,
                          const Sha256Digest& digest) {
  return {AttestationResult::refused(kind, std::move(checks), error), digest};
}

}  // namespace

DocumentAppraisal appraise_document(const EvidenceDocument& document, const AppraisalPolicy& policy,
                                    const std::optional<ByteArray<32>>& own_nonce, Instant now,
                                    SignatureMemo* memo) {
  const Sha256Digest digest = sha256(document.statement);
  const EvidenceItem* evidence = choose_evidence(document.evidence);
  if (evidence == nullptr) {
    return refused("unknown", {},
                   Error(ChannelError::kNoEvidence, "the document holds no evidence we know"),
                   digest);
  }
  const Verification verification =
      EvidenceVerifier(policy.anchors(), memo)
          .verify(*evidence, document.endorsements, report_data_for(document.statement), now);
  if (!verification.claims) {
    return refused(evidence->type, verification.checks, verification.claims.error(), digest);
  }
  const BindingVerification bound =
      StatementBinder::bind_statement(*verification.claims, document.statement);
  if (!bound.attested) {
    return refused(evidence->type, bound.checks, bound.attested.error(), digest);
  }
  if (own_nonce) {
    return {appraise(*bound.attested, FreshByOwnNonce{*own_nonce}, policy, now), digest};
  }
  const auto* by_beacon =
      policy.freshness() ? std::get_if<BeaconFreshness>(&*policy.freshness()) : nullptr;
  if (!document.beacon || by_beacon == nullptr) {
    return {appraise(*bound.attested, FreshnessUnknown{}, policy, now), digest};
  }
  const BeaconVerification beacon =
      BeaconVerifier::verify(*document.beacon, by_beacon->broker_keys);
  if (!beacon.claims) {
    std::vector<Check> checks = bound.checks;
    checks.insert(checks.end(), beacon.checks.begin(), beacon.checks.end());
    return refused(evidence->type, std::move(checks), beacon.claims.error(), digest);
  }
  return {appraise(*bound.attested, FreshByBeacon{*beacon.claims}, policy, now), digest};
}

Error why_not_affirmed(const AttestationResult& result, std::string_view then) {
  return result.error()
             ? *result.error()
             : Error(ChannelError::kNotAffirmed,
                     "the appraisal ended with " + std::string(name_of(result.outcome())) +
                         ", and only affirming lets " + std::string(then));
}

bool asks_hardware(const AppraisalPolicy& policy) {
  return policy.freshness() && std::holds_alternative<HardwareFreshness>(*policy.freshness());
}

}  // namespace ensconce
