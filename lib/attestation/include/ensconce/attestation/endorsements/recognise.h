#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ensconce/attestation/evidence/azure_evidence.h"
#include "ensconce/attestation/evidence/evidence_item.h"
#include "ensconce/attestation/evidence/ra_tls.h"

namespace ensconce {

// Recognised is what some bytes turned out to be, told by their content and never by a file's name.
struct Recognised {
  std::string what;  // for people: "an AMD SEV-SNP report"
  std::optional<EvidenceItem> evidence;
  std::vector<EndorsementItem> endorsements;
  // A certificate that carries the evidence above.
  std::optional<RaTlsCertificate> ra_tls;
  // An HCL report by itself: nothing vouches for it before a TPM quote does.
  std::optional<HclReport> hcl_report;
};

// recognise tells reports, quotes, Azure evidence, certificates, lists, Intel's collateral,
// certificate tables and event logs apart: form, no trust. What is of a known kind and broken is
// that kind's own error; what no kind claims is EvidenceError::kEvidenceUnknown; SEV and SEV-ES
// reports and TDREPORTs are refused by name, with what to do instead.
Result<Recognised> recognise(ByteView bytes);

}  // namespace ensconce
