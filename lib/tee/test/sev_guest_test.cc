#include "ensconce/tee/sev_guest.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <deque>

#include "ensconce/attestation/evidence/cert_table.h"
#include "ensconce/attestation/evidence/snp_report.h"
#include "sev_guest/device.h"

namespace ensconce {
namespace {

ByteArray<64> asked() {
  ByteArray<64> data{};
  data.fill(0x5a);
  return data;
}

// What the driver says to one ioctl.
struct Said {
  int error = 0;
  std::uint32_t vmm = 0;
  std::uint32_t firmware = 0xff;  // the driver's mark: nobody was called
};

// A driver that behaves, but for what a test tells it to say.
struct FakeDriver {
  std::deque<Said> extended;  // to come, before it behaves
  std::deque<Said> plain;
  int open_error = 0;
  Bytes certificates = Bytes(24, 0);  // an empty table
  std::size_t most_room = kMaxCertTable;
  std::uint32_t status = 0;
  std::uint32_t size = kSnpReportLen;
  std::uint32_t level = 0;
  bool other_report_data = false;
  std::uint32_t mark_on_success = 0;
  int opened = 0;
  int closed = 0;
  int extended_calls = 0;
  int plain_calls = 0;
};

void put_u32(std::uint8_t* at, std::uint32_t value) { std::memcpy(at, &value, 4); }

class FakeDevice final : public SevGuestDevice {
 public:
  explicit FakeDevice(FakeDriver& driver) : driver_(driver) {}
  int open() override {
    ++driver_.opened;
    return driver_.open_error;
  }
  void close() override { ++driver_.closed; }

  int get_report(snp_guest_request_ioctl& request) override {
    ++driver_.plain_calls;
    return answer(request, driver_.plain, [&] {
      snp_report_req asked{};
      std::memcpy(&asked, reinterpret_cast<const void*>(request.req_data), sizeof(asked));
      return respond(request, asked);
    });
  }
  int get_ext_report(snp_guest_request_ioctl& request) override {
    ++driver_.extended_calls;
    return answer(request, driver_.extended, [&] {
      auto* extended = reinterpret_cast<snp_ext_report_req*>(request.req_data);
      if (extended->certs_len > driver_.most_room || extended->certs_len % 4096 != 0) {
        request.fw_error = 0xff;
        return EINVAL;
      }
      if (extended->certs_len < driver_.certificates.size()) {
        extended->certs_len = static_cast<std::uint32_t>(driver_.certificates.size());
        request.vmm_error = SNP_GUEST_VMM_ERR_INVALID_LEN;
        return EIO;
      }
      std::memcpy(reinterpret_cast<void*>(extended->certs_address), driver_.certificates.data(),
                  driver_.certificates.size());
      return respond(request, extended->data);
    });
  }

