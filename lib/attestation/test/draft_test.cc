#include "ensconce/attestation/policy/draft.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "ensconce/sim/azure_vtpm.h"
#include "made_intel.h"
#include "made_snp.h"

namespace ensconce {
namespace {

using made::kNow;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

PolicyDraft drafted(const EvidenceClaims& claims, const Statement* statement = nullptr,
                    PolicyRole role = PolicyRole::kClient,
                    const std::vector<ModelPolicy>& models = {}) {
  return draft_policy(role, {claims, statement, models, "saved.json", kNow});
}

AppraisalPolicy loaded(const PolicyDraft& draft) { return made::parsed(draft.toml); }

std::string refusal(const AttestationResult& result) {
  return result.error().has_value() ? std::string(result.error()->id()) : "";
}

// What a draft says of the evidence it was drafted from.
std::string own_refusal(const Verified<EvidenceClaims>& evidence) {
  return refusal(appraise_evidence_only(evidence, loaded(drafted(*evidence)), kNow));
}

bool denies(const Verified<EvidenceClaims>& evidence, std::string_view id) {
  const auto result = appraise_evidence_only(evidence, loaded(drafted(*evidence)), kNow);
  return made::holds(result.checks(), id) == false;
}

// ---- SNP -------------------------------------------------------------------------------------

Verified<EvidenceClaims> snp_evidence(const std::function<void(SnpReport&)>& change = {},
                                      AnchorOrigin origin = AnchorOrigin::kSimulated) {
  static const SnpPki private_pki = [] {
    SnpPkiOptions options;
    options.simulated_oid = false;
    return made::make_pki(options);
  }();
  const bool simulated = origin == AnchorOrigin::kSimulated;
  const SnpPki& pki = simulated ? made::shared_pki() : private_pki;
  SnpReport report = made::report_for(pki, {});
  if (change) {
    change(report);
  }
  return made::verify_made(pki, made::signed_report(pki, report), made::endorsements_of(pki),
                           report.report_data)
      .claims.value();
}

struct Fresh {
  Statement statement = made::statement();
  Verified<BeaconClaims> beacon = make(statement);

