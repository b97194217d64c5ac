#include "ensconce/attestation/policy/trust_anchor_file.h"

#include <gtest/gtest.h>

#include "ensconce/attestation/evidence/error.h"
#include "ensconce/codec/base64.h"
#include "made_snp.h"

namespace ensconce {
namespace {

std::string pem(const Certificate& certificate) {
  return "-----BEGIN CERTIFICATE-----\n" + base64_encode(certificate.der()) +
         "\n-----END CERTIFICATE-----\n";
}

Certificate root_named(const std::string& cn) {
  static const auto key = RsaPrivateKey::generate(2048);
  CertificateBuilder builder;
  builder.subject_cn(cn).serial(1).validity(made::kNow, made::kNow + Millis(1000)).ca(-1, true);
  return builder.self_sign(key);
}

TEST(TrustAnchor, VendorRootsAreThreeOfAmdAndOneOfIntel) {
  std::vector<std::string> products;
  for (const TrustAnchor& anchor : vendor_anchors()) {
    EXPECT_EQ(anchor.origin, AnchorOrigin::kVendor);
    products.push_back(anchor.product);
  }
  EXPECT_EQ(products, (std::vector<std::string>{"Milan", "Genoa", "Turin", "Intel"}));
}

// The simulator may not include verify/, so it spells the OID itself.
TEST(TrustAnchor, OfTheSimulatorIsSimulated) {
  const auto anchors = trust_anchors_from_pem(made::shared_pki().ark_pem());
  ASSERT_TRUE(anchors) << anchors.error().to_string();
  EXPECT_EQ(*anchors, std::vector{made::anchor_of(made::shared_pki())});
}

TEST(TrustAnchor, WithoutTheMarkIsPrivate) {
  const auto anchors = trust_anchors_from_pem(pem(root_named("ARK-Genoa")));
  ASSERT_TRUE(anchors) << anchors.error().to_string();
  EXPECT_EQ(anchors->front().origin, AnchorOrigin::kPrivate);
  EXPECT_EQ(anchors->front().product, "Genoa");
}

TEST(TrustAnchor, OfIntelHasOneNameForEveryPlatform) {
  const auto anchors = trust_anchors_from_pem(pem(root_named("Intel SGX Root CA")));
  ASSERT_TRUE(anchors) << anchors.error().to_string();
  EXPECT_EQ(anchors->front().origin, AnchorOrigin::kPrivate);
  EXPECT_EQ(anchors->front().product, kIntelProduct);
}

TEST(TrustAnchor, IsARootOfAProduct) {
  for (const std::string& bad :
       {pem(made::shared_pki().ask()), pem(made::shared_pki().vek()), pem(root_named("ARK-Rome")),
        pem(root_named("Milan")), pem(root_named("Intel SGX Root CA 2")), std::string(),
        std::string("no PEM")}) {
    const auto anchors = trust_anchors_from_pem(bad);
    ASSERT_FALSE(anchors);
    EXPECT_TRUE(anchors.error().is(EvidenceError::kEndorsementForm));
  }
}

}  // namespace
}  // namespace ensconce
