#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "../attempts.h"
#include "../device_error.h"
#include "../passed_on.h"
#include "device.h"
#include "ensconce/attestation/evidence/cert_table.h"
#include "ensconce/tee/sev_guest.h"

namespace ensconce {

namespace {

using internal::device_error;

constexpr Millis kFirstPause{20};
// The kernel itself waits two seconds for a host that throttles.
constexpr Millis kLongestPause{2000};
constexpr std::size_t kPage = 4096;
constexpr std::size_t kFirstCertificates = 4 * kPage;
// MSG_REPORT_RSP (SEV-SNP firmware ABI 56860, table "MSG_REPORT_RSP"): status and size, both u32,
// 24 reserved bytes, the report.
constexpr std::size_t kResponseHead = 32;

std::uint32_t u32_at(ByteView bytes, std::size_t at) {
  return static_cast<std::uint32_t>(bytes[at]) | static_cast<std::uint32_t>(bytes[at + 1]) << 8 |
         static_cast<std::uint32_t>(bytes[at + 2]) << 16 |
         static_cast<std::uint32_t>(bytes[at + 3]) << 24;
}

// Names of the codes a guest can meet (56860, table "Status codes"; linux/psp-sev.h).
std::string firmware_name(std::uint32_t code) {
  switch (code) {
    case 0x01:
      return "INVALID_PLATFORM_STATE";
    case 0x02:
      return "INVALID_GUEST_STATE";
    case 0x03:
      return "INVALID_CONFIG";
    case 0x04:
      return "INVALID_LENGTH";
    case 0x07:
      return "POLICY_FAILURE";
    case 0x08:
      return "INACTIVE";
    case 0x09:
      return "INVALID_ADDRESS";
    case 0x10:
      return "INVALID_GUEST";
    case 0x11:
      return "INVALID_COMMAND";
    case 0x13:
      return "HWERROR_PLATFORM";
    case 0x14:
      return "HWERROR_UNSAFE";
    case 0x15:
      return "UNSUPPORTED";
    case 0x16:
      return "INVALID_PARAM";
    case 0x17:
      return "RESOURCE_LIMIT";
    case 0x18:
      return "SECURE_DATA_INVALID";
    case 0x1d:
      return "AEAD_OFLOW";
    case 0x22:
      return "BAD_VERSION";
    case 0x23:
      return "SHUTDOWN_REQUIRED";
    case 0x27:
      return "INVALID_KEY";
    default:
      return "no name known here";
  }
}

std::string hex_of(std::uint32_t code) {
  const ByteArray<4> bytes{static_cast<std::uint8_t>(code >> 24),
                           static_cast<std::uint8_t>(code >> 16),
                           static_cast<std::uint8_t>(code >> 8), static_cast<std::uint8_t>(code)};
  return "0x" + to_hex(bytes);
}

Error refused_by_firmware(std::uint32_t code) {
  return Error(TeeError::kFirmware,
               "firmware status " + hex_of(code) + " (" + firmware_name(code) + ")")
      .with_remedy(
          "restart the virtual machine; if it stays, tell the host's operator this number");
}

Error no_device(int error) {
  if (error == EACCES || error == EPERM) {
    return Error(TeeError::kDenied, "this process may not open the device")
        .with_remedy("run as a user that may read and write it");
  }
  if (internal::is_absent(error)) {
    return Error(TeeError::kNoDevice,
                 "there is no such device: " + std::string(std::strerror(error)))
        .with_remedy("in an SEV-SNP guest: load the driver (modprobe sev-guest)");
  }
  return device_error("opening it", error);
}

// The driver puts a mark where firmware and host answer before it calls them, and leaves it there
// when it fails by itself: 0xff at first, SEV_RET_NO_FW_CALL (-1) in later kernels.
bool nobody_was_called(const snp_guest_request_ioctl& request) {
  return request.exitinfo2 == 0 || request.exitinfo2 == 0xff ||
         request.exitinfo2 == ~decltype(request.exitinfo2){0};
}

// The driver drops its key to the secure processor for good when an exchange was not whole, lest it
// uses one nonce twice; from then on it has no such ioctl.
Error failed_by_itself(int error) {
  Error out = device_error("the ioctl", error);
  return error == ENOTTY
             ? std::move(out).with_remedy(
                   "the driver gave up its key to the secure processor after a failed exchange (or "
                   "the path is no sev-guest device): restart the virtual machine")
             : out;
}

// What the kernel said to one ioctl: nothing when all is well. Whether the answer in it is of this
// request is looked at where it is read.
std::optional<Error> failure_of(int error, const snp_guest_request_ioctl& request) {
  if (error == 0) {
    return std::nullopt;
  }
  if (nobody_was_called(request)) {
    return failed_by_itself(error);
  }
  if (request.vmm_error == SNP_GUEST_VMM_ERR_BUSY) {
    return Error(TeeError::kBusy, "the host throttles requests of this guest");
  }
  if (request.vmm_error != 0) {
    return Error(TeeError::kFirmware,
                 "the host refused, with its error " + hex_of(request.vmm_error));
  }
  return refused_by_firmware(request.fw_error);
}

// Asked is one request in the kernel's form; the structures point at each other.
struct Asked {
  explicit Asked(const ByteArray<64>& report_data) {
    std::copy(report_data.begin(), report_data.end(), std::begin(report.user_data));
    std::copy(report_data.begin(), report_data.end(), std::begin(extended.data.user_data));
  }
  snp_guest_request_ioctl& with(const void* structure) {
    response = {};
    request = {};
    request.msg_version = 1;
    request.req_data = reinterpret_cast<std::uintptr_t>(structure);
    request.resp_data = reinterpret_cast<std::uintptr_t>(&response);
    return request;
  }
  snp_report_req report{};
  snp_ext_report_req extended{};
  snp_report_resp response{};
  snp_guest_request_ioctl request{};
};

// get_extended asks for the extended report, with as much room as the host says it needs. It begins
// with the most that drivers take today (SEV_FW_BLOB_MAX_SIZE); one that takes no more answers the
// second round with EINVAL, and the plain report is what there is.
Result<Bytes> get_extended(SevGuestDevice& device, Asked& asked) {
  Bytes certificates(kFirstCertificates);
  for (int round = 0; round < 2; ++round) {
    asked.extended.certs_address = reinterpret_cast<std::uintptr_t>(certificates.data());
    asked.extended.certs_len = static_cast<std::uint32_t>(certificates.size());
    const int error = device.get_ext_report(asked.with(&asked.extended));
    if (error != 0 && asked.request.vmm_error == SNP_GUEST_VMM_ERR_INVALID_LEN && round == 0) {
      const std::size_t needed = (asked.extended.certs_len + kPage - 1) / kPage * kPage;
      if (needed <= certificates.size() || needed > kMaxCertTable) {
        return Error(TeeError::kBadAnswer, "certificates: the host asks for room of " +
                                               std::to_string(asked.extended.certs_len) + " bytes");
      }
      certificates.assign(needed, 0);
      continue;
    }
    if (std::optional<Error> failed = failure_of(error, asked.request)) {
      return *std::move(failed);
    }
    return certificates;
  }
  return Error(TeeError::kBadAnswer, "certificates: the host asks for more room each time");
}

Result<Bytes> report_of(const snp_report_resp& response) {
  const ByteView bytes(response.data, sizeof(response.data));
  if (const std::uint32_t status = u32_at(bytes, 0); status != 0) {
    return refused_by_firmware(status);
  }
  const std::uint32_t size = u32_at(bytes, 4);
  if (size != kSnpReportLen) {
    return Error(TeeError::kBadAnswer, "report: expected " + std::to_string(kSnpReportLen) +
                                           " bytes, got " + std::to_string(size));
  }
  return to_bytes(bytes.subspan(kResponseHead, kSnpReportLen));
}

}  // namespace

SevGuestProvider::SevGuestProvider(std::filesystem::path path)
    : SevGuestProvider(make_sev_guest_device(std::move(path)), real_sleeper()) {}

SevGuestProvider::SevGuestProvider(std::unique_ptr<SevGuestDevice> device, Sleeper sleep)
    : device_(std::move(device)), sleep_(std::move(sleep)) {}

SevGuestProvider::~SevGuestProvider() = default;

Result<HardwareEvidence> SevGuestProvider::attest(const ByteArray<64>& report_data) {
  return internal::with_attempts(kAttempts, {kFirstPause, kLongestPause}, sleep_,
                                 [&]() -> Result<HardwareEvidence> {
                                   if (const int error = device_->open(); error != 0) {
                                     return no_device(error);
                                   }
                                   auto evidence = request(report_data);
                                   device_->close();
                                   return evidence;
                                 });
}

Result<HardwareEvidence> SevGuestProvider::request(const ByteArray<64>& report_data) {
  Asked asked(report_data);
  Result<Bytes> certificates = get_extended(*device_, asked);
  if (!certificates) {
    // What may pass is tried anew as a whole; of the rest the plain report tells what is wrong with
    // the device and not with the host's certificates.
    if (certificates.error().is(TeeError::kBusy)) {
      return certificates.error();
    }
    const int error = device_->get_report(asked.with(&asked.report));
    if (std::optional<Error> failed = failure_of(error, asked.request)) {
      return *std::move(failed);
    }
    certificates = Bytes();
  }
  ENSC_TRY_ASSIGN(const Bytes report, report_of(asked.response));
  return internal::snp_evidence(report, *certificates, {report_data, 0});
}

}  // namespace ensconce
