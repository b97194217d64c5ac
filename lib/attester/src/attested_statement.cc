#include "ensconce/attester/attested_statement.h"

namespace ensconce {

Result<AttestedStatement> attest_statement(EvidenceProvider& provider, const Statement& statement,
                                           std::optional<Bytes> beacon) {
  AttestedStatement out;
  out.statement = encode_statement(statement);
  out.digest = sha256(out.statement);
  out.beacon = std::move(beacon);
  ENSC_TRY_ASSIGN(out.hardware, provider.attest(report_data_for(out.statement)));
  return out;
}

EvidenceDocument document_of(const AttestedStatement& attested) {
  return {attested.statement,
          attested.beacon,
          {attested.hardware.evidence},
          attested.hardware.endorsements,
          attested.hardware.missing,
          std::nullopt,
          std::nullopt};
}

}  // namespace ensconce
