// Real reports and chains of real processors, at the time given beside each.

#include <gtest/gtest.h>

#include "ensconce/attestation/evidence/cert_table.h"
#include "ensconce/attestation/result/render.h"
#include "ensconce/attestation/verify/snp_verifier.h"
#include "made_snp.h"
#include "vector_files.h"

namespace ensconce {
namespace {

namespace fs = std::filesystem;
using E = AttestationError;
using vector_files::changed;
using vector_files::file;
using vector_files::json_file;
using vector_files::text;

fs::path vectors() { return vector_files::root() / "snp"; }

Certificate certificate(const fs::path& path) { return Certificate::from_der(file(path)).value(); }

class RealSnp : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(vectors())) {
      GTEST_SKIP() << "no vectors at " << vectors() << "; set ENSCONCE_VECTORS";
    }
  }

  static Verification verify(const SnpReport& report, const fs::path& vek, const fs::path& ask,
                             const fs::path& ark, Instant at) {
    const SnpEndorsements endorsements{certificate(vek), certificate(ask), certificate(ark), {}};
    return SnpVerifier(vendor_anchors()).verify(report, endorsements, report.report_data, at);
  }

  // Each member of `expected` stands in `got` with the same value.
  static void expect_contains(const json::Value& got, const json::Value& expected,
                              const std::string& where) {
    for (const auto& [name, value] : **expected.as_object(where)) {
      if (name == "reserved_all_zero") {
        continue;  // a report with another value does not parse
      }
      const json::Value* mine = got.find(name);
      ASSERT_NE(mine, nullptr) << where << "." << name;
      if (value.is_object()) {
        expect_contains(*mine, value, where + "." + name);
      } else {
        EXPECT_EQ(*mine, value) << where << "." << name << ": " << json::write(*mine);
      }
    }
  }
};

TEST_F(RealSnp, ReportsGiveTheirOutcomeAndFields) {
  int count = 0;
  for (const auto& entry : fs::directory_iterator(vectors() / "reports")) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(".expected.json")) {
      continue;
    }
    SCOPED_TRACE(name);
    ++count;
    const json::Value vector = json_file(entry.path());
    const json::Value& expected = *vector.find("expected");
    const json::Value& files = *vector.find("files");
    const fs::path dir = entry.path().parent_path();
    const Bytes bytes = file(dir / text(files, "report"));
    const auto report = parse_snp_report(bytes);
    ASSERT_TRUE(report) << report.error().to_string();
    EXPECT_EQ(write_snp_report(*report), bytes);
    if (report->version >= 3 && vector.find("kds_vcek_path") != nullptr) {
      EXPECT_EQ(kds_vcek_path(*report), text(vector, "kds_vcek_path"));
    }
    const json::Value& decoded = *vector.find("decoded");
    expect_contains(claims_to_json(*report, snp_product_from_name(text(decoded, "product"))),
                    decoded, "decoded");
    if (text(expected, "outcome") == "PARSE_ONLY") {
      continue;
    }
    ASSERT_EQ(text(expected, "outcome"), "VALID");
    const json::Value& chain = *vector.find("chain");
    const fs::path vek = dir / text(files, files.find("vcek") == nullptr ? "vlek" : "vcek");
    const fs::path ask = vectors() / "anchors" / text(chain, "intermediate");
    const fs::path ark = vectors() / "anchors" / text(chain, "ark");
    const auto at = [&](const char* key) { return from_rfc3339(text(expected, key)).value(); };
    const auto verification = verify(*report, vek, ask, ark, at("verify_at"));
    ASSERT_TRUE(verification.claims) << verification.claims.error().to_string();
    EXPECT_EQ(verification.claims.value()->anchor.origin, AnchorOrigin::kVendor);

    const Millis second(1000);
    EXPECT_TRUE(verify(*report, vek, ask, ark, at("valid_from")).claims);
    EXPECT_TRUE(verify(*report, vek, ask, ark, at("valid_to")).claims);
    EXPECT_TRUE(verify(*report, vek, ask, ark, at("valid_from") - second)
                    .claims.error()
                    .is(E::kCertNotYetValid));
    EXPECT_TRUE(
        verify(*report, vek, ask, ark, at("valid_to") + second).claims.error().is(E::kCertExpired));
  }
  EXPECT_GE(count, 11);
}

