#pragma once

#include "ensconce/sim/azure_vtpm.h"

namespace ensconce {

// runtime_digest is what the paravisor puts into a hardware report about its claims: SHA-256 and
// 32 zero bytes.
ByteArray<64> runtime_digest(const std::string& runtime_data);

// azure_runtime_data is the JSON of runtime claims that name this attestation key and no other key.
std::string azure_runtime_data(ByteView ak_modulus, ByteView ak_exponent,
                               const std::string& vm_unique_id);

// azure_evidence is the HCL report as the TPM's index holds it, and the vTPM's quote; not what
// depends on the processor.
AzureEvidence azure_evidence(const AzureVtpm& vtpm, const HclReport& report, ByteView extra_data);

}  // namespace ensconce
