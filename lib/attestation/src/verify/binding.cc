#include "ensconce/attestation/verify/binding.h"

#include "ensconce/base/secret.h"

namespace ensconce {
namespace {

// The parsed statement goes into `attested` only if its form holds.
void take_statement(CheckLog& log, ByteView bytes, Attested& attested) {
  attested.statement_sha256 = sha256(bytes);
  auto statement = parse_statement(bytes);
  ENSC_REQUIRE(log, AttestationError::kStatementForm, statement.has_value(),
               "version 1, in its deterministic form",
               statement ? "version 1" : statement.error().to_string());
  if (statement) {
    attested.statement = *std::move(statement);
  }
}

std::vector<Check> joined(const Verified<EvidenceClaims>& evidence, const CheckLog& log) {
  std::vector<Check> checks = evidence->checks;
  checks.insert(checks.end(), log.checks().begin(), log.checks().end());
  return checks;
}

}  // namespace

BindingVerification StatementBinder::bind_statement(const Verified<EvidenceClaims>& evidence,
                                                    ByteView statement) {
  CheckLog log;
  Attested attested;
  attested.evidence = *evidence;
  attested.binding = BindingKind::kStatement;
  const ByteArray<64> expected = report_data_for(statement);
  const ByteArray<64>& got = evidence->report_data;
  if (ENSC_REQUIRE(log, AttestationError::kStatementBinding, expected == got, to_hex(expected),
                   to_hex(got))) {
    take_statement(log, statement, attested);
  }

  attested.checks = joined(evidence, log);
  const Result<void> verdict = log.verdict();
  if (!verdict) {
    return {attested.checks, verdict.error()};
  }
  return {attested.checks, Verified<Attested>(attested)};
}

BindingVerification StatementBinder::bind_rcar(const Verified<EvidenceClaims>& evidence,
                                               std::string_view runtime_data,
                                               std::string_view expected_nonce) {
  CheckLog log;
  Attested attested;
  attested.evidence = *evidence;
  attested.binding = BindingKind::kRcar;
  const ByteArray<64> expected = rcar_report_data(runtime_data);
  const ByteArray<64>& got = evidence->report_data;
  if (ENSC_REQUIRE(log, AttestationError::kRcarBinding, expected == got, to_hex(expected),
                   to_hex(got))) {
    const auto request = parse_rcar_runtime_data(runtime_data);
    ENSC_REQUIRE(log, AttestationError::kRcarForm, request.has_value(),
                 "canonical JSON with our statement inside",
                 request ? "so it is" : request.error().detail());
    if (request) {
      ENSC_REQUIRE(
          log, AttestationError::kRcarNonce,
          !expected_nonce.empty() &&
              equal_in_constant_time(as_bytes(expected_nonce), as_bytes(request->nonce)),
          "the nonce of this session",
          request->nonce == expected_nonce ? "the nonce of this session" : "another nonce");
      take_statement(log, request->statement, attested);
      ENSC_REQUIRE(log, AttestationError::kRcarTeePubkey,
                   request->tee_pubkey.curve() == Curve::kP256 &&
                       request->tee_pubkey.point() == attested.statement.keys.release,
                   to_hex(attested.statement.keys.release), to_hex(request->tee_pubkey.point()));
    }
  }

  attested.checks = joined(evidence, log);
  const Result<void> verdict = log.verdict();
  if (!verdict) {
    return {attested.checks, verdict.error()};
  }
  return {attested.checks, Verified<Attested>(attested)};
}

}  // namespace ensconce
