#pragma once

#include <string_view>
#include <vector>

#include "ensconce/attestation/evidence/rcar.h"
#include "ensconce/attestation/evidence/statement.h"
#include "ensconce/attestation/verify/claims.h"

namespace ensconce {

// BindingKind says how the hardware vouches for the statement.
enum class BindingKind : std::uint8_t {
  kStatement,  // report data = SHA-256(statement) ‖ 32 zero bytes; fresh by the statement's
               // challenge
  kRcar,  // report data = hash of RCAR runtime data that holds the statement; fresh by its nonce
};

// Attested is a statement together with the evidence that vouches for it. Nothing else pairs them.
struct Attested {
  EvidenceClaims evidence;
  Statement statement;
  Sha256Digest statement_sha256{};
  BindingKind binding = BindingKind::kStatement;
  std::vector<Check> checks;  // the evidence's, then the binding's
};

struct BindingVerification {
  std::vector<Check> checks;  // the evidence's, then the binding's
  Result<Verified<Attested>> attested;
};

// StatementBinder is the only maker of Verified<Attested>.
class StatementBinder {
 public:
  // bind_statement holds only if the report data is report_data_for(statement).
  static BindingVerification bind_statement(const Verified<EvidenceClaims>& evidence,
                                            ByteView statement);
  // bind_rcar holds only if the report data is rcar_report_data(runtime_data), the nonce inside is
  // the one this broker gave, and tee-pubkey is the statement's own release key: a key wrapped to
  // `statement.keys.release` can then be opened by the attested process alone.
  static BindingVerification bind_rcar(const Verified<EvidenceClaims>& evidence,
                                       std::string_view runtime_data,
                                       std::string_view expected_nonce);
};

}  // namespace ensconce
