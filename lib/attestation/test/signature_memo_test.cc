#include "ensconce/attestation/verify/signature_memo.h"

#include <gtest/gtest.h>

#include "ensconce/attestation/verify/snp_verifier.h"
#include "made_snp.h"

namespace ensconce {
namespace {

using Scheme = Certificate::Scheme;
using E = AttestationError;

TEST(SignatureMemo, KeepsTheNewestAndForgetsTheOldest) {
  SignatureMemo memo(2);
  const Sha256Digest a{1};
  const Sha256Digest b{2};
  const Sha256Digest c{3};
  memo.learn(a);
  memo.learn(a);
  memo.learn(b);
  EXPECT_TRUE(memo.knows(a) && memo.knows(b));
  memo.learn(c);
  EXPECT_FALSE(memo.knows(a));
  EXPECT_TRUE(memo.knows(b) && memo.knows(c));
  SignatureMemo none(0);
  none.learn(a);
  EXPECT_FALSE(none.knows(a));
}

// What was learnt of one signature says nothing of another that differs in any part.
TEST(SignatureMemo, AnswersTheSameQuestionAlone) {
  SignatureMemo memo;
  const Signatures signatures(&memo);
  const EcPrivateKey key = EcPrivateKey::generate(Curve::kP256);
  const EcPrivateKey other = EcPrivateKey::generate(Curve::kP256);
  const Bytes message = to_bytes("message");
  Bytes signature = key.sign(message);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(signatures.ecdsa(key.public_key(), message, signature));
    EXPECT_FALSE(signatures.ecdsa(other.public_key(), message, signature));
    EXPECT_FALSE(signatures.ecdsa(key.public_key(), to_bytes("massage"), signature));
  }
  signature[63] ^= 1;
  EXPECT_FALSE(signatures.ecdsa(key.public_key(), message, signature));

  const SnpPki& pki = made::shared_pki();
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(signatures.certificate(pki.vek(), pki.ask(), Scheme::kRsaPssSha384));
    EXPECT_FALSE(signatures.certificate(pki.vek(), pki.ark(), Scheme::kRsaPssSha384));
    EXPECT_FALSE(signatures.certificate(pki.vek(), pki.ask(), Scheme::kEcdsaSha384));
    const RevocationList crl = RevocationList::from_der(pki.crl_der(made::kNow)).value();
    EXPECT_TRUE(signatures.list(crl, pki.ark(), Scheme::kRsaPssSha384));
    EXPECT_FALSE(signatures.list(crl, pki.ask(), Scheme::kRsaPssSha384));
  }
}

// A verifier with a memo says yes and no as one without: also to evidence it has seen before.
TEST(SignatureMemo, ChangesNoVerdict) {
  const SnpPki& pki = made::shared_pki();
  SignatureMemo memo;
  const SnpVerifier verifier({made::anchor_of(pki)}, &memo);
  const SnpReport report = made::signed_report(pki, made::report_for(pki, {}));
  const SnpEndorsements endorsements = made::endorsements_of(pki);
  const ByteArray<64> data{};
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(verifier.verify(report, endorsements, data, made::kNow).claims);
    SnpReport changed = report;
    changed.vmpl ^= 1;
    EXPECT_TRUE(verifier.verify(changed, endorsements, data, made::kNow)
                    .claims.error()
                    .is(E::kReportSignature));
    EXPECT_TRUE(verifier.verify(report, endorsements, ByteArray<64>{1}, made::kNow)
                    .claims.error()
                    .is(E::kReportData));
    EXPECT_TRUE(
        verifier.verify(report, endorsements, data, made::kNow + std::chrono::hours(24 * 365 * 30))
            .claims.error()
            .is(E::kCertExpired));
    SnpEndorsements revoked = endorsements;
    revoked.crls = {RevocationList::from_der(pki.crl_der(made::kNow, {0x10001})).value()};
    EXPECT_TRUE(
        verifier.verify(report, revoked, data, made::kNow).claims.error().is(E::kCrlRevoked));
  }
}

}  // namespace
}  // namespace ensconce
