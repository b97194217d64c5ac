#pragma once

#include "draft_writer.h"
#include "ensconce/attestation/verify/claims.h"

// The hardware sections of a draft. Where facts are nullptr a template is written. What the reader
// must know of what was seen goes to `notes`.
namespace ensconce::internal {

using Notes = std::vector<std::string>;

// coverage_word: what a draft says a measurement covers. The simulator measures the program.
inline std::string_view coverage_word(const EvidenceClaims* claims) {
  return claims != nullptr && claims->anchor.origin == AnchorOrigin::kSimulated ? "process"
                                                                                : "firmware";
}

void draft_snp(DraftWriter& out, const EvidenceClaims* claims, Notes& notes);
void draft_tdx(DraftWriter& out, const EvidenceClaims* claims, Notes& notes);
void draft_sgx(DraftWriter& out, const EvidenceClaims* claims, Notes& notes);
void draft_azure(DraftWriter& out, const VtpmFacts& vtpm, Notes& notes);

}  // namespace ensconce::internal
