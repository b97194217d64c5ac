#include "ensconce/attestation/appraise/appraise.h"

#include <gtest/gtest.h>

#include <type_traits>

#include "ensconce/crypto/jose.h"
#include "made_snp.h"

namespace ensconce {
namespace {

using E = AttestationError;
using made::kNow;
using made::with;

static_assert(!std::is_default_constructible_v<Affirmed>);
static_assert(!std::is_constructible_v<Affirmed, Attested, Instant>);
static_assert(!std::is_default_constructible_v<AttestationResult>);

// A whole exchange with a client: beacon, statement with its hash, evidence with the statement's.
class ClientAppraisal : public testing::Test {
 protected:
  void SetUp() override { beacon_.boot_id = made::statement().boot_id; }

  AttestationResult run(const std::string& policy, Instant now = kNow) {
    const Bytes message = sign_beacon(beacon_, signer_);
    statement_.challenge = beacon_challenge(message);
    const Ed25519PublicKey keys[] = {signer_.public_key()};
    return appraise(made::attested(made::shared_pki(), statement_),
                    FreshByBeacon{BeaconVerifier::verify(message, keys).claims.value()},
                    made::parsed(policy), now);
  }

  Statement statement_ = made::statement();
  Beacon beacon_{ByteArray<32>{9}, kNow - std::chrono::minutes(5), {}};
  Ed25519PrivateKey signer_ = made::broker_key();
};

// expect_only asserts that one rule refused, and that it alone did.
void expect_only(const AttestationResult& result, E code) {
  EXPECT_EQ(result.outcome(), Outcome::kContraindicated);
  EXPECT_FALSE(result.affirmed().has_value());
  ASSERT_TRUE(result.error().has_value());
  EXPECT_TRUE(result.error()->is(code)) << result.error()->to_string();
  EXPECT_FALSE(result.error()->remedy().empty());
  for (const Check& check : result.checks()) {
    EXPECT_EQ(check.holds.value_or(true), check.id != error_info(code).id)
        << check.id << ": expected " << check.expected << ", got " << check.got;
  }
}

TEST_F(ClientAppraisal, AffirmsWhatThePolicyAsksFor) {
  const AttestationResult result = run(made::client_policy());
  ASSERT_EQ(result.outcome(), Outcome::kAffirming)
      << (result.error() ? result.error()->to_string() : "");
  ASSERT_TRUE(result.affirmed().has_value());
  const Affirmed& affirmed = *result.affirmed();
  EXPECT_EQ(affirmed.statement(), statement_);
  EXPECT_EQ(affirmed.statement_sha256(), sha256(encode_statement(statement_)));
  EXPECT_EQ(affirmed.origin(), AnchorOrigin::kSimulated);
  EXPECT_EQ(affirmed.measurement(), to_bytes(ByteView(made::measurement())));
  EXPECT_EQ(affirmed.binding(), BindingKind::kStatement);
  EXPECT_EQ(affirmed.expires(), beacon_.time + std::chrono::minutes(20));
}

TEST_F(ClientAppraisal, EndsWithTheEndorsementsAtTheLatest) {
  const std::string policy = with(made::client_policy(), "[freshness]", "evidence_age",
                                  "evidence_age = { at_most = \"90d\" }");
  EXPECT_EQ(run(policy).affirmed()->expires(),
            RevocationList::from_der(made::shared_pki().crl_der(kNow)).value().next_update());
}

TEST_F(ClientAppraisal, RefusesByTheRuleThatDoesNotHold) {
  const std::string zeros(96, '0');
  const struct {
    const char* section;
    const char* key;
    std::string line;
    E code;
  } cases[] = {
      {"[[anchors.listed]]", "spki_sha256", "spki_sha256 = \"" + std::string(64, '0') + "\"",
       E::kAnchorAccepted},
      {"[[anchors.listed]]", "product", "product = \"Turin\"", E::kAnchorAccepted},
      {"[snp]", "report_version", "report_version = { at_least = 4 }", E::kReportVersion},
      {"[snp]", "report_version", "report_version = { at_most = 2 }", E::kReportVersion},
      {"[snp]", "measurement", "measurement = { exactly = \"" + zeros + "\" }", E::kMeasurement},
      {"[snp]", "measurement", "measurement = { one_of = [\"" + zeros + "\"] }", E::kMeasurement},
      {"[snp]", "guest_policy", "guest_policy = { exactly = 0x3001f }", E::kGuestPolicy},
      {"[snp]", "guest_policy", "guest_policy = { one_of = [1, 2] }", E::kGuestPolicy},
      {"[snp]", "guest_svn", "guest_svn = { at_least = 1 }", E::kGuestSvn},
      {"[snp]", "family_id", "family_id = { exactly = \"" + std::string(32, '1') + "\" }",
       E::kFamilyId},
      {"[snp]", "image_id", "image_id = { exactly = \"" + std::string(32, '1') + "\" }",
       E::kImageId},
      {"[snp]", "debug", "debug = { exactly = true }", E::kDebug},
      {"[snp]", "migration_agent", "migration_agent = { exactly = true }", E::kMigrationAgent},
      {"[snp]", "smt", "smt = { exactly = false }", E::kSmt},
      {"[snp]", "vmpl", "vmpl = { exactly = 1 }", E::kVmpl},
      {"[snp]", "signing_key", "signing_key = { exactly = \"vlek\" }", E::kSigningKey},
      {"[snp]", "product", "product = { exactly = \"Genoa\" }", E::kProduct},
      {"[snp]", "host_data", "host_data = { exactly = \"" + std::string(64, '1') + "\" }",
       E::kHostData},
      {"[snp]", "id_key_digest", "id_key_digest = { exactly = \"" + std::string(96, '1') + "\" }",
       E::kIdKeyDigest},
      {"[snp]", "author_key_digest",
       "author_key_digest = { exactly = \"" + std::string(96, '1') + "\" }", E::kAuthorKeyDigest},
      {"[snp]", "chip_id", "chip_id = { exactly = \"" + std::string(128, '1') + "\" }", E::kChipId},
      {"[snp]", "minimum_tcb",
       "minimum_tcb = { at_least = { bootloader = 5, tee = 0, snp = 24, microcode = 219 } }",
       E::kMinimumTcb},
      {"[snp]", "minimum_tcb",
       "minimum_tcb = { at_least = { bootloader = 4, tee = 1, snp = 24, microcode = 219 } }",
       E::kMinimumTcb},
      {"[snp]", "minimum_tcb",
       "minimum_tcb = { at_least = { bootloader = 4, tee = 0, snp = 25, microcode = 219 } }",
       E::kMinimumTcb},
      {"[snp]", "minimum_tcb",
       "minimum_tcb = { at_least = { bootloader = 0, tee = 0, snp = 0, microcode = 220 } }",
       E::kMinimumTcb},
      {"[snp]", "platform_info", "platform_info = { exactly = 1 }", E::kPlatformInfo},
      {"[security]", "padding", "padding = { exactly = \"bucket\" }", E::kSecurityPadding},
      {"[security]", "tenancy", "tenancy = { exactly = \"single\" }", E::kSecurityTenancy},
      {"[security]", "sandbox", "sandbox = { exactly = \"seccomp\" }", E::kSecuritySandbox},
      {"[security]", "software", "software = { exactly = \"ensconce-worker 9\" }",
       E::kSecuritySoftware},
      {"[security]", "owner_keys", "owner_keys = { one_of = [\"" + std::string(64, '1') + "\"] }",
       E::kSecurityOwnerKeys},
      {"[security]", "owner_keys",
       "owner_keys = { exactly = [\"" + to_hex(made::owner_key().bytes) + "\", \"" +
           std::string(64, '1') + "\"] }",
       E::kSecurityOwnerKeys},
      {"[security]", "broker_key", "broker_key = { exactly = \"" + std::string(64, '1') + "\" }",
       E::kSecurityBrokerKey},
      {"[freshness]", "broker_key", "broker_key = { exactly = \"" + std::string(64, '1') + "\" }",
       E::kFreshnessBrokerKey},
      {"[freshness]", "evidence_age", "evidence_age = { at_most = \"299s\" }", E::kFreshnessAge},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.line);
    const AttestationResult result = run(with(made::client_policy(), c.section, c.key, c.line));
    expect_only(result, c.code);
    EXPECT_TRUE(result.verified());
  }
}

TEST_F(ClientAppraisal, RefusesOneForeignOwnerAmongGoodOnes) {
  statement_.security.owner_keys.push_back({ByteArray<32>{1}});
  expect_only(run(made::client_policy()), E::kSecurityOwnerKeys);
}

// A simulated or private root is a vendor's root to nobody who did not list it.
TEST_F(ClientAppraisal, RefusesASimulatedRootByDefault) {
  std::string policy = made::client_policy();
  const std::size_t from = policy.find("[[anchors.listed]]");
  policy.erase(from, policy.find("[snp]") - from);
  expect_only(run(policy), E::kAnchorAccepted);
  // Nor is it verified: the verifier for this policy does not know the root.
  const auto& pki = made::shared_pki();
  const SnpReport report = made::signed_report(pki, made::report_for(pki, {}));
  EXPECT_TRUE(made::refused_by(SnpVerifier(made::parsed(policy).anchors())
                                   .verify(report, made::endorsements_of(pki), {}, kNow)
                                   .claims,
                               E::kArkPinned));
}

TEST_F(ClientAppraisal, WarnsWhenTheMeasurementDoesNotReachTheWorker) {
  for (const std::string& policy :
       {with(made::client_policy(), "[snp]", "measurement_covers",
             "measurement_covers = \"firmware\""),
        with(made::client_policy(), "[snp]", "measurement",
             "measurement = { unconstrained = \"trying things out\" }")}) {
    const AttestationResult result = run(policy);
    EXPECT_EQ(result.outcome(), Outcome::kWarning);
    EXPECT_FALSE(result.affirmed().has_value());
    EXPECT_FALSE(result.error().has_value());
    EXPECT_EQ(made::holds(result.checks(), "snp.measurement_covers"), false);
  }
}

TEST_F(ClientAppraisal, RefusesEndorsementsThatEndedSince) {
  const std::string policy = with(made::client_policy(), "[freshness]", "evidence_age",
                                  "evidence_age = { at_most = \"900d\" }");
  expect_only(run(policy, kNow + std::chrono::hours(24 * 50)), E::kEndorsementsCurrent);
}

TEST_F(ClientAppraisal, RefusesWithoutTheRevocationListItRequires) {
  const auto& pki = made::shared_pki();
  SnpEndorsements endorsements = made::endorsements_of(pki);
  endorsements.crls.clear();
  const Bytes message = sign_beacon(beacon_, signer_);
  statement_.challenge = beacon_challenge(message);
  const Bytes bytes = encode_statement(statement_);
  const auto evidence = made::verify_made(
      pki, made::signed_report(pki, made::report_for(pki, report_data_for(bytes))), endorsements,
      report_data_for(bytes));
  const auto attested =
      StatementBinder::bind_statement(evidence.claims.value(), bytes).attested.value();
  const Ed25519PublicKey keys[] = {signer_.public_key()};
  const FreshByBeacon beacon{BeaconVerifier::verify(message, keys).claims.value()};
  expect_only(appraise(attested, beacon, made::parsed(made::client_policy()), kNow),
              E::kCrlRequired);
  const std::string lenient = with(made::client_policy(), "[snp]", "crl", "crl = \"if_present\"");
  EXPECT_EQ(appraise(attested, beacon, made::parsed(lenient), kNow).outcome(), Outcome::kAffirming);
}

// The debug bit, as hardware would report it.
TEST_F(ClientAppraisal, DeniesADebugGuest) {
  const auto& pki = made::shared_pki();
  const Bytes bytes = encode_statement(statement_);
  SnpReport report = made::report_for(pki, report_data_for(bytes));
  report.policy |= std::uint64_t{1} << 19;
  const auto evidence = made::verify_made(pki, made::signed_report(pki, report),
                                          made::endorsements_of(pki), report_data_for(bytes));
  const AttestationResult result =
      appraise(StatementBinder::bind_statement(evidence.claims.value(), bytes).attested.value(),
               FreshByOwnNonce{statement_.challenge}, made::parsed(made::client_policy()), kNow);
  expect_only(result, E::kDebug);
}

TEST_F(ClientAppraisal, NeedsAFloorForTurinsFmc) {
  SnpPkiOptions options;
  options.product = SnpProduct::kTurin;
  const SnpPki pki = made::make_pki(options);
  std::string policy = with(made::client_policy(), "[[anchors.listed]]", "spki_sha256",
                            "spki_sha256 = \"" + to_hex(pki.ark().spki_sha256()) + "\"");
  policy = with(policy, "[[anchors.listed]]", "product", "product = \"Turin\"");
  policy = with(policy, "[snp]", "product", "product = { exactly = \"Turin\" }");
  const auto with_floor = [&](const char* fmc) {
    return made::parsed(with(policy, "[snp]", "minimum_tcb",
                             std::string("minimum_tcb = { at_least = { ") + fmc +
                                 "bootloader = 1, tee = 1, snp = 4, microcode = 81 } }"));
  };
  const auto run_turin = [&](const char* fmc) {
    return appraise(made::attested(pki, statement_), FreshByOwnNonce{statement_.challenge},
                    with_floor(fmc), kNow);
  };
  EXPECT_EQ(run_turin("fmc = 1, ").outcome(), Outcome::kAffirming);
  expect_only(run_turin("fmc = 2, "), E::kMinimumTcb);
  expect_only(run_turin(""), E::kMinimumTcb);
}

// ---- Freshness -------------------------------------------------------------------------------

TEST_F(ClientAppraisal, RefusesABeaconOfAnotherBoot) {
  beacon_.boot_id[0] ^= 1;
  expect_only(run(made::client_policy()), E::kFreshnessBootId);
}

TEST_F(ClientAppraisal, RefusesABeaconFromTheFuture) {
  beacon_.time = kNow + kMaxBeaconSkew;
  EXPECT_EQ(run(made::client_policy()).outcome(), Outcome::kAffirming);
  beacon_.time = kNow + kMaxBeaconSkew + Millis(1);
  expect_only(run(made::client_policy()), E::kFreshnessFuture);
}

TEST_F(ClientAppraisal, RefusesABeaconThatIsTooOld) {
  beacon_.time = kNow - std::chrono::minutes(20);
  EXPECT_EQ(run(made::client_policy()).outcome(), Outcome::kAffirming);
  beacon_.time = kNow - std::chrono::minutes(20) - Millis(1);
  expect_only(run(made::client_policy()), E::kFreshnessAge);
}

TEST_F(ClientAppraisal, RefusesAFreshBeaconBesideAStaleStatement) {
  const Bytes message = sign_beacon(beacon_, signer_);
  const Ed25519PublicKey keys[] = {signer_.public_key()};
  const AttestationResult result =
      appraise(made::attested(made::shared_pki(), statement_),  // its challenge is another
               FreshByBeacon{BeaconVerifier::verify(message, keys).claims.value()},
               made::parsed(made::client_policy()), kNow);
  expect_only(result, E::kFreshnessChallenge);
}

TEST_F(ClientAppraisal, JudgesEvidenceForItsOwnNonce) {
  const auto run_nonce = [&](const ByteArray<32>& nonce, const std::string& policy) {
    return appraise(made::attested(made::shared_pki(), statement_), FreshByOwnNonce{nonce},
                    made::parsed(policy), kNow);
  };
  const AttestationResult good = run_nonce(statement_.challenge, made::client_policy());
  EXPECT_EQ(good.outcome(), Outcome::kAffirming);
  EXPECT_EQ(good.affirmed()->expires(), kNow + kOwnNonceLife);
  expect_only(run_nonce(ByteArray<32>{}, made::client_policy()), E::kFreshnessChallenge);
}

TEST_F(ClientAppraisal, RefusesEvidenceOfUnknownAge) {
  expect_only(appraise(made::attested(made::shared_pki(), statement_), FreshnessUnknown{},
                       made::parsed(made::client_policy()), kNow),
              E::kFreshnessKnown);
  expect_only(appraise(made::attested(made::shared_pki(), statement_), FreshByRcarNonce{},
                       made::parsed(made::client_policy()), kNow),
              E::kFreshnessKnown);
}

TEST_F(ClientAppraisal, RefusesABeaconWhereHardwareFreshnessIsAsked) {
  std::string policy = made::client_policy();
  const std::size_t from = policy.find("[freshness]");
  policy.replace(from, policy.find("[[model]]") - from, "[freshness]\nhardware = true\n");
  expect_only(run(policy), E::kFreshnessKnown);
  EXPECT_EQ(appraise(made::attested(made::shared_pki(), statement_),
                     FreshByOwnNonce{statement_.challenge}, made::parsed(policy), kNow)
                .outcome(),
            Outcome::kAffirming);
}

// ---- Broker ----------------------------------------------------------------------------------

class BrokerAppraisal : public testing::Test {
 protected:
  static Verified<Attested> rcar() {
    const Statement statement = made::statement();
    const auto key = EcPublicKey::from_point(Curve::kP256, statement.keys.release).value();
    const std::string data =
        rcar_runtime_data(rcar_additional_evidence(encode_statement(statement)), "n", jwk_of(key))
            .value();
    return StatementBinder::bind_rcar(made::verified(made::shared_pki(), rcar_report_data(data)),
                                      data, "n")
        .attested.value();
  }
};

TEST_F(BrokerAppraisal, AffirmsASession) {
  const auto result =
      appraise(rcar(), FreshByRcarNonce{}, made::parsed(made::broker_policy()), kNow);
  ASSERT_EQ(result.outcome(), Outcome::kAffirming)
      << (result.error() ? result.error()->to_string() : "");
  EXPECT_EQ(result.affirmed()->binding(), BindingKind::kRcar);
  EXPECT_EQ(result.affirmed()->expires(), kNow + kReleaseWindow);
}

TEST_F(BrokerAppraisal, RefusesEvidenceThatIsNotOfASession) {
  expect_only(appraise(made::attested(made::shared_pki(), made::statement()), FreshByRcarNonce{},
                       made::parsed(made::broker_policy()), kNow),
              E::kFreshnessBinding);
  expect_only(appraise(rcar(), FreshnessUnknown{}, made::parsed(made::broker_policy()), kNow),
              E::kFreshnessKnown);
}

TEST_F(ClientAppraisal, RefusesEvidenceOfASession) {
  const Statement statement = made::statement();
  const auto key = EcPublicKey::from_point(Curve::kP256, statement.keys.release).value();
  const std::string data =
      rcar_runtime_data(rcar_additional_evidence(encode_statement(statement)), "n", jwk_of(key))
          .value();
  const auto bound = StatementBinder::bind_rcar(
      made::verified(made::shared_pki(), rcar_report_data(data)), data, "n");
  expect_only(appraise(bound.attested.value(), FreshByOwnNonce{statement.challenge},
                       made::parsed(made::client_policy()), kNow),
              E::kFreshnessBinding);
}

// ---- Bare evidence ---------------------------------------------------------------------------

TEST(BareEvidence, IsNeverAffirmed) {
  const auto evidence = made::verified(made::shared_pki(), {});
  const auto result = appraise_evidence_only(evidence, made::parsed(made::client_policy()), kNow);
  EXPECT_EQ(result.outcome(), Outcome::kWarning);
  EXPECT_FALSE(result.affirmed().has_value());
  EXPECT_EQ(made::holds(result.checks(), "statement.given"), false);
  EXPECT_EQ(made::holds(result.checks(), "security.owner_keys"), std::nullopt);
  const auto refused = appraise_evidence_only(
      evidence,
      made::parsed(with(made::client_policy(), "[snp]", "debug", "debug = { exactly = true }")),
      kNow);
  EXPECT_EQ(refused.outcome(), Outcome::kContraindicated);
  EXPECT_TRUE(made::refused_by(refused, E::kDebug));
}

}  // namespace
}  // namespace ensconce