 private:
  static Verified<BeaconClaims> make(Statement& statement) {
    Beacon beacon;
    beacon.time = kNow - Millis(60'000);
    beacon.boot_id = statement.boot_id;
    const Bytes message = sign_beacon(beacon, made::broker_key());
    statement.challenge = beacon_challenge(message);
    const std::vector<Ed25519PublicKey> keys{made::broker_key().public_key()};
    return *BeaconVerifier::verify(message, keys).claims;
  }
};

TEST(Draft, AffirmsTheSimulatedWorkerItCameFrom) {
  const Fresh fresh;
  const auto attested = made::attested(made::shared_pki(), fresh.statement);
  const std::vector<ModelPolicy> models{{"line-reader", {made::owner_key()}, 3}};
  const PolicyDraft draft =
      drafted(attested->evidence, &fresh.statement, PolicyRole::kClient, models);
  const AppraisalPolicy policy = loaded(draft);
  EXPECT_EQ(policy.fields().snp->measurement_covers, MeasurementCoverage::kProcess);
  EXPECT_EQ(policy.model("line-reader")->minimum_version, 3U);
  const AttestationResult result = appraise(attested, FreshByBeacon{fresh.beacon}, policy, kNow);
  EXPECT_EQ(result.outcome(), Outcome::kAffirming) << refusal(result) << draft.toml;
  EXPECT_THAT(draft.toml, HasSubstr("THIS ROOT IS SIMULATED"));
  EXPECT_THAT(draft.notes, Contains(HasSubstr("the root is simulated")));

  Statement other = fresh.statement;
  other.security.owner_keys = {made::broker_key().public_key()};
  const AttestationResult refused = appraise(made::attested(made::shared_pki(), other),
                                             FreshByBeacon{fresh.beacon}, policy, kNow);
  EXPECT_EQ(refusal(refused), "security.owner_keys");
}

TEST(Draft, OfABrokerHasNoFreshnessAndNoModels) {
  const Fresh fresh;
  const auto attested = made::attested(made::shared_pki(), fresh.statement);
  const AppraisalPolicy policy =
      loaded(drafted(attested->evidence, &fresh.statement, PolicyRole::kBroker));
  EXPECT_EQ(policy.role(), PolicyRole::kBroker);
  const AttestationResult result = appraise_at_rest(attested, policy, kNow);
  EXPECT_EQ(result.outcome(), Outcome::kWarning) << refusal(result);
  EXPECT_EQ(made::holds(result.checks(), "freshness.binding"), false);
  EXPECT_EQ(made::holds(result.checks(), "freshness.known"), std::nullopt);
  EXPECT_EQ(made::holds(result.checks(), "security.owner_keys"), true);
}

TEST(Draft, OfAPeerHasNoModelsAndAsksABrokerForNewEvidence) {
  Fresh fresh;
  const auto freshness = [&] {
    const auto attested = made::attested(made::shared_pki(), fresh.statement);
    const PolicyDraft draft = drafted(attested->evidence, &fresh.statement, PolicyRole::kPeer);
    EXPECT_THAT(draft.toml, testing::Not(HasSubstr("[[model]]")));
    const AppraisalPolicy policy = loaded(draft);
    EXPECT_EQ(policy.role(), PolicyRole::kPeer);
    return *policy.freshness();
  };
  EXPECT_TRUE(std::holds_alternative<BeaconFreshness>(freshness()));
  fresh.statement.keys.receipt = fresh.statement.security.broker_key;  // a broker's
  EXPECT_TRUE(std::holds_alternative<HardwareFreshness>(freshness()));
}

TEST(Draft, SaysThatTheMeasurementIsFirmwareUnlessItKnowsBetter) {
  const auto evidence = snp_evidence({}, AnchorOrigin::kPrivate);
  const PolicyDraft draft = drafted(*evidence);
  EXPECT_EQ(loaded(draft).fields().snp->measurement_covers, MeasurementCoverage::kFirmware);
  EXPECT_THAT(draft.notes, Contains(HasSubstr("a warning at best")));
  EXPECT_THAT(draft.notes, Contains(HasSubstr("the root is private")));
  EXPECT_THAT(draft.toml, HasSubstr("THIS ROOT IS PRIVATE"));
  EXPECT_EQ(own_refusal(evidence), "");
}

TEST(Draft, ListsNoRootOfAVendor) {
  EvidenceClaims claims = *snp_evidence();
  claims.anchor.origin = AnchorOrigin::kVendor;
  const PolicyDraft draft = drafted(claims);
  EXPECT_TRUE(loaded(draft).fields().anchors.accept_vendor);
  EXPECT_THAT(loaded(draft).fields().anchors.listed, IsEmpty());
  EXPECT_THAT(draft.notes, Not(Contains(HasSubstr("the root is"))));
}

TEST(Draft, LetsNoWorkerPassBeforeBareEvidenceGotItsKeys) {
  const auto evidence = snp_evidence();
  const PolicyDraft draft = drafted(*evidence);
  const AppraisalPolicy policy = loaded(draft);
  EXPECT_EQ(appraise_evidence_only(evidence, policy, kNow).outcome(), Outcome::kWarning);
  EXPECT_TRUE(std::holds_alternative<HardwareFreshness>(*policy.freshness()));
  EXPECT_THAT(draft.notes, Contains(HasSubstr("bare evidence names no keys")));
  const Fresh fresh;
  const AttestationResult result = appraise(made::attested(made::shared_pki(), fresh.statement),
                                            FreshByBeacon{fresh.beacon}, policy, kNow);
  EXPECT_EQ(made::holds(result.checks(), "security.owner_keys"), false);
  EXPECT_EQ(made::holds(result.checks(), "security.broker_key"), false);
}

TEST(Draft, DeniesWhatNoGuestShouldHaveWhateverItSaw) {
  EXPECT_EQ(own_refusal(snp_evidence()), "");
  const auto debug = snp_evidence([](SnpReport& report) { report.policy |= 1U << 19; });
  EXPECT_TRUE(denies(debug, "snp.debug"));
  EXPECT_THAT(drafted(*debug).notes, Contains(HasSubstr("debug guest")));
  const auto migrated = snp_evidence([](SnpReport& report) { report.policy |= 1U << 18; });
  EXPECT_TRUE(denies(migrated, "snp.migration_agent"));
  EXPECT_THAT(drafted(*migrated).notes, Contains(HasSubstr("migrated")));
  const auto by_host = snp_evidence([](SnpReport& report) { report.vmpl = 0xffffffff; });
  EXPECT_EQ(own_refusal(by_host), "snp.vmpl");
  EXPECT_THAT(drafted(*by_host).notes, Contains(HasSubstr("the host asked")));
  EvidenceClaims unlisted = *snp_evidence();
  unlisted.crl_checked = false;
  EXPECT_THAT(drafted(unlisted).notes, Contains(HasSubstr("no revocation list")));
  EXPECT_EQ(loaded(drafted(unlisted)).fields().snp->crl, Presence::kRequired);
}

TEST(Draft, KeepsWhatAnIdBlockSays) {
  const auto evidence = snp_evidence([](SnpReport& report) {
    report.guest_svn = 4;
    report.family_id.fill(1);
    report.image_id.fill(2);
    report.id_key_digest.fill(3);
    report.host_data.fill(5);
    report.vmpl = 1;
  });
  EXPECT_EQ(own_refusal(evidence), "");
  const SnpPolicy policy = *loaded(drafted(*evidence)).fields().snp;
  EXPECT_EQ(std::get<AtLeast<std::uint64_t>>(policy.guest_svn).value, 4U);
  EXPECT_EQ(std::get<Exactly<Bytes>>(policy.family_id).value, Bytes(16, 1));
  EXPECT_EQ(std::get<Exactly<Bytes>>(policy.image_id).value, Bytes(16, 2));
  EXPECT_EQ(std::get<Exactly<Bytes>>(policy.id_key_digest).value, Bytes(48, 3));
  EXPECT_EQ(std::get<Exactly<Bytes>>(policy.host_data).value, Bytes(32, 5));
  EXPECT_EQ(std::get<Exactly<std::uint64_t>>(policy.vmpl).value, 1U);
}

TEST(Draft, ReadsTurinsTcb) {
  SnpPkiOptions options;
  options.product = SnpProduct::kTurin;
  const SnpPki pki = made::make_pki(options);
  const auto evidence = made::verified(pki, {});
  const auto tcb = loaded(drafted(*evidence)).fields().snp->minimum_tcb;
  EXPECT_EQ(std::get<AtLeast<TcbVersion>>(tcb).value, evidence->snp()->reported_tcb);
  EXPECT_TRUE(std::get<AtLeast<TcbVersion>>(tcb).value.fmc.has_value());
  EXPECT_EQ(own_refusal(evidence), "");
}

TEST(Draft, KeepsForeignTextInItsPlace) {
  Statement statement = made::statement();
  statement.software = "x\"\n[evil]\x7f\\";
  const PolicyDraft draft = draft_policy(
      PolicyRole::kClient, {*snp_evidence(), &statement, {}, "a\nformat = \"other\"", kNow});
  const AppraisalPolicy policy = loaded(draft);
  EXPECT_EQ(std::get<Exactly<std::string>>(policy.fields().security.software).value,
            statement.software);
}

// ---- Intel -----------------------------------------------------------------------------------

TEST(Draft, WarnsOfTheDomainItCameFromAtMost) {
  const IntelPki& pki = made::shared_intel_pki();
  const auto evidence = made::verified_quote(pki, made::td_quote(pki, {}));
  EXPECT_EQ(own_refusal(evidence), "");
  const TdxPolicy policy = *loaded(drafted(*evidence)).fields().tdx;
  EXPECT_EQ(std::get<Exactly<Bytes>>(policy.rtmr[2]).value, Bytes(48, 0xe2));
  EXPECT_EQ(policy.measurement_covers, MeasurementCoverage::kProcess);
}

std::string td_refusal(std::uint64_t attribute) {
  const IntelPki& pki = made::shared_intel_pki();
  IntelQuote quote = made::td_quote(pki, {});
  auto& td = std::get<TdReport>(quote.body);
  for (std::size_t i = 0; i < 8; ++i) {
    td.td_attributes[i] ^= static_cast<std::uint8_t>(attribute >> (8 * i));
  }
  const auto evidence = made::verified_quote(pki, quote);
  EXPECT_FALSE(drafted(*evidence).notes.empty());
  return own_refusal(evidence);
}

TEST(Draft, DeniesWhatNoDomainShouldHaveWhateverItSaw) {
  EXPECT_EQ(td_refusal(1), "tdx.debug");
  EXPECT_EQ(td_refusal(std::uint64_t{1} << 29), "tdx.migratable");
  EXPECT_EQ(td_refusal(std::uint64_t{1} << 28), "tdx.sept_ve_disable");
  EXPECT_EQ(td_refusal(std::uint64_t{1} << 63), "tdx.perfmon");
}

TEST(Draft, AcceptsAPlatformForWhatItsFirmwareIs) {
  const IntelPki& pki = made::shared_intel_pki();
  EvidenceClaims claims = *made::verified_quote(pki, made::td_quote(pki, {}));
  IntelTcb& tcb = std::get<TdxFacts>(claims.hardware).tcb;
  tcb.status = IntelTcbStatus::kSwHardeningNeeded;
  tcb.advisories = {"INTEL-SA-00001"};
  const auto statuses = [&claims] {
    return std::get<OneOf<std::string>>(loaded(drafted(claims)).fields().tdx->platform.tcb_status)
        .values;
  };
  const auto advisories = [&claims] {
    return std::get<NoneBut>(loaded(drafted(claims)).fields().tdx->platform.advisories).values;
  };
  EXPECT_EQ(statuses(), (std::vector<std::string>{"UpToDate", "SWHardeningNeeded"}));
  EXPECT_EQ(advisories(), tcb.advisories);
  EXPECT_THAT(drafted(claims).notes, Contains(HasSubstr("SWHardeningNeeded")));
  tcb.status = IntelTcbStatus::kOutOfDate;
  EXPECT_EQ(statuses(), std::vector<std::string>{"UpToDate"});
  EXPECT_THAT(advisories(), IsEmpty());
  EXPECT_THAT(drafted(claims).notes, Contains(HasSubstr("OutOfDate: the policy refuses it")));
  claims.crl_checked = false;
  EXPECT_THAT(drafted(claims).notes, Contains(HasSubstr("revocation lists")));
}

TEST(Draft, AffirmsNothingOfAnEnclaveButItsCode) {
  const IntelPki& pki = made::shared_intel_pki();
  IntelQuote quote = made::sgx_quote(pki, {});
  const auto evidence = made::verified_quote(pki, quote);
  EXPECT_EQ(own_refusal(evidence), "");
  const SgxPolicy policy = *loaded(drafted(*evidence)).fields().sgx;
  EXPECT_EQ(std::get<AtLeast<std::uint64_t>>(policy.isv_svn).value, 3U);
  EXPECT_EQ(std::get<Exactly<Bytes>>(policy.config_id).value, Bytes(64, 0xc4));
  std::get<SgxReport>(quote.body).attributes[0] |= 2;
  const auto debug = made::verified_quote(pki, quote);
  EXPECT_EQ(own_refusal(debug), "sgx.debug");
  EXPECT_THAT(drafted(*debug).notes, Contains(HasSubstr("debug enclave")));
}

// ---- Azure -----------------------------------------------------------------------------------

TEST(Draft, NamesThePcrsThatTellSoftwareApart) {
  EvidenceClaims claims = *snp_evidence();
  claims.kind = EvidenceKind::kAzureSnp;
  VtpmFacts& vtpm = claims.vtpm.emplace();
  vtpm.attest.pcr_select = 0xffffff;
  vtpm.pcrs.resize(24);
  vtpm.pcrs[4].fill(4);
  vtpm.pcrs[5].fill(5);  // of the platform's configuration
  vtpm.runtime.secure_boot = false;
  vtpm.runtime.console_enabled = true;
  vtpm.runtime.vm_unique_id = "a-machine";
  const PolicyDraft draft = drafted(claims);
  const AzurePolicy policy = *loaded(draft).fields().azure;
  const auto& pcrs = std::get<std::vector<PcrPolicy>>(policy.pcrs);
  ASSERT_EQ(pcrs.size(), 1U);
  EXPECT_EQ(pcrs[0].index, 4U);
  EXPECT_TRUE(std::get<Exactly<bool>>(policy.secure_boot).value);
  EXPECT_FALSE(std::get<Exactly<bool>>(policy.console).value);
  EXPECT_THAT(draft.notes, Contains(HasSubstr("Secure Boot is off")));
  EXPECT_THAT(draft.notes, Contains(HasSubstr("console")));
  EXPECT_THAT(draft.toml, HasSubstr("a-machine"));

  vtpm.attest.pcr_select = 1;
  vtpm.runtime = {};
  const AzurePolicy open = *loaded(drafted(claims)).fields().azure;
  EXPECT_TRUE(std::holds_alternative<Unconstrained>(open.pcrs));
  EXPECT_TRUE(std::holds_alternative<Unconstrained>(open.secure_boot));
}

// ---- Templates -------------------------------------------------------------------------------

// uncommented removes the marks of the lines to fill, as somebody who fills them does.
std::string uncommented(std::string text) {
  constexpr std::string_view kMark = "# TODO ";
  for (std::size_t at = text.find(kMark); at != std::string::npos; at = text.find(kMark, at)) {
    text.erase(at, kMark.size());
  }
  for (const auto& [placeholder, len] :
       {std::pair{"<96 hex digits>", 96}, {"<64 hex digits>", 64}}) {
    for (std::size_t at = text.find(placeholder); at != std::string::npos;
         at = text.find(placeholder, at)) {
      text.replace(at, std::string_view(placeholder).size(), std::string(len, 'a'));
    }
  }
  return text;
}

TEST(Template, LoadsOnceItIsFilledAndNotBefore) {
  for (const EvidenceKind kind : {EvidenceKind::kSnp, EvidenceKind::kTdx, EvidenceKind::kSgx,
                                  EvidenceKind::kAzureSnp, EvidenceKind::kAzureTdx}) {
    for (const PolicyRole role : {PolicyRole::kClient, PolicyRole::kBroker, PolicyRole::kPeer}) {
      SCOPED_TRACE(name_of(kind));
      const std::string text = policy_template(role, kind);
      const auto empty = AppraisalPolicy::parse(text, "template");
      ASSERT_FALSE(empty);
      EXPECT_TRUE(empty.error().is(PolicyError::kMissingField)) << empty.error().to_string();
      const AppraisalPolicy policy = made::parsed(uncommented(text));
      EXPECT_EQ(policy.role(), role);
      EXPECT_TRUE(policy.fields().anchors.accept_vendor);
      for (const std::string& line :
           {std::string("debug = { exactly = false }"), std::string("crl = \"required\"")}) {
        EXPECT_THAT(text, HasSubstr(line));
      }
    }
  }
}

}  // namespace
}  // namespace ensconce
