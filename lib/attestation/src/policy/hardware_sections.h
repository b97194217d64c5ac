#pragma once

#include "policy_reader.h"

namespace ensconce::internal {

// The sections of a policy that name a kind of evidence.
Result<SnpPolicy> read_snp(const json::Value& value);
Result<TdxPolicy> read_tdx(const json::Value& value);
Result<SgxPolicy> read_sgx(const json::Value& value);
Result<AzurePolicy> read_azure(const json::Value& value);

}  // namespace ensconce::internal
