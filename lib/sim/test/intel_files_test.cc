#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "ensconce/attestation/verify/intel_verifier.h"
#include "ensconce/base/file.h"
#include "ensconce/sim/intel_pki.h"
#include "ensconce/sim/sgx_signer.h"

namespace ensconce {
namespace {

namespace fs = std::filesystem;

constexpr Instant kNow{1'790'000'000'000};

class IntelFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "ensc-intel-files-XXXXXX").string();
    dir_ = mkdtemp(pattern.data());
  }
  void TearDown() override { fs::remove_all(dir_); }
  fs::path dir_;
};

TEST_F(IntelFiles, GiveBackTheSameVendorAndPlatform) {
  SeededRandom random(4);
  const IntelPki made = IntelPki::generate({}, random, kNow);
  ASSERT_TRUE(made.save(dir_));
  const auto loaded = IntelPki::load(dir_);
  ASSERT_TRUE(loaded) << loaded.error().to_string();
  EXPECT_EQ(loaded->root_pem(), made.root_pem());
  EXPECT_EQ(loaded->td_quote_template(), made.td_quote_template());
  EXPECT_EQ(loaded->sgx_quote_template(), made.sgx_quote_template());

  // A quote of the one verifies with the endorsements of the other: keys and certificates fit.
  const IntelQuote quote = loaded->sign(loaded->td_quote_template());
  const auto endorsements = collect_intel_endorsements(quote, made.endorsements(true, kNow));
  ASSERT_TRUE(endorsements) << endorsements.error().to_string();
  const IntelVerifier verifier({{made.root().spki_sha256(), "Intel", AnchorOrigin::kSimulated}});
  const auto verified = verifier.verify(quote, *endorsements, std::nullopt, kNow);
  EXPECT_TRUE(verified.claims) << verified.claims.error().to_string();
}

TEST_F(IntelFiles, AreForTheirOwnerAloneAndWholeOrRefused) {
  SeededRandom random(4);
  ASSERT_TRUE(IntelPki::generate({}, random, kNow).save(dir_));
  for (const char* name :
       {"root.key", "pck_ca.key", "pck.key", "tcb_signing.key", "attestation.key"}) {
    struct stat st {};
    ASSERT_EQ(stat((dir_ / name).c_str(), &st), 0) << name;
    EXPECT_EQ(st.st_mode & 0777U, 0600U) << name;
  }
  chmod((dir_ / "pck.key").c_str(), 0644);
  EXPECT_FALSE(IntelPki::load(dir_)) << "a key that others may read";
  chmod((dir_ / "pck.key").c_str(), 0600);
  EXPECT_TRUE(IntelPki::load(dir_));
  fs::remove(dir_ / "attestation.key");
  EXPECT_FALSE(IntelPki::load(dir_));
}

TEST_F(IntelFiles, TheSignerStaysTheSame) {
  const SgxSigner made = SgxSigner::generate();
  ASSERT_TRUE(made.save(dir_));
  const auto loaded = SgxSigner::load(dir_);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->mr_signer(), made.mr_signer());
  EXPECT_NE(SgxSigner::generate().mr_signer(), made.mr_signer());
}

}  // namespace
}  // namespace ensconce