TEST_F(RealSnp, AzureReportIsVerified) {
  const fs::path dir = vectors() / "azure";
  const auto report = parse_snp_report(file(dir / "milan-v2-vcek-azure.report.bin")).value();
  EXPECT_TRUE(verify(report, dir / "milan-v2-vcek-azure.vcek.der",
                     vectors() / "anchors/ask_milan.der", vectors() / "anchors/ark_milan.der",
                     from_rfc3339("2023-06-01T21:22:19Z").value())
                  .claims);
}

TEST_F(RealSnp, MixedChainsAreRefused) {
  const json::Value list = json_file(vectors() / "negative/mutations.json");
  const fs::path dir = vectors() / "negative";
  for (const json::Value& c : **list.find("chain_cases")->as_array("chain_cases")) {
    const std::string expect = text(c, "expect");
    SCOPED_TRACE(expect);
    const auto report = parse_snp_report(file(dir / text(c, "report"))).value();
    const fs::path vek = dir / text(c, "vek");
    const std::string product =
        std::string(name_of(report.cpuid_product().value_or(SnpProduct::kMilan)));
    std::string lower = product;
    lower[0] = static_cast<char>(lower[0] - 'A' + 'a');
    const bool vlek = report.signing_key == SnpSigningKey::kVlek;
    const fs::path ask = c.find("intermediate") != nullptr
                             ? dir / text(c, "intermediate")
                             : vectors() / "anchors" / ((vlek ? "asvk_" : "ask_") + lower + ".der");
    const fs::path ark = c.find("ark") != nullptr
                             ? dir / text(c, "ark")
                             : vectors() / "anchors" / ("ark_" + lower + ".der");
    const Instant at = c.find("time") != nullptr
                           ? from_rfc3339(text(c, "time")).value()
                           : certificate(vek).not_before() + Millis(3'600'000);
    const auto verification = verify(report, vek, ask, ark, at);
    ASSERT_FALSE(verification.claims);
    const auto failed = [&](E code) {
      return made::holds(verification.checks, error_info(code).id) == false;
    };
    if (expect.starts_with("VEK_SIGNATURE_INVALID")) {
      EXPECT_TRUE(failed(E::kVekSignature));
    } else if (expect.starts_with("INTERMEDIATE_SIGNATURE_INVALID")) {
      EXPECT_TRUE(failed(E::kIntermediateSignature));
    } else if (expect.starts_with("REPORT_SIGNATURE_INVALID")) {
      EXPECT_TRUE(verification.claims.error().is(E::kReportSignature));
    } else if (expect.starts_with("VEK_EXPIRED")) {
      EXPECT_TRUE(verification.claims.error().is(E::kCertExpired));
    } else if (expect.starts_with("VEK_NOT_YET_VALID")) {
      EXPECT_TRUE(verification.claims.error().is(E::kCertNotYetValid));
    } else {
      ADD_FAILURE() << "a class of failure this test does not know";
    }
  }
}

TEST_F(RealSnp, MutationsAreRefused) {
  const json::Value list = json_file(vectors() / "negative/mutations.json");
  const fs::path dir = vectors() / "negative";
  for (const json::Value& c : **list.find("mutations")->as_array("mutations")) {
    const std::string expect = text(c, "expect");
    SCOPED_TRACE(expect);
    const fs::path base = dir / text(c, "base");
    const Bytes bytes = changed(file(base), *c.find("ops"));
    const auto report = parse_snp_report(bytes);
    if (!report) {
      EXPECT_EQ(report.error().stage(), Stage::kForm);
      EXPECT_TRUE(expect.find("FORMAT_INVALID") != std::string::npos);
      continue;
    }
    std::string stem = base.filename().string();
    stem.resize(stem.size() - std::string(".report.bin").size());
    const json::Value vector = json_file(base.parent_path() / (stem + ".expected.json"));
    const json::Value& files = *vector.find("files");
    const json::Value& chain = *vector.find("chain");
    const auto verification = verify(
        *report, base.parent_path() / text(files, files.find("vcek") == nullptr ? "vlek" : "vcek"),
        vectors() / "anchors" / text(chain, "intermediate"),
        vectors() / "anchors" / text(chain, "ark"),
        from_rfc3339(text(*vector.find("expected"), "verify_at")).value());
    ASSERT_FALSE(verification.claims);
    EXPECT_EQ(made::holds(verification.checks, "snp.signature"), false);
  }
}

