#include "ensconce/tee/configfs_tsm.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <deque>
#include <map>
#include <optional>
#include <set>

#include "ensconce/attestation/evidence/cert_table.h"
#include "ensconce/attestation/evidence/snp_report.h"

namespace ensconce {
namespace {

ByteArray<64> asked() {
  ByteArray<64> data{};
  data.fill(0x5a);
  return data;
}

// What the fake does differently; shared, because the provider owns the tree.
struct FakeTsm {
  std::string provider = "sev_guest\n";
  std::map<std::string, std::deque<int>> failures;  // attribute or "make"/"remove" → errno to come
  std::deque<int> foreign_writes;                   // others' writes to each request, in order
  std::optional<Bytes> outblob;                     // instead of a report of what was asked
  std::optional<std::string> generation;            // instead of the count
  Bytes auxblob;
  std::set<std::string> living;
  int num_made = 0;
  int num_writes = 0;
};

class FakeTree final : public TsmTree {
 public:
  explicit FakeTree(FakeTsm& state) : state_(state) {}

  int make(std::string_view name) override {
    if (const int error = next_failure("make"); error != 0) {
      return error;
    }
    name_ = std::string(name);
    state_.living.insert(name_);
    ++state_.num_made;
    generation_ = 0;
    return 0;
  }
  int write(std::string_view attribute, ByteView bytes) override {
    if (const int error = next_failure(attribute); error != 0) {
      return error;
    }
    inblob_ = to_bytes(bytes);
    ++generation_;
    ++state_.num_writes;
    if (!state_.foreign_writes.empty()) {
      generation_ += state_.foreign_writes.front();
      state_.foreign_writes.pop_front();
    }
    return 0;
  }
  TsmAnswer read(std::string_view attribute, std::size_t limit) override {
    if (const int error = next_failure(attribute); error != 0) {
      return {error, {}};
    }
    Bytes bytes;
    if (attribute == "provider") {
      bytes = to_bytes(state_.provider);
    } else if (attribute == "generation") {
      bytes = to_bytes(state_.generation.value_or(std::to_string(generation_) + "\n"));
    } else if (attribute == "auxblob") {
      bytes = state_.auxblob;
    } else {
      SnpReport report;
      std::copy(inblob_.begin(), inblob_.end(), report.report_data.begin());
      bytes = state_.outblob.value_or(write_snp_report(report));
    }
    return bytes.size() > limit ? TsmAnswer{EFBIG, {}} : TsmAnswer{0, bytes};
  }
  int remove() override {
    if (const int error = next_failure("remove"); error != 0) {
      return error;
    }
    state_.living.erase(name_);
    return 0;
  }

 private:
  int next_failure(std::string_view what) {
    auto& queue = state_.failures[std::string(what)];
    if (queue.empty()) {
      return 0;
    }
    const int error = queue.front();
    queue.pop_front();
    return error;
  }
  FakeTsm& state_;
  std::string name_;
  Bytes inblob_;
  int generation_ = 0;
};

class ConfigfsTsm : public ::testing::Test {
 protected:
  Result<HardwareEvidence> attest() {
    ConfigfsTsmProvider provider(std::make_unique<FakeTree>(tsm_), clock_, random_,
                                 [this](Millis d) {
                                   slept_ += d;
                                   clock_.advance(d);
                                 });
    return provider.attest(asked());
  }
  void expect_error(TeeError code) {
    const auto evidence = attest();
    ASSERT_FALSE(evidence);
    EXPECT_TRUE(evidence.error().is(code)) << evidence.error().to_string();
    EXPECT_TRUE(tsm_.living.empty()) << "a request directory was left behind";
  }

