#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ensconce/attestation/evidence/statement.h"
#include "ensconce/attestation/policy/policy.h"
#include "ensconce/attestation/verify/claims.h"

namespace ensconce {

// PolicyDraft is a policy file for a person to read and change, with what it implies.
struct PolicyDraft {
  std::string toml;
  std::vector<std::string> notes;  // what the reader must know before he uses it
};

// DraftSource is what a draft is filled from. Borrows.
struct DraftSource {
  const EvidenceClaims& evidence;
  const Statement* statement = nullptr;  // nullptr: bare evidence
  std::span<const ModelPolicy> models;   // as a service said it serves; may be empty
  std::string_view origin;               // for people: a file's name, a service's address
  Instant at;                            // when the evidence was judged
};

// draft_policy writes a policy of which every field is filled, and that loads: what was seen, held
// as narrowly as an update of the platform allows. What a guest should never have (debugging,
// migration, no revocation list, a TCB out of date) is denied whatever was seen. A simulated or
// private root is listed, and the notes say so.
PolicyDraft draft_policy(PolicyRole role, const DraftSource& source);

// policy_template writes one for a kind of evidence not yet seen: the narrowest values that make
// sense, and for what has none a line that stands as a comment, so that the file does not load
// before somebody has filled it.
std::string policy_template(PolicyRole role, EvidenceKind kind);

}  // namespace ensconce
