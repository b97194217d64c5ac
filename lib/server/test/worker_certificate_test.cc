#include "worker_certificate.h"

#include <gtest/gtest.h>

#include "ensconce/attestation/evidence/ra_tls.h"
#include "ensconce/attestation/evidence/statement.h"
#include "ensconce/attestation/verify/ra_tls_verifier.h"
#include "ensconce/sim/snp_pki.h"

namespace ensconce {
namespace {

constexpr Instant kNow{1'790'000'000'000};  // 2026-09-21

const SnpPki& chip() {
  static const SnpPki made = [] {
    SnpPkiOptions options;
    options.rsa_bits = 2048;
    SystemRandom random;
    return SnpPki::generate(options, random, kNow);
  }();
  return made;
}

class WorkerCertificate : public ::testing::Test {
 protected:
  WorkerCertificate() {
    Statement says;
    says.tls_key_hash = sha384(key_.public_key().spki_der());
    says.keys.tls = {says.tls_key_hash};
    says.keys.release = key_.public_key().point();
    says.software = "ensconce-worker test";
    says.security = {"none", "shared", "none", {Ed25519PublicKey{}}, Ed25519PublicKey{}};
    statement_ = encode_statement(says);
    SnpReport report = chip().report_template();
    report.report_data = report_data_for(statement_);
    evidence_ = {"snp", chip().sign_report(report)};
  }

  [[nodiscard]] Certificate made() const {
    return Certificate::from_der(make_worker_certificate(key_, clock_, evidence_, statement_))
        .value();
  }

  ManualClock clock_{kNow};
  EcPrivateKey key_ = EcPrivateKey::generate(Curve::kP256);
  Bytes statement_;
  EvidenceItem evidence_;
};

TEST_F(WorkerCertificate, CarriesEvidenceThatVouchesForItsKey) {
  const auto ra_tls = parse_ra_tls(made());
  ASSERT_TRUE(ra_tls) << ra_tls.error().to_string();
  EXPECT_EQ(ra_tls->evidence, evidence_);
  EXPECT_EQ(ra_tls->claims->buffer, statement_);
  const TrustAnchor anchor{chip().ark().spki_sha256(), "Milan", AnchorOrigin::kSimulated};
  const auto verification =
      RaTlsVerifier({anchor}).verify(*ra_tls, chip().endorsements(chip().crl_der(kNow)), {}, kNow);
  EXPECT_TRUE(verification.claims) << verification.claims.error().to_string();
}

TEST_F(WorkerCertificate, IsOfTheKeyAndOfToday) {
  const Certificate certificate = made();
  EXPECT_EQ(certificate.spki_der(), key_.public_key().spki_der());
  EXPECT_LT(certificate.not_before(), kNow);
  EXPECT_GT(certificate.not_after(), kNow);
}

TEST_F(WorkerCertificate, CarriesNothingWhereThereIsNoForm) {
  evidence_.type = "azure-snp";
  EXPECT_FALSE(carries_ra_tls(made()));
}

}  // namespace
}  // namespace ensconce
