#pragma once

#include <tss2/tss2_common.h>

#include "ensconce/tee/error.h"

namespace ensconce::internal {

// tpm_error says what a return code of the TPM, or of tpm2-tss on the way to it, means.
Error tpm_error(const char* doing, TSS2_RC code);

}  // namespace ensconce::internal
