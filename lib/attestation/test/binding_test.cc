#include "ensconce/attestation/verify/binding.h"

#include <gtest/gtest.h>

#include "ensconce/crypto/jose.h"
#include "made_snp.h"

namespace ensconce {
namespace {

using E = AttestationError;

TEST(Binding, PairsAStatementWithItsEvidence) {
  const Statement statement = made::statement();
  const Bytes bytes = encode_statement(statement);
  const auto bound = StatementBinder::bind_statement(
      made::verified(made::shared_pki(), report_data_for(bytes)), bytes);
  ASSERT_TRUE(bound.attested) << bound.attested.error().to_string();
  EXPECT_EQ(bound.attested.value()->statement, statement);
  EXPECT_EQ(bound.attested.value()->statement_sha256, sha256(bytes));
  EXPECT_EQ(bound.attested.value()->binding, BindingKind::kStatement);
}

TEST(Binding, RejectsAnotherStatement) {
  const Bytes bytes = encode_statement(made::statement());
  const auto evidence = made::verified(made::shared_pki(), report_data_for(bytes));
  Statement other = made::statement();
  other.keys.session.bytes[0] ^= 1;
  const auto bound = StatementBinder::bind_statement(evidence, encode_statement(other));
  ASSERT_FALSE(bound.attested);
  EXPECT_TRUE(made::refused_by(bound.attested, E::kStatementBinding));
}

// The upper half of the report data is not free for somebody else's use.
TEST(Binding, RejectsReportDataThatIsNotZeroBehindTheHash) {
  const Bytes bytes = encode_statement(made::statement());
  ByteArray<64> data = report_data_for(bytes);
  data[63] = 1;
  const auto bound =
      StatementBinder::bind_statement(made::verified(made::shared_pki(), data), bytes);
  EXPECT_TRUE(made::refused_by(bound.attested, E::kStatementBinding));
}

TEST(Binding, RejectsAStatementOfAnotherForm) {
  const Bytes bytes{0xa0};
  const auto bound = StatementBinder::bind_statement(
      made::verified(made::shared_pki(), report_data_for(bytes)), bytes);
  EXPECT_TRUE(made::refused_by(bound.attested, E::kStatementForm));
}

// ---- RCAR ------------------------------------------------------------------------------------

class RcarBinding : public testing::Test {
 protected:
  static std::string runtime_data(const Statement& statement, const EcPublicKey& tee_pubkey) {
    return rcar_runtime_data(rcar_additional_evidence(encode_statement(statement)), "nonce-1",
                             jwk_of(tee_pubkey))
        .value();
  }
  static EcPublicKey release_key() {
    return EcPublicKey::from_point(Curve::kP256, made::statement().keys.release).value();
  }
  static BindingVerification bind(const std::string& data, std::string_view nonce = "nonce-1") {
    return StatementBinder::bind_rcar(made::verified(made::shared_pki(), rcar_report_data(data)),
                                      data, nonce);
  }
};

TEST_F(RcarBinding, PairsTheStatementInsideTheRuntimeData) {
  const auto bound = bind(runtime_data(made::statement(), release_key()));
  ASSERT_TRUE(bound.attested) << bound.attested.error().to_string();
  EXPECT_EQ(bound.attested.value()->statement, made::statement());
  EXPECT_EQ(bound.attested.value()->binding, BindingKind::kRcar);
}

TEST_F(RcarBinding, RejectsRuntimeDataTheHardwareDidNotSign) {
  const std::string data = runtime_data(made::statement(), release_key());
  Statement other = made::statement();
  other.security.tenancy = "single";
  const auto bound =
      StatementBinder::bind_rcar(made::verified(made::shared_pki(), rcar_report_data(data)),
                                 runtime_data(other, release_key()), "nonce-1");
  EXPECT_TRUE(made::refused_by(bound.attested, E::kRcarBinding));
}

TEST_F(RcarBinding, RejectsEvidenceBoundToTheStatementAlone) {
  const std::string data = runtime_data(made::statement(), release_key());
  const auto evidence =
      made::verified(made::shared_pki(), report_data_for(encode_statement(made::statement())));
  EXPECT_TRUE(made::refused_by(StatementBinder::bind_rcar(evidence, data, "nonce-1").attested,
                               E::kRcarBinding));
}

TEST_F(RcarBinding, RejectsAnotherForm) {
  const auto bound = bind(rcar_runtime_data("", "nonce-1", jwk_of(release_key())).value());
  EXPECT_TRUE(made::refused_by(bound.attested, E::kRcarForm));
}

TEST_F(RcarBinding, RejectsAnotherNonce) {
  const std::string data = runtime_data(made::statement(), release_key());
  EXPECT_TRUE(made::refused_by(bind(data, "nonce-2").attested, E::kRcarNonce));
  EXPECT_TRUE(made::refused_by(bind(data, "").attested, E::kRcarNonce));
}

TEST_F(RcarBinding, RejectsAKeyThatIsNotTheStatementsReleaseKey) {
  const auto other = EcPrivateKey::generate(Curve::kP256).public_key();
  EXPECT_TRUE(
      made::refused_by(bind(runtime_data(made::statement(), other)).attested, E::kRcarTeePubkey));
}

TEST_F(RcarBinding, RejectsAStatementOfAnotherForm) {
  const std::string data =
      rcar_runtime_data(rcar_additional_evidence(Bytes{0xa0}), "nonce-1", jwk_of(release_key()))
          .value();
  EXPECT_TRUE(made::refused_by(bind(data).attested, E::kStatementForm));
}

}  // namespace
}  // namespace ensconce
