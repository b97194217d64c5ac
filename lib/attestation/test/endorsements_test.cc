#include <gtest/gtest.h>

#include <algorithm>

#include "ensconce/attestation/endorsements/snp_endorsements.h"
#include "ensconce/codec/der.h"
#include "made_snp.h"

namespace ensconce {
namespace {

std::vector<EndorsementItem> good() {
  return made::shared_pki().endorsements(made::shared_pki().crl_der(made::kNow));
}

TEST(SnpEndorsements, AreSortedByContentInAnyOrder) {
  std::vector<EndorsementItem> items = good();
  std::reverse(items.begin(), items.end());
  const auto sorted = collect_snp_endorsements(items);
  ASSERT_TRUE(sorted) << sorted.error().to_string();
  EXPECT_EQ(sorted->vek, made::shared_pki().vek());
  EXPECT_EQ(sorted->ask, made::shared_pki().ask());
  EXPECT_EQ(sorted->ark, made::shared_pki().ark());
  EXPECT_EQ(sorted->crls.size(), 1U);
}

TEST(SnpEndorsements, TakeTheSameItemTwiceAsOne) {
  std::vector<EndorsementItem> items = good();
  items.push_back(items.front());
  EXPECT_TRUE(collect_snp_endorsements(items));
}

TEST(SnpEndorsements, RejectTwoForOneRole) {
  static const SnpPki other = made::make_pki();
  for (const EndorsementItem& extra : other.endorsements({})) {
    std::vector<EndorsementItem> items = good();
    items.push_back(extra);
    EXPECT_TRUE(collect_snp_endorsements(items).error().is(EvidenceError::kEndorsementDuplicate));
  }
}

TEST(SnpEndorsements, RejectWhatPlaysNoRole) {
  const auto key = EcPrivateKey::generate(Curve::kP256);
  CertificateBuilder builder;
  builder.subject_cn("somebody").serial(1).validity(made::kNow, made::kNow + Millis(1000));
  builder.key(key.public_key());
  const Certificate stranger =
      builder.issue(made::shared_pki().ask(), made::shared_pki().ask_key());
  std::vector<EndorsementItem> items = good();
  items.push_back({"application/pkix-cert", stranger.der()});
  EXPECT_TRUE(collect_snp_endorsements(items).error().is(EvidenceError::kEndorsementUnknown));
  items.back() = {"text/plain", {1}};
  EXPECT_TRUE(collect_snp_endorsements(items).error().is(EvidenceError::kEndorsementUnknown));
}

TEST(SnpEndorsements, RejectARoleLeftEmpty) {
  for (std::size_t i = 0; i < 3; ++i) {
    std::vector<EndorsementItem> items = good();
    items.erase(items.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_TRUE(collect_snp_endorsements(items).error().is(EvidenceError::kEndorsementMissing));
  }
}

TEST(SnpEndorsements, RejectWhatDoesNotParse) {
  for (const char* type : {"application/pkix-cert", "application/pkix-crl"}) {
    EXPECT_TRUE(collect_snp_endorsements(std::vector<EndorsementItem>{{type, {0x30, 0x00}}})
                    .error()
                    .is(EvidenceError::kEndorsementForm));
  }
  EXPECT_TRUE(collect_snp_endorsements(std::vector<EndorsementItem>(17, good().front()))
                  .error()
                  .is(EvidenceError::kEndorsementForm));
}

TEST(SnpEndorsements, AreSelectedFromAPool) {
  SnpPkiOptions options;
  options.product = SnpProduct::kGenoa;
  static const SnpPki genoa = made::make_pki(options);
  options = {};
  options.tcb =
      TcbVersion{.fmc = std::nullopt, .bootloader = 1, .tee = 0, .snp = 1, .microcode = 1};
  static const SnpPki older = made::make_pki(options);
  std::vector<EndorsementItem> pool = genoa.endorsements(genoa.crl_der(made::kNow));
  for (const EndorsementItem& item : good()) {
    pool.push_back(item);
  }
  pool.push_back({"application/pkix-cert", older.vek().der()});
  pool.push_back({"application/octet-stream", {1, 2, 3}});
  const Bytes later = made::shared_pki().crl_der(made::kNow + Millis(60'000));
  pool.push_back({"application/pkix-crl", later});
  const SnpReport report = made::report_for(made::shared_pki(), {});
  const auto sorted = collect_snp_endorsements(select_snp_endorsements(report, pool));
  ASSERT_TRUE(sorted) << sorted.error().to_string();
  EXPECT_EQ(sorted->vek, made::shared_pki().vek());
  EXPECT_EQ(sorted->ask, made::shared_pki().ask());
  EXPECT_EQ(sorted->ark, made::shared_pki().ark());
  ASSERT_EQ(sorted->crls.size(), 2U);  // this root's two, and not the other product's
  EXPECT_EQ(sorted->crls.front().der(), later);
  // Nothing that fits: what is there is left for the verifier to judge.
  EXPECT_EQ(select_snp_endorsements(report, genoa.endorsements({})).size(), 3U);
}

TEST(SnpEndorsements, AreNotSelectedWithoutALeaf) {
  std::vector<EndorsementItem> pool = good();
  pool.erase(pool.begin());
  const SnpReport report = made::report_for(made::shared_pki(), {});
  EXPECT_TRUE(select_snp_endorsements(report, pool).empty());
}

TEST(SnpEndorsements, RejectAListInThePoolThatDoesNotParse) {
  const SnpReport report = made::report_for(made::shared_pki(), {});
  std::vector<EndorsementItem> pool = good();
  EXPECT_TRUE(snp_endorsements_for(report, pool));
  pool.push_back({std::string(kCertificateType), {0x30, 0x00}});
  EXPECT_TRUE(snp_endorsements_for(report, pool));
  pool.push_back({std::string(kCrlType), {0x30, 0x00}});
  const auto refused = snp_endorsements_for(report, pool);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(EvidenceError::kEndorsementForm));
}

// A list that was changed so that it is nobody's would no longer revoke.
TEST(SnpEndorsements, RejectAListWhoseIssuerIsNotHere) {
  SnpPkiOptions options;
  options.product = SnpProduct::kGenoa;
  static const SnpPki genoa = made::make_pki(options);
  const SnpReport report = made::report_for(made::shared_pki(), {});
  std::vector<EndorsementItem> pool = good();
  pool.push_back({std::string(kCrlType), genoa.crl_der(made::kNow)});
  const auto refused = snp_endorsements_for(report, pool);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(EvidenceError::kEndorsementUnknown));
  EXPECT_NE(refused.error().detail().find("ARK-Genoa"), std::string::npos);
  pool.push_back({std::string(kCertificateType), genoa.ark().der()});
  EXPECT_TRUE(snp_endorsements_for(report, pool));
}

TEST(SnpEndorsements, RejectAPoolWithoutEnd) {
  const SnpReport report = made::report_for(made::shared_pki(), {});
  std::vector<EndorsementItem> pool = good();
  const std::size_t own = pool.size();
  pool.resize(own + 200, {"application/octet-stream", {1}});
  EXPECT_TRUE(snp_endorsements_for(report, pool));
  pool.resize(own);
  pool.resize(64, pool.front());
  EXPECT_TRUE(snp_endorsements_for(report, pool));
  pool.push_back(pool.front());
  const auto refused = snp_endorsements_for(report, pool);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(EvidenceError::kEndorsementForm));
}

TEST(SnpEndorsements, SayWhereTheVendorHasTheChipsCertificate) {
  SnpReport report;
  report.cpuid_family = 0x1a;
  report.cpuid_model = 2;
  report.chip_id = {0x59, 0x79, 0x0f, 0xb1, 0xc3, 0x9f, 0x35, 0xc1};
  report.reported_tcb = {1, 1, 1, 4, 0, 0, 0, 181};
  EXPECT_EQ(kds_vcek_path(report),
            "/vcek/v1/Turin/59790fb1c39f35c1?fmcSPL=01&blSPL=01&teeSPL=01&snpSPL=04&ucodeSPL=181");
  report.signing_key = SnpSigningKey::kVlek;
  EXPECT_EQ(kds_vcek_path(report), std::nullopt);
  report.signing_key = SnpSigningKey::kVcek;
  report.chip_id = {};
  EXPECT_EQ(kds_vcek_path(report), std::nullopt);
}

// ---- Extensions ------------------------------------------------------------------------------

constexpr std::string_view kArc = "1.3.6.1.4.1.3704.1.";

// A leaf with the extensions of Milan, of which one is left out or replaced.
Certificate leaf(std::string_view suffix, std::optional<Bytes> value) {
  static const auto key = EcPrivateKey::generate(Curve::kP384);
  CertificateBuilder builder;
  builder.subject_cn("SEV-VCEK").serial(0).validity(made::kNow, made::kNow + Millis(1000));
  builder.key(key.public_key());
  const auto put = [&](std::string_view at, Bytes content) {
    if (at != suffix) {
      builder.extension(std::string(kArc) + std::string(at), std::move(content));
    }
  };
  put("1", der::write_small_uint(0));
  put("2", der::write_ia5_string("Milan-B0"));
  for (const char* at : {"3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.7"}) {
    put(at, der::write_small_uint(3));
  }
  put("3.8", der::write_small_uint(219));
  put("4", Bytes(64, 0xcd));
  if (value.has_value()) {
    builder.extension(std::string(kArc) + std::string(suffix), *value);
  }
  return builder.issue(made::shared_pki().ask(), made::shared_pki().ask_key());
}

TEST(SnpVekExtensions, AreRead) {
  const auto read = parse_snp_vek_extensions(leaf("9", Bytes{5, 0}));
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_EQ(read->product_name, "Milan-B0");
  EXPECT_EQ(read->bootloader, 3);
  EXPECT_EQ(read->microcode, 219);
  EXPECT_EQ(read->hwid, Bytes(64, 0xcd));
  EXPECT_FALSE(read->fmc.has_value());
  EXPECT_FALSE(read->csp_id.has_value());
}

TEST(SnpVekExtensions, TakeAnOctetStringAroundTheHwid) {
  const auto wrapped = der::write_element(der::kOctetString, Bytes(64, 0xab));
  EXPECT_EQ(parse_snp_vek_extensions(leaf("4", wrapped)).value().hwid, Bytes(64, 0xab));
  EXPECT_EQ(parse_snp_vek_extensions(leaf("4", Bytes(8, 0xab))).value().hwid, Bytes(8, 0xab));
}

TEST(SnpVekExtensions, RejectWhatIsMissingOrOfAnotherForm) {
  for (const char* at : {"1", "2", "3.1", "3.2", "3.3", "3.5", "3.6", "3.7", "3.8"}) {
    EXPECT_TRUE(parse_snp_vek_extensions(leaf(at, std::nullopt))
                    .error()
                    .is(EvidenceError::kEndorsementForm))
        << at;
    EXPECT_TRUE(parse_snp_vek_extensions(leaf(at, Bytes{0x05, 0x00}))
                    .error()
                    .is(EvidenceError::kEndorsementForm))
        << at;
  }
  EXPECT_TRUE(parse_snp_vek_extensions(leaf("3.8", der::write_small_uint(256)))
                  .error()
                  .is(EvidenceError::kEndorsementForm));
  for (const std::size_t len : {0, 7, 9, 63, 65, 66}) {
    EXPECT_TRUE(parse_snp_vek_extensions(leaf("4", Bytes(len, 1)))
                    .error()
                    .is(EvidenceError::kEndorsementForm))
        << len;
  }
}

}  // namespace
}  // namespace ensconce
