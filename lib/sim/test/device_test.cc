#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <thread>

#include "ensconce/attestation/endorsements/snp_endorsements.h"
#include "ensconce/attestation/evidence/cert_table.h"
#include "ensconce/attestation/verify/snp_verifier.h"
#include "ensconce/sim/tsm_device.h"
#include "own_code.h"

namespace ensconce {
namespace {

namespace fs = std::filesystem;

constexpr Instant kNow{1'790'000'000'000};

TEST(Mappings, PicksExecutableFilesOnly) {
  const auto mappings = parse_executable_mappings(
      "55d0-55d1 r--p 00000000 08:01 11                         /p/bin/worker\n"
      "55d1-55d2 r-xp 00001000 08:01 11                         /p/bin/worker\n"
      "7f00-7f01 rwxp 00000000 00:00 0 \n"
      "7f02-7f03 r-xp 00000000 00:05 77                         /memfd:x (deleted)\n"
      "7ffe-7fff r-xp 00000000 00:00 0                          [vdso]\n");
  ASSERT_EQ(mappings.size(), 2U);
  EXPECT_EQ(mappings[0].key, "08:01 11 /p/bin/worker");
  EXPECT_EQ(mappings[1].path, "/memfd:x (deleted)");
}

TEST(ProcessGate, AdmitsTheThreadsOfOneProcessAndNoOther) {
  ProcessGate gate(own_code());
  EXPECT_FALSE(gate.admits(getpid())) << "not armed";
  ASSERT_TRUE(gate.arm(getpid()));
  EXPECT_TRUE(gate.admits(getpid()));
  std::thread([&] { EXPECT_TRUE(gate.admits(gettid())); }).join();
  EXPECT_FALSE(gate.admits(getppid()));
  EXPECT_FALSE(gate.admits(1));
  EXPECT_FALSE(gate.admits(0));
  EXPECT_FALSE(gate.admits(-1));
  gate.disarm();
  EXPECT_FALSE(gate.admits(getpid()));
  EXPECT_TRUE(gate.verify_code().error().is(SimError::kForeignCode));
}

TEST(ProcessGate, AcceptsAProcessThatRunsOnlyMeasuredCode) {
  ProcessGate gate(own_code());
  ASSERT_TRUE(gate.learn_code());
  ASSERT_TRUE(gate.arm(getpid()));
  EXPECT_TRUE(gate.verify_code());
  EXPECT_TRUE(gate.verify_code()) << "again";
}

TEST(ProcessGate, RejectsEachFileThatWasNotMeasured) {
  const std::vector<fs::path> all = own_code();
  for (const fs::path& left_out : all) {
    std::vector<fs::path> code;
    std::copy_if(all.begin(), all.end(), std::back_inserter(code),
                 [&](const fs::path& path) { return path != left_out; });
    ProcessGate gate(code);
    ASSERT_TRUE(gate.learn_code());
    ASSERT_TRUE(gate.arm(getpid()));
    const auto verified = gate.verify_code();
    ASSERT_FALSE(verified) << left_out;
    EXPECT_TRUE(verified.error().is(SimError::kForeignCode));
  }
}

TEST(ProcessGate, CannotLearnAFileThatIsNotThere) {
  ProcessGate gate({"/nowhere/worker"});
  EXPECT_TRUE(gate.learn_code().error().is(SimError::kStage));
}

class DeviceTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    SeededRandom random(1);
    SnpPkiOptions options;
    options.rsa_bits = 2048;
    pki_ = std::make_unique<SnpPki>(SnpPki::generate(options, random, kNow));
  }
  static void TearDownTestSuite() { pki_.reset(); }

  DeviceTest() {
    measurement_.fill(0x77);
    chip_ = std::make_unique<SimulatedChip>(*pki_, measurement_, clock_, random_);
    device_ = std::make_unique<TsmDevice>(*chip_, gate_);
    EXPECT_TRUE(gate_.learn_code());
    EXPECT_TRUE(gate_.arm(getpid()));
  }

  std::string text(std::string_view attribute) {
    return std::string(as_text(device_->read("r", attribute).bytes));
  }

  static inline std::unique_ptr<SnpPki> pki_;
  ManualClock clock_{kNow};
  SeededRandom random_{2};
  ByteArray<48> measurement_{};
  ProcessGate gate_{own_code()};
  std::unique_ptr<SimulatedChip> chip_;
  std::unique_ptr<TsmDevice> device_;
};

