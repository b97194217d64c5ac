#pragma once

#include "ensconce/attestation/evidence/evidence_item.h"

namespace ensconce {

// measurement_of reads the launch measurement out of evidence of any kind: MEASUREMENT of an SNP
// report, MRTD of a TD, MRENCLAVE of an enclave (32 bytes, the others 48); on Azure that of the
// hardware inside. Form, no trust: what a verifier shows of the same evidence, EvidenceClaims::
// measurement, is the same bytes. Errors are those of the form, or kEvidenceUnknown.
Result<Bytes> measurement_of(const EvidenceItem& evidence);

}  // namespace ensconce
