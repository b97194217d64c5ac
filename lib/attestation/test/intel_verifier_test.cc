#include "ensconce/attestation/verify/intel_verifier.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "made_intel.h"

namespace ensconce {
namespace {

using E = AttestationError;
using S = IntelTcbStatus;
using made::kNow;
using std::chrono::hours;

ByteArray<64> expected_data() {
  ByteArray<64> data{};
  data.fill(0x5a);
  return data;
}

IntelPki make_pki(const IntelPkiOptions& options = {}) {
  SeededRandom random(8);
  return IntelPki::generate(options, random, kNow);
}

// The collateral a test made of IntelPki::tcb_info or qe_identity, signed and read again.
TcbInfo signed_tcb_info(const IntelPki& pki, const TcbInfo& info) {
  return parse_tcb_info(pki.sign_tcb_info(info)).value();
}

QeIdentity signed_qe_identity(const IntelPki& pki, const QeIdentity& identity) {
  return parse_qe_identity(pki.sign_qe_identity(identity)).value();
}

// All there is for a quote of the TEE, fresh at kNow.
IntelEndorsements endorsements_of(const IntelPki& pki, bool tdx) {
  return {.pck = pki.pck(),
          .pck_ca = pki.pck_ca(),
          .root = pki.root(),
          .tcb_signing = pki.tcb_signing(),
          .tcb_info = signed_tcb_info(pki, pki.tcb_info(tdx, kNow)),
          .qe_identity = signed_qe_identity(pki, pki.qe_identity(tdx, kNow)),
          .pck_crl = RevocationList::from_der(pki.pck_crl(kNow)).value(),
          .root_crl = RevocationList::from_der(pki.root_crl(kNow)).value()};
}

// Signed quotes; a TD's is a 1.5 from version 5 on.
IntelQuote td_quote(const IntelPki& pki, const ByteArray<64>& report_data,
                    std::uint16_t version = 5) {
  IntelQuote quote = pki.td_quote_template(version);
  std::get<TdReport>(quote.body).report_data = report_data;
  return pki.sign(std::move(quote));
}

IntelQuote enclave_quote(const IntelPki& pki, const ByteArray<64>& report_data,
                         std::uint16_t version = 3) {
  IntelQuote quote = pki.sgx_quote_template(version);
  std::get<SgxReport>(quote.body).report_data = report_data;
  return pki.sign(std::move(quote));
}

// One verification that holds, for a test to change one thing of.
struct Scene {
  const IntelPki* pki;
  IntelQuote quote;
  IntelEndorsements endorsed;
  std::vector<TrustAnchor> anchors;
  ByteArray<64> expected = expected_data();
  Instant now = kNow;
  std::optional<EventLog> log = std::nullopt;

  Scene(const IntelPki& of, IntelQuote given)
      : pki(&of),
        quote(std::move(given)),
        endorsed(endorsements_of(of, quote.is_tdx())),
        anchors{made::anchor_of(of, is_marked_simulated(of.root()) ? AnchorOrigin::kSimulated
                                                                   : AnchorOrigin::kPrivate)} {}

