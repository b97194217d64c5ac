// Azure evidence held against a policy: what the vTPM says has rules of its own, beside those of
// the hardware below.

#include <gtest/gtest.h>

#include "ensconce/attestation/appraise/appraise.h"
#include "ensconce/attestation/verify/azure_verifier.h"
#include "ensconce/sim/azure_vtpm.h"
#include "made_intel.h"

namespace ensconce {
namespace {

using E = AttestationError;
using made::kNow;
using made::with;

constexpr std::uint32_t kAllPcrs = 0xffffff;

const AzureVtpm& vtpm() {
  static const AzureVtpm made = AzureVtpm::generate();
  return made;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  ENSC_CHECK(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

// The claims that made::azure_section affirms: the simulated ones, with the console off.
std::string runtime_data() {
  return replaced(vtpm().runtime_data(), "\"console-enabled\":true", "\"console-enabled\":false");
}

// Guest is what a test changes of a guest whose PCRs are filled with their numbers.
struct Guest {
  std::string runtime = runtime_data();
  std::uint32_t quoted = kAllPcrs;
  std::optional<EventLog> log;  // that gives PCR 4; the firmware's others are then zero
};

// quoted_by_tpm quotes the PCRs selected anew.
AzureEvidence quoted_by_tpm(AzureEvidence evidence, std::uint32_t selected) {
  Bytes values;
  for (std::size_t i = 0; i < evidence.pcrs.size(); ++i) {
    if ((selected >> i & 1) != 0) {
      values.insert(values.end(), evidence.pcrs[i].begin(), evidence.pcrs[i].end());
    }
  }
  TpmAttest attest = parse_tpm_attest(evidence.tpm_message).value();
  attest.pcr_select = selected;
  attest.pcr_digest = to_bytes(ByteView(sha256(values)));
  evidence.tpm_message = write_tpm_attest(attest);
  evidence.tpm_signature = vtpm().sign_attest(evidence.tpm_message);
  return evidence;
}

AzureEvidence numbered(AzureEvidence evidence) {
  for (std::size_t i = 0; i < evidence.pcrs.size(); ++i) {
    evidence.pcrs[i].fill(static_cast<std::uint8_t>(i));
  }
  return evidence;
}

AttestationResult judged(const AzureEvidence& evidence, const TrustAnchor& anchor,
                         const std::vector<EndorsementItem>& pool, const std::string& policy,
                         const EventLog* log) {
  const Statement statement = made::statement();
  const Bytes bytes = encode_statement(statement);
  const Verification verification =
      AzureVerifier({anchor}).verify(evidence, pool, report_data_for(bytes), kNow, log);
  return appraise(
      StatementBinder::bind_statement(verification.claims.value(), bytes).attested.value(),
      FreshByOwnNonce{statement.challenge}, made::parsed(policy), kNow);
}

Bytes bound() { return to_bytes(ByteView(report_data_for(encode_statement(made::statement())))); }

AttestationResult run_snp(const std::string& policy, const Guest& guest = {}) {
  const SnpPki& pki = made::shared_pki();
  AzureEvidence evidence =
      numbered(vtpm().on_snp(pki, made::report_for(pki, {}), guest.runtime, bound()));
  if (guest.log.has_value()) {
    std::fill_n(evidence.pcrs.begin(), 8, ByteArray<32>{});
    evidence.pcrs[4] = replay_sha256(*guest.log).at(4);
  }
  return judged(quoted_by_tpm(evidence, guest.quoted), made::anchor_of(pki),
                pki.endorsements(pki.crl_der(kNow)), policy,
                guest.log.has_value() ? &*guest.log : nullptr);
}

AttestationResult run_tdx(const std::string& policy) {
  const IntelPki& pki = made::shared_intel_pki();
  const AzureEvidence evidence =
      numbered(vtpm().on_tdx(pki, made::td_quote(pki, {}), runtime_data(), bound()));
  return judged(quoted_by_tpm(evidence, kAllPcrs), made::anchor_of(pki),
                pki.endorsements(true, kNow), policy, nullptr);
}

std::string snp_policy() {
  return replaced(made::client_policy(), "[security]\n", made::azure_section() + "[security]\n");
}

void expect_only(const AttestationResult& result, E code) {
  EXPECT_EQ(result.outcome(), Outcome::kContraindicated);
  EXPECT_FALSE(result.affirmed().has_value());
  EXPECT_TRUE(made::refused_by(result, code)) << error_info(code).id;
  for (const Check& check : result.checks()) {
    EXPECT_EQ(check.holds.value_or(true), check.id != error_info(code).id)
        << check.id << ": expected " << check.expected << ", got " << check.got;
  }
}

TEST(AppraiseAzure, AffirmsWhatThePolicyAsksFor) {
  const AttestationResult snp = run_snp(snp_policy());
  ASSERT_EQ(snp.outcome(), Outcome::kAffirming) << (snp.error() ? snp.error()->to_string() : "");
  EXPECT_EQ(snp.kind(), "azure-snp");
  EXPECT_EQ(snp.affirmed()->measurement(), to_bytes(ByteView(made::measurement())));

  const AttestationResult tdx = run_tdx(
      made::with_hardware(made::client_policy(), made::tdx_sections() + made::azure_section()));
  ASSERT_EQ(tdx.outcome(), Outcome::kAffirming) << (tdx.error() ? tdx.error()->to_string() : "");
  EXPECT_EQ(tdx.kind(), "azure-tdx");
  EXPECT_EQ(tdx.affirmed()->measurement(), Bytes(48, 0xd0));
  // The log of an Azure guest is its vTPM's, whatever [tdx] asks for.
  EXPECT_EQ(made::holds(tdx.checks(), "tdx.event_log"), std::nullopt);
}

TEST(AppraiseAzure, RefusesByTheRuleThatDoesNotHold) {
  const std::string other = std::string(64, 'f');
  const struct {
    const char* key;
    std::string line;
    E code;
  } cases[] = {
      {"pcrs", "pcrs = [{ index = 4, sha256 = { exactly = \"" + other + "\" } }]", E::kAzurePcrs},
      {"pcrs", "pcrs = [{ index = 23, sha256 = { one_of = [\"" + other + "\"] } }]", E::kAzurePcrs},
      {"secure_boot", "secure_boot = { exactly = false }", E::kAzureSecureBoot},
      {"console", "console = { exactly = true }", E::kAzureConsole},
      {"vm_unique_id", "vm_unique_id = { exactly = \"53494D55\" }", E::kAzureVmUniqueId},
      {"event_log", "event_log = \"required\"", E::kAzureEventLog},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.line);
    expect_only(run_snp(with(snp_policy(), "[azure]", c.key, c.line)), c.code);
  }
  // The rules of the hardware below hold as ever.
  expect_only(run_snp(with(snp_policy(), "[snp]", "debug", "debug = { exactly = true }")),
              E::kDebug);
}

// The second of two PCRs counts as much as the first, and neither without a quote of it.
TEST(AppraiseAzure, RefusesPcrsThatAreNotQuoted) {
  for (const unsigned index : {4U, 11U}) {
    Guest guest;
    guest.quoted = kAllPcrs & ~(1U << index);
    expect_only(run_snp(snp_policy(), guest), E::kAzurePcrs);
  }
  Guest guest;
  guest.quoted = 1U << 4 | 1U << 11;
  EXPECT_EQ(run_snp(snp_policy(), guest).outcome(), Outcome::kAffirming);
}

TEST(AppraiseAzure, RefusesAClaimThatIsNotMadeUnlessItIsLeftOpen) {
  const struct {
    const char* claim;
    const char* key;
    E code;
  } cases[] = {
      {"\"secure-boot\":true,", "secure_boot", E::kAzureSecureBoot},
      {"\"console-enabled\":false,", "console", E::kAzureConsole},
  };
  for (const auto& c : cases) {
    Guest guest;
    guest.runtime = replaced(runtime_data(), c.claim, "");
    expect_only(run_snp(snp_policy(), guest), c.code);
    const std::string open =
        with(snp_policy(), "[azure]", c.key, std::string(c.key) + " = { unconstrained = \"x\" }");
    EXPECT_EQ(run_snp(open, guest).outcome(), Outcome::kAffirming);
  }
}

// The hardware measures the paravisor. PCRs reach what was booted above it, if the policy says so
// and names them.
TEST(AppraiseAzure, WarnsWhenNothingReachesTheWorker) {
  const std::string firmware =
      with(snp_policy(), "[snp]", "measurement_covers", "measurement_covers = \"firmware\"");
  EXPECT_EQ(run_snp(firmware).outcome(), Outcome::kAffirming);
  for (const char* line :
       {"pcrs_cover = \"firmware\"", "pcrs = { unconstrained = \"trying things out\" }"}) {
    const std::string key(line, std::string_view(line).find(' '));
    const AttestationResult result = run_snp(with(firmware, "[azure]", key, line));
    EXPECT_EQ(result.outcome(), Outcome::kWarning) << line;
    EXPECT_EQ(made::holds(result.checks(), "snp.measurement_covers"), false);
  }
}

// Who boots what they like names their own key in the runtime claims: PCRs do not stand in for it.
TEST(AppraiseAzure, WarnsOfAnOpenMeasurementWhateverThePcrs) {
  const std::string open = with(snp_policy(), "[snp]", "measurement",
                                "measurement = { unconstrained = \"the provider updates it\" }");
  const AttestationResult result = run_snp(open);
  EXPECT_EQ(result.outcome(), Outcome::kWarning);
  EXPECT_FALSE(result.affirmed().has_value());
}

TEST(AppraiseAzure, AffirmsWithTheEventLogThatThePolicyRequires) {
  Guest guest;
  guest.log.emplace();
  guest.log->algorithms = {kTcgAlgSha256};
  guest.log->events = {{4, 1, {{kTcgAlgSha256, Bytes(32, 7)}}, {}}};
  const std::string policy =
      replaced(with(snp_policy(), "[azure]", "event_log", "event_log = \"required\""),
               to_hex(Bytes(32, 4)), to_hex(replay_sha256(*guest.log).at(4)));
  EXPECT_EQ(run_snp(policy, guest).outcome(), Outcome::kAffirming);
}

// A section for the hardware alone accepts no paravisor's word, and one for the vTPM no hardware.
TEST(AppraiseAzure, RefusesAPolicyWithoutBothSections) {
  expect_only(run_snp(made::client_policy()), E::kEvidenceKind);
  expect_only(run_tdx(made::with_hardware(made::client_policy(), made::tdx_sections())),
              E::kEvidenceKind);
  const AttestationResult result = run_tdx(snp_policy());
  EXPECT_EQ(result.outcome(), Outcome::kContraindicated);
  EXPECT_EQ(made::holds(result.checks(), "evidence.kind"), false);
}

}  // namespace
}  // namespace ensconce