TEST_F(DeviceTest, ReportVerifiesUnderTheSimulatedRootAlone) {
  ByteArray<64> asked{};
  asked.fill(0x11);
  ASSERT_EQ(device_->make("r"), 0);
  ASSERT_EQ(device_->write("r", "inblob", asked), 0);
  const DeviceAnswer outblob = device_->read("r", "outblob");
  const DeviceAnswer auxblob = device_->read("r", "auxblob");
  ASSERT_EQ(outblob.bytes.size(), kSnpReportLen);
  const auto report = parse_snp_report(outblob.bytes);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->report_data, asked);
  EXPECT_EQ(report->measurement, measurement_);
  EXPECT_EQ(report->vmpl, 0U);
  EXPECT_TRUE(all_zero(report->host_data));
  EXPECT_FALSE(report->debug_allowed());

  const auto items = endorsements_from_cert_table(auxblob.bytes);
  ASSERT_TRUE(items);
  EXPECT_TRUE(missing_snp_endorsements(*items).empty());
  const auto endorsements = collect_snp_endorsements(*items);
  ASSERT_TRUE(endorsements);
  const SnpVerifier own({{pki_->ark().spki_sha256(), "Milan", AnchorOrigin::kSimulated}});
  const auto verified = own.verify(*report, *endorsements, asked, kNow);
  ASSERT_TRUE(verified.claims) << verified.claims.error().to_string();
  EXPECT_FALSE(SnpVerifier(vendor_anchors()).verify(*report, *endorsements, asked, kNow).claims);
}

TEST_F(DeviceTest, ReportIdIsOfTheRun) {
  SimulatedChip other(*pki_, measurement_, clock_, random_);
  const auto a = *parse_snp_report(chip_->report({}, 0));
  EXPECT_EQ(parse_snp_report(chip_->report({}, 0))->report_id, a.report_id);
  EXPECT_NE(parse_snp_report(other.report({}, 0))->report_id, a.report_id);
}

TEST_F(DeviceTest, CountsWritesAsGeneration) {
  ASSERT_EQ(device_->make("r"), 0);
  EXPECT_EQ(text("generation"), "0\n");
  EXPECT_EQ(device_->write("r", "inblob", Bytes(64)), 0);
  EXPECT_EQ(text("generation"), "1\n");
  EXPECT_EQ(device_->write("r", "privlevel", as_bytes("2\n")), 0);
  EXPECT_EQ(text("generation"), "2\n");
  EXPECT_EQ(parse_snp_report(device_->read("r", "outblob").bytes)->vmpl, 2U);
  EXPECT_EQ(text("provider"), "sev_guest\n");
  EXPECT_EQ(text("privlevel_floor"), "0\n");
}

TEST_F(DeviceTest, RefusesAReportWithoutSixtyFourBytesOfReportData) {
  ASSERT_EQ(device_->make("r"), 0);
  EXPECT_EQ(device_->read("r", "outblob").error, EINVAL);
  EXPECT_EQ(device_->write("r", "inblob", Bytes(63)), 0);
  EXPECT_EQ(device_->read("r", "outblob").error, EINVAL);
  EXPECT_EQ(device_->write("r", "inblob", Bytes(65)), EINVAL);
  EXPECT_EQ(device_->write("r", "inblob", {}), EINVAL);
}

TEST_F(DeviceTest, RefusesAReportWhenForeignCodeRuns) {
  ProcessGate strict({"/proc/self/exe"});
  ASSERT_TRUE(strict.arm(getpid()));  // it has learnt no code at all
  TsmDevice device(*chip_, strict);
  ASSERT_EQ(device.make("r"), 0);
  ASSERT_EQ(device.write("r", "inblob", Bytes(64)), 0);
  EXPECT_EQ(device.read("r", "outblob").error, EIO);
  EXPECT_EQ(device.read("r", "auxblob").error, EIO);
}

TEST_F(DeviceTest, BoundsNamesAndNumberOfRequests) {
  for (const char* name : {"", ".", "..", ".hidden", "a/b", "a b", "a\n"}) {
    EXPECT_EQ(device_->make(name), EINVAL) << name;
  }
  EXPECT_EQ(device_->make(std::string(65, 'a')), EINVAL);
  for (std::size_t i = 0; i < TsmDevice::kMaxRequests; ++i) {
    EXPECT_EQ(device_->make("r" + std::to_string(i)), 0);
  }
  EXPECT_EQ(device_->make("r0"), EEXIST);
  EXPECT_EQ(device_->make("one-more"), ENOSPC);
  EXPECT_EQ(device_->remove("r0"), 0);
  EXPECT_EQ(device_->remove("r0"), ENOENT);
  EXPECT_EQ(device_->make("one-more"), 0);
}

TEST_F(DeviceTest, RefusesTheWrongWayRoundAndUnknownAttributes) {
  ASSERT_EQ(device_->make("r"), 0);
  EXPECT_EQ(device_->read("r", "inblob").error, EACCES);
  EXPECT_EQ(device_->write("r", "outblob", Bytes(1)), EACCES);
  EXPECT_EQ(device_->read("r", "secret").error, ENOENT);
  EXPECT_EQ(device_->read("x", "provider").error, ENOENT);
  for (const char* level : {"", "4", "-1", "10", "0x", "\n"}) {
    EXPECT_EQ(device_->write("r", "privlevel", as_bytes(level)), EINVAL) << level;
  }
}

TEST_F(DeviceTest, RenewsTheRevocationListAsTimePasses) {
  const Bytes first = chip_->certificates();
  EXPECT_EQ(chip_->certificates(), first);
  clock_.advance(std::chrono::hours(25));
  EXPECT_NE(chip_->certificates(), first);
}

}  // namespace
}  // namespace ensconce
