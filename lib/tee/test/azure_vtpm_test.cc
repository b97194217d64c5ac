#include "ensconce/tee/azure_vtpm.h"

#include <gtest/gtest.h>

#include <deque>
#include <filesystem>
#include <map>

#include "azure_vm.h"
#include "ensconce/attestation/evidence/azure_evidence.h"
#include "ensconce/attestation/evidence/snp_report.h"
#include "ensconce/crypto/hash.h"

namespace ensconce {
namespace {

namespace fs = std::filesystem;

ByteArray<64> asked() {
  ByteArray<64> data{};
  std::fill_n(data.begin(), 32, std::uint8_t{0x5a});
  return data;
}

RsaPublicKey key_of(const AzureVtpm& vtpm) {
  const RuntimeClaims claims = parse_runtime_claims(vtpm.runtime_data()).value();
  return RsaPublicKey::from_modulus(claims.ak_modulus, claims.ak_exponent).value();
}

// What the fake does differently.
struct FakeVtpm {
  std::map<std::string, std::deque<TeeError>> failures;  // by operation, to come
  Bytes hcl = write_hcl_report(azure_vm().hcl());
  const AzureVtpm* holds = &azure_vm().vtpm;  // whose key lies at the handle
  const AzureVtpm* signs = &azure_vm().vtpm;  // and whose signs
  std::optional<TpmAttest> attest;            // instead of one of what was asked
  int pcrs_change = 0;                        // so many times between reading and quoting
  int opened = 0;
  int closed = 0;
};

class FakeDevice final : public VtpmDevice {
 public:
  explicit FakeDevice(FakeVtpm& state) : state_(state) {}
  Result<void> open() override {
    ENSC_TRY(next("open"));
    ++state_.opened;
    return ok();
  }
  void close() override { ++state_.closed; }
  Result<Bytes> read_nv(std::uint32_t index, std::size_t limit) override {
    EXPECT_EQ(index, kHclReportIndex);
    EXPECT_LE(state_.hcl.size(), limit);
    ENSC_TRY(next("read_nv"));
    return state_.hcl;
  }
  Result<RsaPublicKey> read_key(std::uint32_t handle) override {
    EXPECT_EQ(handle, kHclKeyHandle);
    ENSC_TRY(next("read_key"));
    return key_of(*state_.holds);
  }
  Result<std::vector<ByteArray<32>>> read_pcrs() override {
    ENSC_TRY(next("read_pcrs"));
    auto pcrs = state_.holds->pcrs();
    if (state_.pcrs_change > 0) {
      --state_.pcrs_change;
      pcrs[10][0] ^= 1;
    }
    return pcrs;
  }
  Result<Quote> quote(std::uint32_t /*handle*/, ByteView extra_data) override {
    ENSC_TRY(next("quote"));
    const Bytes attest =
        write_tpm_attest(state_.attest.value_or(state_.signs->attest_template(extra_data)));
    return Quote{attest, state_.signs->sign_attest(attest)};
  }

 private:
  Result<void> next(const char* what) {
    auto& queue = state_.failures[what];
    if (queue.empty()) {
      return ok();
    }
    const TeeError code = queue.front();
    queue.pop_front();
    return Error(code, "as the test wants");
  }
  FakeVtpm& state_;
};

class AzureVtpmAttester : public ::testing::Test {
 protected:
  Result<HardwareEvidence> attest(const ByteArray<64>& report_data = asked()) {
    AzureVtpmProvider provider(std::make_unique<FakeDevice>(vtpm_), endorsements_.path(),
                               [this](Millis d) { slept_ += d; });
    auto evidence = provider.attest(report_data);
    EXPECT_EQ(vtpm_.opened, vtpm_.closed);
    return evidence;
  }
  void expect_error(TeeError code) {
    const auto evidence = attest();
    ASSERT_FALSE(evidence);
    EXPECT_TRUE(evidence.error().is(code)) << evidence.error().to_string();
  }
  void set(const HclReport& hcl) { vtpm_.hcl = write_hcl_report(hcl); }

