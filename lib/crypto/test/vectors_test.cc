#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "ensconce/base/file.h"
#include "ensconce/codec/json.h"
#include "ensconce/crypto/aead.h"
#include "ensconce/crypto/hash.h"
#include "ensconce/crypto/x509.h"

// Real certificates and public suites, from a folder beside the checkout or in ENSCONCE_VECTORS.
namespace ensconce {
namespace {

constexpr std::size_t kMaxVectorFile = std::size_t{64} * 1024 * 1024;

class Vectors : public testing::Test {
 protected:
  void SetUp() override {
    if (const char* given = std::getenv("ENSCONCE_VECTORS"); given != nullptr) {
      root_ = given;
    } else if (const char* source = std::getenv("ENSCONCE_SOURCE_DIR"); source != nullptr) {
      root_ = std::filesystem::path(source).parent_path() / "shared" / "vectors";
    }
    if (root_.empty() || !std::filesystem::is_directory(root_)) {
      GTEST_SKIP() << "no vectors: set ENSCONCE_VECTORS to their folder";
    }
  }

  [[nodiscard]] Bytes file(const std::filesystem::path& name) const {
    return read_file(root_ / name, kMaxVectorFile).value();
  }
  [[nodiscard]] Certificate certificate(const std::filesystem::path& name) const {
    auto out = Certificate::from_der(file(name));
    EXPECT_TRUE(out.has_value()) << name << ": " << out.error().to_string();
    return out.value();
  }
  [[nodiscard]] json::Value document(const std::filesystem::path& name) const {
    json::Limits limits;
    limits.max_bytes = kMaxVectorFile;
    return json::parse(as_text(file(name)), limits).value();
  }

