#pragma once

#include "ensconce/attestation/evidence/intel_quote.h"

namespace ensconce {

// td_report is the TDREPORT_STRUCT of 1024 bytes (Intel TDX Module ABI: REPORTMACSTRUCT,
// TEE_TCB_INFO, reserved, TDINFO), with a MAC that nobody but its own machine could check.
Bytes td_report(const TdReport& td);

}  // namespace ensconce
