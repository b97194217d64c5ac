#include <algorithm>

#include "ensconce/attestation/result/render.h"

namespace ensconce {
namespace {

// Trustworthiness tiers (draft-ietf-rats-ar4si, section 2.3.2).
constexpr int kTierNone = 0;
constexpr int kTierAffirming = 2;
constexpr int kTierWarning = 32;
constexpr int kTierContraindicated = 96;

bool failed(const AttestationResult& result, std::initializer_list<std::string_view> prefixes) {
  return std::any_of(result.checks().begin(), result.checks().end(), [&](const Check& check) {
    return !check.holds.value_or(true) && !check.is_warning &&
           std::any_of(prefixes.begin(), prefixes.end(),
                       [&](std::string_view prefix) { return check.id.starts_with(prefix); });
  });
}

int tier_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::kAffirming:
      return kTierAffirming;
    case Outcome::kWarning:
      return kTierWarning;
    case Outcome::kContraindicated:
      return kTierContraindicated;
    case Outcome::kNone:
      break;
  }
  return kTierNone;
}

// Only a vendor's own root says that the hardware is genuine; under another one nothing is claimed.
json::Value vector_of(const AttestationResult& result) {
  const int tier = tier_of(result.outcome());
  json::Object out{
      {"configuration", failed(result, {"security."}) ? kTierContraindicated : tier},
      {"executables",
       failed(result, {"snp.measurement", "tdx.measurement", "tdx.rtmr", "sgx.m", "azure.pcrs"})
           ? kTierContraindicated
           : tier},
  };
  if (result.claims().has_value() && result.claims()->anchor.origin == AnchorOrigin::kVendor) {
    out.emplace_back("hardware",
                     failed(result, {"snp.minimum_tcb", "tdx.minimum_tcb", "intel.tcb."})
                         ? kTierContraindicated
                         : tier);
  }
  return out;
}

}  // namespace

json::Value result_to_ear(const AttestationResult& result, Instant issued_at) {
  json::Object submod{
      {"ear.status", name_of(result.outcome())},
      {"ear.trustworthiness-vector", vector_of(result)},
      {"ensconce.kind", result.kind()},
  };
  if (result.claims().has_value()) {
    const EvidenceClaims& claims = *result.claims();
    submod.emplace_back("ensconce.origin", name_of(claims.anchor.origin));
    submod.emplace_back("ensconce.measurement", to_hex(claims.measurement()));
    if (const SnpFacts* snp = claims.snp()) {
      submod.emplace_back("ensconce.product", name_of(snp->product));
    }
    if (const IntelTcb* tcb = claims.intel_tcb()) {
      submod.emplace_back("ensconce.tcb-status", name_of(tcb->status));
    }
  }
  if (result.affirmed().has_value()) {
    submod.emplace_back("ensconce.statement-sha256", to_hex(result.affirmed()->statement_sha256()));
  }
  if (result.error().has_value()) {
    submod.emplace_back("ensconce.code", result.error()->id());
  }
  json::Object ear{
      {"eat_profile", "tag:github.com,2023:veraison/ear"},
      {"iat", issued_at.unix_ms / 1000},
      {"ear.verifier-id", json::Object{{"developer", "ensconce"}, {"build", ENSC_VERSION}}},
      {"submods", json::Object{{"cpu0", std::move(submod)}}},
  };
  if (result.affirmed().has_value()) {
    ear.emplace_back("exp", result.affirmed()->expires().unix_ms / 1000);
  }
  return ear;
}

}  // namespace ensconce
