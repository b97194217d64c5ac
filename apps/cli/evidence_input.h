#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli.h"
#include "ensconce/attestation/endorsements/recognise.h"
#include "ensconce/attestation/policy/trust_anchor_file.h"
#include "ensconce/attestation/verify/evidence_verifier.h"
#include "ensconce/client/attested_client.h"

namespace ensconce::cli {

// EvidenceArguments are what every command takes that judges saved evidence.
struct EvidenceArguments {
  std::string input;
  std::vector<std::string> endorsements;
  std::string at;
  std::string trust_anchor;
  std::string report_data;
};
// add_endorsement_options adds --endorsements and --at.
void add_endorsement_options(CLI::App& command, EvidenceArguments& arguments);

// EvidenceInput is a file told by its content: evidence, endorsements, or a whole document.
struct EvidenceInput {
  std::string what;  // for people
  Recognised recognised;
  std::optional<EvidenceDocument> document;
};
// read_evidence reads a file, or standard input for "-".
Result<EvidenceInput> read_evidence(const std::string& input);
// recognise_evidence is read_evidence for bytes that are there already.
Result<EvidenceInput> recognise_evidence(ByteView bytes);

// EvidenceQuestion is what evidence is held against.
struct EvidenceQuestion {
  std::vector<EndorsementItem> endorsements;
  std::vector<TrustAnchor> anchors;
  std::optional<AppraisalPolicy> policy;
  std::optional<ByteArray<64>> report_data;
  std::optional<ByteArray<32>> own_nonce;  // the evidence was made for: hardware freshness
  Instant now;
  std::vector<std::string> notes;  // what was passed over, for people
};
Result<EvidenceQuestion> read_question(const EvidenceArguments& arguments,
                                       std::optional<AppraisalPolicy> policy,
                                       const Context& context);

// judge gives a verdict on everything: what is no evidence, and what does not parse, is refused in
// the words of a verdict.
AttestationResult judge(const Result<EvidenceInput>& input, const EvidenceQuestion& question);
// exit_code_of is what a program ends with after a verdict (docs/verification.md).
int exit_code_of(const AttestationResult& result);

// say_notes and say_verdict write to standard error, where people read.
void say_notes(const std::vector<std::string>& notes);
void say_verdict(const AttestationResult& result);

}  // namespace ensconce::cli
