#include "ensconce/attestation/verify/check.h"

#include <array>

#include "ensconce/base/check.h"

namespace ensconce {
namespace {

using E = AttestationError;
constexpr Stage kForm = Stage::kForm;
constexpr Stage kSig = Stage::kSignature;
constexpr Stage kRev = Stage::kRevocation;
constexpr Stage kPol = Stage::kPolicy;

constexpr std::size_t kNumChecks = static_cast<std::size_t>(E::kCount);

// code, id, stage, rule and source, what an attacker gains without it, remedy.
constexpr std::array<CheckInfo, kNumChecks> kChecks{{
    {E::kArkPinned, "snp.chain.ark_pinned", kSig,
     "the root's key is a trust anchor (AMD 57230, ARK; pinned by SPKI hash)",
     "anybody can make a root of his own and sign any report under it",
     "if this root is one you choose to trust, list its spki_sha256 under [[anchors.listed]] of "
     "the "
     "policy or pass --trust-anchor; evidence of a simulated processor is never trusted by "
     "default"},
    {E::kArkSelfSigned, "snp.chain.ark_self_signed", kSig,
     "the root's signature over itself holds (AMD 57230: RSASSA-PSS, SHA-384, salt 48)",
     "a root certificate with the pinned key and changed contents (dates, marks) would be believed",
     "fetch the root certificate again from the vendor"},
    {E::kArkOrigin, "snp.chain.origin", kSig,
     "a root that is marked as simulated is listed as simulated, any other is not",
     "a simulated processor could pass for a real one in verdicts",
     "write origin = \"simulated\" for this root in the policy"},
    {E::kChainNames, "snp.chain.names", kSig,
     "each certificate is issued by the name above it, and names are those of the product (RFC "
     "5280 "
     "section 6.1.3; AMD 57230)",
     "a certificate of one role or product could stand in for another",
     "collect the chain of the product that made the report: VCEK under ASK, VLEK under ASVK"},
    {E::kChainCa, "snp.chain.ca", kSig,
     "root and intermediate are CAs that may sign certificates; the chip's certificate is none "
     "(RFC 5280 section 6.1.4)",
     "the owner of one chip's key could issue certificates for chips that do not exist",
     "collect the chain from the vendor"},
    {E::kChainCriticalExtensions, "snp.chain.critical_extensions", kSig,
     "no certificate has a critical extension we do not know (RFC 5280 section 4.2)",
     "a limit the issuer set on a certificate would be ignored",
     "this chain needs a newer version of this software"},
    {E::kIntermediateSignature, "snp.chain.intermediate_signature", kSig,
     "the root signed the intermediate (AMD 57230: RSASSA-PSS, SHA-384, salt 48)",
     "anybody can make an intermediate of the right name", "collect the chain from the vendor"},
    {E::kVekSignature, "snp.chain.vek_signature", kSig,
     "the intermediate signed the chip's certificate (AMD 57230: RSASSA-PSS, SHA-384, salt 48)",
     "anybody can make a chip certificate for a key of his own",
     "VCEK needs the ASK and VLEK the ASVK of the same product: collect the matching chain"},
    {E::kVekExtensions, "snp.vek.extensions", kForm,
     "the chip's certificate has the extensions of its kind (AMD 57230, table \"VCEK certificate "
     "extensions\")",
     "TCB and chip of the certificate could not be compared", "fetch the certificate again"},
    {E::kVekKey, "snp.vek.key", kSig, "the chip's key is on P-384 (AMD 57230)",
     "a weaker key could sign reports", "fetch the certificate again"},
    {E::kReportSignature, "snp.signature", kSig,
     "the chip's key signed the report's bytes 0x000 to 0x29f (AMD 56860: ECDSA P-384, SHA-384)",
     "any field of a report could be invented",
     "the report was changed, or the certificate is of another chip or TCB: fetch the certificate "
     "for the report's CHIP_ID and REPORTED_TCB"},
    {E::kVekKind, "snp.vek.kind", kSig,
     "SIGNING_KEY names the kind of the certificate (AMD 56860, SIGNING_KEY; 57230: hwID in a "
     "VCEK, "
     "none in a VLEK)",
     "a key shared by a cloud's chips could pass for one chip's own",
     "give the certificate of the kind the report names"},
    {E::kVekProduct, "snp.vek.product", kSig,
     "processor in the report, product of the certificate and product of the root are one (AMD "
     "56860, CPUID; 57230, productName1)",
     "a report of one product could be vouched for by another's keys, and its TCB read by the "
     "wrong "
     "layout",
     "collect the chain of the product that made the report"},
    {E::kVekTcb, "snp.vek.tcb", kSig,
     "each SPL of the certificate equals the component of REPORTED_TCB (AMD 57230, 56860)",
     "firmware could report a newer TCB than its key was derived for",
     "fetch the certificate for the report's REPORTED_TCB"},
    {E::kVekChipId, "snp.vek.chip_id", kSig,
     "the certificate's hwID equals CHIP_ID (AMD 57230; 8 bytes on Turin, else 64)",
     "one chip's report could pass for another's",
     "fetch the certificate for the report's CHIP_ID; if that is all zero the host masks it, and "
     "only a VLEK can vouch for the report"},
    {E::kReportData, "snp.report_data", kSig,
     "REPORT_DATA is exactly what was expected (design: binding of evidence to statement)",
     "genuine evidence of one service or moment could be replayed for another",
     "ask the service for new evidence with your nonce; if it persists, the evidence is not about "
     "this statement"},
    {E::kCertNotYetValid, "snp.cert.not_yet_valid", kRev,
     "notBefore of every certificate has come (RFC 5280 section 6.1.3)",
     "a certificate outside its time could be used",
     "check this machine's clock, or the time given with --at"},
    {E::kCertExpired, "snp.cert.expired", kRev,
     "notAfter of every certificate has not passed (RFC 5280 section 6.1.3)",
     "a key whose issuer no longer vouches for it could be used",
     "fetch the certificate again (a VLEK lives one year); check this machine's clock"},
    {E::kCrlSignature, "snp.crl.signature", kRev,
     "the root issued and signed the revocation list (RFC 5280 section 6.3.3; AMD 57230)",
     "an empty list of somebody else could hide a revocation",
     "fetch the vendor's CRL of this product"},
    {E::kCrlTime, "snp.crl.time", kRev,
     "now is between thisUpdate and nextUpdate of the revocation list (RFC 5280 section 6.3.3)",
     "an old list could hide a revocation", "fetch the vendor's CRL again"},
    {E::kCrlRevoked, "snp.crl.revoked", kRev,
     "the intermediate's serial is not on the revocation list (AMD 57230)",
     "an intermediate the vendor gave up could sign any chip's certificate",
     "do not trust this evidence; the platform needs certificates under the vendor's new "
     "intermediate"},
    {E::kStatementBinding, "statement.binding", kSig,
     "REPORT_DATA is SHA-256(statement) and 32 zero bytes (docs/protocols/statement.md section 2)",
     "genuine evidence could be shown with somebody else's keys",
     "the statement is not the one this hardware vouched for: ask the service for a new document"},
    {E::kStatementForm, "statement.form", kForm,
     "the statement is of its form (docs/protocols/statement.md section 1)",
     "two readers could understand one statement differently",
     "the service speaks another version of the statement"},
    {E::kRcarBinding, "rcar.binding", kSig,
     "REPORT_DATA is SHA-384(runtime data) and 16 zero bytes (CoCo KBS attestation protocol 0.4.0)",
     "genuine evidence could ask for keys in somebody else's name",
     "the worker must hash additional-evidence, nonce and tee-pubkey by RFC 8785"},
    {E::kRcarForm, "rcar.form", kForm,
     "runtime data is canonical JSON with our statement inside (docs/protocols/statement.md "
     "section 3)",
     "two readers could understand one request differently",
     "the worker must put {\"ensconce\":{\"statement\":\"...\"}} into additional-evidence"},
    {E::kRcarNonce, "rcar.nonce", kSig, "the nonce is the one this broker gave for this session",
     "an old request could be replayed", "authenticate again and attest within the session"},
    {E::kRcarTeePubkey, "rcar.tee_pubkey", kSig,
     "tee-pubkey is the statement's own release key (docs/protocols/statement.md section 3)",
     "a key could be wrapped to somebody outside the attested process",
     "the worker must ask with the release key of its statement"},
    {E::kBeaconSignature, "beacon.signature", kSig,
     "one of the named brokers signed the beacon (RFC 9052 section 4.4)",
     "a host could invent the age of evidence",
     "name the broker's key in the policy, or use freshness by hardware"},
    {E::kBeaconForm, "beacon.form", kForm,
     "the beacon is of its form (docs/protocols/statement.md section 4)",
     "two readers could understand one beacon differently",
     "the broker speaks another version of the beacon"},
    {E::kAnchorAccepted, "anchor.accepted", kPol,
     "the policy accepts the root the evidence leads to",
     "a root trusted for another purpose could vouch for this one",
     "if you mean to trust it, list the root under [[anchors.listed]] or accept = [\"vendor\"]"},
    {E::kEndorsementsCurrent, "snp.endorsements_current", kRev,
     "certificates and revocation list have not ended since the evidence was verified",
     "a verdict kept in memory could outlive what it rests on",
     "fetch the evidence document again"},
    {E::kReportVersion, "snp.report_version", kPol,
     "the report's version is one the policy names (AMD 56860, VERSION)",
     "fields the policy relies on may not exist in an older report",
     "update the platform's firmware, or widen snp.report_version"},
    {E::kMeasurement, "snp.measurement", kPol,
     "the launch digest is a reference value (AMD 56860, MEASUREMENT)",
     "any code could run in a genuine TEE and get keys and inputs",
     "compare with the measurement of the release you deployed; if you meant to change the worker, "
     "add the new value to snp.measurement"},
    {E::kMeasurementCovers, "snp.measurement_covers", kPol,
     "the measurement reaches the worker's code",
     "on most clouds the measurement is the provider's firmware: whatever runs above it is not "
     "known",
     "use an image whose kernel, initrd and command line are measured; with firmware alone no key "
     "is "
     "released and no input is sent"},
    {E::kDebug, "snp.debug", kPol,
     "the guest policy's DEBUG bit is as the policy says (AMD 56860, GUEST_POLICY)",
     "the host may read a debug guest's memory", "launch the guest without the DEBUG bit"},
    {E::kMigrationAgent, "snp.migration_agent", kPol,
     "the guest policy's MIGRATE_MA bit is as the policy says (AMD 56860, GUEST_POLICY)",
     "a migration agent may take the guest's memory elsewhere",
     "launch the guest without the MIGRATE_MA bit"},
    {E::kSmt, "snp.smt", kPol,
     "the guest policy's SMT bit is as the policy says (AMD 56860, GUEST_POLICY)",
     "a sibling thread of the host may observe the guest",
     "launch the guest with the SMT bit the policy wants"},
    {E::kVmpl, "snp.vmpl", kPol,
     "the report was asked for at a privilege level the policy names (AMD 56860, VMPL)",
     "less privileged code in the guest, or the host itself, could ask in the worker's name",
     "the worker must ask for its report at the level the policy names"},
    {E::kSigningKey, "snp.signing_key", kPol,
     "the report is signed with a key of a kind the policy names (AMD 56860, SIGNING_KEY)",
     "a VLEK is shared by a provider's chips: one broken chip speaks for all",
     "widen snp.signing_key if your provider uses VLEK"},
    {E::kProduct, "snp.product", kPol, "the processor is of a product the policy names",
     "weaker hardware than the policy's author meant", "deploy on a product the policy names"},
    {E::kHostData, "snp.host_data", kPol, "HOST_DATA is as the policy says (AMD 56860)",
     "a deployment the host configured otherwise", "launch the guest with the expected HOST_DATA"},
    {E::kIdKeyDigest, "snp.id_key_digest", kPol, "ID_KEY_DIGEST is as the policy says (AMD 56860)",
     "an image nobody signed", "launch the guest with the ID block of the expected signer"},
    {E::kAuthorKeyDigest, "snp.author_key_digest", kPol,
     "AUTHOR_KEY_DIGEST is as the policy says (AMD 56860)", "an image of another author",
     "launch the guest with the ID block of the expected author"},
    {E::kChipId, "snp.chip_id", kPol, "CHIP_ID is as the policy says (AMD 56860)",
     "a machine outside the ones you know", "deploy on a machine the policy names"},
    {E::kMinimumTcb, "snp.minimum_tcb", kPol,
     "each component of REPORTED_TCB is at least the policy's (AMD 56860, TCB_VERSION)",
     "firmware with known holes", "update the platform's firmware, then fetch new certificates"},
    {E::kPlatformInfo, "snp.platform_info", kPol, "PLATFORM_INFO is as the policy says (AMD 56860)",
     "a platform configured more weakly than the policy's author meant",
     "change the platform's settings (SMT, TSME, ciphertext hiding)"},
    {E::kCrlRequired, "snp.crl.required", kPol,
     "a revocation list was there where the policy requires one",
     "leaving the list out would hide a revocation",
     "have the worker send the CRL, give it with --endorsements, or write crl = \"if_present\""},
    {E::kStatementGiven, "statement.given", kPol, "a statement came with the evidence",
     "bare evidence says nothing of keys and configuration",
     "give the evidence document rather than the bare report"},
    {E::kSecurityPadding, "security.padding", kPol, "the worker pads answers as the policy says",
     "lengths tell about contents", "configure the worker's padding"},
    {E::kSecurityTenancy, "security.tenancy", kPol, "the worker's tenancy is as the policy says",
     "another tenant's requests may share the process", "configure the worker's tenancy"},
    {E::kSecuritySandbox, "security.sandbox", kPol, "the worker's sandbox is as the policy says",
     "a flaw in the engine reaches the keys", "configure the worker's sandbox"},
    {E::kSecuritySoftware, "security.software", kPol,
     "the worker's software is one the policy names", "a version with known holes",
     "update the worker, or the policy"},
    {E::kSecurityOwnerKeys, "security.owner_keys", kPol,
     "the worker opens bundles of the policy's owners and of nobody else",
     "a genuine worker could serve somebody else's model under your model's name",
     "start the worker with the owner keys of the policy"},
    {E::kSecurityBrokerKey, "security.broker_key", kPol,
     "the worker believes the broker the policy names",
     "beacons and leases of a broker you do not know",
     "start the worker with the policy's broker key"},
    {E::kFreshnessBinding, "freshness.binding", kPol,
     "the evidence is bound in the way of the policy's role: a client's to the statement, a "
     "broker's "
     "to its RCAR session",
     "evidence made for one exchange could serve another",
     "use a client's policy for documents and a broker's for key release"},
    {E::kFreshnessKnown, "freshness.known", kPol,
     "freshness is shown in the way the policy asks for",
     "evidence of any age, of a machine long since compromised, would pass",
     "without a beacon the age of evidence is unknown: fetch with your own nonce and hardware = "
     "true, "
     "or let the worker reach its broker"},
    {E::kFreshnessChallenge, "freshness.challenge", kPol,
     "the statement's challenge is SHA-256 of the beacon, or the verifier's own nonce",
     "a fresh beacon could be shown beside stale evidence", "fetch the evidence document again"},
    {E::kFreshnessBootId, "freshness.boot_id", kPol,
     "the beacon was made for the boot the statement names",
     "a beacon of another worker could be shown", "fetch the evidence document again"},
    {E::kFreshnessBrokerKey, "freshness.broker_key", kPol,
     "a broker the policy names signed the beacon",
     "any broker could vouch for the age of evidence", "name the broker's key under [freshness]"},
    {E::kFreshnessFuture, "freshness.future", kPol,
     "the beacon is not from the future (two minutes of skew are tolerated)",
     "a beacon made ahead of time would stay fresh for long",
     "set the clocks of this machine and of the broker"},
    {E::kFreshnessAge, "freshness.age", kPol,
     "the beacon is no older than the policy's evidence_age, by this verifier's clock",
     "evidence of a machine compromised since would pass",
     "fetch the evidence document again; if it stays old, the worker cannot reach its broker"},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kChecks.size(); ++i) {
    if (static_cast<std::size_t>(kChecks[i].code) != i || kChecks[i].id.empty() ||
        kChecks[i].remedy.empty()) {
      return false;
    }
  }
  return true;
}
static_assert(in_order(), "the table follows AttestationError");

}  // namespace

std::span<const CheckInfo> all_checks() { return kChecks; }

#ifdef ENSC_MUTATION
namespace internal {
std::optional<AttestationError> rule_off;
bool rule_is_off(AttestationError code) { return rule_off == code; }
}  // namespace internal
#endif

bool CheckLog::require(AttestationError code, bool holds, std::string expected, std::string got) {
  if (!holds && !refusal_.has_value()) {
    refusal_ = Error(code, "expected " + expected + ", got " + got)
                   .with_remedy(std::string(kChecks[static_cast<std::size_t>(code)].remedy));
  }
  record(code, holds, std::move(expected), std::move(got), false);
  return holds;
}

void CheckLog::not_applied(AttestationError code, std::string expected, std::string got) {
  record(code, std::nullopt, std::move(expected), std::move(got), false);
}

void CheckLog::warn(AttestationError code, bool holds, std::string expected, std::string got) {
  warned_ = warned_ || !holds;
  record(code, holds, std::move(expected), std::move(got), !holds);
}

Result<void> CheckLog::verdict() const {
  if (refusal_.has_value()) {
    return *refusal_;
  }
  return ok();
}

void CheckLog::record(AttestationError code, std::optional<bool> holds, std::string expected,
                      std::string got, bool is_warning) {
  const CheckInfo& info = kChecks[static_cast<std::size_t>(code)];
  checks_.push_back({.id = info.id,
                     .rule = info.rule,
                     .expected = std::move(expected),
                     .got = std::move(got),
                     .holds = holds,
                     .remedy = holds.value_or(true) ? std::string_view() : info.remedy,
                     .is_warning = is_warning});
}

}  // namespace ensconce
