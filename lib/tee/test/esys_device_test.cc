// The attester over tpm2-tss, down to the bytes of the TPM's commands.
#include "../src/azure_vtpm/esys_device.h"

#include <gtest/gtest.h>

#include <string>

#include "azure_vm.h"
#include "function_tcti.h"
#include "scripted_tpm.h"

namespace ensconce {
namespace {

ByteArray<64> asked() {
  ByteArray<64> data{};
  std::fill_n(data.begin(), 32, std::uint8_t{0x5a});
  return data;
}

// Whether `error` has the code and says `words`.
::testing::AssertionResult says(const Error& error, TeeError code, const std::string& words) {
  if (error.is(code) && error.to_string().find(words) != std::string::npos) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << error.to_string();
}

class EsysDevice : public ::testing::Test {
 protected:
  EsysDevice() {
    tpm_.index = write_hcl_report(azure_vm().hcl());
    tpm_.index.resize(2600);  // as Azure's, zeros behind the report
  }

  std::unique_ptr<VtpmDevice> device() {
    return internal::make_esys_device(FunctionTcti::opening(
        [this](ByteView command) { return gone_ ? Bytes() : tpm_.answer(command); }));
  }

  Result<HardwareEvidence> attest() {
    AzureVtpmProvider provider(device(), endorsements_.path(), [this](Millis) { ++pauses_; });
    return provider.attest(asked());
  }
  Error refused() {
    const auto evidence = attest();
    EXPECT_FALSE(evidence);
    return evidence ? Error(TeeError::kIo, "evidence") : evidence.error();
  }
  // The next `times` commands of this kind are answered with this code.
  void refuse(TPM2_CC command, std::uint32_t code, std::size_t times = 1) {
    tpm_.instead[command].assign(times, ScriptedTpm::failure(code));
  }

