#pragma once

#include <optional>
#include <span>
#include <string>

#include "ensconce/attestation/endorsements/intel_endorsements.h"
#include "ensconce/attestation/evidence/intel_quote.h"

// What Intel's collateral says of the TCB of a quote: level matching and convergence, by the rules
// of Intel's quote verification library (TcbLevelCheck, TdxModuleCheck, TDRelaunchCheck,
// EnclaveReportVerifier, QuoteVerifier). Pure: it verifies nothing, and what it finds is worth what
// the collateral is.
namespace ensconce::internal {

// TdxModuleFinding is a TDX module as the TCB info knows it. Pointers borrow the TCB info.
struct TdxModuleFinding {
  std::string id;                     // "TDX_01"; "" for major version 0, which has no identity
  bool known = false;                 // the TCB info has this module
  const TdxModule* module = nullptr;  // who signed it
  const SvnLevel* level = nullptr;    // reached; nullptr where there is no identity, or no level
  const SvnLevel* top = nullptr;      // the highest of its identity
};

// TcbFindings is what a quote's platform reaches. Pointers borrow the collateral; nullptr is none.
struct TcbFindings {
  const SvnLevel* qe = nullptr;
  const TcbLevel* sgx = nullptr;           // the first that the PCK certificate reaches
  const TcbLevel* tdx = nullptr;           // TDX: the first that TEE_TCB_SVN reaches as well
  std::optional<TdxModuleFinding> module;  // TDX: launched under
  // TDX: runs now, where TDRelaunchCheck asks for it.
  std::optional<TdxModuleFinding> running;
  std::optional<IntelTcbStatus> status;  // converged; nothing where a level is missing

  // taken is the level whose status and date count: of TDX, or of SGX for an enclave.
  [[nodiscard]] const TcbLevel* taken() const { return module.has_value() ? tdx : sgx; }
};
// find_tcb matches and converges. pck: nullptr where its extension did not parse.
TcbFindings find_tcb(const IntelQuote& quote, const PckExtensions* pck, const TcbInfo& info,
                     const QeIdentity& identity);

// level_reached is the first level whose ISVSVN is at most svn, nullptr if there is none.
const SvnLevel* level_reached(std::span<const SvnLevel> levels, std::uint16_t svn);
const TcbLevel* sgx_level_reached(const TcbInfo& info, const PckExtensions& pck);
const TcbLevel* tdx_level_reached(const TcbInfo& info, const PckExtensions& pck,
                                  const ByteArray<16>& tee_tcb_svn);
TdxModuleFinding find_tdx_module(const TcbInfo& info, const ByteArray<16>& tee_tcb_svn);
// converge is the status of a platform of which a part, TDX module or QE, has a status of its own.
IntelTcbStatus converge(IntelTcbStatus platform, IntelTcbStatus part);

}  // namespace ensconce::internal