  std::filesystem::path root_;
};

std::string text(const json::Value& object, std::string_view name) {
  return object.find(name)->as_text(name).value();
}
Bytes hex(const json::Value& object, std::string_view name) {
  return from_hex(text(object, name)).value();
}
std::int64_t number(const json::Value& object, std::string_view name) {
  return object.find(name)->as_int(name).value();
}
const json::Array& list(const json::Value& object, std::string_view name) {
  return *object.find(name)->as_array(name).value();
}

TEST_F(Vectors, AcceptsTheChainsOfRealProcessors) {
  constexpr auto kPss = Certificate::Scheme::kRsaPssSha384;
  for (const std::string product : {"milan", "genoa", "turin"}) {
    const Certificate ark = certificate("snp/anchors/ark_" + product + ".der");
    EXPECT_TRUE(ark.is_ca() && ark.may_sign_certificates() && ark.may_sign_crls());
    EXPECT_TRUE(ark.self_issued());
    EXPECT_TRUE(ark.verify_signed_by(ark, kPss).has_value());
    for (const std::string kind : {"ask_", "asvk_"}) {
      const Certificate ca = certificate("snp/anchors/" + kind + product + ".der");
      EXPECT_TRUE(ca.is_ca() && ca.may_sign_certificates() && !ca.may_sign_crls());
      EXPECT_TRUE(ca.issued_by_name(ark));
      EXPECT_TRUE(ca.verify_signed_by(ark, kPss).has_value());
      EXPECT_EQ(ca.verify_signed_by(ca, kPss).has_value(), false);
    }
  }
  int leaves = 0;
  for (const auto& entry : std::filesystem::directory_iterator(root_ / "snp/reports")) {
    const std::string name = entry.path().filename().string();
    if (entry.path().extension() != ".der") {
      continue;
    }
    const std::string product = name.substr(0, name.find('-'));
    const bool vlek = name.find(".vlek.") != std::string::npos;
    const Certificate leaf = certificate(entry.path());
    const Certificate ca =
        certificate(std::string("snp/anchors/") + (vlek ? "asvk_" : "ask_") + product + ".der");
    EXPECT_TRUE(leaf.issued_by_name(ca)) << name;
    EXPECT_TRUE(leaf.verify_signed_by(ca, kPss).has_value()) << name;
    EXPECT_EQ(leaf.ec_public_key().value().curve(), Curve::kP384) << name;
    EXPECT_EQ(leaf.subject_cn(), vlek ? "SEV-VLEK" : "SEV-VCEK");
    EXPECT_EQ(leaf.serial(), Bytes{0}) << name;
    EXPECT_TRUE(leaf.extension("1.3.6.1.4.1.3704.1.3.1").has_value()) << name;
    EXPECT_EQ(leaf.extension("1.3.6.1.4.1.3704.1.4").has_value(), !vlek) << name;
    ++leaves;
  }
  EXPECT_GE(leaves, 10);
  EXPECT_EQ(to_hex(certificate("snp/anchors/ark_milan.der").spki_sha256()),
            "9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9");
  EXPECT_EQ(certificate("snp/reports/milan-v3-vcek-aci.vcek.der").not_after(),
            from_rfc3339("2033-02-05T01:04:33Z").value());
}

TEST_F(Vectors, ReadsTheRevocationListOfARealVendor) {
  const auto crl = RevocationList::from_der(file("snp/crl/genoa-20241023.crl.der")).value();
  const Certificate ark = certificate("snp/anchors/ark_genoa.der");
  EXPECT_TRUE(crl.issued_by_name(ark));
  EXPECT_TRUE(crl.verify_signed_by(ark, Certificate::Scheme::kRsaPssSha384).has_value());
  EXPECT_TRUE(crl.verify_signed_by(certificate("snp/anchors/ark_milan.der"),
                                   Certificate::Scheme::kRsaPssSha384)
                  .error()
                  .is(CryptoError::kChain));
  EXPECT_EQ(crl.this_update(), from_rfc3339("2024-10-23T04:36:24Z").value());
  EXPECT_EQ(crl.next_update(), from_rfc3339("2025-11-03T01:00:00Z").value());
  EXPECT_FALSE(crl.lists(certificate("snp/anchors/ask_genoa.der")));
  // The retired intermediate it names had serial 0x20001.
  CertificateBuilder retired;
  const auto key = EcPrivateKey::generate(Curve::kP256);
  EXPECT_TRUE(crl.lists(
      retired.subject_cn("x").serial(0x20001).validity(Instant{0}, Instant{1000}).self_sign(key)));
}

TEST_F(Vectors, ReadsTheCertificatesAndListsOfTheOtherVendor) {
  const Certificate root = certificate("intel/anchors/intel_sgx_root_ca.der");
  const Certificate platform = certificate("intel/anchors/pck_platform_ca.der");
  EXPECT_TRUE(root.verify_signed_by(root, Certificate::Scheme::kEcdsaSha256).has_value());
  EXPECT_TRUE(platform.verify_signed_by(root, Certificate::Scheme::kEcdsaSha256).has_value());
  EXPECT_TRUE(platform.issued_by_name(root));
  const std::filesystem::path set = "intel/collateral/tdx-90C06F000000-2026-02";
  const auto crl = RevocationList::from_der(file(set / "root_ca_crl.der")).value();
  EXPECT_TRUE(crl.verify_signed_by(root, Certificate::Scheme::kEcdsaSha256).has_value());
  EXPECT_FALSE(crl.lists(platform));
  const auto chain =
      Certificate::many_from_pem(as_text(file(set / "tcb_signing_chain.pem"))).value();
  EXPECT_EQ(chain.size(), 2U);
}

TEST_F(Vectors, AgreesWithWycheproofOnAesGcm) {
  int num = 0;
  const json::Value suite = document("wycheproof/aes_gcm_test.json");
  for (const json::Value& group : list(suite, "testGroups")) {
    if (number(group, "keySize") != 256 || number(group, "ivSize") != 96 ||
        number(group, "tagSize") != 128) {
      continue;
    }
    for (const json::Value& test : list(group, "tests")) {
      const bool valid = text(test, "result") == "valid";
      Aes256Gcm aead(Aes256Key::from(hex(test, "key")).value());
      const Bytes message = hex(test, "msg");
      const Bytes sealed = concat({hex(test, "ct"), hex(test, "tag")});
      Bytes out(sealed.size() - Aes256Gcm::kTagLen);
      const auto result = aead.open(hex(test, "iv"), hex(test, "aad"), sealed, out);
      EXPECT_EQ(result.has_value(), valid) << number(test, "tcId");
      if (valid) {
        EXPECT_EQ(out, message) << number(test, "tcId");
        Bytes again(sealed.size());
        aead.seal(hex(test, "iv"), hex(test, "aad"), message, again);
        EXPECT_EQ(again, sealed) << number(test, "tcId");
      }
      ++num;
    }
  }
  EXPECT_GT(num, 50);
}

TEST_F(Vectors, AgreesWithWycheproofOnEcdsa) {
  int num = 0;
  for (const auto& [name, curve] :
       {std::pair{"ecdsa_secp256r1_sha256_p1363_test.json", Curve::kP256},
        std::pair{"ecdsa_secp384r1_sha384_p1363_test.json", Curve::kP384}}) {
    const json::Value suite = document(std::filesystem::path("wycheproof") / name);
    for (const json::Value& group : list(suite, "testGroups")) {
      const auto key =
          EcPublicKey::from_point(curve, hex(*group.find("publicKey"), "uncompressed")).value();
      EXPECT_EQ(key.spki_der(), hex(group, "publicKeyDer"));
      for (const json::Value& test : list(group, "tests")) {
        EXPECT_EQ(ecdsa_verify(key, hex(test, "msg"), hex(test, "sig")).has_value(),
                  text(test, "result") == "valid")
            << name << " " << number(test, "tcId");
        ++num;
      }
    }
  }
  EXPECT_GT(num, 400);
}

TEST_F(Vectors, AgreesWithWycheproofOnHkdf) {
  int num = 0;
  const json::Value suite = document("wycheproof/hkdf_sha256_test.json");
  for (const json::Value& group : list(suite, "testGroups")) {
    for (const json::Value& test : list(group, "tests")) {
      if (text(test, "result") != "valid") {
        continue;  // longer than HKDF can give: a broken invariant here
      }
      Bytes out(static_cast<std::size_t>(number(test, "size")));
      hkdf_sha256(hex(test, "ikm"), hex(test, "salt"), hex(test, "info"), out);
      EXPECT_EQ(out, hex(test, "okm")) << number(test, "tcId");
      ++num;
    }
  }
  EXPECT_GT(num, 50);
}

}  // namespace
}  // namespace ensconce