  ScriptedTpm tpm_{azure_vm().vtpm};
  bool gone_ = false;
  int pauses_ = 0;
  EndorsementFolder endorsements_;
};

TEST_F(EsysDevice, GivesEvidenceWithAllThatTheTpmHolds) {
  const auto evidence = attest();
  ASSERT_TRUE(evidence) << evidence.error().to_string();
  const AzureEvidence read = parse_azure_evidence(evidence->evidence.data).value();
  EXPECT_EQ(read.hcl_report, tpm_.index);
  EXPECT_EQ(read.pcrs, azure_vm().vtpm.pcrs());
  EXPECT_EQ(pauses_, 0);
}

TEST_F(EsysDevice, ReadsAnIndexInThePartsThatTheTpmAllows) {
  for (const std::uint32_t part : {1U, 64U, 1024U, 1U << 20U}) {
    tpm_.read_at_once = part;
    const auto opened = device();
    ASSERT_TRUE(opened->open());
    EXPECT_EQ(opened->read_nv(kHclReportIndex, kMaxHclReport).value(), tpm_.index) << part;
  }
}

TEST_F(EsysDevice, ReadsPcrsInThePartsThatTheTpmGives) {
  for (const std::size_t part : {1U, 5U, 8U}) {
    tpm_.digests_at_once = part;
    const auto opened = device();
    ASSERT_TRUE(opened->open());
    EXPECT_EQ(opened->read_pcrs().value(), azure_vm().vtpm.pcrs()) << part;
  }
}

TEST_F(EsysDevice, TriesAgainWhileTheTpmIsBusy) {
  for (const std::uint32_t code :
       {TPM2_RC_RETRY, TPM2_RC_YIELDED, TPM2_RC_TESTING, TPM2_RC_NV_UNAVAILABLE, TPM2_RC_NV_RATE,
        TPM2_RC_CANCELED, TPM2_RC_OBJECT_MEMORY}) {
    for (const TPM2_CC command : {TPM2_CC_NV_ReadPublic, TPM2_CC_NV_Read, TPM2_CC_ReadPublic,
                                  TPM2_CC_GetCapability, TPM2_CC_PCR_Read, TPM2_CC_Quote}) {
      refuse(command, code, 2);
      const auto evidence = attest();
      EXPECT_TRUE(evidence) << std::hex << code << " " << command << " "
                            << evidence.error().to_string();
    }
    refuse(TPM2_CC_Quote, code, 1000);
    EXPECT_TRUE(says(refused(), TeeError::kBusy, "quoting")) << std::hex << code;
    tpm_.instead.clear();
  }
  EXPECT_GT(pauses_, 0);
}

TEST_F(EsysDevice, NamesWhatTheTpmRefuses) {
  struct Row {
    TPM2_CC command;
    std::uint32_t code;
    TeeError expected;
    const char* words;
  };
  const auto about = [](std::uint32_t code, std::uint32_t what) { return code | what; };
  for (const Row& row : {
           Row{TPM2_CC_NV_ReadPublic, about(TPM2_RC_HANDLE, TPM2_RC_1), TeeError::kNoDevice,
               "no Azure confidential VM"},
           Row{TPM2_CC_ReadPublic, about(TPM2_RC_HANDLE, TPM2_RC_1), TeeError::kNoDevice,
               "no Azure confidential VM"},
           Row{TPM2_CC_NV_Read, TPM2_RC_NV_UNINITIALIZED, TeeError::kNoDevice, "never written"},
           Row{TPM2_CC_NV_Read, TPM2_RC_NV_LOCKED, TeeError::kDenied, "NV_LOCKED"},
           Row{TPM2_CC_NV_Read, TPM2_RC_NV_AUTHORIZATION, TeeError::kDenied, "owner"},
           Row{TPM2_CC_NV_Read, about(TPM2_RC_AUTH_FAIL, TPM2_RC_S | TPM2_RC_1), TeeError::kDenied,
               "AUTH_FAIL"},
           Row{TPM2_CC_NV_Read, about(TPM2_RC_BAD_AUTH, TPM2_RC_S | TPM2_RC_1), TeeError::kDenied,
               "BAD_AUTH"},
           Row{TPM2_CC_NV_Read, about(TPM2_RC_HIERARCHY, TPM2_RC_1), TeeError::kDenied,
               "HIERARCHY"},
           Row{TPM2_CC_Quote, TPM2_RC_LOCKOUT, TeeError::kFirmware, "LOCKOUT"},
           Row{TPM2_CC_Quote, TPM2_RC_FAILURE, TeeError::kFirmware, "FAILURE"},
           Row{TPM2_CC_PCR_Read, TPM2_RC_INITIALIZE, TeeError::kFirmware, "INITIALIZE"},
           Row{TPM2_CC_Quote, about(TPM2_RC_SCHEME, TPM2_RC_P | TPM2_RC_2), TeeError::kFirmware,
               "0x000002d2"},
           Row{TPM2_CC_Quote, TSS2_RESMGR_TPM_RC_LAYER | TPM2_RC_COMMAND_CODE,
               TeeError::kUnsupported, "COMMAND_CODE"},
       }) {
    refuse(row.command, row.code);
    EXPECT_TRUE(says(refused(), row.expected, row.words)) << std::hex << row.code;
  }
  EXPECT_EQ(pauses_, 0);
}

TEST_F(EsysDevice, RefusesATpm12ByName) {
  // Part 3, 5.2: answers in the older form, tag 0x00c4 and TPM_BADTAG.
  tpm_.instead[TPM2_CC_NV_ReadPublic] = {ScriptedTpm::framed(TPM2_ST_RSP_COMMAND, 0x1e, {})};
  EXPECT_TRUE(says(refused(), TeeError::kBadAnswer, "TPM 1.2"));
}

TEST_F(EsysDevice, RefusesAnswersThatAreCutShort) {
  for (const TPM2_CC command : {TPM2_CC_NV_ReadPublic, TPM2_CC_NV_Read, TPM2_CC_ReadPublic,
                                TPM2_CC_GetCapability, TPM2_CC_PCR_Read, TPM2_CC_Quote}) {
    ASSERT_TRUE(attest());
    const Bytes whole = tpm_.answers.at(command);
    for (const std::size_t len : {std::size_t{1}, std::size_t{9}, std::size_t{10}, std::size_t{12},
                                  whole.size() / 2, whole.size() - 1}) {
      tpm_.instead[command] = {to_bytes(ByteView(whole).first(len))};
      EXPECT_TRUE(says(refused(), TeeError::kBadAnswer, "")) << std::hex << command << " " << len;
    }
  }
  EXPECT_EQ(pauses_, 0);
}

TEST_F(EsysDevice, TakesNothingFromEarlierAnswers) {
  // The header tells the shorter length. What is missing of the second answer the first one, which
  // was the same, left in the buffer.
  ASSERT_TRUE(attest());
  const Bytes whole = tpm_.answers.at(TPM2_CC_ReadPublic);
  const ByteView half = ByteView(whole).subspan(10, whole.size() / 2);
  tpm_.instead[TPM2_CC_ReadPublic] = {whole, ScriptedTpm::success(half)};
  const auto opened = device();
  ASSERT_TRUE(opened->open());
  const auto key = opened->read_key(kHclKeyHandle);
  ASSERT_FALSE(key);
  EXPECT_TRUE(says(key.error(), TeeError::kBadAnswer, "reading the attestation key"));
}

TEST_F(EsysDevice, RefusesIndicesThatAreTooLargeOrReadOtherwiseThanAsked) {
  tpm_.index_size = kMaxHclReport + 1;
  EXPECT_TRUE(says(refused(), TeeError::kBadAnswer, "16385 bytes"));
  tpm_.index_size = 0;
  tpm_.left_out = 1;
  EXPECT_TRUE(says(refused(), TeeError::kBadAnswer, "expected 600 bytes, got 599"));
  tpm_.left_out = 0;
  tpm_.read_at_once = 0;
  EXPECT_TRUE(says(refused(), TeeError::kBadAnswer, "at once"));
  tpm_.read_at_once = 600;
  tpm_.property = TPM2_PT_NV_BUFFER_MAX + 1;
  EXPECT_TRUE(says(refused(), TeeError::kBadAnswer, "at once"));
}

TEST_F(EsysDevice, RefusesOtherPcrsThanAskedFor) {
  tpm_.bank = TPM2_ALG_SHA1;
  EXPECT_TRUE(says(refused(), TeeError::kBadAnswer, "SHA-256"));
  tpm_.bank = TPM2_ALG_SHA256;
  tpm_.digests_at_once = 0;
  EXPECT_TRUE(says(refused(), TeeError::kBadAnswer, "SHA-256"));
}

TEST_F(EsysDevice, RefusesKeysAndSignaturesOfAnotherKind) {
  tpm_.key_type = TPM2_ALG_ECC;
  EXPECT_TRUE(says(refused(), TeeError::kBadAnswer, "no RSA key"));
  tpm_.key_type = TPM2_ALG_RSA;
  tpm_.signed_with = TPM2_ALG_SHA384;
  EXPECT_TRUE(says(refused(), TeeError::kBadAnswer, "SHA-256"));
  tpm_.signed_with = TPM2_ALG_SHA256;
  tpm_.scheme = TPM2_ALG_RSAPSS;
  EXPECT_TRUE(says(refused(), TeeError::kBadAnswer, "RSASSA"));
}

TEST_F(EsysDevice, SaysWhenTheDeviceFails) {
  gone_ = true;
  EXPECT_TRUE(says(refused(), TeeError::kIo, ""));
}

TEST_F(EsysDevice, SaysNothingOnStandardError) {
  ::testing::internal::CaptureStderr();
  refuse(TPM2_CC_Quote, TPM2_RC_FAILURE);
  EXPECT_TRUE(says(refused(), TeeError::kFirmware, ""));
  gone_ = true;
  EXPECT_TRUE(says(refused(), TeeError::kIo, ""));
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace ensconce
