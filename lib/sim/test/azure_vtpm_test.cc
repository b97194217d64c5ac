#include "ensconce/sim/azure_vtpm.h"

#include <gtest/gtest.h>

#include "ensconce/crypto/hash.h"
#include "ensconce/crypto/keys.h"
#include "ensconce/sim/snp_pki.h"

namespace ensconce {
namespace {

TEST(AzureVtpm, MakesEvidenceThatHangsTogether) {
  SeededRandom random(9);
  SnpPkiOptions options;
  options.rsa_bits = 2048;
  const SnpPki pki = SnpPki::generate(options, random, Instant{1'790'000'000'000});
  const AzureVtpm vtpm = AzureVtpm::generate();
  const Bytes extra(32, 0x5a);
  const AzureEvidence made = vtpm.on_snp(pki, pki.report_template(), vtpm.runtime_data(), extra);
  const auto evidence = parse_azure_evidence(write_azure_evidence(made));
  ASSERT_TRUE(evidence) << evidence.error().to_string();
  EXPECT_EQ(evidence->vcek, pki.vek().der());

  const auto hcl = parse_hcl_report(evidence->hcl_report);
  ASSERT_TRUE(hcl) << hcl.error().to_string();
  EXPECT_EQ(hcl->runtime_data, vtpm.runtime_data());
  const auto report = parse_snp_report(hcl->hardware_report);
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_TRUE(equal(ByteView(report->report_data).first(32), sha256(as_bytes(hcl->runtime_data))));
  EXPECT_TRUE(all_zero(ByteView(report->report_data).subspan(32)));

  const auto claims = parse_runtime_claims(hcl->runtime_data);
  ASSERT_TRUE(claims) << claims.error().to_string();
  const auto key = RsaPublicKey::from_modulus(claims->ak_modulus, claims->ak_exponent).value();
  EXPECT_TRUE(rsa_pkcs1_sha256_verify(key, evidence->tpm_message, evidence->tpm_signature));
  const auto attest = parse_tpm_attest(evidence->tpm_message);
  ASSERT_TRUE(attest) << attest.error().to_string();
  EXPECT_EQ(attest->extra_data, extra);
  EXPECT_EQ(attest->pcr_select, 0xffffffU);
  Bytes all;
  for (const ByteArray<32>& pcr : evidence->pcrs) {
    all = concat({all, pcr});
  }
  EXPECT_TRUE(equal(attest->pcr_digest, sha256(all)));
}

TEST(AzureVtpm, HasAKeyOfItsOwn) {
  const AzureVtpm a = AzureVtpm::generate();
  const AzureVtpm b = AzureVtpm::generate();
  EXPECT_NE(a.runtime_data(), b.runtime_data());
  EXPECT_EQ(a.runtime_data(), a.runtime_data());
  EXPECT_NE(a.sign_attest(Bytes{1}), b.sign_attest(Bytes{1}));
}

}  // namespace
}  // namespace ensconce
