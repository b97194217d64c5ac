#pragma once

#include <string>
#include <string_view>

#include "ensconce/attestation/appraise/appraise.h"
#include "ensconce/attestation/endorsements/snp_endorsements.h"
#include "ensconce/attestation/verify/snp_verifier.h"
#include "ensconce/sim/snp_pki.h"

// Made evidence: a simulated vendor with small keys, a statement, and policies that fit them.
namespace ensconce::made {

inline constexpr Instant kNow{1'790'000'000'000};  // 2026-09-21

// pki makes a vendor and a chip of the given shape, with RSA of 2048 bits.
SnpPki make_pki(SnpPkiOptions options = {});
// shared_pki is one Milan chip with a VCEK under a marked root, made once a process.
const SnpPki& shared_pki();

TrustAnchor anchor_of(const SnpPki& pki, AnchorOrigin origin = AnchorOrigin::kSimulated);
// endorsements_of are the chain and a fresh CRL.
SnpEndorsements endorsements_of(const SnpPki& pki);
ByteArray<48> measurement();

Statement statement();
// report_for is a report that carries `report_data`, unsigned.
SnpReport report_for(const SnpPki& pki, const ByteArray<64>& report_data);
SnpReport signed_report(const SnpPki& pki, const SnpReport& report);

// verify_made verifies under the PKI's own root.
Verification verify_made(const SnpPki& pki, const SnpReport& report,
                         const SnpEndorsements& endorsements,
                         const ByteArray<64>& expected_report_data, Instant now = kNow);
Verified<EvidenceClaims> verified(const SnpPki& pki, const ByteArray<64>& report_data);
Verified<Attested> attested(const SnpPki& pki, const Statement& statement);

// client_policy and broker_policy are whole policy files that affirm made evidence of shared_pki.
std::string client_policy();
std::string broker_policy();
AppraisalPolicy parsed(const std::string& policy);
// with replaces the one line that starts with `key`, between `section` and the next one.
std::string with(std::string policy, std::string_view section, std::string_view key,
                 std::string_view line);

Ed25519PrivateKey broker_key();
Ed25519PublicKey owner_key();

// refused_by tells whether a result is the refusal of this rule. No refusal at all is a no, and not
// the end of the process: the tests also run with rules turned off.
template <typename T>
bool refused_by(const Result<T>& result, AttestationError code) {
  return !result.has_value() && result.error().is(code);
}
inline bool refused_by(const AttestationResult& result, AttestationError code) {
  return result.error().has_value() && result.error()->is(code);
}

// holds returns what a list of checks says of an id.
std::optional<bool> holds(const std::vector<Check>& checks, std::string_view id);

}  // namespace ensconce::made
