#include "ensconce/tee/endorsed_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "ensconce/attestation/evidence/snp_report.h"
#include "ensconce/sim/intel_pki.h"
#include "ensconce/sim/snp_pki.h"

namespace ensconce {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Instant kNow{1'780'000'000'000};

SnpPki made_chip(Random& random, SnpProduct product = SnpProduct::kMilan) {
  SnpPkiOptions options;
  options.product = product;
  options.rsa_bits = 2048;
  return SnpPki::generate(options, random, kNow);
}

class Fixed final : public EvidenceProvider {
 public:
  explicit Fixed(Result<HardwareEvidence> evidence) : evidence_(std::move(evidence)) {}
  Result<HardwareEvidence> attest(const ByteArray<64>& /*report_data*/) override {
    return evidence_;
  }
  [[nodiscard]] std::string name() const override { return "fixed"; }

 private:
  Result<HardwareEvidence> evidence_;
};

class Endorsed : public ::testing::Test {
 protected:
  Endorsed() {
    std::string name = (fs::temp_directory_path() / "ensc-endorsed-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
  }
  ~Endorsed() override { fs::remove_all(root_); }

  void file(const std::string& name, ByteView bytes) const {
    std::ofstream(root_ / name) << as_text(bytes);
  }
  void files(const std::vector<EndorsementItem>& items) const {
    for (std::size_t i = 0; i < items.size(); ++i) {
      file(std::to_string(i) + ".bin", items[i].data);
    }
  }
  [[nodiscard]] Result<HardwareEvidence> with(Result<HardwareEvidence> evidence) const {
    return EndorsedProvider(std::make_unique<Fixed>(std::move(evidence)), root_).attest({});
  }

  fs::path root_;
  SeededRandom random_{1};
};

TEST_F(Endorsed, GivesAQuoteTheCollateralThatItsDeviceDoesNotHave) {
  const IntelPki pki = IntelPki::generate({}, random_, kNow);
  const Bytes quote = write_intel_quote(pki.sign(pki.td_quote_template()));
  const HardwareEvidence bare{{"tdx", quote}, {}, {"tcb_info"}};
  EXPECT_FALSE(with(bare)->missing.empty());
  files(pki.endorsements(true, kNow));
  file("README", as_bytes("not an endorsement\n"));
  const auto evidence = with(bare);
  ASSERT_TRUE(evidence) << evidence.error().to_string();
  EXPECT_THAT(evidence->missing, IsEmpty());
  EXPECT_EQ(evidence->evidence.data, quote);
}

TEST_F(Endorsed, OfAPoolTakesWhatBelongsToTheReport) {
  const SnpPki chip = made_chip(random_);
  const SnpPki other = made_chip(random_, SnpProduct::kGenoa);
  const Bytes report = chip.sign_report(chip.report_template());
  std::vector<EndorsementItem> pool = chip.endorsements(chip.crl_der(kNow));
  const std::size_t own = pool.size();
  const auto strange = other.endorsements({});
  pool.insert(pool.end(), strange.begin(), strange.end());
  files(pool);
  const auto evidence = with(HardwareEvidence{{"snp", report}, {pool.front()}, {}});
  ASSERT_TRUE(evidence) << evidence.error().to_string();
  EXPECT_THAT(evidence->missing, IsEmpty());
  EXPECT_EQ(evidence->endorsements.size(), own);
}

TEST_F(Endorsed, IsReadAnewEachTime) {
  const SnpPki chip = made_chip(random_);
  const HardwareEvidence bare{{"snp", chip.sign_report(chip.report_template())}, {}, {}};
  EXPECT_EQ(with(bare)->missing.size(), 4U);
  files(chip.endorsements({}));
  EXPECT_THAT(with(bare)->missing, ElementsAre("crl"));
}

TEST_F(Endorsed, RefusesADirectoryThatCannotBeReadOrHoldsTooMuch) {
  const HardwareEvidence bare{{"tdx", {}}, {}, {}};
  const SnpPki chip = made_chip(random_);
  const Bytes certificate = chip.endorsements({}).front().data;
  for (int i = 0; i < 200; ++i) {
    file("more" + std::to_string(i), certificate);
  }
  EXPECT_TRUE(with(bare).error().is(TeeError::kEndorsements));
  fs::remove_all(root_);
  EXPECT_TRUE(with(bare).error().is(TeeError::kEndorsements));
}

TEST_F(Endorsed, HandsOverNoMoreThanADocumentTakes) {
  const SnpPki chip = made_chip(random_);
  const HardwareEvidence bare{{"tdx", {}}, {}, {}};
  for (std::size_t i = 0; i < kMaxEndorsementItems; ++i) {
    file("list" + std::to_string(i), chip.crl_der(kNow + Millis(3'600'000) * static_cast<int>(i)));
  }
  EXPECT_EQ(with(bare)->endorsements.size(), kMaxEndorsementItems);
  file("one-more", chip.crl_der(kNow - Millis(3'600'000)));
  EXPECT_TRUE(with(bare).error().is(TeeError::kEndorsements));
}

TEST_F(Endorsed, PassesOnWhatTheDeviceSays) {
  EXPECT_TRUE(with(Error(TeeError::kBusy, "busy")).error().is(TeeError::kBusy));
}

}  // namespace
}  // namespace ensconce
