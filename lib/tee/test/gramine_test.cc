#include "ensconce/tee/gramine.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include "ensconce/attestation/evidence/intel_quote.h"

namespace ensconce {
namespace {

ByteArray<64> asked() {
  ByteArray<64> data{};
  data.fill(0x5a);
  return data;
}

IntelQuote quote_of(ByteView report_data) {
  IntelQuote quote;
  quote.version = 3;
  SgxReport body;
  std::copy(report_data.begin(), report_data.end(), body.report_data.begin());
  quote.body = body;
  return quote;
}

struct FakeEnclave {
  std::string type = "dcap";
  std::map<std::string, std::deque<int>> failures;  // file → errno to come
  std::optional<Bytes> quote;                       // instead of one of what was asked
  Bytes report_data;
  int quotes = 0;
};

class FakeFiles final : public GramineFiles {
 public:
  explicit FakeFiles(FakeEnclave& enclave) : enclave_(enclave) {}
  Answer read(std::string_view file, std::size_t limit) override {
    if (const int error = next_failure(file); error != 0) {
      return {error, {}};
    }
    Bytes bytes;
    if (file == "attestation_type") {
      bytes = to_bytes(enclave_.type);
    } else {
      ++enclave_.quotes;
      bytes = enclave_.quote.value_or(write_intel_quote(quote_of(enclave_.report_data)));
    }
    return bytes.size() > limit ? Answer{EFBIG, {}} : Answer{0, bytes};
  }
  int write(std::string_view file, ByteView bytes) override {
    EXPECT_EQ(file, "user_report_data");
    EXPECT_EQ(bytes.size(), 64U);
    if (const int error = next_failure(file); error != 0) {
      return error;
    }
    enclave_.report_data = to_bytes(bytes);
    return 0;
  }

 private:
  int next_failure(std::string_view file) {
    auto& queue = enclave_.failures[std::string(file)];
    if (queue.empty()) {
      return 0;
    }
    const int error = queue.front();
    queue.pop_front();
    return error;
  }
  FakeEnclave& enclave_;
};

class Gramine : public ::testing::Test {
 protected:
  Result<HardwareEvidence> attest() {
    GramineProvider provider(std::make_unique<FakeFiles>(enclave_),
                             [this](Millis d) { slept_ += d; });
    return provider.attest(asked());
  }
  void expect_error(TeeError code) {
    const auto evidence = attest();
    ASSERT_FALSE(evidence);
    EXPECT_TRUE(evidence.error().is(code)) << evidence.error().to_string();
  }
  FakeEnclave enclave_;
  Millis slept_{0};
};

TEST_F(Gramine, ReturnsTheQuoteOfWhatWasAsked) {
  for (const char* type : {"dcap", "dcap\n"}) {
    enclave_.type = type;
    const auto evidence = attest();
    ASSERT_TRUE(evidence) << evidence.error().to_string();
    EXPECT_EQ(evidence->evidence.type, "sgx");
    EXPECT_EQ(parse_intel_quote(evidence->evidence.data)->report_data(), asked());
    EXPECT_FALSE(evidence->missing.empty());
  }
}

TEST_F(Gramine, WantsDcap) {
  for (const char* type : {"none", "epid", "", "dcapx"}) {
    enclave_.type = type;
    expect_error(TeeError::kAttestationType);
  }
  EXPECT_EQ(enclave_.quotes, 0);
}

TEST_F(Gramine, SaysWhenThisIsNoEnclave) {
  enclave_.failures["attestation_type"] = {ENOENT};
  expect_error(TeeError::kNoDevice);
}

TEST_F(Gramine, TriesTheWholePairAgainWhenBusy) {
  for (const char* file : {"attestation_type", "user_report_data", "quote"}) {
    enclave_.failures[file] = {EBUSY, EAGAIN, EINTR};
    EXPECT_TRUE(attest()) << file;
  }
  EXPECT_GT(slept_, Millis(0));
  enclave_.failures["quote"] = std::deque<int>(1000, EAGAIN);
  expect_error(TeeError::kBusy);
}

TEST_F(Gramine, SaysWhenTheDeviceFailsOrRefuses) {
  enclave_.failures["quote"] = {EPERM};
  expect_error(TeeError::kDenied);
  enclave_.failures["quote"] = {EIO};
  expect_error(TeeError::kIo);
  enclave_.failures["user_report_data"] = {EIO};
  expect_error(TeeError::kIo);
}

TEST_F(Gramine, RejectsQuotesOfOthersAndWhatIsNoQuote) {
  ByteArray<64> other = asked();
  other[0] ^= 1;
  enclave_.quote = write_intel_quote(quote_of(other));
  expect_error(TeeError::kWrongReport);
  IntelQuote domain;
  TdReport body;
  body.report_data = asked();
  domain.body = body;
  enclave_.quote = write_intel_quote(domain);
  expect_error(TeeError::kBadAnswer);
  Bytes cut = write_intel_quote(quote_of(asked()));
  cut.pop_back();
  for (const Bytes& bytes : {Bytes(), Bytes(432, 3), cut, Bytes(kMaxGramineQuote + 1, 0)}) {
    enclave_.quote = bytes;
    expect_error(TeeError::kBadAnswer);
  }
}

// Files in a directory behave as Gramine's in what the provider asks of them.
TEST(GramineFiles, ReadsAndWritesBelowItsRootAndFollowsNoLinks) {
  std::string name = (std::filesystem::temp_directory_path() / "ensc-gramine-XXXXXX").string();
  const std::filesystem::path root = ::mkdtemp(name.data());
  std::ofstream(root / "attestation_type") << "dcap";
  std::ofstream(root / "user_report_data") << "";
  std::ofstream(root / "quote") << as_text(write_intel_quote(quote_of(asked())));
  GramineProvider provider(root);
  EXPECT_TRUE(provider.attest(asked()));
  ByteArray<64> other{};
  EXPECT_TRUE(provider.attest(other).error().is(TeeError::kWrongReport));  // an old quote
  std::filesystem::rename(root / "quote", root / "elsewhere");
  std::filesystem::create_symlink("elsewhere", root / "quote");
  EXPECT_FALSE(provider.attest(asked()));
  std::filesystem::remove_all(root);
  EXPECT_TRUE(provider.attest(asked()).error().is(TeeError::kNoDevice));
}

}  // namespace
}  // namespace ensconce
