#include "ensconce/tee/detect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace ensconce {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Detect : public ::testing::Test {
 protected:
  Detect() {
    std::string name = (fs::temp_directory_path() / "ensc-detect-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    settings_.tsm_root = root_ / "tsm";
    settings_.sev_guest = root_ / "sev-guest";
    settings_.gramine_root = root_ / "attestation";
    settings_.tpm = root_ / "tpm";
  }
  ~Detect() override { fs::remove_all(root_); }

  void file(const char* at) {
    fs::create_directories((root_ / at).parent_path());
    std::ofstream(root_ / at) << "x";
  }
  Result<std::unique_ptr<EvidenceProvider>> make() {
    return make_evidence_provider(settings_, clock_, random_,
                                  [this](const std::string& line) { said_ = line; });
  }

  fs::path root_;
  AttesterSettings settings_;
  ManualClock clock_{Instant{1'700'000'000'000}};
  SeededRandom random_{1};
  std::string said_;
};

TEST_F(Detect, FindsNothingAndSaysWhatWouldHelp) {
  const Detection detection = detect_attester(settings_);
  EXPECT_FALSE(detection.chosen);
  EXPECT_EQ(detection.findings.size(), 4U);
  for (const AttesterFinding& one : detection.findings) {
    EXPECT_FALSE(one.there);
    EXPECT_FALSE(one.remedy.empty()) << name_of(one.kind);
  }
  const auto provider = make();
  ASSERT_FALSE(provider);
  EXPECT_TRUE(provider.error().is(TeeError::kNoDevice));
  for (const char* name : {"gramine", "configfs-tsm", "sev-guest", "azure-vtpm"}) {
    EXPECT_THAT(provider.error().to_string(), HasSubstr(name));
  }
}

TEST_F(Detect, ChoosesInItsOrderAndSaysWhy) {
  file("sev-guest");
  EXPECT_EQ(detect_attester(settings_).chosen, AttesterKind::kSevGuest);
  fs::create_directories(root_ / "tsm/report");
  EXPECT_EQ(detect_attester(settings_).chosen, AttesterKind::kConfigfsTsm);
  ASSERT_TRUE(make());
  EXPECT_EQ((*make())->name(), "configfs-tsm");
  EXPECT_THAT(said_, HasSubstr("configfs-tsm at " + (root_ / "tsm/report").string()));
  EXPECT_THAT(said_, HasSubstr("not here: gramine"));
  file("attestation/attestation_type");
  EXPECT_EQ(detect_attester(settings_).chosen, AttesterKind::kGramine);
  EXPECT_EQ(detect_attester(settings_).findings.size(), 4U);
  EXPECT_EQ(detect_attester(settings_, DetectionScope::kToTheFirst).findings.size(), 1U);
}

TEST_F(Detect, LeavesNothingInTheTreeItLookedAt) {
  fs::create_directories(root_ / "tsm/report");
  EXPECT_EQ(detect_attester(settings_).chosen, AttesterKind::kConfigfsTsm);
  EXPECT_TRUE(fs::is_empty(root_ / "tsm/report"));
}

// As on a kernel that knows configfs-tsm where no guest driver serves it: no request can be made.
TEST_F(Detect, ATreeThatNobodyServesIsNotThere) {
  fs::create_directories(root_ / "tsm");
  file("sev-guest");
  std::ofstream(root_ / "tsm/report") << "no directory, so that making a request fails";
  const Detection detection = detect_attester(settings_);
  EXPECT_EQ(detection.chosen, AttesterKind::kSevGuest);
  EXPECT_THAT(detection.findings[1].found, HasSubstr("no guest driver"));
}

TEST_F(Detect, ATpmAloneIsNoConfidentialVm) {
  file("tpm");
  EXPECT_FALSE(detect_attester(settings_).chosen);
}

TEST_F(Detect, TakesWhatTheConfigurationSaysWithoutLooking) {
  for (const AttesterKind kind : {AttesterKind::kConfigfsTsm, AttesterKind::kSevGuest,
                                  AttesterKind::kGramine, AttesterKind::kAzureVtpm}) {
    settings_.attester = kind;
    const auto provider = make();
    ASSERT_TRUE(provider);
    EXPECT_EQ((*provider)->name(), name_of(kind));
    EXPECT_TRUE((*provider)->attest({}).error().is(TeeError::kNoDevice));
  }
}

}  // namespace
}  // namespace ensconce