  FakeTsm tsm_;
  ManualClock clock_{Instant{1'700'000'000'000}};
  SeededRandom random_{1};
  Millis slept_{0};
};

TEST_F(ConfigfsTsm, ReturnsTheReportOfWhatWasAskedAndRemovesTheRequest) {
  const auto evidence = attest();
  ASSERT_TRUE(evidence);
  EXPECT_EQ(evidence->evidence.type, "snp");
  EXPECT_EQ(parse_snp_report(evidence->evidence.data)->report_data, asked());
  EXPECT_EQ(tsm_.num_made, 1);
  EXPECT_EQ(tsm_.num_writes, 1);
  EXPECT_TRUE(tsm_.living.empty());
  EXPECT_EQ(slept_, Millis(0));
}

TEST_F(ConfigfsTsm, NamesWhatTheHostDidNotSend) {
  const auto evidence = attest();
  ASSERT_TRUE(evidence);
  EXPECT_TRUE(evidence->endorsements.empty());
  EXPECT_EQ(evidence->missing, (std::vector<std::string>{"vek", "intermediate", "root", "crl"}));
}

TEST_F(ConfigfsTsm, AcceptsADeviceWithoutAuxblob) {
  for (const int error : {ENOENT, ENODATA}) {
    tsm_.failures["auxblob"] = {error};
    EXPECT_TRUE(attest()) << error;
  }
}

TEST_F(ConfigfsTsm, RejectsAnAuxblobThatIsNoCertificateTable) {
  tsm_.auxblob = Bytes(25, 1);
  expect_error(TeeError::kBadAnswer);
}

TEST_F(ConfigfsTsm, WaitsUntilTheAttributesAppear) {
  tsm_.failures["inblob"] = {ENOENT, ENOENT, ENXIO};
  EXPECT_TRUE(attest());
  EXPECT_GT(slept_, Millis(0));
}

TEST_F(ConfigfsTsm, GivesUpWhenTheAttributesNeverAppear) {
  tsm_.failures["inblob"] = std::deque<int>(10'000, ENOENT);
  expect_error(TeeError::kTimedOut);
  EXPECT_LE(slept_, ConfigfsTsmProvider::kAppearLimit + Millis(100));
}

TEST_F(ConfigfsTsm, TriesAgainWhenTheDeviceIsBusy) {
  for (const int error : {EBUSY, EWOULDBLOCK, EINTR}) {
    for (const char* where : {"inblob", "outblob", "auxblob", "generation", "provider"}) {
      tsm_.failures[where] = {error};
      EXPECT_TRUE(attest()) << where << error;
    }
  }
}

TEST_F(ConfigfsTsm, GivesUpWhenTheDeviceStaysBusy) {
  tsm_.failures["outblob"] = std::deque<int>(1000, EBUSY);
  expect_error(TeeError::kBusy);
  EXPECT_EQ(tsm_.num_made, ConfigfsTsmProvider::kAttempts);
}

TEST_F(ConfigfsTsm, AsksAgainWhenAnotherProcessWroteToTheRequest) {
  tsm_.foreign_writes = {1};
  EXPECT_TRUE(attest());
  EXPECT_EQ(tsm_.num_made, 2);
}

TEST_F(ConfigfsTsm, GivesUpWhenAnotherProcessAlwaysWrites) {
  tsm_.foreign_writes = std::deque<int>(1000, 1);
  expect_error(TeeError::kBusy);
}

TEST_F(ConfigfsTsm, RejectsAGenerationThatIsNoNumber) {
  for (const char* text : {"", "one", "1 ", "-1", "1x", "99999999999999999999"}) {
    tsm_.generation = text;
    expect_error(TeeError::kBadAnswer);
  }
}

TEST_F(ConfigfsTsm, RejectsAReportOfOtherReportData) {
  SnpReport report;
  report.report_data.fill(0x5b);
  tsm_.outblob = write_snp_report(report);
  expect_error(TeeError::kWrongReport);
}

TEST_F(ConfigfsTsm, RejectsAnOutblobThatIsNoReport) {
  SnpReport report;
  report.report_data = asked();
  Bytes longer = write_snp_report(report);
  longer.push_back(0);
  for (const Bytes& bytes : {Bytes{}, Bytes(1183, 0), longer}) {
    tsm_.outblob = bytes;
    expect_error(TeeError::kBadAnswer);
  }
}

TEST_F(ConfigfsTsm, RejectsAnOversizedOutblob) {
  tsm_.outblob = Bytes(kMaxTsmOutblob + 1, 0);
  expect_error(TeeError::kBadAnswer);
}

TEST_F(ConfigfsTsm, RejectsProvidersItDoesNotKnow) {
  for (const char* name : {"tdx_guest\n", "arm_cca_guest\n", "sev_guest2"}) {
    tsm_.provider = name;
    expect_error(TeeError::kUnsupported);
  }
}

TEST_F(ConfigfsTsm, RejectsAProviderNameThatIsNotOneWord) {
  for (const char* name : {"", "\n", "sev\x1b[2J\n"}) {
    tsm_.provider = name;
    expect_error(TeeError::kBadAnswer);
  }
}

TEST_F(ConfigfsTsm, SaysWhenThereIsNoDevice) {
  for (const int error : {ENOENT, ENOTDIR, ENXIO, ENODEV}) {
    tsm_.failures["make"] = {error};
    expect_error(TeeError::kNoDevice);
  }
}

TEST_F(ConfigfsTsm, SaysWhenTheDeviceRefusesThisProcess) {
  tsm_.failures["make"] = {EACCES};
  expect_error(TeeError::kDenied);
  tsm_.failures["outblob"] = {EACCES};
  expect_error(TeeError::kDenied);
}

TEST_F(ConfigfsTsm, SaysWhenTheDeviceFailsOrHangs) {
  tsm_.failures["outblob"] = {EIO};
  expect_error(TeeError::kIo);
  tsm_.failures["outblob"] = {ETIMEDOUT};
  expect_error(TeeError::kTimedOut);
}

TEST_F(ConfigfsTsm, PicksAnotherNameWhenOneIsTaken) {
  tsm_.failures["make"] = {EEXIST};
  EXPECT_TRUE(attest());
}

TEST_F(ConfigfsTsm, RemovesTheRequestAlsoWhenThatTakesSomeAttempts) {
  tsm_.failures["remove"] = {EBUSY, ENOTEMPTY, ENOTEMPTY};
  EXPECT_TRUE(attest());
  EXPECT_TRUE(tsm_.living.empty());
}

}  // namespace
}  // namespace ensconce