  TdReport& td() { return std::get<TdReport>(quote.body); }
  void sign() { quote = pki->sign(quote); }
  void collateral(const TcbInfo& info) { endorsed.tcb_info = signed_tcb_info(*pki, info); }
  void collateral(const QeIdentity& identity) {
    endorsed.qe_identity = signed_qe_identity(*pki, identity);
  }
  [[nodiscard]] Verification verify() const {
    return IntelVerifier(anchors).verify(quote, endorsed, expected, now, log ? &*log : nullptr);
  }
};

Scene td_scene(const IntelPki& pki = made::shared_intel_pki()) {
  return {pki, td_quote(pki, expected_data())};
}

Scene enclave_scene(const IntelPki& pki = made::shared_intel_pki()) {
  return {pki, enclave_quote(pki, expected_data())};
}

std::optional<Check> find(const Verification& verification, E code) {
  const auto& checks = verification.checks;
  const auto found = std::find_if(checks.begin(), checks.end(), [&](const Check& check) {
    return check.id == error_info(code).id;
  });
  return found == checks.end() ? std::nullopt : std::optional(*found);
}

// Claims, or a failure that says why there are none.
const EvidenceClaims* claims_of(const Verification& verification) {
  if (!verification.claims) {
    ADD_FAILURE() << verification.claims.error().to_string();
    return nullptr;
  }
  return &verification.claims.value().value();
}

const IntelTcb* tcb_of(const Verification& verification) {
  const EvidenceClaims* claims = claims_of(verification);
  return claims == nullptr ? nullptr : claims->intel_tcb();
}

void expect_accepted(const Verification& verification) {
  EXPECT_NE(claims_of(verification), nullptr);
}

void expect_refused(const Verification& verification, E code) {
  ASSERT_FALSE(verification.claims) << error_info(code).id;
  EXPECT_TRUE(verification.claims.error().is(code)) << verification.claims.error().to_string();
  EXPECT_FALSE(verification.claims.error().remedy().empty());
}

// expect_only asserts that a rule refused, and that it alone did.
void expect_only(const Verification& verification, E code) {
  expect_refused(verification, code);
  for (const Check& check : verification.checks) {
    EXPECT_EQ(check.holds.value_or(true), check.id != error_info(code).id)
        << check.id << ": expected " << check.expected << ", got " << check.got;
  }
}

void expect_only_of(const IntelPkiOptions& options, E code) {
  const IntelPki pki = make_pki(options);
  expect_only(td_scene(pki).verify(), code);
  expect_only(enclave_scene(pki).verify(), code);
}

// ---- What is accepted ------------------------------------------------------------------------

struct Form {
  std::uint16_t version;
  bool tdx;
  bool td10;
};
class EveryQuote : public testing::TestWithParam<Form> {};
INSTANTIATE_TEST_SUITE_P(All, EveryQuote,
                         testing::Values(Form{3, false, false}, Form{4, false, false},
                                         Form{5, false, false}, Form{4, true, true},
                                         Form{5, true, true}, Form{5, true, false}));

TEST_P(EveryQuote, IsVerified) {
  const IntelPki& pki = made::shared_intel_pki();
  const Form form = GetParam();
  IntelQuote quote = form.tdx ? pki.td_quote_template(form.version, form.td10)
                              : pki.sgx_quote_template(form.version);
  if (form.tdx) {
    EXPECT_EQ(std::get<TdReport>(quote.body).tee_tcb_svn_2.has_value(), !form.td10);
    std::get<TdReport>(quote.body).report_data = expected_data();
  } else {
    std::get<SgxReport>(quote.body).report_data = expected_data();
  }
  // What a verifier sees is what was parsed.
  const Scene scene(pki, parse_intel_quote(write_intel_quote(pki.sign(quote))).value());
  const Verification verification = scene.verify();
  const EvidenceClaims* claims = claims_of(verification);
  ASSERT_NE(claims, nullptr);
  EXPECT_EQ(claims->kind, form.tdx ? EvidenceKind::kTdx : EvidenceKind::kSgx);
  ASSERT_EQ(claims->tdx() != nullptr, form.tdx);
  ASSERT_EQ(claims->sgx() != nullptr, !form.tdx);
  EXPECT_EQ(form.tdx ? claims->tdx()->quote : claims->sgx()->quote, scene.quote);
  EXPECT_EQ(claims->anchor, made::anchor_of(pki));
  EXPECT_EQ(claims->report_data, expected_data());
  EXPECT_TRUE(claims->crl_checked);
  EXPECT_FALSE(claims->event_log_checked);
  EXPECT_EQ(claims->checks.size(), verification.checks.size());
  const IntelTcb* tcb = tcb_of(verification);
  EXPECT_EQ(tcb->status, S::kUpToDate);
  EXPECT_EQ(tcb->tdx_level.has_value(), form.tdx);
  EXPECT_EQ(tcb->tdx_module_id, form.tdx ? "TDX_01" : "");
}

TEST(IntelVerify, AcceptsAPlatformOfTheProcessorCa) {
  IntelPkiOptions options;
  options.processor_ca = true;
  const IntelPki pki = make_pki(options);
  const Verification verification = enclave_scene(pki).verify();
  const IntelTcb* tcb = tcb_of(verification);
  ASSERT_NE(tcb, nullptr);
  EXPECT_FALSE(tcb->platform_ca);
  EXPECT_FALSE(tcb->pck.platform_instance_id.has_value());
}

TEST(IntelVerify, AcceptsAQuoteWhosePckComesFromElsewhere) {
  const IntelPki& pki = made::shared_intel_pki();
  IntelQuote quote = enclave_quote(pki, expected_data(), 5);
  quote.certification_type = 1;
  quote.certification_data = Bytes(36, 7);
  expect_accepted(Scene(pki, pki.sign(quote)).verify());
}

TEST(IntelVerify, LeavesDebugToThePolicy) {
  Scene td = td_scene();
  td.td().td_attributes[0] = 1;
  td.sign();
  EXPECT_TRUE(claims_of(td.verify())->tdx()->report().debug());
  Scene enclave = enclave_scene();
  std::get<SgxReport>(enclave.quote.body).attributes[0] |= 2;
  enclave.sign();
  EXPECT_TRUE(claims_of(enclave.verify())->sgx()->report().debug());
}

TEST(IntelVerify, TellsWhatTheCollateralSays) {
  Scene scene = td_scene();
  TcbInfo info = scene.pki->tcb_info(true, kNow);
  info.evaluation_data_number = 20;
  info.levels[0].status = S::kSwHardeningNeeded;
  info.levels[0].advisories = {"INTEL-SA-3", "INTEL-SA-1"};
  info.module_identities[0].levels[0].advisories = {"INTEL-SA-2", "INTEL-SA-1"};
  scene.collateral(info);
  QeIdentity identity = scene.pki->qe_identity(true, kNow);
  identity.evaluation_data_number = 19;
  identity.issued = info.issued - hours(2);
  identity.levels[0].advisories = {"INTEL-SA-4"};
  scene.collateral(identity);
  const Verification verification = scene.verify();
  const IntelTcb* tcb = tcb_of(verification);
  ASSERT_NE(tcb, nullptr);
  EXPECT_EQ(tcb->status, S::kSwHardeningNeeded);
  EXPECT_EQ(tcb->date, info.levels[0].date);
  EXPECT_EQ(tcb->advisories,
            (std::vector<std::string>{"INTEL-SA-1", "INTEL-SA-2", "INTEL-SA-3", "INTEL-SA-4"}));
  EXPECT_EQ(tcb->sgx_level, S::kSwHardeningNeeded);
  EXPECT_EQ(tcb->tdx_level, S::kSwHardeningNeeded);
  EXPECT_EQ(tcb->tdx_module, S::kUpToDate);
  EXPECT_EQ(tcb->qe, S::kUpToDate);
  EXPECT_TRUE(tcb->platform_ca);
  EXPECT_EQ(tcb->pck.fmspc, info.fmspc);
  EXPECT_TRUE(tcb->pck.platform_instance_id.has_value());
  EXPECT_EQ(tcb->evaluation_data_number, 19U);
  EXPECT_EQ(tcb->collateral_issued, identity.issued);
}

// What a memo knows changes no answer.
TEST(IntelVerify, AsksAMemoForSignatures) {
  SignatureMemo memo;
  Scene scene = td_scene();
  const IntelVerifier verifier(scene.anchors, &memo);
  for (int i = 0; i < 2; ++i) {
    expect_accepted(verifier.verify(scene.quote, scene.endorsed, scene.expected, kNow));
  }
  scene.quote.signature[0] ^= 1;
  expect_only(verifier.verify(scene.quote, scene.endorsed, scene.expected, kNow),
              E::kQuoteSignature);
}

// ---- Root ------------------------------------------------------------------------------------

TEST(IntelVerify, RejectsARootNobodyPinned) {
  Scene scene = td_scene();
  TrustAnchor of_amd = made::anchor_of(*scene.pki);
  of_amd.product = "Milan";
  for (const auto& anchors : {std::vector<TrustAnchor>{}, vendor_anchors(), {of_amd}}) {
    scene.anchors = anchors;
    const Verification verification = scene.verify();
    expect_only(verification, E::kIntelRootPinned);
    // Under such a root nothing else is worth saying.
    EXPECT_EQ(verification.checks.size(), 1U);
  }
}

TEST(IntelVerify, RejectsARootChangedBesideItsKey) {
  IntelPkiOptions options;
  options.root_signature_broken = true;
  const IntelPki pki = make_pki(options);
  const Verification verification = td_scene(pki).verify();
  expect_only(verification, E::kIntelRootSelfSigned);
  EXPECT_FALSE(find(verification, E::kIntelNames).has_value());
}

TEST(IntelVerify, NeverTakesASimulatedRootForAnotherOne) {
  Scene scene = td_scene();
  for (const AnchorOrigin origin : {AnchorOrigin::kVendor, AnchorOrigin::kPrivate}) {
    scene.anchors = {made::anchor_of(*scene.pki, origin)};
    expect_only(scene.verify(), E::kIntelOrigin);
  }
  IntelPkiOptions options;
  options.simulated_oid = false;
  const IntelPki unmarked = make_pki(options);
  Scene other = td_scene(unmarked);
  EXPECT_EQ(claims_of(other.verify())->anchor.origin, AnchorOrigin::kPrivate);
  other.anchors = {made::anchor_of(unmarked, AnchorOrigin::kSimulated)};
  expect_only(other.verify(), E::kIntelOrigin);
}

TEST(IntelVerify, IsNotMisledByAnotherListingOfTheSameRoot) {
  Scene scene = td_scene();
  const TrustAnchor good = made::anchor_of(*scene.pki);
  TrustAnchor product = good;
  product.product = "Genoa";
  const TrustAnchor origin = made::anchor_of(*scene.pki, AnchorOrigin::kPrivate);
  for (const TrustAnchor& bad : {product, origin}) {
    for (const auto& anchors : {std::vector{bad, good}, std::vector{good, bad}}) {
      scene.anchors = anchors;
      const Verification verification = scene.verify();
      EXPECT_EQ(claims_of(verification)->anchor, good);
    }
  }
  scene.anchors = {product, origin};
  expect_only(scene.verify(), E::kIntelOrigin);
}

TEST(IntelVerify, ShowsForeignNamesAsPlainShortText) {
  IntelPkiOptions options;
  options.root_cn = options.ca_cn = options.pck_cn = options.signing_cn =
      "\033[2J\n" + std::string(50, '\033');
  const IntelPki pki = make_pki(options);
  Scene scene = td_scene(pki);
  const auto expect_plain = [](const Verification& verification) {
    ASSERT_FALSE(verification.claims);
    std::vector<std::string> texts{verification.claims.error().detail()};
    for (const Check& check : verification.checks) {
      texts.insert(texts.end(), {check.expected, check.got});
    }
    for (const std::string& text : texts) {
      EXPECT_LT(text.size(), 1000U) << text;
      EXPECT_TRUE(std::all_of(text.begin(), text.end(), [](char c) {
        return c >= 0x20 && c <= 0x7e;
      })) << text;
    }
  };
  expect_plain(scene.verify());
  scene.anchors = {};
  expect_plain(scene.verify());
}

// ---- PCK chain -------------------------------------------------------------------------------

TEST(IntelVerify, RejectsCertificatesOfOtherNames) {
  IntelPkiOptions options;
  options.root_cn = "Intel SGX Root CA 2";
  expect_only_of(options, E::kIntelNames);
  options = {};
  options.ca_cn = "Intel SGX PCK Other CA";
  expect_only_of(options, E::kIntelNames);
  options = {};
  options.pck_cn = "Intel SGX TCB Signing";
  expect_only_of(options, E::kIntelNames);
}

// What certificates of a test's own begin with: the names of the PKI's.
CertificateBuilder& start(CertificateBuilder& builder, const std::string& cn) {
  return builder.subject_cn(cn)
      .organisation("", "US", "Santa Clara", "CA", "Ensconce Simulated Processors")
      .serial(77)
      .validity(kNow - hours(1), kNow + hours(1));
}

// The platform CA's own key and name, certified anew with the root's key.
Certificate platform_ca(const IntelPki& pki, const Certificate& issuer, bool crl_sign) {
  CertificateBuilder builder;
  start(builder, "Intel SGX PCK Platform CA").ca(0, crl_sign).key(pki.ca_key().public_key());
  return builder.issue(issuer, pki.root_key());
}

// The same keys, so that signatures hold, and the other CA's name.
TEST(IntelVerify, RejectsAPckOfTheOtherCa) {
  Scene scene = enclave_scene();
  CertificateBuilder builder;
  start(builder, "Intel SGX PCK Processor CA").ca(0, true).key(scene.pki->ca_key().public_key());
  scene.endorsed.pck_ca = builder.issue(scene.pki->root(), scene.pki->root_key());
  scene.endorsed.pck_crl.reset();
  expect_only(scene.verify(), E::kIntelNames);
}

// Signed with the root's key, in another's name.
TEST(IntelVerify, RejectsACaOfAnotherIssuer) {
  Scene scene = td_scene();
  scene.endorsed.pck_ca = platform_ca(*scene.pki, scene.pki->root(), true);
  expect_accepted(scene.verify());
  scene.endorsed.pck_ca = platform_ca(*scene.pki, scene.pki->tcb_signing(), true);
  expect_only(scene.verify(), E::kIntelNames);
}

TEST(IntelVerify, RejectsARootThatIsNoCa) {
  Scene scene = td_scene();
  for (const bool ca : {true, false}) {
    CertificateBuilder builder;
    start(builder, "Intel SGX Root CA");
    if (ca) {
      builder.ca(1, true);
    }
    scene.endorsed.root = builder.self_sign(scene.pki->root_key());
    scene.anchors = {made::anchor_of(*scene.pki, AnchorOrigin::kPrivate)};
    if (ca) {
      expect_accepted(scene.verify());
    } else {
      expect_only(scene.verify(), E::kIntelCa);
    }
  }
}

TEST(IntelVerify, RejectsCasThatAreNoneAndAPckThatIsOne) {
  IntelPkiOptions options;
  options.ca_without_ca = true;
  expect_only_of(options, E::kIntelCa);
  options = {};
  options.pck_with_ca = true;
  expect_only_of(options, E::kIntelCa);
}

TEST(IntelVerify, RejectsCriticalExtensionsItDoesNotKnow) {
  IntelPkiOptions options;
  options.pck_critical_unknown = true;
  expect_only_of(options, E::kIntelCriticalExtensions);
}

TEST(IntelVerify, RejectsCertificatesTheirIssuersDidNotSign) {
  IntelPkiOptions options;
  options.ca_by_another_root = true;
  expect_only_of(options, E::kPckCaSignature);
  options = {};
  options.pck_by_another_ca = true;
  expect_only_of(options, E::kPckSignature);
}

TEST(IntelVerify, RejectsAPckWithoutItsExtension) {
  IntelPkiOptions options;
  options.pck_extension = Bytes{0x30, 0x00};
  expect_only_of(options, E::kPckExtension);
  const IntelPki pki = make_pki(options);
  const Verification verification = td_scene(pki).verify();
  EXPECT_EQ(error_info(E::kPckExtension).stage, Stage::kForm);
  for (const E code : {E::kTcbInfoPlatform, E::kIntelTcbLevel, E::kIntelTcbRevoked}) {
    EXPECT_FALSE(find(verification, code).has_value()) << error_info(code).id;
  }
}

TEST(IntelVerify, RejectsAPckOnAnotherCurve) {
  IntelPkiOptions options;
  options.pck_on_p384 = true;
  expect_only_of(options, E::kPckKey);
  const IntelPki pki = make_pki(options);
  EXPECT_FALSE(find(td_scene(pki).verify(), E::kQeSignature).has_value());
}

TEST(IntelVerify, RejectsCertificatesOutsideTheirTime) {
  IntelPkiOptions options;
  options.pck_not_before = kNow + Millis(1000);
  expect_only_of(options, E::kIntelCertNotYetValid);
  for (auto member : {&IntelPkiOptions::root_not_after, &IntelPkiOptions::ca_not_after,
                      &IntelPkiOptions::pck_not_after, &IntelPkiOptions::signing_not_after}) {
    options = {};
    options.*member = kNow - Millis(1000);
    expect_only_of(options, E::kIntelCertExpired);
    options.*member = kNow;
    const IntelPki pki = make_pki(options);
    expect_accepted(td_scene(pki).verify());
  }
}

// ---- Revocation ------------------------------------------------------------------------------

RevocationList list(const Bytes& der) { return RevocationList::from_der(der).value(); }

TEST(IntelVerify, RejectsWhatTheRootRevoked) {
  Scene scene = td_scene();
  const IntelPki& pki = *scene.pki;
  scene.endorsed.root_crl = list(pki.root_crl(kNow, {Bytes{5}, pki.pck().serial()}));
  expect_accepted(scene.verify());
  for (const Certificate& revoked : {pki.pck_ca(), pki.tcb_signing()}) {
    scene.endorsed.root_crl = list(pki.root_crl(kNow, {Bytes{5}, revoked.serial()}));
    expect_only(scene.verify(), E::kRootCrlRevoked);
  }
}

TEST(IntelVerify, RejectsARevokedPck) {
  Scene scene = td_scene();
  const IntelPki& pki = *scene.pki;
  scene.endorsed.pck_crl = list(pki.pck_crl(kNow, {Bytes{5}, pki.pck_ca().serial()}));
  expect_accepted(scene.verify());
  scene.endorsed.pck_crl = list(pki.pck_crl(kNow, {Bytes{5}, pki.pck().serial()}));
  expect_only(scene.verify(), E::kPckCrlRevoked);
}

TEST(IntelVerify, RejectsRevocationListsOutsideTheirTime) {
  for (const Instant made : {kNow - hours(24 * 30) - Millis(1000), kNow + hours(2)}) {
    Scene scene = td_scene();
    scene.endorsed.root_crl = list(scene.pki->root_crl(made));
    expect_only(scene.verify(), E::kRootCrlTime);
    scene = td_scene();
    scene.endorsed.pck_crl = list(scene.pki->pck_crl(made));
    expect_only(scene.verify(), E::kPckCrlTime);
  }
  Scene scene = td_scene();
  scene.endorsed.root_crl = list(scene.pki->root_crl(kNow - hours(24 * 30)));
  scene.endorsed.pck_crl = list(scene.pki->pck_crl(kNow + hours(1)));
  expect_accepted(scene.verify());
}

TEST(IntelVerify, RejectsRevocationListsOfSomebodyElse) {
  static const IntelPki other = make_pki();  // of the same names
  Scene scene = td_scene();
  scene.endorsed.root_crl = list(other.root_crl(kNow));
  expect_only(scene.verify(), E::kRootCrlSignature);
  scene = td_scene();
  scene.endorsed.pck_crl = list(other.pck_crl(kNow));
  expect_only(scene.verify(), E::kPckCrlSignature);
  // The right key under another's name.
  const IntelPki& pki = *scene.pki;
  const auto crl = [](const Certificate& name, const EcPrivateKey& key) {
    return list(CertificateBuilder::make_crl(name, key, kNow - hours(1), kNow + hours(1),
                                             std::vector<Bytes>{}));
  };
  scene = td_scene();
  scene.endorsed.root_crl = crl(pki.pck_ca(), pki.root_key());
  expect_only(scene.verify(), E::kRootCrlSignature);
  scene = td_scene();
  scene.endorsed.pck_crl = crl(pki.root(), pki.ca_key());
  expect_only(scene.verify(), E::kPckCrlSignature);
}

TEST(IntelVerify, RejectsAListOfACaThatMayNotSignLists) {
  Scene scene = td_scene();
  scene.endorsed.pck_ca = platform_ca(*scene.pki, scene.pki->root(), false);
  expect_only(scene.verify(), E::kPckCrlSignature);
  scene.endorsed.pck_crl.reset();
  expect_accepted(scene.verify());
}

TEST(IntelVerify, SaysThatThereWasNoRevocationList) {
  for (const bool root : {true, false}) {
    Scene scene = td_scene();
    (root ? scene.endorsed.root_crl : scene.endorsed.pck_crl).reset();
    const Verification verification = scene.verify();
    EXPECT_FALSE(claims_of(verification)->crl_checked);
    for (const E code : {E::kRootCrlSignature, E::kRootCrlTime, E::kRootCrlRevoked}) {
      EXPECT_EQ(find(verification, code)->holds.has_value(), !root);
    }
    for (const E code : {E::kPckCrlSignature, E::kPckCrlTime, E::kPckCrlRevoked}) {
      EXPECT_EQ(find(verification, code)->holds.has_value(), root);
    }
  }
}

// ---- Collateral ------------------------------------------------------------------------------

TEST(IntelVerify, RejectsASignerOfCollateralOfAnotherNameOrRoot) {
  IntelPkiOptions options;
  options.signing_cn = "Intel SGX PCK Certificate";
  expect_only_of(options, E::kTcbSigningChain);
  options = {};
  options.signing_by_another_root = true;
  expect_only_of(options, E::kTcbSigningChain);
}

// Collateral signed by a key of one's own, whose certificate `change` shapes and `issue` signs.
Verification with_signer(
    const EcPrivateKey& key, const std::function<void(CertificateBuilder&)>& change,
    const std::function<Certificate(CertificateBuilder&, const IntelPki&)>& issue) {
  Scene scene = td_scene();
  CertificateBuilder builder;
  start(builder, "Intel SGX TCB Signing").key(key.public_key());
  change(builder);
  scene.endorsed.tcb_signing = issue(builder, *scene.pki);
  const auto sign = [&](const Bytes& bytes, ByteArray<64>& signature) {
    const Bytes made = key.sign(bytes);
    std::copy_n(made.begin(), signature.size(), signature.begin());
  };
  sign(scene.endorsed.tcb_info.signed_bytes, scene.endorsed.tcb_info.signature);
  sign(scene.endorsed.qe_identity.signed_bytes, scene.endorsed.qe_identity.signature);
  return scene.verify();
}

// What these sign holds; they are of another role.
TEST(IntelVerify, RejectsASignerOfCollateralOfAnotherRole) {
  static const auto p256 = EcPrivateKey::generate(Curve::kP256);
  static const auto p384 = EcPrivateKey::generate(Curve::kP384);
  const auto plain = [](CertificateBuilder&) {};
  const auto by_root = [](CertificateBuilder& builder, const IntelPki& pki) {
    return builder.issue(pki.root(), pki.root_key());
  };
  expect_accepted(with_signer(p256, plain, by_root));
  expect_only(with_signer(
                  p256, [](CertificateBuilder& builder) { builder.ca(-1, false); }, by_root),
              E::kTcbSigningChain);
  expect_only(with_signer(p256, plain,
                          [](CertificateBuilder& builder, const IntelPki& pki) {
                            return builder.issue(pki.pck_ca(), pki.ca_key());
                          }),
              E::kTcbSigningChain);
  expect_only(with_signer(p256, plain,
                          [](CertificateBuilder& builder, const IntelPki& pki) {
                            return builder.issue(pki.pck_ca(), pki.root_key());
                          }),
              E::kTcbSigningChain);
  expect_refused(with_signer(p384, plain, by_root), E::kTcbSigningChain);
  expect_only(with_signer(
                  p256,
                  [](CertificateBuilder& builder) {
                    builder.extension("1.2.3.4", Bytes{5, 0}, true);
                  },
                  by_root),
              E::kIntelCriticalExtensions);
}

TEST(IntelVerify, RejectsCollateralIntelDidNotSign) {
  static const IntelPki other = make_pki();
  const auto judged = [](const std::function<void(Scene&)>& change) {
    Scene scene = td_scene();
    change(scene);
    return scene.verify();
  };
  expect_only(judged([](Scene& s) { s.endorsed.tcb_info.signed_bytes.back() ^= 1; }),
              E::kTcbInfoSignature);
  expect_only(judged([](Scene& s) { s.endorsed.tcb_info.signature[63] ^= 1; }),
              E::kTcbInfoSignature);
  expect_only(judged([](Scene& s) {
                s.endorsed.tcb_info = signed_tcb_info(other, other.tcb_info(true, kNow));
              }),
              E::kTcbInfoSignature);
  expect_only(judged([](Scene& s) { s.endorsed.qe_identity.signed_bytes.back() ^= 1; }),
              E::kQeIdentitySignature);
  expect_only(judged([](Scene& s) { s.endorsed.qe_identity.signature[0] ^= 1; }),
              E::kQeIdentitySignature);
  expect_only(judged([](Scene& s) {
                s.endorsed.qe_identity = signed_qe_identity(other, other.qe_identity(true, kNow));
              }),
              E::kQeIdentitySignature);
}

// A P-384 PCK is not used as key of the collateral either: any certificate may stand there.
TEST(IntelVerify, NeverTakesAKeyItCannotReadForASigner) {
  Scene scene = td_scene();
  static const auto rsa = RsaPrivateKey::generate(2048);
  CertificateBuilder builder;
  builder.subject_cn("Intel SGX TCB Signing").serial(79);
  builder.validity(kNow - hours(1), kNow + hours(1));
  scene.endorsed.tcb_signing = builder.self_sign(rsa);
  const Verification verification = scene.verify();
  expect_refused(verification, E::kTcbSigningChain);
  EXPECT_EQ(find(verification, E::kTcbInfoSignature)->holds, false);
  EXPECT_EQ(find(verification, E::kQeIdentitySignature)->holds, false);
}

TEST(IntelVerify, RejectsCollateralOutsideItsTime) {
  for (const bool tdx : {true, false}) {
    Scene scene = tdx ? td_scene() : enclave_scene();
    TcbInfo info = scene.pki->tcb_info(tdx, kNow);
    info.issued = kNow + Millis(1000);
    scene.collateral(info);
    expect_only(scene.verify(), E::kTcbInfoTime);
    scene.now = info.issued;
    expect_accepted(scene.verify());
    info.issued = kNow - hours(2);
    info.next_update = kNow + Millis(2000);
    scene.collateral(info);
    scene.now = info.next_update;
    expect_accepted(scene.verify());
    scene.now = info.next_update + Millis(1);
    expect_only(scene.verify(), E::kTcbInfoTime);

    scene = tdx ? td_scene() : enclave_scene();
    QeIdentity identity = scene.pki->qe_identity(tdx, kNow);
    identity.issued = kNow + Millis(1000);
    scene.collateral(identity);
    expect_only(scene.verify(), E::kQeIdentityTime);
    identity.issued = kNow - hours(2);
    identity.next_update = kNow - Millis(1000);
    scene.collateral(identity);
    expect_only(scene.verify(), E::kQeIdentityTime);
  }
}

TEST(IntelVerify, RejectsCollateralOfTheOtherTee) {
  Scene scene = enclave_scene();
  scene.collateral(scene.pki->tcb_info(true, kNow));
  expect_only(scene.verify(), E::kTcbInfoTee);
  scene = td_scene();
  scene.collateral(scene.pki->tcb_info(false, kNow));
  expect_refused(scene.verify(), E::kTcbInfoTee);
  for (const bool tdx : {true, false}) {
    scene = tdx ? td_scene() : enclave_scene();
    QeIdentity identity = scene.pki->qe_identity(tdx, kNow);
    identity.id = tdx ? "QE" : "TD_QE";
    scene.collateral(identity);
    expect_only(scene.verify(), E::kQeIdentityTee);
  }
}

TEST(IntelVerify, RejectsTcbInfoOfAnotherPlatform) {
  Scene scene = td_scene();
  TcbInfo info = scene.pki->tcb_info(true, kNow);
  info.fmspc[5] ^= 1;
  scene.collateral(info);
  expect_only(scene.verify(), E::kTcbInfoPlatform);
  info = scene.pki->tcb_info(true, kNow);
  info.pce_id[0] ^= 1;
  scene.collateral(info);
  expect_only(scene.verify(), E::kTcbInfoPlatform);
}

// ---- TDX module ------------------------------------------------------------------------------

TEST(IntelVerify, RejectsAModuleTheTcbInfoDoesNotKnow) {
  Scene scene = td_scene();
  scene.td().tee_tcb_svn[1] = 2;
  scene.sign();
  const Verification verification = scene.verify();
  expect_only(verification, E::kTdxModuleIdentity);
  for (const E code : {E::kTdxModuleSigner, E::kTdxModuleLevel, E::kIntelTcbRevoked}) {
    EXPECT_FALSE(find(verification, code).has_value()) << error_info(code).id;
  }
}

TEST(IntelVerify, TakesTheOneModuleOfMajorVersionZero) {
  Scene scene = td_scene();
  scene.td().tee_tcb_svn[1] = 0;
  scene.sign();
  const Verification verification = scene.verify();
  const IntelTcb* tcb = tcb_of(verification);
  ASSERT_NE(tcb, nullptr);
  EXPECT_EQ(tcb->tdx_module, std::nullopt);
  EXPECT_EQ(tcb->tdx_module_id, "");
  EXPECT_EQ(find(verification, E::kTdxModuleLevel)->holds, std::nullopt);
  TcbInfo info = scene.pki->tcb_info(true, kNow);
  info.tdx_module->mr_signer[0] = 1;
  scene.collateral(info);
  expect_only(scene.verify(), E::kTdxModuleSigner);
}

TEST(IntelVerify, RejectsAModuleOfAnotherSignerOrOtherAttributes) {
  Scene scene = td_scene();
  scene.td().mr_signer_seam[47] = 1;
  scene.sign();
  expect_only(scene.verify(), E::kTdxModuleSigner);
  scene = td_scene();
  scene.td().seam_attributes[7] = 1;
  scene.sign();
  expect_only(scene.verify(), E::kTdxModuleSigner);
  // A mask that leaves them out does not free them.
  TcbInfo masked = scene.pki->tcb_info(true, kNow);
  masked.module_identities[0].module.attributes_mask[7] = 0;
  scene.collateral(masked);
  expect_only(scene.verify(), E::kTdxModuleSigner);
  // Zero where the module's own are not, unless the mask leaves them out.
  scene = td_scene();
  TcbInfo info = scene.pki->tcb_info(true, kNow);
  info.module_identities[0].module.attributes[0] = 1;
  scene.collateral(info);
  expect_only(scene.verify(), E::kTdxModuleSigner);
  info.module_identities[0].module.attributes_mask[0] = 0xfe;
  scene.collateral(info);
  expect_accepted(scene.verify());
}

TEST(IntelVerify, RejectsAModuleOlderThanAnyLevel) {
  Scene scene = td_scene();
  scene.td().tee_tcb_svn[0] = 2;
  scene.sign();
  expect_only(scene.verify(), E::kTdxModuleLevel);
}

// ---- Quoting enclave and quote ---------------------------------------------------------------

TEST(IntelVerify, RejectsAnotherVendorsQuotingEnclave) {
  Scene scene = td_scene();
  scene.quote.qe_vendor_id[15] ^= 1;
  scene.sign();
  expect_only(scene.verify(), E::kQeVendor);
}

TEST(IntelVerify, RejectsAQuotingEnclaveThePckDidNotSign) {
  static const IntelPki other = make_pki();
  Scene scene = td_scene();
  scene.quote.qe_report_signature[63] ^= 1;
  expect_only(scene.verify(), E::kQeSignature);
  scene.quote = td_quote(other, expected_data());
  expect_only(scene.verify(), E::kQeSignature);
  scene = td_scene();
  scene.quote.qe_report.cpu_svn[0] ^= 1;
  expect_only(scene.verify(), E::kQeSignature);
}

TEST(IntelVerify, RejectsAnAttestationKeyTheQuotingEnclaveDoesNotName) {
  for (const std::size_t i : {0, 31, 32, 63}) {
    Scene scene = td_scene();
    scene.quote.qe_report.report_data[i] ^= 1;
    scene.quote = scene.pki->resign_as_is(scene.quote);
    expect_only(scene.verify(), E::kQeBinding);
  }
  Scene scene = td_scene();
  scene.quote.qe_auth_data.back() ^= 1;
  expect_only(scene.verify(), E::kQeBinding);
  scene = td_scene();
  static const auto own = EcPrivateKey::generate(Curve::kP256);
  std::copy_n(own.public_key().point().begin() + 1, 64, scene.quote.attestation_key.begin());
  const Bytes signature = own.sign(intel_quote_signed_part(scene.quote));
  std::copy_n(signature.begin(), 64, scene.quote.signature.begin());
  expect_only(scene.verify(), E::kQeBinding);
}

TEST(IntelVerify, RejectsAnAttestationKeyThatIsNoPoint) {
  Scene scene = td_scene();
  scene.quote.attestation_key.fill(0);
  const Verification verification = scene.verify();
  expect_refused(verification, E::kQeBinding);
  EXPECT_EQ(find(verification, E::kQuoteSignature)->holds, false);
}

TEST(IntelVerify, RejectsEverySignedByteChanged) {
  for (const Scene& good : {td_scene(), enclave_scene()}) {
    const Bytes bytes = write_intel_quote(good.quote);
    const std::size_t signed_len = intel_quote_signed_part(good.quote).size();
    std::size_t judged = 0;
    for (std::size_t i = 0; i < signed_len; ++i) {
      Bytes changed = bytes;
      changed[i] ^= i % 2 == 0 ? 0x01 : 0x80;
      const auto quote = parse_intel_quote(changed);
      if (!quote) {
        continue;
      }
      ++judged;
      Scene scene = good;
      scene.quote = *quote;
      scene.expected = quote->report_data();
      const Verification verification = scene.verify();
      ASSERT_FALSE(verification.claims) << "offset " << i;
      EXPECT_EQ(find(verification, E::kQuoteSignature)->holds, false) << "offset " << i;
    }
    EXPECT_GT(judged, signed_len / 2);
  }
}

TEST(IntelVerify, RejectsEveryByteOfTheSignatureChanged) {
  for (std::size_t i = 0; i < 64; ++i) {
    Scene scene = enclave_scene();
    scene.quote.signature[i] ^= 1;
    expect_only(scene.verify(), E::kQuoteSignature);
  }
  Scene zero = td_scene();
  zero.quote.signature.fill(0);
  expect_only(zero.verify(), E::kQuoteSignature);
}

TEST(IntelVerify, RejectsOtherReportData) {
  for (const std::size_t i : {0, 31, 32, 63}) {
    for (Scene scene : {td_scene(), enclave_scene()}) {
      scene.expected[i] ^= 1;
      expect_only(scene.verify(), E::kIntelReportData);
    }
  }
}

TEST(IntelVerify, SaysThatReportDataWasNotCompared) {
  const Scene scene = td_scene();
  const Verification verification =
      IntelVerifier(scene.anchors).verify(scene.quote, scene.endorsed, std::nullopt, kNow);
  EXPECT_EQ(claims_of(verification)->report_data, expected_data());
  EXPECT_EQ(find(verification, E::kIntelReportData)->holds, std::nullopt);
}

TEST(IntelVerify, RejectsAnEnclaveThatIsNotTheQuotingEnclave) {
  struct Case {
    E code;
    std::function<void(SgxReport&)> change;
  };
  const Case cases[] = {
      {E::kQeIdentityMiscSelect, [](SgxReport& qe) { qe.misc_select = 0x01000000; }},
      {E::kQeIdentityAttributes, [](SgxReport& qe) { qe.attributes[0] |= 2; }},
      {E::kQeIdentityMrSigner, [](SgxReport& qe) { qe.mr_signer[31] ^= 1; }},
      {E::kQeIdentityIsvProdId, [](SgxReport& qe) { qe.isv_prod_id += 1; }},
      {E::kQeIdentityLevel, [](SgxReport& qe) { qe.isv_svn = 1; }},
  };
  for (const Case& c : cases) {
    for (Scene scene : {td_scene(), enclave_scene()}) {
      c.change(scene.quote.qe_report);
      scene.sign();
      expect_only(scene.verify(), c.code);
    }
  }
  // What the masks leave out is free.
  Scene scene = td_scene();
  scene.quote.qe_report.attributes[0] ^= 4;
  scene.quote.qe_report.attributes[8] ^= 0xff;
  scene.sign();
  expect_accepted(scene.verify());
}

// MISCSELECT is compared as it lies in memory.
TEST(IntelVerify, ReadsTheMaskOfMiscSelectInMemoryOrder) {
  Scene scene = td_scene();
  scene.quote.qe_report.misc_select = 0x04030201;
  scene.sign();
  QeIdentity identity = scene.pki->qe_identity(true, kNow);
  identity.misc_select = {1, 2, 3, 4};
  scene.collateral(identity);
  expect_accepted(scene.verify());
  identity.misc_select = {4, 3, 2, 1};
  scene.collateral(identity);
  expect_only(scene.verify(), E::kQeIdentityMiscSelect);
  identity.misc_select_mask = {};
  scene.collateral(identity);
  expect_accepted(scene.verify());
}

// ---- TCB -------------------------------------------------------------------------------------

TEST(IntelVerify, RejectsAPlatformThatReachesNoLevel) {
  for (const bool tdx : {true, false}) {
    Scene scene = tdx ? td_scene() : enclave_scene();
    TcbInfo info = scene.pki->tcb_info(tdx, kNow);
    for (TcbLevel& level : info.levels) {
      level.sgx[15] += 1;
    }
    scene.collateral(info);
    expect_only(scene.verify(), E::kIntelTcbLevel);
    EXPECT_FALSE(find(scene.verify(), E::kIntelTcbRevoked).has_value());
    info = scene.pki->tcb_info(tdx, kNow);
    for (TcbLevel& level : info.levels) {
      level.pce_svn += 1;
    }
    scene.collateral(info);
    expect_only(scene.verify(), E::kIntelTcbLevel);
  }
  Scene scene = td_scene();
  scene.td().tee_tcb_svn[2] = 0;
  scene.sign();
  expect_only(scene.verify(), E::kIntelTcbLevel);
}

TEST(IntelVerify, TellsTheStatusOfTheLevel) {
  for (const S status :
       {S::kUpToDate, S::kSwHardeningNeeded, S::kConfigurationNeeded,
        S::kConfigurationAndSwHardeningNeeded, S::kOutOfDate, S::kOutOfDateConfigurationNeeded}) {
    for (const bool tdx : {true, false}) {
      Scene scene = tdx ? td_scene() : enclave_scene();
      TcbInfo info = scene.pki->tcb_info(tdx, kNow);
      info.levels[0].status = status;
      scene.collateral(info);
      EXPECT_EQ(tcb_of(scene.verify())->status, status) << name_of(status);
    }
  }
}

TEST(IntelVerify, RejectsARevokedTcb) {
  for (const bool tdx : {true, false}) {
    Scene scene = tdx ? td_scene() : enclave_scene();
    TcbInfo info = scene.pki->tcb_info(tdx, kNow);
    info.levels[0].status = S::kRevoked;
    scene.collateral(info);
    expect_only(scene.verify(), E::kIntelTcbRevoked);
    EXPECT_EQ(error_info(E::kIntelTcbRevoked).stage, Stage::kRevocation);
    scene = tdx ? td_scene() : enclave_scene();
    QeIdentity identity = scene.pki->qe_identity(tdx, kNow);
    identity.levels[0].status = S::kRevoked;
    scene.collateral(identity);
    expect_only(scene.verify(), E::kIntelTcbRevoked);
  }
  Scene scene = td_scene();
  TcbInfo info = scene.pki->tcb_info(true, kNow);
  info.module_identities[0].levels[0].status = S::kRevoked;
  scene.collateral(info);
  expect_only(scene.verify(), E::kIntelTcbRevoked);
}

TEST(IntelVerify, ConvergesWithQuotingEnclaveAndModule) {
  Scene enclave = enclave_scene();
  enclave.quote.qe_report.isv_svn -= 2;
  enclave.sign();
  const Verification by_qe = enclave.verify();
  EXPECT_EQ(tcb_of(by_qe)->status, S::kOutOfDate);
  EXPECT_EQ(tcb_of(by_qe)->qe, S::kOutOfDate);
  EXPECT_EQ(tcb_of(by_qe)->sgx_level, S::kUpToDate);
  EXPECT_EQ(tcb_of(by_qe)->advisories, std::vector<std::string>{"INTEL-SA-00615"});
  Scene td(made::shared_intel_pki(), td_quote(made::shared_intel_pki(), expected_data(), 4));
  td.td().tee_tcb_svn[0] -= 2;
  td.sign();
  const Verification by_module = td.verify();
  EXPECT_EQ(tcb_of(by_module)->status, S::kOutOfDate);
  EXPECT_EQ(tcb_of(by_module)->tdx_module, S::kOutOfDate);
  EXPECT_EQ(tcb_of(by_module)->tdx_level, S::kUpToDate);
  EXPECT_EQ(tcb_of(by_module)->advisories,
            (std::vector<std::string>{"INTEL-SA-01036", "INTEL-SA-01099"}));
}

TEST(IntelVerify, AdvisesRelaunchUnderTheModuleThatRunsNow) {
  Scene scene = td_scene();
  scene.td().tee_tcb_svn[0] -= 2;
  scene.sign();
  EXPECT_EQ(tcb_of(scene.verify())->status, S::kTdRelaunchAdvised);
  TcbInfo info = scene.pki->tcb_info(true, kNow);
  info.levels[0].status = S::kConfigurationNeeded;
  scene.collateral(info);
  EXPECT_EQ(tcb_of(scene.verify())->status, S::kTdRelaunchAdvisedConfigurationNeeded);
  // One without an identity is judged by the levels alone.
  Scene without = scene;
  (*without.td().tee_tcb_svn_2)[1] = 0;
  without.sign();
  without.endorsed.tcb_info.tdx_module.reset();
  EXPECT_EQ(tcb_of(without.verify())->status, S::kTdRelaunchAdvisedConfigurationNeeded);
  // The module that runs now is one Intel does not tell of.
  (*scene.td().tee_tcb_svn_2)[1] = 2;
  scene.sign();
  expect_only(scene.verify(), E::kTdxModuleIdentity);
}

TEST(IntelVerify, TakesTheHighestLevelInWhateverOrderTheyCome) {
  for (const bool tdx : {true, false}) {
    Scene scene = tdx ? td_scene() : enclave_scene();
    TcbInfo info = scene.pki->tcb_info(tdx, kNow);
    std::reverse(info.levels.begin(), info.levels.end());
    for (TdxModuleIdentity& identity : info.module_identities) {
      std::reverse(identity.levels.begin(), identity.levels.end());
    }
    scene.collateral(info);
    QeIdentity identity = scene.pki->qe_identity(tdx, kNow);
    std::reverse(identity.levels.begin(), identity.levels.end());
    scene.collateral(identity);
    const Verification verification = scene.verify();
    EXPECT_EQ(tcb_of(verification)->status, S::kUpToDate);
    EXPECT_EQ(tcb_of(verification)->qe, S::kUpToDate);
  }
}

// ---- Time ------------------------------------------------------------------------------------

TEST(IntelVerify, EndsWithTheFirstOfItsEndorsements) {
  const auto until = [](const Scene& scene) { return claims_of(scene.verify())->endorsed_until; };
  const Instant soon = kNow + hours(3);
  for (auto member : {&IntelPkiOptions::root_not_after, &IntelPkiOptions::ca_not_after,
                      &IntelPkiOptions::pck_not_after, &IntelPkiOptions::signing_not_after}) {
    IntelPkiOptions options;
    options.*member = soon;
    const IntelPki pki = make_pki(options);
    EXPECT_EQ(until(td_scene(pki)), soon);
  }
  Scene scene = td_scene();
  TcbInfo info = scene.pki->tcb_info(true, kNow);
  info.next_update = soon;
  scene.collateral(info);
  EXPECT_EQ(until(scene), soon);
  scene = td_scene();
  QeIdentity identity = scene.pki->qe_identity(true, kNow);
  identity.next_update = soon;
  scene.collateral(identity);
  EXPECT_EQ(until(scene), soon);
  const Instant made = soon - hours(24 * 30);
  scene = td_scene();
  scene.endorsed.root_crl = list(scene.pki->root_crl(made));
  EXPECT_EQ(until(scene), soon);
  scene = td_scene();
  scene.endorsed.pck_crl = list(scene.pki->pck_crl(made));
  EXPECT_EQ(until(scene), soon);
}

// ---- Event log -------------------------------------------------------------------------------

MeasuredEvent event(std::uint32_t index, std::uint8_t fill, std::uint32_t type = 13) {
  return {index, type, {{kTcgAlgSha384, Bytes(48, fill)}}, {}};
}

Sha384Digest extended(const Sha384Digest& from, std::uint8_t fill) {
  return sha384(concat({from, Bytes(48, fill)}));
}

// A TD whose registers are those of its log.
Scene logged_scene() {
  Scene scene = td_scene();
  constexpr std::uint32_t kNoAction = 3;
  scene.log = EventLog{{kTcgAlgSha384},
                       {event(0, 9), event(1, 1), event(3, 2), event(1, 3), event(2, 4, kNoAction),
                        event(7, 5, kNoAction)}};
  scene.td().rtmr[0] = extended(extended({}, 1), 3);
  scene.td().rtmr[2] = extended({}, 2);
  scene.sign();
  return scene;
}

TEST(IntelVerify, ReplaysTheEventLog) {
  const Verification verification = logged_scene().verify();
  EXPECT_TRUE(claims_of(verification)->event_log_checked);
  EXPECT_EQ(find(verification, E::kEventLogReplay)->holds, true);
}

TEST(IntelVerify, RejectsALogOfAnotherBoot) {
  Scene scene = logged_scene();
  scene.log->events[1] = event(1, 8);
  expect_only(scene.verify(), E::kEventLogReplay);
  scene = logged_scene();
  scene.log->events.pop_back();
  scene.log->events.erase(scene.log->events.begin() + 2);  // what RTMR2 holds
  expect_only(scene.verify(), E::kEventLogReplay);
  for (std::size_t i = 0; i < 4; ++i) {
    scene = logged_scene();
    scene.td().rtmr[i][0] ^= 1;
    scene.sign();
    expect_only(scene.verify(), E::kEventLogReplay);
  }
  // An event no register vouches for.
  scene = logged_scene();
  scene.log->events.push_back(event(5, 1));
  expect_only(scene.verify(), E::kEventLogReplay);
}

TEST(IntelVerify, SaysThatNoEventLogWasReplayed) {
  EXPECT_EQ(find(td_scene().verify(), E::kEventLogReplay)->holds, std::nullopt);
  Scene enclave = enclave_scene();
  enclave.log = EventLog{};
  const Verification verification = enclave.verify();
  EXPECT_FALSE(claims_of(verification)->event_log_checked);
  EXPECT_EQ(find(verification, E::kEventLogReplay)->holds, std::nullopt);
}

}  // namespace
}  // namespace ensconce
