#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ensconce/attestation/endorsements/intel_endorsements.h"
#include "ensconce/attestation/evidence/azure_evidence.h"
#include "ensconce/attestation/evidence/event_log.h"
#include "ensconce/attestation/evidence/evidence_kind.h"
#include "ensconce/attestation/evidence/intel_quote.h"
#include "ensconce/attestation/evidence/snp_report.h"
#include "ensconce/attestation/verify/check.h"
#include "ensconce/attestation/verify/trust_anchor.h"
#include "ensconce/attestation/verify/verified.h"
#include "ensconce/base/clock.h"

namespace ensconce {

// SnpFacts are the facts of an SNP report whose signature and chain hold.
struct SnpFacts {
  SnpReport report;
  SnpProduct product = SnpProduct::kMilan;
  TcbVersion current_tcb;
  TcbVersion reported_tcb;
  TcbVersion committed_tcb;
  TcbVersion launch_tcb;
  std::string csp_id;  // of a VLEK, else ""
};

// IntelTcb is what Intel's collateral says of the platform that made a quote: a status is for a
// policy to judge, and stands here with what it was made of.
struct IntelTcb {
  IntelTcbStatus status = IntelTcbStatus::kRevoked;  // converged
  Instant date;                                      // tcbDate of the level taken
  std::vector<std::string> advisories;               // of platform, TDX module and QE; sorted, once
  IntelTcbStatus sgx_level = IntelTcbStatus::kRevoked;
  std::optional<IntelTcbStatus> tdx_level;
  std::optional<IntelTcbStatus> tdx_module;
  std::string tdx_module_id;  // "TDX_01"; "" where the module has no identity of its own
  IntelTcbStatus qe = IntelTcbStatus::kRevoked;
  PckExtensions pck;
  bool platform_ca = false;                  // the PCK's issuer, else the Processor CA
  std::uint32_t evaluation_data_number = 0;  // the lower of TCB info's and QE identity's
  Instant collateral_issued;                 // the earlier of TCB info's and QE identity's
};

// TdxFacts and SgxFacts are a quote whose signatures and chain hold, and its platform's TCB.
struct TdxFacts {
  IntelQuote quote;  // its body is a TdReport
  IntelTcb tcb;
  [[nodiscard]] const TdReport& report() const { return std::get<TdReport>(quote.body); }
};

struct SgxFacts {
  IntelQuote quote;  // its body is an SgxReport
  IntelTcb tcb;
  [[nodiscard]] const SgxReport& report() const { return std::get<SgxReport>(quote.body); }
};

// VtpmFacts are the facts of an Azure guest's vTPM, whose key the hardware vouches for.
struct VtpmFacts {
  TpmAttest attest;
  RuntimeClaims runtime;
  std::vector<ByteArray<32>> pcrs;  // 24; those selected hash to the quoted digest
};

// EvidenceClaims are the facts of evidence of any kind whose signatures and chain hold.
struct EvidenceClaims {
  EvidenceKind kind = EvidenceKind::kSnp;
  TrustAnchor anchor;
  std::variant<SnpFacts, TdxFacts, SgxFacts> hardware;
  std::optional<VtpmFacts> vtpm;  // Azure
  // What the guest had vouched for: REPORT_DATA, or on Azure the TPM quote's extraData and zeros.
  ByteArray<64> report_data{};
  bool crl_checked = false;        // every list a policy may require was there and held
  bool event_log_checked = false;  // a log was there and gives the registers
  Instant endorsed_until;          // the earliest end of certificates, lists and collateral
  std::vector<Check> checks;       // what was checked to make this

  // nullptr where the hardware is another.
  [[nodiscard]] const SnpFacts* snp() const { return std::get_if<SnpFacts>(&hardware); }
  [[nodiscard]] const TdxFacts* tdx() const { return std::get_if<TdxFacts>(&hardware); }
  [[nodiscard]] const SgxFacts* sgx() const { return std::get_if<SgxFacts>(&hardware); }
  // intel_tcb is nullptr for AMD.
  [[nodiscard]] const IntelTcb* intel_tcb() const;
  // measurement is MEASUREMENT, MRTD or MRENCLAVE.
  [[nodiscard]] Bytes measurement() const;
};

// Verification is what a verifier of any kind returns: every check, also when it refuses.
struct Verification {
  std::vector<Check> checks;
  Result<Verified<EvidenceClaims>> claims;
};

// ExpectedReportData is what a verifier holds report data against; nothing where nobody knows (a
// bare report on a desk): the check is then listed as not applied.
using ExpectedReportData = std::optional<ByteArray<64>>;

}  // namespace ensconce
