#pragma once

#include "ensconce/sim/azure_vtpm.h"

namespace ensconce {

// runtime_digest is what the paravisor puts into a hardware report about its claims: SHA-256 and
// 32 zero bytes.
ByteArray<64> runtime_digest(const std::string& runtime_data);

// azure_evidence is the HCL report as the TPM's index holds it, and the vTPM's quote; not what
// depends on the processor.
AzureEvidence azure_evidence(const AzureVtpm& vtpm, const HclReport& report, ByteView extra_data);

}  // namespace ensconce