 private:
  template <typename Behave>
  static int answer(snp_guest_request_ioctl& request, std::deque<Said>& script, Behave behave) {
    EXPECT_EQ(request.msg_version, 1);
    if (script.empty()) {
      return behave();
    }
    const Said said = script.front();
    script.pop_front();
    request.vmm_error = said.vmm;
    request.fw_error = said.firmware;
    return said.error;
  }
  int respond(snp_guest_request_ioctl& request, const snp_report_req& asked) {
    request.fw_error = driver_.mark_on_success;
    SnpReport report;
    report.vmpl = driver_.level;
    EXPECT_EQ(asked.vmpl, 0U);
    std::copy_n(std::begin(asked.user_data), 64, report.report_data.begin());
    report.report_data[0] ^= driver_.other_report_data ? 1 : 0;
    const Bytes bytes = write_snp_report(report);
    auto* response = reinterpret_cast<snp_report_resp*>(request.resp_data);
    put_u32(response->data, driver_.status);
    put_u32(response->data + 4, driver_.size);
    std::copy(bytes.begin(), bytes.end(), response->data + 32);
    return 0;
  }
  FakeDriver& driver_;
};

class SevGuest : public ::testing::Test {
 protected:
  Result<HardwareEvidence> attest() {
    SevGuestProvider provider(std::make_unique<FakeDevice>(driver_),
                              [this](Millis d) { slept_ += d; });
    auto evidence = provider.attest(asked());
    EXPECT_EQ(driver_.opened - (driver_.open_error == 0 ? 0 : driver_.opened), driver_.closed);
    return evidence;
  }
  void expect_error(TeeError code) {
    const auto evidence = attest();
    ASSERT_FALSE(evidence);
    EXPECT_TRUE(evidence.error().is(code)) << evidence.error().to_string();
  }
  FakeDriver driver_;
  Millis slept_{0};
};

TEST_F(SevGuest, ReturnsTheReportOfWhatWasAsked) {
  const auto evidence = attest();
  ASSERT_TRUE(evidence) << evidence.error().to_string();
  EXPECT_EQ(evidence->evidence.type, "snp");
  EXPECT_EQ(parse_snp_report(evidence->evidence.data)->report_data, asked());
  EXPECT_EQ(driver_.extended_calls, 1);
  EXPECT_EQ(driver_.plain_calls, 0);
  EXPECT_EQ(slept_, Millis(0));
}

TEST_F(SevGuest, MakesRoomForTheCertificatesThatTheHostHas) {
  driver_.certificates = Bytes(20'000, 0);
  ASSERT_TRUE(attest());
  EXPECT_EQ(driver_.extended_calls, 2);
}

TEST_F(SevGuest, TakesTheReportAloneWhereTheDriverHasNoRoomForTheCertificates) {
  driver_.certificates = Bytes(20'000, 0);
  driver_.most_room = 16'384;
  const auto evidence = attest();
  ASSERT_TRUE(evidence) << evidence.error().to_string();
  EXPECT_EQ(evidence->missing.size(), 4U);
  EXPECT_EQ(driver_.extended_calls, 2);
  EXPECT_EQ(driver_.plain_calls, 1);
}

TEST_F(SevGuest, TakesTheReportAloneWhereTheHostsCertificatesAreOutOfBounds) {
  driver_.certificates = Bytes(kMaxCertTable + 4096, 0);
  const auto evidence = attest();
  ASSERT_TRUE(evidence) << evidence.error().to_string();
  EXPECT_EQ(evidence->missing.size(), 4U);
  EXPECT_EQ(driver_.plain_calls, 1);
}

TEST_F(SevGuest, TakesTheReportAloneWhereTheHostDoesNotKnowTheExtendedOne) {
  driver_.extended = {{ENOTTY}};
  ASSERT_TRUE(attest());
  EXPECT_EQ(driver_.plain_calls, 1);
}

TEST_F(SevGuest, TriesAgainWhenTheDeviceIsBusyOrTheHostThrottles) {
  const std::uint32_t none = ~0U;  // the mark of later kernels fills both
  for (const Said& said :
       {Said{EBUSY}, Said{EAGAIN}, Said{EINTR}, Said{EBUSY, 0, 0}, Said{EBUSY, none, none},
        Said{EIO, SNP_GUEST_VMM_ERR_BUSY, 0}, Said{EAGAIN, SNP_GUEST_VMM_ERR_BUSY, 0}}) {
    slept_ = Millis(0);
    driver_.extended = {said, said, said};
    EXPECT_TRUE(attest());
    EXPECT_GT(slept_, Millis(0));
  }
}

TEST_F(SevGuest, GivesUpWhenTheHostThrottlesForGood) {
  driver_.extended = std::deque<Said>(1000, Said{EIO, SNP_GUEST_VMM_ERR_BUSY, 0});
  expect_error(TeeError::kBusy);
  EXPECT_EQ(driver_.extended_calls, SevGuestProvider::kAttempts);
  EXPECT_LE(slept_, Millis(8 * 2000));
}

TEST_F(SevGuest, NamesWhatFirmwareAndHostRefuse) {
  driver_.extended = {{EIO, 0, 0x27}};
  driver_.plain = {{EIO, 0, 0x27}};
  const auto refused = attest();
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(TeeError::kFirmware));
  EXPECT_NE(refused.error().to_string().find("0x00000027 (INVALID_KEY)"), std::string::npos);
  driver_.extended = {{EIO, 7, 0}};
  driver_.plain = {{EIO, 7, 0}};
  expect_error(TeeError::kFirmware);
  driver_.status = 0x16;
  expect_error(TeeError::kFirmware);
}

TEST_F(SevGuest, RejectsAnswersOfAnotherSize) {
  for (const std::uint32_t size : {0U, 1183U, 1185U, 4000U, 0xffffffffU}) {
    driver_.size = size;
    expect_error(TeeError::kBadAnswer);
  }
}

TEST_F(SevGuest, RejectsAReportOfOtherReportDataOrLevel) {
  driver_.other_report_data = true;
  expect_error(TeeError::kWrongReport);
  driver_.other_report_data = false;
  driver_.level = 1;
  expect_error(TeeError::kWrongLevel);
}

TEST_F(SevGuest, RejectsCertificatesThatAreNoTable) {
  driver_.certificates = Bytes(25, 1);
  expect_error(TeeError::kBadAnswer);
}

TEST_F(SevGuest, SaysWhenThereIsNoDeviceOrItIsClosedToThisProcess) {
  driver_.open_error = ENOENT;
  expect_error(TeeError::kNoDevice);
  driver_.open_error = EACCES;
  expect_error(TeeError::kDenied);
}

TEST_F(SevGuest, SaysWhenTheDeviceFails) {
  driver_.extended = {{EIO}};
  driver_.plain = {{EIO}};
  expect_error(TeeError::kIo);
}

TEST_F(SevGuest, SaysWhatADriverThatLostItsKeyNeeds) {
  driver_.extended = {{ENOTTY}};
  driver_.plain = {{ENOTTY, ~0U, ~0U}};
  const auto evidence = attest();
  ASSERT_FALSE(evidence);
  EXPECT_TRUE(evidence.error().is(TeeError::kIo));
  EXPECT_NE(evidence.error().remedy().find("restart the virtual machine"), std::string::npos);
}

// Drivers before Linux 6.3 leave their mark where it is when all went well.
TEST_F(SevGuest, AcceptsASuccessWhateverIsInTheErrorFields) {
  driver_.mark_on_success = 0xff;
  EXPECT_TRUE(attest());
}

TEST_F(SevGuest, RejectsASuccessThatAnsweredNothing) {
  driver_.extended = {{0}};
  expect_error(TeeError::kBadAnswer);
}

// What opens the real one: a path that is no such device answers by errno, and nothing hangs.
TEST(SevGuestDevice, IsTheKernelsAndSaysWhatItSays) {
  SevGuestProvider absent("/nonexistent/sev-guest");
  EXPECT_TRUE(absent.attest(asked()).error().is(TeeError::kNoDevice));
  SevGuestProvider other("/dev/null");
  const auto evidence = other.attest(asked());
  ASSERT_FALSE(evidence);
  EXPECT_TRUE(evidence.error().is(TeeError::kIo)) << evidence.error().to_string();
}

}  // namespace
}  // namespace ensconce
