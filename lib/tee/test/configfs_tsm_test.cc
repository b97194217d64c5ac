#include "ensconce/tee/configfs_tsm.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <deque>
#include <map>
#include <optional>
#include <set>

#include "ensconce/attestation/evidence/cert_table.h"
#include "ensconce/attestation/evidence/intel_quote.h"
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
  std::optional<std::string> floor;                 // privlevel_floor; older kernels have none
  std::optional<std::uint32_t> reported_level;      // instead of the one that was asked for
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
    level_ = 0;
    return 0;
  }
  int write(std::string_view attribute, ByteView bytes) override {
    if (const int error = next_failure(attribute); error != 0) {
      return error;
    }
    if (attribute == "privlevel") {
      level_ = static_cast<std::uint32_t>(bytes[0] - '0');
    } else {
      inblob_ = to_bytes(bytes);
    }
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
    } else if (attribute == "privlevel_floor") {
      if (!state_.floor) {
        return {ENOENT, {}};
      }
      bytes = to_bytes(*state_.floor);
    } else {
      SnpReport report;
      report.vmpl = state_.reported_level.value_or(level_);
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
  std::uint32_t level_ = 0;
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
    for (const char* where :
         {"inblob", "outblob", "auxblob", "generation", "provider", "privlevel_floor"}) {
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
  for (const char* name : {"arm_cca_guest\n", "sev_guest2"}) {
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

// ---- Privilege levels -------------------------------------------------------------------------

TEST_F(ConfigfsTsm, AsksForTheLevelThatTheGuestHas) {
  for (const char* floor : {"0\n", "2\n"}) {
    tsm_.floor = floor;
    const auto evidence = attest();
    ASSERT_TRUE(evidence) << evidence.error().to_string();
    EXPECT_EQ(parse_snp_report(evidence->evidence.data)->vmpl, floor[0] - '0');
  }
}

TEST_F(ConfigfsTsm, RejectsAReportOfAnotherLevel) {
  for (const std::optional<std::string>& floor : {std::optional<std::string>(), {"0\n"}, {"1\n"}}) {
    tsm_.floor = floor;
    tsm_.reported_level = 3;
    expect_error(TeeError::kWrongLevel);
  }
}

TEST_F(ConfigfsTsm, RejectsAFloorThatIsNoLevel) {
  for (const char* floor : {"4", "-1", "x", ""}) {
    tsm_.floor = floor;
    expect_error(TeeError::kBadAnswer);
  }
  tsm_.floor = "0";
  tsm_.failures["privlevel_floor"] = {EIO};
  expect_error(TeeError::kIo);
}

// ---- Trust domains ----------------------------------------------------------------------------

IntelQuote quote_of(const ByteArray<64>& report_data) {
  IntelQuote quote;
  TdReport body;
  body.report_data = report_data;
  quote.body = body;
  return quote;
}

TEST_F(ConfigfsTsm, ReturnsTheQuoteOfWhatWasAsked) {
  tsm_.provider = "tdx_guest\n";
  const Bytes quote = write_intel_quote(quote_of(asked()));
  tsm_.outblob = concat({quote, Bytes(100, 0)});  // a buffer that is larger
  const auto evidence = attest();
  ASSERT_TRUE(evidence) << evidence.error().to_string();
  EXPECT_EQ(evidence->evidence.type, "tdx");
  EXPECT_EQ(evidence->evidence.data, quote);
  EXPECT_FALSE(evidence->missing.empty());
}

TEST_F(ConfigfsTsm, RejectsATdreportInPlaceOfAQuote) {
  tsm_.provider = "tdx_guest\n";
  Bytes tdreport(1024, 0);
  tdreport[0] = 0x81;
  std::fill_n(tdreport.begin() + 128, 64, std::uint8_t{0x5a});  // its report data is right
  tsm_.outblob = tdreport;
  expect_error(TeeError::kTdReport);
}

TEST_F(ConfigfsTsm, RejectsQuotesOfOthers) {
  tsm_.provider = "tdx_guest\n";
  ByteArray<64> other = asked();
  other[63] ^= 1;
  tsm_.outblob = write_intel_quote(quote_of(other));
  expect_error(TeeError::kWrongReport);
  IntelQuote enclave = quote_of(asked());
  SgxReport body;
  body.report_data = asked();
  enclave.body = body;
  enclave.version = 3;
  tsm_.outblob = write_intel_quote(enclave);
  expect_error(TeeError::kBadAnswer);
  tsm_.outblob = Bytes(48, 4);
  expect_error(TeeError::kBadAnswer);
}

TEST_F(ConfigfsTsm, AsksAgainForAQuoteWhenAnotherProcessWrote) {
  tsm_.provider = "tdx_guest\n";
  tsm_.outblob = write_intel_quote(quote_of(asked()));
  tsm_.foreign_writes = {1};
  EXPECT_TRUE(attest());
  EXPECT_EQ(tsm_.num_made, 2);
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
