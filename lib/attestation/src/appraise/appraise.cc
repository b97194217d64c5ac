#include "ensconce/attestation/appraise/appraise.h"

#include <algorithm>

namespace ensconce {
namespace {

using E = AttestationError;

// ---- How values and constraints read ---------------------------------------------------------

std::string show(const std::string& text) { return text; }
std::string show(const Bytes& bytes) { return to_hex(bytes); }
std::string show(bool flag) { return flag ? "true" : "false"; }
std::string show(std::uint64_t number) { return std::to_string(number); }
std::string show(const TcbVersion& tcb) {
  std::string out;
  if (tcb.fmc.has_value()) {
    out = "fmc " + std::to_string(*tcb.fmc) + ", ";
  }
  return out + "bootloader " + std::to_string(tcb.bootloader) + ", tee " + std::to_string(tcb.tee) +
         ", snp " + std::to_string(tcb.snp) + ", microcode " + std::to_string(tcb.microcode);
}
std::string show(const std::vector<Ed25519PublicKey>& keys) {
  std::string out;
  for (const Ed25519PublicKey& key : keys) {
    out += (out.empty() ? "" : ", ") + to_hex(key.bytes);
  }
  return out;
}

template <typename... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <typename... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

std::string show(const Unconstrained& open) { return "anything (" + open.why + ")"; }

template <typename T>
std::string show(const Constraint<T>& constraint) {
  return std::visit(Overloaded{
                        [](const Unconstrained& c) { return show(c); },
                        [](const Exactly<T>& c) { return show(c.value); },
                        [](const OneOf<T>& c) {
                          std::string out;
                          for (const T& value : c.values) {
                            out += (out.empty() ? "one of " : ", ") + show(value);
                          }
                          return out;
                        },
                        [](const AtLeast<T>& c) { return "at least " + show(c.value); },
                        [](const AtMost<T>& c) { return "at most " + show(c.value); },
                    },
                    constraint);
}

// ---- Constraint against value ----------------------------------------------------------------

template <typename T>
bool reaches(const T& value, const T& floor) {
  return value >= floor;
}
// A TCB is compared by component; a floor that says nothing of Turin's fmc holds nothing on Turin.
bool reaches(const TcbVersion& value, const TcbVersion& floor) {
  if (value.fmc.has_value() && (!floor.fmc.has_value() || *value.fmc < *floor.fmc)) {
    return false;
  }
  return value.bootloader >= floor.bootloader && value.tee >= floor.tee && value.snp >= floor.snp &&
         value.microcode >= floor.microcode;
}

template <typename T>
bool satisfies(const T& value, const Constraint<T>& constraint) {
  return std::visit(Overloaded{
                        [](const Unconstrained&) { return true; },
                        [&](const Exactly<T>& c) { return value == c.value; },
                        [&](const OneOf<T>& c) {
                          return std::find(c.values.begin(), c.values.end(), value) !=
                                 c.values.end();
                        },
                        [&](const AtLeast<T>& c) { return reaches(value, c.value); },
                        [&](const AtMost<T>& c) { return reaches(c.value, value); },
                    },
                    constraint);
}

template <typename T>
void apply(CheckLog& log, E code, const Constraint<T>& constraint, const T& value) {
  ENSC_REQUIRE(log, code, satisfies(value, constraint), show(constraint), show(value));
}

template <std::size_t N>
Bytes bytes_of(const ByteArray<N>& array) {
  return to_bytes(ByteView(array));
}

// ---- Sections --------------------------------------------------------------------------------

void appraise_anchor(CheckLog& log, const SnpClaims& claims, const AppraisalPolicy& policy) {
  const std::vector<TrustAnchor> accepted = policy.anchors();
  const bool holds = std::find(accepted.begin(), accepted.end(), claims.anchor) != accepted.end();
  std::string expected = policy.fields().anchors.accept_vendor ? "vendor" : "";
  for (const TrustAnchor& anchor : policy.fields().anchors.listed) {
    expected += (expected.empty() ? "" : ", ") + std::string(name_of(anchor.origin)) + " " +
                anchor.product + " " + to_hex(anchor.spki_sha256);
  }
  ENSC_REQUIRE(log, E::kAnchorAccepted, holds, expected,
               std::string(name_of(claims.anchor.origin)) + " " + claims.anchor.product + " " +
                   to_hex(claims.anchor.spki_sha256));
}

void appraise_snp(CheckLog& log, const SnpClaims& claims, const SnpPolicy& snp, Instant now) {
  const SnpReport& report = claims.report;
  ENSC_REQUIRE(log, E::kEndorsementsCurrent, now <= claims.endorsed_until,
               "not after " + to_rfc3339(claims.endorsed_until), to_rfc3339(now));
  apply<std::uint64_t>(log, E::kReportVersion, snp.report_version, report.version);
  apply(log, E::kMeasurement, snp.measurement, bytes_of(report.measurement));
  const bool open = std::holds_alternative<Unconstrained>(snp.measurement);
  const bool firmware = snp.measurement_covers == MeasurementCoverage::kFirmware;
  ENSC_WARN(log, E::kMeasurementCovers, !open && !firmware,
            "a measurement that reaches the worker's code",
            open       ? "the policy accepts any measurement"
            : firmware ? "the policy's measurement covers firmware alone"
                       : "it does");
  apply(log, E::kDebug, snp.debug, report.debug_allowed());
  apply(log, E::kMigrationAgent, snp.migration_agent, report.migration_agent_allowed());
  apply(log, E::kSmt, snp.smt, report.smt_allowed());
  apply<std::uint64_t>(log, E::kVmpl, snp.vmpl, report.vmpl);
  apply(log, E::kSigningKey, snp.signing_key, std::string(name_of(report.signing_key)));
  apply(log, E::kProduct, snp.product, std::string(name_of(claims.product)));
  apply(log, E::kHostData, snp.host_data, bytes_of(report.host_data));
  apply(log, E::kIdKeyDigest, snp.id_key_digest, bytes_of(report.id_key_digest));
  apply(log, E::kAuthorKeyDigest, snp.author_key_digest, bytes_of(report.author_key_digest));
  apply(log, E::kChipId, snp.chip_id, bytes_of(report.chip_id));
  apply(log, E::kMinimumTcb, snp.minimum_tcb, claims.reported_tcb);
  apply(log, E::kPlatformInfo, snp.platform_info, report.platform_info);
  ENSC_REQUIRE(
      log, E::kCrlRequired, claims.crl_checked || snp.crl == CrlRule::kIfPresent,
      snp.crl == CrlRule::kRequired ? "a revocation list" : "a revocation list, if present",
      claims.crl_checked ? "one that holds" : "none was given");
}

void appraise_owner_keys(CheckLog& log, const OwnerKeysConstraint& constraint,
                         const std::vector<Ed25519PublicKey>& got) {
  const auto inside = [](const std::vector<Ed25519PublicKey>& inner,
                         const std::vector<Ed25519PublicKey>& outer) {
    return std::all_of(inner.begin(), inner.end(), [&](const Ed25519PublicKey& key) {
      return std::find(outer.begin(), outer.end(), key) != outer.end();
    });
  };
  using Exact = Exactly<std::vector<Ed25519PublicKey>>;
  std::visit(Overloaded{
                 [&](const Unconstrained& c) {
                   ENSC_REQUIRE(log, E::kSecurityOwnerKeys, true, show(c), show(got));
                 },
                 [&](const Exact& c) {
                   ENSC_REQUIRE(log, E::kSecurityOwnerKeys,
                                inside(got, c.value) && inside(c.value, got), show(c.value),
                                show(got));
                 },
                 [&](const SubsetOf& c) {
                   ENSC_REQUIRE(log, E::kSecurityOwnerKeys, !got.empty() && inside(got, c.keys),
                                "none but " + show(c.keys), show(got));
                 },
             },
             constraint);
}

void appraise_security(CheckLog& log, const SecurityConfiguration& got, const std::string& software,
                       const SecurityPolicy& security) {
  apply(log, E::kSecurityPadding, security.padding, got.padding);
  apply(log, E::kSecurityTenancy, security.tenancy, got.tenancy);
  apply(log, E::kSecuritySandbox, security.sandbox, got.sandbox);
  apply(log, E::kSecuritySoftware, security.software, software);
  appraise_owner_keys(log, security.owner_keys, got.owner_keys);
  apply(log, E::kSecurityBrokerKey, security.broker_key, bytes_of(got.broker_key.bytes));
}

// ---- Freshness. Each returns until when its word counts. --------------------------------------

Instant appraise_beacon(CheckLog& log, const Statement& statement, const BeaconClaims& claims,
                        const BeaconFreshness& policy, Instant now) {
  const Beacon& beacon = claims.beacon;
  ENSC_REQUIRE(log, E::kFreshnessChallenge, statement.challenge == claims.challenge,
               to_hex(claims.challenge), to_hex(statement.challenge));
  ENSC_REQUIRE(log, E::kFreshnessBootId, statement.boot_id == beacon.boot_id,
               to_hex(statement.boot_id), to_hex(beacon.boot_id));
  const bool known = std::find(policy.broker_keys.begin(), policy.broker_keys.end(),
                               claims.broker_key) != policy.broker_keys.end();
  ENSC_REQUIRE(log, E::kFreshnessBrokerKey, known, show(policy.broker_keys),
               to_hex(claims.broker_key.bytes));
  ENSC_REQUIRE(log, E::kFreshnessFuture, beacon.time <= now + kMaxBeaconSkew,
               "not after " + to_rfc3339(now + kMaxBeaconSkew), to_rfc3339(beacon.time));
  ENSC_REQUIRE(log, E::kFreshnessAge, now <= beacon.time + policy.at_most,
               "not before " + to_rfc3339(now - policy.at_most), to_rfc3339(beacon.time));
  return beacon.time + policy.at_most;
}

Instant appraise_own_nonce(CheckLog& log, const Statement& statement, const FreshByOwnNonce& own,
                           Instant now) {
  ENSC_REQUIRE(log, E::kFreshnessChallenge, statement.challenge == own.nonce, to_hex(own.nonce),
               to_hex(statement.challenge));
  return now + kOwnNonceLife;
}

Instant appraise_client_freshness(CheckLog& log, const Attested& attested,
                                  const Freshness& freshness, const FreshnessPolicy& policy,
                                  Instant now) {
  ENSC_REQUIRE(log, E::kFreshnessBinding, attested.binding == BindingKind::kStatement,
               "evidence bound to the statement",
               attested.binding == BindingKind::kStatement ? "evidence bound to the statement"
                                                           : "evidence bound to an RCAR session");
  const auto* by_age = std::get_if<BeaconFreshness>(&policy);
  const std::string expected =
      by_age == nullptr ? "evidence made for this verifier's nonce"
                        : "a broker's beacon, or evidence made for this verifier's nonce";
  if (const auto* own = std::get_if<FreshByOwnNonce>(&freshness)) {
    ENSC_REQUIRE(log, E::kFreshnessKnown, true, expected, "this verifier's nonce");
    return appraise_own_nonce(log, attested.statement, *own, now);
  }
  if (const auto* beacon = std::get_if<FreshByBeacon>(&freshness); beacon != nullptr) {
    ENSC_REQUIRE(log, E::kFreshnessKnown, by_age != nullptr, expected, "a broker's beacon");
    return by_age == nullptr
               ? now
               : appraise_beacon(log, attested.statement, *beacon->beacon, *by_age, now);
  }
  ENSC_REQUIRE(log, E::kFreshnessKnown, false, expected, "evidence of unknown age");
  return now;
}

Instant appraise_broker_freshness(CheckLog& log, const Attested& attested,
                                  const Freshness& freshness, Instant now) {
  ENSC_REQUIRE(log, E::kFreshnessBinding, attested.binding == BindingKind::kRcar,
               "evidence bound to the RCAR session",
               attested.binding == BindingKind::kRcar ? "evidence bound to the RCAR session"
                                                      : "evidence bound to the statement");
  const bool known = std::holds_alternative<FreshByRcarNonce>(freshness);
  ENSC_REQUIRE(log, E::kFreshnessKnown, known, "the session's nonce",
               known ? "the session's nonce" : "something else");
  return now + kReleaseWindow;
}

Instant appraise_freshness(CheckLog& log, const Attested& attested, const Freshness& freshness,
                           const AppraisalPolicy& policy, Instant now) {
  if (policy.role() == PolicyRole::kBroker) {
    return appraise_broker_freshness(log, attested, freshness, now);
  }
  // A client's policy without [freshness] does not parse.
  return appraise_client_freshness(log, attested, freshness, policy.freshness().value(), now);
}

}  // namespace

// Appraiser is the only maker of Affirmed.
class Appraiser {
 public:
  static AttestationResult full(const Attested& attested, const Freshness& freshness,
                                const AppraisalPolicy& policy, Instant now) {
    CheckLog log;
    appraise_anchor(log, attested.evidence, policy);
    appraise_snp(log, attested.evidence, policy.fields().snp, now);
    appraise_security(log, attested.statement.security, attested.statement.software,
                      policy.fields().security);
    const Instant fresh_until = appraise_freshness(log, attested, freshness, policy, now);

    AttestationResult result = start(attested.evidence, attested.checks, log);
    result.statement_ = attested.statement;
    if (log.verdict().has_value() && !log.warned()) {
      result.outcome_ = Outcome::kAffirming;
      result.affirmed_ =
          Affirmed(attested, std::min(fresh_until, attested.evidence.endorsed_until));
    }
    return result;
  }

