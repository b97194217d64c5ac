#pragma once

#include <span>
#include <string>

#include "ensconce/attestation/appraise/attestation_result.h"
#include "ensconce/codec/json.h"

namespace ensconce {

// result_to_json is the machine's form (docs/verification.md, "Result").
json::Value result_to_json(const AttestationResult& result);
// result_to_text is the people's form: an aligned table of every check, with what was expected,
// what came and what to do where one does not hold; SIMULATED in large where the root is simulated.
// `color` uses terminal colours.
std::string result_to_text(const AttestationResult& result, bool color);
// checks_to_text and checks_to_json are the checks of either form by themselves, for verdicts that
// go on where an appraisal ends (a receipt's).
std::string checks_to_text(std::span<const Check> checks, bool color);
json::Value checks_to_json(std::span<const Check> checks);
// result_to_ear is the claims set of an EAR (draft-ietf-rats-ear), to be signed as a JWT by the
// caller: eat_profile, iat, ear.verifier-id, submods. The origin of the anchor is in it.
json::Value result_to_ear(const AttestationResult& result, Instant issued_at);
// claims_to_json are the facts of a report: lower-case hex, decoded bits. TCB components need the
// product: the report's CPUID tells it, or `product` for version 2.
json::Value claims_to_json(const SnpReport& report,
                           std::optional<SnpProduct> product = std::nullopt);

json::Value claims_to_json(const IntelQuote& quote);
json::Value claims_to_json(const PckExtensions& pck);
json::Value claims_to_json(const EvidenceClaims& claims);

}  // namespace ensconce
