#include "ensconce/attestation/appraise/appraise.h"

#include <algorithm>
#include <functional>

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
std::string show(const Svn16& svn) { return to_hex(svn); }
std::string show(Millis duration) { return std::to_string(duration.count() / 1000) + " s"; }
std::string show(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) {
    out += (out.empty() ? "" : ", ") + text;
  }
  return out.empty() ? "none" : out;
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

bool reaches(const Svn16& value, const Svn16& floor) {
  return std::equal(value.begin(), value.end(), floor.begin(), std::greater_equal<>());
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

template <typename T>
bool is_open(const Constraint<T>& constraint) {
  return std::holds_alternative<Unconstrained>(constraint);
}

template <std::size_t N>
Bytes bytes_of(const ByteArray<N>& array) {
  return to_bytes(ByteView(array));
}

// ---- Sections --------------------------------------------------------------------------------

void appraise_anchor(CheckLog& log, const EvidenceClaims& claims, const AppraisalPolicy& policy) {
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

// A policy without a section for this kind has said nothing of it: that is a no.
bool appraise_kind(CheckLog& log, const EvidenceClaims& claims, const PolicyFields& policy) {
  std::vector<std::string> accepted;
  const auto add = [&](bool has, EvidenceKind kind) {
    if (has) {
      accepted.emplace_back(name_of(kind));
    }
  };
  add(policy.snp.has_value(), EvidenceKind::kSnp);
  add(policy.tdx.has_value(), EvidenceKind::kTdx);
  add(policy.sgx.has_value(), EvidenceKind::kSgx);
  add(policy.snp.has_value() && policy.azure.has_value(), EvidenceKind::kAzureSnp);
  add(policy.tdx.has_value() && policy.azure.has_value(), EvidenceKind::kAzureTdx);
  const std::string kind(name_of(claims.kind));
  return ENSC_REQUIRE(log, E::kEvidenceKind,
                      std::find(accepted.begin(), accepted.end(), kind) != accepted.end(),
                      show(accepted), kind);
}

// On Azure the hardware measures the paravisor, and the vTPM's PCRs what was booted above it.
bool pcrs_reach_the_code(const std::optional<AzurePolicy>& azure) {
  return azure.has_value() && azure->pcrs_cover != MeasurementCoverage::kFirmware &&
         !std::holds_alternative<Unconstrained>(azure->pcrs);
}

// `open`: any measurement passes, so whoever boots anything plays the vTPM too, and PCRs say
// nothing. `partial`: what is measured stops below the worker's code; PCRs may then reach it.
void warn_of_coverage(CheckLog& log, E code, bool open, bool partial, bool pcrs) {
  ENSC_WARN(log, code, !open && (pcrs || !partial), "measurements that reach the worker's code",
            open      ? "the policy leaves them open"
            : pcrs    ? "the PCRs the policy names do"
            : partial ? "the policy's measurements stop below it"
                      : "they do");
}

void appraise_crl(CheckLog& log, E code, Presence rule, bool checked) {
  ENSC_REQUIRE(log, code, checked || rule == Presence::kIfPresent,
               rule == Presence::kRequired ? "revocation lists" : "revocation lists, if present",
               checked ? "lists that hold" : "not all were given");
}

void appraise_event_log(CheckLog& log, E code, Presence rule, bool checked) {
  ENSC_REQUIRE(log, code, checked || rule == Presence::kIfPresent,
               rule == Presence::kRequired ? "an event log" : "an event log, if present",
               checked ? "one that gives the registers" : "none was given");
}

void appraise_snp(CheckLog& log, const SnpFacts& facts, const SnpPolicy& snp, bool pcrs) {
  const SnpReport& report = facts.report;
  apply<std::uint64_t>(log, E::kReportVersion, snp.report_version, report.version);
  apply(log, E::kMeasurement, snp.measurement, bytes_of(report.measurement));
  warn_of_coverage(log, E::kMeasurementCovers, is_open(snp.measurement),
                   snp.measurement_covers == MeasurementCoverage::kFirmware, pcrs);
  apply(log, E::kDebug, snp.debug, report.debug_allowed());
  apply(log, E::kMigrationAgent, snp.migration_agent, report.migration_agent_allowed());
  apply(log, E::kSmt, snp.smt, report.smt_allowed());
  apply(log, E::kGuestPolicy, snp.guest_policy, report.policy);
  apply<std::uint64_t>(log, E::kVmpl, snp.vmpl, report.vmpl);
  apply<std::uint64_t>(log, E::kGuestSvn, snp.guest_svn, report.guest_svn);
  apply(log, E::kFamilyId, snp.family_id, bytes_of(report.family_id));
  apply(log, E::kImageId, snp.image_id, bytes_of(report.image_id));
  apply(log, E::kSigningKey, snp.signing_key, std::string(name_of(report.signing_key)));
  apply(log, E::kProduct, snp.product, std::string(name_of(facts.product)));
  apply(log, E::kHostData, snp.host_data, bytes_of(report.host_data));
  apply(log, E::kIdKeyDigest, snp.id_key_digest, bytes_of(report.id_key_digest));
  apply(log, E::kAuthorKeyDigest, snp.author_key_digest, bytes_of(report.author_key_digest));
  apply(log, E::kChipId, snp.chip_id, bytes_of(report.chip_id));
  apply(log, E::kMinimumTcb, snp.minimum_tcb, facts.reported_tcb);
  apply(log, E::kPlatformInfo, snp.platform_info, report.platform_info);
}

void appraise_advisories(CheckLog& log, const AdvisoriesConstraint& constraint,
                         const std::vector<std::string>& got) {
  if (const auto* open = std::get_if<Unconstrained>(&constraint)) {
    ENSC_REQUIRE(log, E::kIntelAdvisories, true, show(*open), show(got));
    return;
  }
  const std::vector<std::string>& known = std::get<NoneBut>(constraint).values;
  const bool holds = std::all_of(got.begin(), got.end(), [&](const std::string& advisory) {
    return std::find(known.begin(), known.end(), advisory) != known.end();
  });
  ENSC_REQUIRE(log, E::kIntelAdvisories, holds, "none but " + show(known), show(got));
}

void appraise_intel_platform(CheckLog& log, const IntelTcb& tcb, const IntelPlatformPolicy& policy,
                             bool crl_checked, Instant now) {
  apply(log, E::kIntelTcbStatus, policy.tcb_status, std::string(name_of(tcb.status)));
  appraise_advisories(log, policy.advisories, tcb.advisories);
  apply<std::uint64_t>(log, E::kIntelEvaluationDataNumber, policy.evaluation_data_number,
                       tcb.evaluation_data_number);
  apply<Millis>(log, E::kIntelCollateralAge, policy.collateral_age, now - tcb.collateral_issued);
  apply(log, E::kIntelPckCa, policy.pck_ca,
        std::string(tcb.platform_ca ? "platform" : "processor"));
  apply(log, E::kIntelFmspc, policy.fmspc, bytes_of(tcb.pck.fmspc));
  apply(log, E::kIntelPlatformId, policy.platform_id, bytes_of(tcb.pck.ppid));
  appraise_crl(log, E::kIntelCrlRequired, policy.crl, crl_checked);
}

void appraise_tdx(CheckLog& log, const TdxFacts& facts, const TdxPolicy& tdx, bool pcrs) {
  const TdReport& report = facts.report();
  apply<std::uint64_t>(log, E::kTdxQuoteVersion, tdx.quote_version, facts.quote.version);
  apply(log, E::kTdxMeasurement, tdx.measurement, bytes_of(report.mr_td));
  // RTMR1 and RTMR2 hold what was booted above the firmware that MRTD stands for: kernel in the
  // one, initrd and command line in the other.
  const bool partial = tdx.measurement_covers == MeasurementCoverage::kFirmware ||
                       is_open(tdx.rtmr[1]) || is_open(tdx.rtmr[2]);
  warn_of_coverage(log, E::kTdxMeasurementCovers, is_open(tdx.measurement), partial, pcrs);
  constexpr E kRtmr[] = {E::kTdxRtmr0, E::kTdxRtmr1, E::kTdxRtmr2, E::kTdxRtmr3};
  for (std::size_t i = 0; i < 4; ++i) {
    apply(log, kRtmr[i], tdx.rtmr[i], bytes_of(report.rtmr[i]));
  }
  apply(log, E::kTdxDebug, tdx.debug, report.debug());
  apply(log, E::kTdxMigratable, tdx.migratable, report.migratable());
  apply(log, E::kTdxSeptVeDisable, tdx.sept_ve_disable, report.sept_ve_disable());
  apply(log, E::kTdxPerfmon, tdx.perfmon, report.perfmon());
  apply(log, E::kTdxXfam, tdx.xfam, bytes_of(report.xfam));
  apply(log, E::kTdxMrSeam, tdx.mr_seam, bytes_of(report.mr_seam));
  apply(log, E::kTdxMrConfigId, tdx.mr_config_id, bytes_of(report.mr_config_id));
  apply(log, E::kTdxMrOwner, tdx.mr_owner, bytes_of(report.mr_owner));
  apply(log, E::kTdxMrOwnerConfig, tdx.mr_owner_config, bytes_of(report.mr_owner_config));
  apply(log, E::kTdxMrServiceTd, tdx.mr_service_td,
        bytes_of(report.mr_service_td.value_or(ByteArray<48>{})));
  apply<Svn16>(log, E::kTdxMinimumTcbSvn, tdx.minimum_tcb_svn, report.tee_tcb_svn);
}

void appraise_sgx(CheckLog& log, const SgxFacts& facts, const SgxPolicy& sgx) {
  const SgxReport& report = facts.report();
  apply<std::uint64_t>(log, E::kSgxQuoteVersion, sgx.quote_version, facts.quote.version);
  apply(log, E::kSgxMeasurement, sgx.measurement, bytes_of(report.mr_enclave));
  apply(log, E::kSgxMrSigner, sgx.mr_signer, bytes_of(report.mr_signer));
  // A signer's word for a product is a reference value too.
  const bool by_signer = !is_open(sgx.mr_signer) && !is_open(sgx.isv_prod_id);
  warn_of_coverage(log, E::kSgxMeasurementCovers, is_open(sgx.measurement) && !by_signer, false,
                   false);
  apply<std::uint64_t>(log, E::kSgxIsvProdId, sgx.isv_prod_id, report.isv_prod_id);
  apply<std::uint64_t>(log, E::kSgxIsvSvn, sgx.isv_svn, report.isv_svn);
  apply(log, E::kSgxDebug, sgx.debug, report.debug());
  apply(log, E::kSgxConfigId, sgx.config_id, bytes_of(report.config_id));
  apply<std::uint64_t>(log, E::kSgxConfigSvn, sgx.config_svn, report.config_svn);
  apply(log, E::kSgxIsvExtProdId, sgx.isv_ext_prod_id, bytes_of(report.isv_ext_prod_id));
  apply(log, E::kSgxIsvFamilyId, sgx.isv_family_id, bytes_of(report.isv_family_id));
}

void appraise_pcrs(CheckLog& log, const PcrsConstraint& constraint, const VtpmFacts& vtpm) {
  if (const auto* open = std::get_if<Unconstrained>(&constraint)) {
    ENSC_REQUIRE(log, E::kAzurePcrs, true, show(*open), "not compared");
    return;
  }
  std::string expected;
  std::string got;
  for (const PcrPolicy& pcr : std::get<std::vector<PcrPolicy>>(constraint)) {
    const bool quoted = (vtpm.attest.pcr_select >> pcr.index & 1) != 0;
    const Bytes value = pcr.index < vtpm.pcrs.size() ? bytes_of(vtpm.pcrs[pcr.index]) : Bytes();
    if (quoted && satisfies(value, pcr.value)) {
      continue;
    }
    const std::string name = (expected.empty() ? "PCR " : "; PCR ") + std::to_string(pcr.index);
    expected += name + " " + show(pcr.value);
    got += name + " " + (quoted ? show(value) : "not quoted");
  }
  const bool holds = expected.empty();
  ENSC_REQUIRE(log, E::kAzurePcrs, holds, holds ? "the policy's PCRs" : expected,
               holds ? "all of them" : got);
}

// A claim that is not there satisfies only a policy that leaves it open.
void apply_claim(CheckLog& log, E code, const Constraint<bool>& constraint,
                 const std::optional<bool>& claim) {
  ENSC_REQUIRE(log, code, claim.has_value() ? satisfies(*claim, constraint) : is_open(constraint),
               show(constraint), claim.has_value() ? show(*claim) : "not stated");
}

void appraise_azure(CheckLog& log, const EvidenceClaims& claims, const AzurePolicy& azure) {
  const VtpmFacts& vtpm = *claims.vtpm;
  appraise_pcrs(log, azure.pcrs, vtpm);
  apply_claim(log, E::kAzureSecureBoot, azure.secure_boot, vtpm.runtime.secure_boot);
  apply_claim(log, E::kAzureConsole, azure.console, vtpm.runtime.console_enabled);
  apply(log, E::kAzureVmUniqueId, azure.vm_unique_id, vtpm.runtime.vm_unique_id);
  appraise_event_log(log, E::kAzureEventLog, azure.event_log, claims.event_log_checked);
}

void appraise_hardware(CheckLog& log, const EvidenceClaims& claims, const PolicyFields& policy,
                       Instant now) {
  ENSC_REQUIRE(log, E::kEndorsementsCurrent, now <= claims.endorsed_until,
               "not after " + to_rfc3339(claims.endorsed_until), to_rfc3339(now));
  if (!appraise_kind(log, claims, policy)) {
    return;
  }
  const bool azure = claims.vtpm.has_value() && policy.azure.has_value();
  const bool pcrs = azure && pcrs_reach_the_code(policy.azure);
  if (const SnpFacts* snp = claims.snp(); snp != nullptr && policy.snp) {
    appraise_snp(log, *snp, *policy.snp, pcrs);
    appraise_crl(log, E::kCrlRequired, policy.snp->crl, claims.crl_checked);
  }
  if (const TdxFacts* tdx = claims.tdx(); tdx != nullptr && policy.tdx) {
    appraise_tdx(log, *tdx, *policy.tdx, pcrs);
    appraise_intel_platform(log, tdx->tcb, policy.tdx->platform, claims.crl_checked, now);
    if (azure) {
      log.not_applied(E::kTdxEventLog, "a log of the run-time registers",
                      "on Azure the log is the vTPM's: azure.event_log judges it");
    } else {
      appraise_event_log(log, E::kTdxEventLog, policy.tdx->event_log, claims.event_log_checked);
    }
  }
  if (const SgxFacts* sgx = claims.sgx(); sgx != nullptr && policy.sgx) {
    appraise_sgx(log, *sgx, *policy.sgx);
    appraise_intel_platform(log, sgx->tcb, policy.sgx->platform, claims.crl_checked, now);
  }
  if (azure) {
    appraise_azure(log, claims, *policy.azure);
  }
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
  // Another policy than a broker's does not parse without [freshness].
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
    appraise_hardware(log, attested.evidence, policy.fields(), now);
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

  static AttestationResult at_rest(const Attested& attested, const AppraisalPolicy& policy,
                                   Instant now) {
    CheckLog log;
    appraise_anchor(log, attested.evidence, policy);
    appraise_hardware(log, attested.evidence, policy.fields(), now);
    appraise_security(log, attested.statement.security, attested.statement.software,
                      policy.fields().security);
    ENSC_WARN(log, E::kFreshnessBinding, false, "evidence bound to a key broker's session",
              "a saved document");
    log.not_applied(E::kFreshnessKnown, "the session's nonce", "a saved document has none");
    AttestationResult result = start(attested.evidence, attested.checks, log);
    result.statement_ = attested.statement;
    return result;
  }

  static AttestationResult evidence_only(const EvidenceClaims& claims,
                                         const AppraisalPolicy& policy, Instant now) {
    CheckLog log;
    appraise_anchor(log, claims, policy);
    appraise_hardware(log, claims, policy.fields(), now);
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
  static AttestationResult start(const EvidenceClaims& claims, std::vector<Check> checks,
                                 const CheckLog& log) {
    AttestationResult result;
    result.kind_ = name_of(claims.kind);
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

AttestationResult appraise_evidence_only(const Verified<EvidenceClaims>& evidence,
                                         const AppraisalPolicy& policy, Instant now) {
  return Appraiser::evidence_only(*evidence, policy, now);
}

AttestationResult appraise_at_rest(const Verified<Attested>& attested,
                                   const AppraisalPolicy& policy, Instant now) {
  return Appraiser::at_rest(*attested, policy, now);
}

}  // namespace ensconce
