#include "ensconce/attestation/appraise/attestation_result.h"

#include "ensconce/base/check.h"

namespace ensconce {

std::string_view name_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::kNone:
      return "none";
    case Outcome::kAffirming:
      return "affirming";
    case Outcome::kWarning:
      return "warning";
    case Outcome::kContraindicated:
      return "contraindicated";
  }
  ENSC_CHECK(false);
}

Affirmed::Affirmed(const Attested& attested, Instant expires)
    : statement_(attested.statement),
      statement_sha256_(attested.statement_sha256),
      origin_(attested.evidence.anchor.origin),
      measurement_(attested.evidence.measurement()),
      binding_(attested.binding),
      expires_(expires) {}

AttestationResult AttestationResult::refused(std::string kind, std::vector<Check> checks,
                                             Error error) {
  AttestationResult result;
  result.kind_ = std::move(kind);
  result.outcome_ = Outcome::kContraindicated;
  result.error_ = std::move(error);
  result.checks_ = std::move(checks);
  return result;
}

AttestationResult AttestationResult::not_appraised(const Verified<EvidenceClaims>& evidence) {
  AttestationResult result;
  result.kind_ = name_of(evidence->kind);
  result.claims_ = *evidence;
  result.checks_ = evidence->checks;
  return result;
}

AttestationResult AttestationResult::not_appraised(const Verified<Attested>& attested) {
  AttestationResult result;
  result.kind_ = name_of(attested->evidence.kind);
  result.claims_ = attested->evidence;
  result.statement_ = attested->statement;
  result.checks_ = attested->checks;
  return result;
}

}  // namespace ensconce
