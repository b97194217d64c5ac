#include <cerrno>
#include <mutex>
#include <string>
#include <utility>

#include "../attempts.h"
#include "../device_error.h"
#include "../passed_on.h"
#include "ensconce/base/printable.h"
#include "ensconce/tee/gramine.h"

namespace ensconce {

namespace {

using internal::device_error;

constexpr std::size_t kMaxLine = 64;
constexpr Millis kFirstPause{20};
constexpr Millis kLongestPause{1000};

// An enclave has one user_report_data: who writes it owns what quote says until it was read.
std::mutex& one_at_a_time() {
  static std::mutex mutex;
  return mutex;
}

Error no_attestation(std::string_view type) {
  return Error(TeeError::kAttestationType,
               "attestation_type: expected dcap, got " + printable(type, kMaxLine))
      .with_remedy(
          "say sgx.remote_attestation = \"dcap\" in the enclave's manifest and sign it anew");
}

Result<void> expect_dcap(GramineFiles& files) {
  const GramineFiles::Answer type = files.read("attestation_type", kMaxLine);
  if (internal::is_absent(type.error)) {
    return Error(TeeError::kNoDevice, "there is no attestation_type here")
        .with_remedy("start this program in an SGX enclave, with gramine-sgx");
  }
  if (type.error != 0) {
    return device_error("reading attestation_type", type.error);
  }
  std::string_view text = as_text(type.bytes);
  text = text.substr(0, text.find_last_not_of("\n\0 ") + 1);
  return text == "dcap" ? ok() : Result<void>(no_attestation(text));
}

}  // namespace

GramineProvider::GramineProvider(std::filesystem::path root)
    : GramineProvider(make_gramine_files(std::move(root)), real_sleeper()) {}

GramineProvider::GramineProvider(std::unique_ptr<GramineFiles> files, Sleeper sleep)
    : files_(std::move(files)), sleep_(std::move(sleep)) {}

Result<HardwareEvidence> GramineProvider::attest(const ByteArray<64>& report_data) {
  return internal::with_attempts(kAttempts, {kFirstPause, kLongestPause}, sleep_,
                                 [&] { return request(report_data); });
}

Result<HardwareEvidence> GramineProvider::request(const ByteArray<64>& report_data) {
  const std::lock_guard alone(one_at_a_time());
  ENSC_TRY(expect_dcap(*files_));
  if (const int error = files_->write("user_report_data", report_data); error != 0) {
    return device_error("writing user_report_data", error);
  }
  const GramineFiles::Answer quote = files_->read("quote", kMaxGramineQuote);
  if (quote.error != 0) {
    return device_error("reading quote", quote.error)
        .with_remedy(
            "the quoting service of the host (AESM, with Intel's DCAP) must run and know "
            "this platform");
  }
  return internal::quote_evidence(quote.bytes, report_data, internal::IntelTee::kSgx);
}

}  // namespace ensconce