TEST_F(RealSnp, BadCertificatesAreRefused) {
  const fs::path dir = vectors() / "negative";
  const auto report =
      parse_snp_report(file(vectors() / "reports/milan-v3-vcek-aci.report.bin")).value();
  const Instant at = from_rfc3339("2026-03-07T01:04:33Z").value();
  for (const char* name : {"milan-vcek-invalid-legacy.der", "milan-vcek-invalid-new.der"}) {
    EXPECT_TRUE(parse_snp_vek_extensions(certificate(dir / name))) << name;
    const auto verification = verify(report, dir / name, vectors() / "anchors/ask_milan.der",
                                     vectors() / "anchors/ark_milan.der", at);
    ASSERT_FALSE(verification.claims);
    EXPECT_EQ(made::holds(verification.checks, "snp.chain.vek_signature"), false) << name;
  }
  const auto turin = parse_snp_report(file(vectors() / "reports/turin-v5-vcek.report.bin")).value();
  EXPECT_TRUE(verify(turin, dir / "turin-vcek-of-another-chip.der",
                     vectors() / "anchors/ask_turin.der", vectors() / "anchors/ark_turin.der", at)
                  .claims.error()
                  .is(E::kReportSignature));
  const auto azure = parse_snp_report(file(dir / "milan-v2-azure-wrong-chip.report.bin")).value();
  const auto verification =
      verify(azure, dir / "milan-v2-azure-wrong-chip.vcek.der", vectors() / "anchors/ask_milan.der",
             vectors() / "anchors/ark_milan.der", at);
  EXPECT_TRUE(verification.claims.error().is(E::kReportSignature));
  EXPECT_EQ(made::holds(verification.checks, "snp.vek.chip_id"), false);
}

TEST_F(RealSnp, CertTableGivesTheChainOfItsReport) {
  const Bytes table = file(vectors() / "cert_table/genoa-tsm-auxblob.bin");
  const auto entries = parse_cert_table(table).value();
  EXPECT_EQ(entries.size(), 3U);
  EXPECT_EQ(write_cert_table(entries), table);
  auto items = endorsements_from_cert_table(table).value();
  EXPECT_EQ(missing_snp_endorsements(items), std::vector<std::string>{"crl"});
  items.push_back({"application/pkix-crl", file(vectors() / "crl/genoa-20241023.crl.der")});
  const auto endorsements = collect_snp_endorsements(items);
  ASSERT_TRUE(endorsements) << endorsements.error().to_string();
  const auto report =
      parse_snp_report(file(vectors() / "reports/genoa-v3-vcek-tsm.report.bin")).value();
  const SnpVerifier verifier(vendor_anchors());
  const auto verify_at = [&](const char* at) {
    return verifier.verify(report, *endorsements, report.report_data, from_rfc3339(at).value());
  };
  const auto fresh = verify_at("2025-05-20T18:31:36Z");
  ASSERT_TRUE(fresh.claims) << fresh.claims.error().to_string();
  EXPECT_TRUE(fresh.claims.value()->crl_checked);
  EXPECT_TRUE(verify_at("2025-11-04T01:00:00Z").claims.error().is(E::kCrlTime));
}

TEST_F(RealSnp, VendorAnchorsAreTheRealRoots) {
  for (const TrustAnchor& anchor : vendor_anchors()) {
    std::string lower = anchor.product;
    lower[0] = static_cast<char>(lower[0] - 'A' + 'a');
    const auto root =
        certificate(anchor.product == kIntelProduct
                        ? vectors().parent_path() / "intel/anchors/intel_sgx_root_ca.der"
                        : vectors() / "anchors" / ("ark_" + lower + ".der"));
    EXPECT_EQ(root.spki_sha256(), anchor.spki_sha256);
    EXPECT_FALSE(is_marked_simulated(root));
  }
}

}  // namespace
}  // namespace ensconce
