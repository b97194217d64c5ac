#include "ensconce/attestation/verify/claims.h"

namespace ensconce {

const IntelTcb* EvidenceClaims::intel_tcb() const {
  if (const TdxFacts* facts = tdx()) {
    return &facts->tcb;
  }
  if (const SgxFacts* facts = sgx()) {
    return &facts->tcb;
  }
  return nullptr;
}

Bytes EvidenceClaims::measurement() const {
  if (const SnpFacts* facts = snp()) {
    return to_bytes(ByteView(facts->report.measurement));
  }
  if (const TdxFacts* facts = tdx()) {
    return to_bytes(ByteView(facts->report().mr_td));
  }
  return to_bytes(ByteView(sgx()->report().mr_enclave));
}

}  // namespace ensconce