  EndorsementFolder endorsements_;
  FakeVtpm vtpm_;
  Millis slept_{0};
};

TEST_F(AzureVtpmAttester, ReturnsWhatAVerifierReads) {
  const auto evidence = attest();
  ASSERT_TRUE(evidence) << evidence.error().to_string();
  EXPECT_EQ(evidence->evidence.type, "azure-snp");
  const auto read = parse_azure_evidence(evidence->evidence.data);
  ASSERT_TRUE(read) << read.error().to_string();
  const TpmAttest attested = parse_tpm_attest(read->tpm_message).value();
  EXPECT_TRUE(equal(attested.extra_data, ByteView(asked()).first(32)));
  EXPECT_EQ(read->pcrs, azure_vm().vtpm.pcrs());
  EXPECT_EQ(read->vcek, azure_vm().chip.endorsements({}).front().data);
  EXPECT_EQ(evidence->missing, std::vector<std::string>{"crl"});
}

TEST_F(AzureVtpmAttester, QuotesTheWholeDigestOfAKeyRelease) {
  ByteArray<64> data = asked();
  data[47] = 1;
  const auto evidence = attest(data);
  ASSERT_TRUE(evidence) << evidence.error().to_string();
  const auto read = parse_azure_evidence(evidence->evidence.data);
  EXPECT_TRUE(equal(parse_tpm_attest(read->tpm_message)->extra_data, ByteView(data).first(48)));
}

TEST_F(AzureVtpmAttester, TakesNoMoreThan48BytesOfReportData) {
  ByteArray<64> data = asked();
  data[48] = 1;
  const auto evidence = attest(data);
  ASSERT_FALSE(evidence);
  EXPECT_TRUE(evidence.error().is(TeeError::kUnsupported));
  EXPECT_EQ(vtpm_.opened, 0);
}

TEST_F(AzureVtpmAttester, TriesAgainWhatMayPass) {
  for (const char* where : {"open", "read_nv", "read_key", "read_pcrs", "quote"}) {
    vtpm_.failures[where] = {TeeError::kBusy, TeeError::kBusy};
    EXPECT_TRUE(attest()) << where;
  }
  EXPECT_GT(slept_, Millis(0));
  vtpm_.failures["quote"] = std::deque<TeeError>(100, TeeError::kBusy);
  expect_error(TeeError::kBusy);
}

TEST_F(AzureVtpmAttester, ReadsAgainWhenPcrsChangeMeanwhile) {
  vtpm_.pcrs_change = 2;
  EXPECT_TRUE(attest());
  vtpm_.pcrs_change = 1000;
  expect_error(TeeError::kBusy);
}

TEST_F(AzureVtpmAttester, PassesOnWhatDoesNotPass) {
  for (const TeeError code : {TeeError::kNoDevice, TeeError::kDenied, TeeError::kFirmware,
                              TeeError::kIo, TeeError::kBadAnswer}) {
    vtpm_.failures["read_nv"] = {code};
    expect_error(code);
  }
}

TEST_F(AzureVtpmAttester, RefusesAReportOfAnotherVm) {
  // Whole and genuine, but it vouches for the key of the other VM's TPM.
  set(parse_hcl_report(azure_vm()
                           .other
                           .on_snp(azure_vm().chip, azure_vm().chip.report_template(),
                                   azure_vm().other.runtime_data(), {})
                           .hcl_report)
          .value());
  expect_error(TeeError::kWrongKey);
}

TEST_F(AzureVtpmAttester, RefusesAQuoteByAnotherKey) {
  vtpm_.signs = &azure_vm().other;
  expect_error(TeeError::kWrongKey);
}

TEST_F(AzureVtpmAttester, RefusesAQuoteOfAnotherChallengeOrOfFewerPcrs) {
  vtpm_.attest = azure_vm().vtpm.attest_template(Bytes(32, 0x5b));
  expect_error(TeeError::kWrongReport);
  vtpm_.attest = azure_vm().vtpm.attest_template(ByteView(asked()).first(32));
  vtpm_.attest->pcr_select &= ~1U;
  expect_error(TeeError::kBadAnswer);
}

TEST_F(AzureVtpmAttester, RefusesClaimsThatTheHardwareDoesNotVouchFor) {
  HclReport hcl = azure_vm().hcl();
  hcl.runtime_data = azure_vm().other.runtime_data();
  set(hcl);
  expect_error(TeeError::kWrongReport);
}

TEST_F(AzureVtpmAttester, RefusesTdxBelowTheParavisorByName) {
  HclReport hcl = azure_vm().hcl();
  hcl.hardware = HclReport::Hardware::kTdx;
  hcl.version = 2;
  set(hcl);
  expect_error(TeeError::kUnsupported);
}

TEST_F(AzureVtpmAttester, RefusesWhatIsNoReport) {
  for (const Bytes& bytes : {Bytes(), Bytes(2600, 0), Bytes(100, 'H')}) {
    vtpm_.hcl = bytes;
    expect_error(TeeError::kBadAnswer);
  }
}

TEST_F(AzureVtpmAttester, WantsTheChipsCertificate) {
  for (const fs::directory_entry& entry : fs::directory_iterator(endorsements_.path())) {
    fs::remove(entry.path());
  }
  expect_error(TeeError::kEndorsements);
}

TEST_F(AzureVtpmAttester, IsFoundByWhatItsIndexHolds) {
  FakeDevice device(vtpm_);
  EXPECT_TRUE(probe_azure_vtpm(device));
  vtpm_.hcl = Bytes(600, 'x');
  EXPECT_TRUE(probe_azure_vtpm(device).error().is(TeeError::kBadAnswer));
  vtpm_.failures["read_nv"] = {TeeError::kNoDevice};
  EXPECT_TRUE(probe_azure_vtpm(device).error().is(TeeError::kNoDevice));
  EXPECT_EQ(vtpm_.opened, 3);
  EXPECT_EQ(vtpm_.closed, 3);
}

TEST(VtpmDevice, SaysWhenThereIsNoTpm) {
  EXPECT_TRUE(probe_azure_vtpm("/nonexistent/tpm").error().is(TeeError::kNoDevice));
  const auto nothing = probe_azure_vtpm("/dev/null");
  ASSERT_FALSE(nothing);
}

}  // namespace
}  // namespace ensconce
