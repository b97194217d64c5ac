#include "ensconce/attestation/verify/snp_verifier.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <type_traits>

#include "ensconce/codec/der.h"
#include "made_snp.h"

namespace ensconce {
namespace {

using E = AttestationError;
using made::kNow;

// What makes Verified a proof is what cannot be written.
static_assert(!std::is_default_constructible_v<Verified<EvidenceClaims>>);
static_assert(!std::is_constructible_v<Verified<EvidenceClaims>, EvidenceClaims>);
static_assert(!std::is_assignable_v<Verified<EvidenceClaims>&, const Verified<EvidenceClaims>&>);
static_assert(!std::is_assignable_v<Verified<EvidenceClaims>&, Verified<EvidenceClaims>&&>);
static_assert(
    std::is_const_v<
        std::remove_reference_t<decltype(std::declval<Verified<EvidenceClaims>&>().value())>>);
static_assert(!std::is_default_constructible_v<Verified<Attested>>);
static_assert(!std::is_constructible_v<Verified<Attested>, Attested>);
static_assert(!std::is_constructible_v<Verified<BeaconClaims>, BeaconClaims>);

ByteArray<64> expected_data() {
  ByteArray<64> data{};
  data.fill(0x5a);
  return data;
}

SnpReport good_report(const SnpPki& pki) {
  return made::signed_report(pki, made::report_for(pki, expected_data()));
}

Verification verify(const SnpPki& pki) {
  return made::verify_made(pki, good_report(pki), made::endorsements_of(pki), expected_data());
}

// expect_only asserts that a rule refused, and that it alone did.
void expect_only(const Verification& verification, E code) {
  ASSERT_FALSE(verification.claims);
  EXPECT_TRUE(verification.claims.error().is(code)) << verification.claims.error().to_string();
  EXPECT_FALSE(verification.claims.error().remedy().empty());
  for (const Check& check : verification.checks) {
    EXPECT_EQ(check.holds.value_or(true), check.id != error_info(code).id)
        << check.id << ": expected " << check.expected << ", got " << check.got;
  }
}

Certificate with_last_byte_flipped(const Certificate& certificate) {
  Bytes der = certificate.der();
  der.back() ^= 1;
  return Certificate::from_der(der).value();
}

class EveryProcessor : public testing::TestWithParam<std::pair<SnpProduct, SnpSigningKey>> {};
INSTANTIATE_TEST_SUITE_P(All, EveryProcessor,
                         testing::Values(std::pair{SnpProduct::kMilan, SnpSigningKey::kVcek},
                                         std::pair{SnpProduct::kGenoa, SnpSigningKey::kVcek},
                                         std::pair{SnpProduct::kTurin, SnpSigningKey::kVcek},
                                         std::pair{SnpProduct::kMilan, SnpSigningKey::kVlek},
                                         std::pair{SnpProduct::kTurin, SnpSigningKey::kVlek}));

TEST_P(EveryProcessor, IsVerified) {
  SnpPkiOptions options;
  options.product = GetParam().first;
  options.key = GetParam().second;
  const SnpPki pki = made::make_pki(options);
  const Verification verification = verify(pki);
  ASSERT_TRUE(verification.claims) << verification.claims.error().to_string();
  const EvidenceClaims& claims = verification.claims.value().value();
  EXPECT_EQ(claims.kind, EvidenceKind::kSnp);
  ASSERT_NE(claims.snp(), nullptr);
  const SnpFacts& facts = *claims.snp();
  EXPECT_EQ(facts.product, options.product);
  EXPECT_EQ(claims.anchor, made::anchor_of(pki));
  EXPECT_EQ(facts.report.measurement, made::measurement());
  EXPECT_EQ(claims.measurement(), to_bytes(ByteView(made::measurement())));
  EXPECT_EQ(claims.report_data, facts.report.report_data);
  EXPECT_EQ(claims.intel_tcb(), nullptr);
  EXPECT_EQ(facts.reported_tcb.fmc.has_value(), options.product == SnpProduct::kTurin);
  EXPECT_TRUE(claims.crl_checked);
  EXPECT_EQ(facts.csp_id.empty(), options.key == SnpSigningKey::kVcek);
  EXPECT_EQ(claims.checks.size(), verification.checks.size());
}

TEST(SnpVerify, AcceptsVersion2WithoutCpuid) {
  const SnpPki& pki = made::shared_pki();
  SnpReport report = made::report_for(pki, expected_data());
  report.version = 2;
  report.cpuid_family = report.cpuid_model = report.cpuid_stepping = 0;
  EXPECT_TRUE(made::verify_made(pki, made::signed_report(pki, report), made::endorsements_of(pki),
                                expected_data())
                  .claims);
}

TEST(SnpVerify, RejectsEverySignedByteChanged) {
  const SnpPki& pki = made::shared_pki();
  const Bytes bytes = pki.sign_report(made::report_for(pki, expected_data()));
  const SnpEndorsements endorsements = made::endorsements_of(pki);
  int not_parsed = 0;
  for (std::size_t i = 0; i < kSnpSignedLen; ++i) {
    for (const std::uint8_t bit : {0x01, 0x80}) {
      Bytes changed = bytes;
      changed[i] ^= bit;
      const auto report = parse_snp_report(changed);
      if (!report) {
        ++not_parsed;
        continue;
      }
      const auto verification = made::verify_made(pki, *report, endorsements, report->report_data);
      ASSERT_FALSE(verification.claims) << "offset " << i;
      EXPECT_EQ(made::holds(verification.checks, "snp.signature"), false) << "offset " << i;
    }
  }
  EXPECT_LT(not_parsed, 500);
}

TEST(SnpVerify, RejectsEveryByteOfTheSignatureChanged) {
  const SnpPki& pki = made::shared_pki();
  const SnpReport report = good_report(pki);
  for (std::size_t i = 0; i < 48; ++i) {
    SnpReport changed = report;
    changed.signature_r[i] ^= 1;
    expect_only(made::verify_made(pki, changed, made::endorsements_of(pki), expected_data()),
                E::kReportSignature);
    changed = report;
    changed.signature_s[i] ^= 1;
    expect_only(made::verify_made(pki, changed, made::endorsements_of(pki), expected_data()),
                E::kReportSignature);
  }
  SnpReport zero = report;
  zero.signature_r = {};
  zero.signature_s = {};
  expect_only(made::verify_made(pki, zero, made::endorsements_of(pki), expected_data()),
              E::kReportSignature);
}

TEST(SnpVerify, RejectsReportSignedByAnotherChip) {
  static const SnpPki other = made::make_pki();
  const SnpPki& pki = made::shared_pki();
  SnpReport report = made::report_for(pki, expected_data());
  expect_only(made::verify_made(pki, made::signed_report(other, report), made::endorsements_of(pki),
                                expected_data()),
              E::kReportSignature);
}

TEST(SnpVerify, RejectsOtherReportData) {
  const SnpPki& pki = made::shared_pki();
  for (const std::size_t i : {0, 31, 32, 63}) {
    ByteArray<64> other = expected_data();
    other[i] ^= 1;
    expect_only(made::verify_made(pki, good_report(pki), made::endorsements_of(pki), other),
                E::kReportData);
  }
}

TEST(SnpVerify, SaysThatReportDataWasNotCompared) {
  const SnpPki& pki = made::shared_pki();
  const auto verification =
      SnpVerifier({made::anchor_of(pki)})
          .verify(good_report(pki), made::endorsements_of(pki), std::nullopt, kNow);
  ASSERT_TRUE(verification.claims);
  EXPECT_EQ(made::holds(verification.checks, "snp.report_data"), std::nullopt);
}

// ---- Root ------------------------------------------------------------------------------------

TEST(SnpVerify, RejectsARootNobodyPinned) {
  const SnpPki& pki = made::shared_pki();
  for (const auto& anchors : {std::vector<TrustAnchor>{}, vendor_anchors()}) {
    const auto verification = SnpVerifier(anchors).verify(
        good_report(pki), made::endorsements_of(pki), expected_data(), kNow);
    expect_only(verification, E::kArkPinned);
    // Under such a root nothing else is worth saying.
    EXPECT_EQ(verification.checks.size(), 1U);
  }
}

TEST(SnpVerify, RejectsARootChangedBesideItsKey) {
  const SnpPki& pki = made::shared_pki();
  SnpEndorsements endorsements = made::endorsements_of(pki);
  endorsements.ark = with_last_byte_flipped(pki.ark());
  const auto verification = made::verify_made(pki, good_report(pki), endorsements, expected_data());
  EXPECT_TRUE(made::refused_by(verification.claims, E::kArkSelfSigned));
}

TEST(SnpVerify, NeverTakesASimulatedRootForAnotherOne) {
  const SnpPki& pki = made::shared_pki();
  for (const AnchorOrigin origin : {AnchorOrigin::kVendor, AnchorOrigin::kPrivate}) {
    EXPECT_TRUE(made::refused_by(
        SnpVerifier({made::anchor_of(pki, origin)})
            .verify(good_report(pki), made::endorsements_of(pki), expected_data(), kNow)
            .claims,
        E::kArkOrigin));
  }
  SnpPkiOptions options;
  options.simulated_oid = false;
  const SnpPki unmarked = made::make_pki(options);
  EXPECT_TRUE(verify(unmarked).claims);
  EXPECT_TRUE(made::refused_by(
      SnpVerifier({made::anchor_of(unmarked, AnchorOrigin::kSimulated)})
          .verify(good_report(unmarked), made::endorsements_of(unmarked), expected_data(), kNow)
          .claims,
      E::kArkOrigin));
}

TEST(SnpVerify, IsNotMisledByAnotherListingOfTheSameRoot) {
  const SnpPki& pki = made::shared_pki();
  const TrustAnchor good = made::anchor_of(pki);
  TrustAnchor product = good;
  product.product = "Genoa";
  const TrustAnchor origin = made::anchor_of(pki, AnchorOrigin::kPrivate);
  const auto judged = [&](std::vector<TrustAnchor> anchors) {
    return SnpVerifier(std::move(anchors))
        .verify(good_report(pki), made::endorsements_of(pki), expected_data(), kNow);
  };
  for (const TrustAnchor& bad : {product, origin}) {
    for (const auto& anchors : {std::vector{bad, good}, std::vector{good, bad}}) {
      const Verification verification = judged(anchors);
      ASSERT_TRUE(verification.claims) << verification.claims.error().to_string();
      EXPECT_EQ(verification.claims.value()->anchor, good);
    }
  }
  // Where none fits, the first of them explains.
  EXPECT_TRUE(made::refused_by(judged({origin, product}).claims, E::kArkOrigin));
  EXPECT_TRUE(made::refused_by(judged({product, origin}).claims, E::kChainNames));
}

TEST(SnpVerify, ShowsForeignNamesAsPlainShortText) {
  const auto expect_plain = [](const Verification& verification) {
    ASSERT_FALSE(verification.claims);
    std::vector<std::string> texts{verification.claims.error().detail()};
    for (const Check& check : verification.checks) {
      texts.insert(texts.end(), {check.expected, check.got});
    }
    for (const std::string& text : texts) {
      EXPECT_LT(text.size(), 700U) << text;
      EXPECT_TRUE(std::all_of(text.begin(), text.end(), [](char c) {
        return c >= 0x20 && c <= 0x7e;
      })) << text;
    }
  };
  const std::string name = "ARK-\033[2J\n" + std::string(50, '\033');
  static const auto key = RsaPrivateKey::generate(2048);
  CertificateBuilder builder;
  builder.subject_cn(name).serial(1).ca(-1, true);
  builder.validity(kNow - Millis(1000), kNow + Millis(1000));
  const SnpPki& pki = made::shared_pki();
  SnpEndorsements endorsements = made::endorsements_of(pki);
  endorsements.ark = builder.self_sign(key);
  const TrustAnchor listed{endorsements.ark.spki_sha256(), "Milan", AnchorOrigin::kPrivate};
  for (const auto& anchors : {std::vector<TrustAnchor>{}, std::vector{listed}}) {
    expect_plain(
        SnpVerifier(anchors).verify(good_report(pki), endorsements, expected_data(), kNow));
  }
  SnpEndorsements leaf = made::endorsements_of(pki);
  leaf.vek = endorsements.ark;
  expect_plain(made::verify_made(pki, good_report(pki), leaf, expected_data()));
}

// ---- Chain -----------------------------------------------------------------------------------

// The same keys, another intermediate: signatures below it still hold.
Certificate other_ask(const SnpPki& pki, const std::string& cn, bool critical_extension) {
  CertificateBuilder builder;
  builder.subject_cn(cn)
      .organisation("Engineering", "US", "Santa Clara", "CA", "Ensconce Simulated Processors")
      .serial(0x10002)
      .validity(kNow - std::chrono::hours(1), kNow + std::chrono::hours(1))
      .ca(0, false)
      .key(pki.ask_key());
  if (critical_extension) {
    builder.extension("1.2.3.4", Bytes{5, 0}, true);
  }
  return builder.issue(pki.ark(), pki.ark_key());
}

TEST(SnpVerify, RejectsAnIntermediateOfAnotherName) {
  const SnpPki& pki = made::shared_pki();
  SnpEndorsements endorsements = made::endorsements_of(pki);
  endorsements.ask = other_ask(pki, "SEV-Milan", false);
  ASSERT_TRUE(made::verify_made(pki, good_report(pki), endorsements, expected_data()).claims);
  for (const char* cn : {"SEV-Genoa", "SEV-VLEK-Milan"}) {
    endorsements.ask = other_ask(pki, cn, false);
    expect_only(made::verify_made(pki, good_report(pki), endorsements, expected_data()),
                E::kChainNames);
  }
}

TEST(SnpVerify, RejectsAnIntermediateThatIsNoCa) {
  SnpPkiOptions options;
  options.ask_without_ca = true;
  expect_only(verify(made::make_pki(options)), E::kChainCa);
}

TEST(SnpVerify, RejectsCriticalExtensionsItDoesNotKnow) {
  const SnpPki& pki = made::shared_pki();
  SnpEndorsements endorsements = made::endorsements_of(pki);
  endorsements.ask = other_ask(pki, "SEV-Milan", true);
  expect_only(made::verify_made(pki, good_report(pki), endorsements, expected_data()),
              E::kChainCriticalExtensions);
}

TEST(SnpVerify, RejectsAnIntermediateTheRootDidNotSign) {
  const SnpPki& pki = made::shared_pki();
  SnpEndorsements endorsements = made::endorsements_of(pki);
  endorsements.ask = with_last_byte_flipped(pki.ask());
  expect_only(made::verify_made(pki, good_report(pki), endorsements, expected_data()),
              E::kIntermediateSignature);
}

TEST(SnpVerify, RejectsAChipTheIntermediateDidNotSign) {
  const SnpPki& pki = made::shared_pki();
  SnpEndorsements endorsements = made::endorsements_of(pki);
  endorsements.vek = with_last_byte_flipped(pki.vek());
  expect_only(made::verify_made(pki, good_report(pki), endorsements, expected_data()),
              E::kVekSignature);
}

// ---- Certificate against report --------------------------------------------------------------

TEST(SnpVerify, RejectsAChipCertificateWithoutItsExtensions) {
  SnpPkiOptions options;
  options.vek_hwid = Bytes(7, 1);
  expect_only(verify(made::make_pki(options)), E::kVekExtensions);
}

TEST(SnpVerify, RejectsAKeyOnAnotherCurve) {
  SnpPkiOptions options;
  options.vek_on_p256 = true;
  const auto verification = verify(made::make_pki(options));
  expect_only(verification, E::kVekKey);
}

TEST(SnpVerify, RejectsAVlekForAVcekAndBack) {
  SnpPkiOptions options;
  options.key = SnpSigningKey::kVlek;
  const SnpPki vlek = made::make_pki(options);
  SnpReport report = made::report_for(vlek, expected_data());
  report.signing_key = SnpSigningKey::kVcek;
  const auto as_vcek = made::verify_made(vlek, made::signed_report(vlek, report),
                                         made::endorsements_of(vlek), expected_data());
  EXPECT_TRUE(made::refused_by(as_vcek.claims, E::kChainNames));
  EXPECT_EQ(made::holds(as_vcek.checks, "snp.vek.kind"), false);

  const SnpPki& vcek = made::shared_pki();
  report = made::report_for(vcek, expected_data());
  report.signing_key = SnpSigningKey::kVlek;
  const auto as_vlek = made::verify_made(vcek, made::signed_report(vcek, report),
                                         made::endorsements_of(vcek), expected_data());
  EXPECT_TRUE(made::refused_by(as_vlek.claims, E::kChainNames));
  EXPECT_EQ(made::holds(as_vlek.checks, "snp.vek.kind"), false);

  // A certificate that calls itself a VLEK and names a chip.
  options.vek_hwid = Bytes(64, 1);
  expect_only(verify(made::make_pki(options)), E::kVekKind);
}

TEST(SnpVerify, RejectsACertificateOfAnotherProduct) {
  for (const char* name : {"Genoa", "Milanese", "Mila", "Turin-B0"}) {
    SnpPkiOptions options;
    options.vek_product_name = name;
    expect_only(verify(made::make_pki(options)), E::kVekProduct);
  }
  SnpPkiOptions options;
  options.vek_product_name = "Milan-B0";
  EXPECT_TRUE(verify(made::make_pki(options)).claims);
}

TEST(SnpVerify, RejectsAReportOfAnotherProcessor) {
  const SnpPki& pki = made::shared_pki();
  for (const std::uint8_t model : {0x11, 0x20}) {  // Genoa; nothing we know
    SnpReport report = made::report_for(pki, expected_data());
    report.cpuid_model = model;
    expect_only(made::verify_made(pki, made::signed_report(pki, report), made::endorsements_of(pki),
                                  expected_data()),
                E::kVekProduct);
  }
}

TEST(SnpVerify, RejectsACertificateOfAnotherTcb) {
  for (int component = 0; component < 4; ++component) {
    SnpPkiOptions options;
    TcbVersion tcb{.fmc = std::nullopt, .bootloader = 4, .tee = 0, .snp = 24, .microcode = 219};
    options.tcb = tcb;
    (component == 0   ? tcb.bootloader
     : component == 1 ? tcb.tee
     : component == 2 ? tcb.snp
                      : tcb.microcode) += 1;
    options.vek_tcb = tcb;
    expect_only(verify(made::make_pki(options)), E::kVekTcb);
  }
  SnpPkiOptions turin;
  turin.product = SnpProduct::kTurin;
  turin.tcb = TcbVersion{.fmc = 1, .bootloader = 1, .tee = 1, .snp = 4, .microcode = 81};
  turin.vek_tcb = TcbVersion{.fmc = 2, .bootloader = 1, .tee = 1, .snp = 4, .microcode = 81};
  expect_only(verify(made::make_pki(turin)), E::kVekTcb);
}

TEST(SnpVerify, RejectsReservedTcbBytesTheCertificateDoesNotHave) {
  const SnpPki& pki = made::shared_pki();
  SnpReport report = made::report_for(pki, expected_data());
  report.reported_tcb[3] = 1;
  expect_only(made::verify_made(pki, made::signed_report(pki, report), made::endorsements_of(pki),
                                expected_data()),
              E::kVekTcb);
}

TEST(SnpVerify, RejectsACertificateOfAnotherChip) {
  SnpPkiOptions options;
  options.vek_hwid = Bytes(64, 9);
  expect_only(verify(made::make_pki(options)), E::kVekChipId);
  // 8 bytes are Turin's alone.
  options.chip_id = ByteArray<64>{1, 2, 3, 4, 5, 6, 7, 8};
  options.vek_hwid = Bytes{1, 2, 3, 4, 5, 6, 7, 8};
  expect_only(verify(made::make_pki(options)), E::kVekChipId);
  options.product = SnpProduct::kTurin;
  EXPECT_TRUE(verify(made::make_pki(options)).claims);
  // What follows Turin's eight bytes is zero.
  (*options.chip_id)[63] = 1;
  expect_only(verify(made::make_pki(options)), E::kVekChipId);
}

TEST(SnpVerify, RejectsAVcekForAMaskedChip) {
  SnpPkiOptions options;
  options.chip_id = ByteArray<64>{};
  options.vek_hwid = Bytes(64, 0);
  expect_only(verify(made::make_pki(options)), E::kVekChipId);
}

// ---- Validity and revocation -----------------------------------------------------------------

TEST(SnpVerify, RejectsCertificatesOutsideTheirTime) {
  SnpPkiOptions options;
  options.vek_not_before = kNow + Millis(1000);
  expect_only(verify(made::make_pki(options)), E::kCertNotYetValid);
  options = {};
  options.vek_not_after = kNow - Millis(1000);
  expect_only(verify(made::make_pki(options)), E::kCertExpired);
  options = {};
  options.ask_not_after = kNow - Millis(1000);
  expect_only(verify(made::make_pki(options)), E::kCertExpired);
  options = {};
  options.ark_not_after = kNow - Millis(1000);
  const auto verification = verify(made::make_pki(options));
  expect_only(verification, E::kCertExpired);
  ASSERT_FALSE(verification.claims);
  EXPECT_EQ(verification.claims.error().stage(), Stage::kRevocation);
}

Verification with_crl(const SnpPki& pki, const Bytes& crl, Instant now = kNow) {
  SnpEndorsements endorsements = made::endorsements_of(pki);
  endorsements.crls = {RevocationList::from_der(crl).value()};
  return made::verify_made(pki, good_report(pki), endorsements, expected_data(), now);
}

TEST(SnpVerify, RejectsARevokedIntermediate) {
  const SnpPki& pki = made::shared_pki();
  EXPECT_TRUE(with_crl(pki, pki.crl_der(kNow, {0x10002, 5})).claims);
  expect_only(with_crl(pki, pki.crl_der(kNow, {5, 0x10001})), E::kCrlRevoked);
}

TEST(SnpVerify, RejectsARevocationListOutsideItsTime) {
  const SnpPki& pki = made::shared_pki();
  expect_only(with_crl(pki, pki.crl_der(kNow - std::chrono::hours(24 * 60))), E::kCrlTime);
  expect_only(with_crl(pki, pki.crl_der(kNow + std::chrono::hours(2))), E::kCrlTime);
}

TEST(SnpVerify, RejectsARevocationListOfSomebodyElse) {
  static const SnpPki other = made::make_pki();  // of the same names
  expect_only(with_crl(made::shared_pki(), other.crl_der(kNow)), E::kCrlSignature);
  // Signed with the root's key, in another issuer's name.
  const SnpPki& pki = made::shared_pki();
  const Bytes foreign = CertificateBuilder::make_crl(pki.ask(), pki.ark_key(), kNow - Millis(1000),
                                                     kNow + std::chrono::hours(1), {});
  expect_only(with_crl(pki, foreign), E::kCrlSignature);
}

// The vendor has a list beside its VCEKs and one beside its VLEKs.
TEST(SnpVerify, JudgesEveryRevocationListOfTheRoot) {
  const SnpPki& pki = made::shared_pki();
  static const SnpPki other = made::make_pki();  // of the same names
  SnpEndorsements endorsements = made::endorsements_of(pki);
  const auto verify_with = [&](const Bytes& crl) {
    endorsements.crls.resize(1, endorsements.crls.front());
    endorsements.crls.push_back(RevocationList::from_der(crl).value());
    return made::verify_made(pki, good_report(pki), endorsements, expected_data());
  };
  const Instant before = kNow - std::chrono::hours(24 * 60);  // out of time, as the other is not
  EXPECT_TRUE(verify_with(pki.crl_der(before)).claims);
  expect_only(verify_with(pki.crl_der(before, {0x10001})), E::kCrlRevoked);
  expect_only(verify_with(other.crl_der(before)), E::kCrlSignature);
}

TEST(SnpVerify, SaysThatThereWasNoRevocationList) {
  const SnpPki& pki = made::shared_pki();
  SnpEndorsements endorsements = made::endorsements_of(pki);
  endorsements.crls.clear();
  const auto verification = made::verify_made(pki, good_report(pki), endorsements, expected_data());
  ASSERT_TRUE(verification.claims);
  EXPECT_FALSE(verification.claims.value()->crl_checked);
  EXPECT_EQ(made::holds(verification.checks, "snp.crl.revoked"), std::nullopt);
}

TEST(SnpVerify, EndsWithTheFirstOfItsEndorsements) {
  const SnpPki& pki = made::shared_pki();
  EXPECT_EQ(verify(pki).claims.value()->endorsed_until,
            made::endorsements_of(pki).crls.front().next_update());
  SnpEndorsements endorsements = made::endorsements_of(pki);
  endorsements.crls.clear();
  EXPECT_EQ(made::verify_made(pki, good_report(pki), endorsements, expected_data())
                .claims.value()
                ->endorsed_until,
            pki.vek().not_after());
}

// ---- The simulated PKI itself ----------------------------------------------------------------

TEST(SnpPki, IsTheSameAfterSavingAndLoading) {
  const SnpPki& pki = made::shared_pki();
  const auto dir =
      std::filesystem::temp_directory_path() / ("ensconce-pki-" + std::to_string(::getpid()));
  std::filesystem::create_directory(dir);
  ASSERT_TRUE(pki.save(dir));
  const auto loaded = SnpPki::load(dir);
  std::filesystem::remove_all(dir);
  ASSERT_TRUE(loaded) << loaded.error().to_string();
  EXPECT_EQ(loaded->vek(), pki.vek());
  EXPECT_EQ(loaded->report_template(), pki.report_template());
  EXPECT_TRUE(
      made::verify_made(pki, good_report(*loaded), made::endorsements_of(*loaded), expected_data())
          .claims);
}

}  // namespace
}  // namespace ensconce