  static AttestationResult evidence_only(const SnpClaims& claims, const AppraisalPolicy& policy,
                                         Instant now) {
    CheckLog log;
    appraise_anchor(log, claims, policy);
    appraise_snp(log, claims, policy.fields().snp, now);
    ENSC_WARN(log, E::kStatementGiven, false, "evidence with its statement", "a bare report");
    for (const E code :
         {E::kSecurityPadding, E::kSecurityTenancy, E::kSecuritySandbox, E::kSecuritySoftware,
          E::kSecurityOwnerKeys, E::kSecurityBrokerKey, E::kFreshnessBinding, E::kFreshnessKnown}) {
      log.not_applied(code, "a statement", "none was given");
    }
    return start(claims, claims.checks, log);
  }

 private:
  // start is a result that does not affirm.
  static AttestationResult start(const SnpClaims& claims, std::vector<Check> checks,
                                 const CheckLog& log) {
    AttestationResult result;
    result.kind_ = "snp";
    result.claims_ = claims;
    result.checks_ = std::move(checks);
    result.checks_.insert(result.checks_.end(), log.checks().begin(), log.checks().end());
    result.outcome_ = Outcome::kWarning;
    if (const Result<void> verdict = log.verdict(); !verdict) {
      result.outcome_ = Outcome::kContraindicated;
      result.error_ = verdict.error();
    }
    return result;
  }
};

AttestationResult appraise(const Verified<Attested>& attested, const Freshness& freshness,
                           const AppraisalPolicy& policy, Instant now) {
  return Appraiser::full(*attested, freshness, policy, now);
}

AttestationResult appraise_evidence_only(const Verified<SnpClaims>& evidence,
                                         const AppraisalPolicy& policy, Instant now) {
  return Appraiser::evidence_only(*evidence, policy, now);
}

}  // namespace ensconce
