#pragma once

#include <optional>

#include "ensconce/attestation/appraise/appraise.h"
#include "ensconce/attestation/verify/signature_memo.h"
#include "ensconce/channel/evidence_document.h"

namespace ensconce {

// DocumentAppraisal is the judgement of an evidence document by itself: no channel yet.
struct DocumentAppraisal {
  AttestationResult result;
  Sha256Digest statement_digest{};
};

// appraise_document verifies the hardware evidence of a document, binds its statement, verifies its
// beacon and appraises all of it. `own_nonce` is the verifier's nonce when it asked for hardware
// freshness. Offline: endorsements travel in the document. The memo is borrowed; nullptr checks
// every signature anew.
DocumentAppraisal appraise_document(const EvidenceDocument& document, const AppraisalPolicy& policy,
                                    const std::optional<ByteArray<32>>& own_nonce, Instant now,
                                    SignatureMemo* memo = nullptr);

// why_not_affirmed is the error of a result that does not affirm: of the check that did not hold,
// or ChannelError::kNotAffirmed with `then`, what does not happen for that.
Error why_not_affirmed(const AttestationResult& result, std::string_view then);
// asks_hardware says that a policy wants evidence made for the verifier's own nonce.
bool asks_hardware(const AppraisalPolicy& policy);

}  // namespace ensconce
