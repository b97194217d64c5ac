#pragma once

#include <tss2/tss2_tcti.h>

#include <functional>
#include <memory>

namespace ensconce::internal {

// Tcti is tpm2-tss's way to a TPM; its deleter finalizes it.
using Tcti = std::unique_ptr<TSS2_TCTI_CONTEXT, std::function<void(TSS2_TCTI_CONTEXT*)>>;

// checked_tcti passes on only answers that are as long as they say, and leaves nothing of earlier
// ones behind them: tpm2-tss takes what is missing of an answer from what its buffer held before.
// An answer in the form of TPM 1.2 is TPM2_RC_BAD_TAG.
Tcti checked_tcti(Tcti inner);

}  // namespace ensconce::internal
