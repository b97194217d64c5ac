#include "ensconce/attestation/verify/azure_verifier.h"

#include <algorithm>

#include "chain_words.h"
#include "ensconce/attestation/endorsements/intel_endorsements.h"
#include "ensconce/attestation/endorsements/snp_endorsements.h"
#include "ensconce/attestation/verify/intel_verifier.h"
#include "ensconce/attestation/verify/snp_verifier.h"
#include "ensconce/base/printable.h"
#include "ensconce/crypto/hash.h"
#include "ensconce/crypto/keys.h"

namespace ensconce {
namespace {

using E = AttestationError;
using internal::outcome;
using Hardware = HclReport::Hardware;

constexpr std::size_t kNumPcrs = 24;
constexpr std::uint32_t kNumFirmwarePcrs = 8;

// What a parser says may quote what it read.
std::string detail_of(const Error& error) { return printable(error.detail(), 256); }

// One verification: what is judged, and what was found so far.
struct Case {
  const AzureEvidence& evidence;
  const HclReport& hcl;
  SignatureMemo* memo;
  CheckLog log;
  EvidenceClaims claims;
};

// ---- Hardware --------------------------------------------------------------------------------

std::string_view name_of(Hardware hardware) { return hardware == Hardware::kSnp ? "SNP" : "TDX"; }

// `quote` is nullptr on SNP.
bool verify_kind(Case& c, const IntelQuote* quote) {
  const Hardware expected = quote == nullptr ? Hardware::kSnp : Hardware::kTdx;
  const bool of_enclave = quote != nullptr && !quote->is_tdx();
  return ENSC_REQUIRE(
      c.log, E::kAzureHardwareKind, c.hcl.hardware == expected && !of_enclave,
      std::string(name_of(expected)),
      std::string(name_of(c.hcl.hardware)) + (of_enclave ? ", and the quote of an enclave" : ""));
}

// What the hardware says, or nothing where the kinds differ. It vouches for the runtime claims,
// which are held against its report data below.
Result<std::optional<Verification>> verify_snp(Case& c, const std::vector<TrustAnchor>& anchors,
                                               std::span<const EndorsementItem> pool, Instant now) {
  if (!verify_kind(c, nullptr)) {
    return std::optional<Verification>();
  }
  ENSC_TRY_ASSIGN(const SnpReport report, parse_snp_report(c.hcl.hardware_report));
  std::vector<EndorsementItem> items(pool.begin(), pool.end());
  if (c.evidence.vcek.has_value()) {
    items.push_back({std::string(kCertificateType), *c.evidence.vcek});
  }
  ENSC_TRY_ASSIGN(const SnpEndorsements endorsements, snp_endorsements_for(report, items));
  return std::optional(
      SnpVerifier(anchors, c.memo).verify(report, endorsements, std::nullopt, now));
}

Result<std::optional<Verification>> verify_tdx(Case& c, const std::vector<TrustAnchor>& anchors,
                                               std::span<const EndorsementItem> pool, Instant now) {
  ENSC_TRY_ASSIGN(const IntelQuote quote, parse_intel_quote(*c.evidence.td_quote));
  if (!verify_kind(c, &quote)) {
    return std::optional<Verification>();
  }
  ENSC_TRY_ASSIGN(const IntelEndorsements endorsements, collect_intel_endorsements(quote, pool));
  return std::optional(
      IntelVerifier(anchors, c.memo).verify(quote, endorsements, std::nullopt, now));
}

// ---- Runtime claims --------------------------------------------------------------------------

// Microsoft, "Confidential VM guest attestation design": report data is a digest of the claims.
void verify_runtime_claims(Case& c) {
  const Sha256Digest digest = sha256(as_bytes(c.hcl.runtime_data));
  ByteArray<64> expected{};
  std::copy(digest.begin(), digest.end(), expected.begin());
  const ByteArray<64>& got = c.claims.report_data;  // the hardware's, so far
  ENSC_REQUIRE(c.log, E::kAzureRuntimeClaims, got == expected, to_hex(expected), to_hex(got));
}

// The guest runs above the paravisor and may ask the secure processor too, but not at VMPL 0.
void verify_vmpl(Case& c) {
  if (const SnpFacts* snp = c.claims.snp(); snp != nullptr) {
    ENSC_REQUIRE(c.log, E::kAzureVmpl, snp->report.vmpl == 0, "0",
                 std::to_string(snp->report.vmpl));
  }
}

// TDREPORT_STRUCT: REPORTDATA at 128; TDINFO at 512, which begins ATTRIBUTES, XFAM, MRTD,
// MRCONFIGID, MROWNER, MROWNERCONFIG, RTMR0 to RTMR3. The quote was made of this TDREPORT.
void verify_td_report(Case& c) {
  const TdxFacts* tdx = c.claims.tdx();
  if (tdx == nullptr) {
    return;
  }
  const TdReport& td = tdx->report();
  Bytes quoted = concat({td.report_data, td.td_attributes, td.xfam, td.mr_td, td.mr_config_id,
                         td.mr_owner, td.mr_owner_config});
  for (const ByteArray<48>& rtmr : td.rtmr) {
    quoted.insert(quoted.end(), rtmr.begin(), rtmr.end());
  }
  const ByteView report(c.hcl.hardware_report);
  const std::size_t info_len = quoted.size() - td.report_data.size();
  const Bytes shown = concat({report.subspan(128, 64), report.subspan(512, info_len)});
  ENSC_REQUIRE(c.log, E::kAzureTdReport, shown == quoted, to_hex(quoted), to_hex(shown));
}

// ---- TPM -------------------------------------------------------------------------------------

void verify_signature(Case& c, const RuntimeClaims& runtime) {
  const auto key = RsaPublicKey::from_modulus(runtime.ak_modulus, runtime.ak_exponent);
  const Result<void> signature =
      key ? Signatures(c.memo).rsa(*key, c.evidence.tpm_message, c.evidence.tpm_signature)
          : Result<void>(key.error());
  ENSC_REQUIRE(c.log, E::kAzureTpmSignature, signature.has_value(), "a signature by HCLAkPub",
               outcome(signature));
}

bool is_quoted(const TpmAttest& attest, std::size_t pcr) {
  return pcr < kNumPcrs && (attest.pcr_select >> pcr & 1) != 0;
}

void verify_pcr_digest(Case& c, const TpmAttest& attest) {
  const std::vector<ByteArray<32>>& pcrs = c.evidence.pcrs;
  Bytes selected;
  for (std::size_t i = 0; i < pcrs.size(); ++i) {
    if (is_quoted(attest, i)) {
      selected.insert(selected.end(), pcrs[i].begin(), pcrs[i].end());
    }
  }
  const Sha256Digest digest = sha256(selected);
  ENSC_REQUIRE(c.log, E::kAzureTpmPcrDigest,
               pcrs.size() == kNumPcrs && equal(attest.pcr_digest, digest),
               to_hex(attest.pcr_digest), to_hex(digest));
}

// From here on report data is what the guest had vouched for, and no longer the hardware's.
void verify_extra_data(Case& c, const TpmAttest& attest, const ExpectedReportData& expected) {
  const Bytes& extra = attest.extra_data;
  ByteArray<64> got{};
  std::copy_n(extra.begin(), std::min(extra.size(), got.size()), got.begin());
  c.claims.report_data = got;
  if (!expected.has_value()) {
    c.log.not_applied(E::kAzureReportData, "nothing in particular", to_hex(extra));
    return;
  }
  const bool whole = extra.size() == 32 || extra.size() == 48 || extra.size() == 64;
  ENSC_REQUIRE(c.log, E::kAzureReportData, whole && got == *expected, to_hex(*expected),
               to_hex(extra) + " (" + std::to_string(extra.size()) + " bytes)");
}

// The firmware's log tells of the firmware's registers: of those that are quoted, one it does not
// extend was never extended (TCG PC Client Platform Firmware Profile: 0 to 7 begin at zero). A
// guest extends others later, which no firmware's log tells of: of these, those it extends are
// compared.
void verify_event_log(Case& c, const TpmAttest& attest, const EventLog* log) {
  if (log == nullptr) {
    c.log.not_applied(E::kEventLogReplay, "an event log of the TPM", "none was given");
    return;
  }
  const std::map<std::uint32_t, Sha256Digest> replayed = replay_sha256(*log);
  std::string differs;
  for (const auto& [pcr, value] : replayed) {
    if (!is_quoted(attest, pcr)) {
      differs += " register " + std::to_string(pcr) + ", which is not quoted";
    } else if (pcr >= c.evidence.pcrs.size() || c.evidence.pcrs[pcr] != value) {
      differs += " PCR " + std::to_string(pcr) + " " + to_hex(value);
    }
    if (differs.size() > 2048) {
      break;  // a log names as many registers as it has events
    }
  }
  for (std::uint32_t pcr = 0; pcr < std::min<std::size_t>(kNumFirmwarePcrs, c.evidence.pcrs.size());
       ++pcr) {
    if (is_quoted(attest, pcr) && !replayed.contains(pcr) && !all_zero(c.evidence.pcrs[pcr])) {
      differs += " PCR " + std::to_string(pcr) + " never extended";
    }
  }
  ENSC_REQUIRE(c.log, E::kEventLogReplay, !replayed.empty() && differs.empty(),
               "the quoted PCRs, of the firmware's and of those it extends",
               replayed.empty()  ? "it extends none"
               : differs.empty() ? "the same"
                                 : "another:" + differs);
  c.claims.event_log_checked = true;
}

void verify_tpm(Case& c, const ExpectedReportData& expected, const EventLog* event_log) {
  auto runtime = parse_runtime_claims(c.hcl.runtime_data);
  ENSC_REQUIRE(c.log, E::kAzureAkForm, runtime.has_value(), "an RSA key HCLAkPub for signing",
               runtime ? "so it is" : detail_of(runtime.error()));
  auto attest = parse_tpm_attest(c.evidence.tpm_message);
  ENSC_REQUIRE(c.log, E::kAzureTpmForm, attest.has_value(), "a quote of the SHA-256 bank",
               attest ? "so it is" : detail_of(attest.error()));
  if (!runtime || !attest) {
    return;
  }
  verify_signature(c, *runtime);
  verify_pcr_digest(c, *attest);
  verify_extra_data(c, *attest, expected);
  verify_event_log(c, *attest, event_log);
  c.claims.vtpm = VtpmFacts{*std::move(attest), *std::move(runtime), c.evidence.pcrs};
}

}  // namespace

Verification AzureVerifier::verify(const AzureEvidence& evidence,
                                   std::span<const EndorsementItem> pool,
                                   const ExpectedReportData& expected, Instant now,
                                   const EventLog* event_log) const {
  const Result<HclReport> hcl = parse_hcl_report(evidence.hcl_report);
  if (!hcl) {
    return {{}, hcl.error()};
  }
  Case c{evidence, *hcl, memo_, {}, {}};
  Result<std::optional<Verification>> judged =
      evidence.is_tdx() ? verify_tdx(c, anchors_, pool, now) : verify_snp(c, anchors_, pool, now);
  if (!judged) {
    return {{}, judged.error()};
  }
  std::optional<Verification>& hardware = *judged;
  if (!hardware.has_value()) {
    return {c.log.checks(), c.log.verdict().error()};
  }
  if (!hardware->claims) {
    return *std::move(hardware);
  }
  c.claims = hardware->claims.value().value();
  c.claims.kind = evidence.is_tdx() ? EvidenceKind::kAzureTdx : EvidenceKind::kAzureSnp;
  verify_runtime_claims(c);
  verify_vmpl(c);
  verify_td_report(c);
  verify_tpm(c, expected, event_log);

  std::vector<Check> checks = std::move(hardware->checks);
  // The log of an Azure guest is its vTPM's: the hardware had none to replay.
  const std::string_view replay = error_info(E::kEventLogReplay).id;
  std::erase_if(checks, [&](const Check& check) { return check.id == replay; });
  checks.insert(checks.end(), c.log.checks().begin(), c.log.checks().end());
  const Result<void> verdict = c.log.verdict();
  if (!verdict) {
    return {std::move(checks), verdict.error()};
  }
  c.claims.checks = checks;
  return {std::move(checks), Verified<EvidenceClaims>(std::move(c.claims))};
}

}  // namespace ensconce
