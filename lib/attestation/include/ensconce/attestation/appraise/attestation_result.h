#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ensconce/attestation/verify/binding.h"
#include "ensconce/attestation/verify/claims.h"

namespace ensconce {

enum class Outcome : std::uint8_t { kNone, kAffirming, kWarning, kContraindicated };
std::string_view name_of(Outcome outcome);

// Affirmed is the pass that opens the broker and lets a client encrypt: a statement vouched for by
// hardware and affirmed by a policy, until `expires`. Only appraise makes one. Keys are wrapped to
// statement().keys.release and to nothing else; channels are bound to statement().keys.
class Affirmed {
 public:
  [[nodiscard]] const Statement& statement() const { return statement_; }
  [[nodiscard]] const Sha256Digest& statement_sha256() const { return statement_sha256_; }
  [[nodiscard]] AnchorOrigin origin() const { return origin_; }
  [[nodiscard]] const Bytes& measurement() const { return measurement_; }
  [[nodiscard]] BindingKind binding() const { return binding_; }
  [[nodiscard]] Instant expires() const { return expires_; }

 private:
  Affirmed(const Attested& attested, Instant expires);
  Statement statement_;
  Sha256Digest statement_sha256_;
  AnchorOrigin origin_;
  Bytes measurement_;
  BindingKind binding_;
  Instant expires_;
  friend class Appraiser;
};

// AttestationResult is the verifier's verdict, with every check that led to it.
class AttestationResult {
 public:
  // refused is for evidence that was not verified, or not even parsed.
  static AttestationResult refused(std::string kind, std::vector<Check> checks, Error error);
  // not_appraised is for evidence that was verified where there is no policy.
  static AttestationResult not_appraised(const Verified<EvidenceClaims>& evidence);
  static AttestationResult not_appraised(const Verified<Attested>& attested);

  [[nodiscard]] const std::string& kind() const { return kind_; }  // name_of(EvidenceKind)
  [[nodiscard]] Outcome outcome() const { return outcome_; }
  [[nodiscard]] bool verified() const { return claims_.has_value(); }
  // error is the first refusal: its id, stage and remedy. Nothing when affirming, warning or none
  // without refusal.
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  [[nodiscard]] const std::optional<EvidenceClaims>& claims() const { return claims_; }
  [[nodiscard]] const std::optional<Statement>& statement() const { return statement_; }
  [[nodiscard]] const std::vector<Check>& checks() const { return checks_; }
  // affirmed is there if and only if the outcome is affirming.
  [[nodiscard]] const std::optional<Affirmed>& affirmed() const { return affirmed_; }

 private:
  AttestationResult() = default;
  std::string kind_;
  Outcome outcome_ = Outcome::kNone;
  std::optional<Error> error_;
  std::optional<EvidenceClaims> claims_;
  std::optional<Statement> statement_;
  std::vector<Check> checks_;
  std::optional<Affirmed> affirmed_;
  friend class Appraiser;
};

}  // namespace ensconce
