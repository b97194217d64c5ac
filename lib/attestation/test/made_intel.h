#pragma once

#include <string>

#include "ensconce/attestation/verify/evidence_verifier.h"
#include "ensconce/sim/intel_pki.h"
#include "made_snp.h"

// Made evidence of Intel's kinds: a simulated vendor and platform, and policies that fit them.
namespace ensconce::made {

// shared_intel_pki is one platform under a marked root, made once a process.
const IntelPki& shared_intel_pki();
TrustAnchor anchor_of(const IntelPki& pki, AnchorOrigin origin = AnchorOrigin::kSimulated);

// td_quote and sgx_quote carry `report_data` and distinct measurements, unsigned.
IntelQuote td_quote(const IntelPki& pki, const ByteArray<64>& report_data);
IntelQuote sgx_quote(const IntelPki& pki, const ByteArray<64>& report_data);

// verified_quote verifies a quote the platform signs, under its own root, with its own collateral.
Verified<EvidenceClaims> verified_quote(const IntelPki& pki, const IntelQuote& quote);
Verified<Attested> attested_quote(const IntelPki& pki, const IntelQuote& quote,
                                  const Statement& statement);

// with_hardware replaces the [anchors] and [snp] sections of a made policy by these.
std::string with_hardware(std::string policy, const std::string& sections);
// tdx_sections and sgx_sections affirm td_quote and sgx_quote of shared_intel_pki.
std::string tdx_sections();
std::string sgx_sections();
std::string azure_section();  // beside either

}  // namespace ensconce::made
