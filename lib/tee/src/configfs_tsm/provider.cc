#include <cerrno>
#include <charconv>
#include <system_error>
#include <utility>

#include "../attempts.h"
#include "../device_error.h"
#include "../passed_on.h"
#include "ensconce/base/log.h"
#include "ensconce/tee/configfs_tsm.h"

namespace ensconce {

namespace {

using internal::device_error;
using internal::IntelTee;
using internal::is_absent;
using internal::may_pass;

constexpr std::size_t kMaxLine = 128;
constexpr Millis kFirstPause{2};
constexpr Millis kLongestPause{200};

// Appearing is asynchronous for some devices: ENOENT right after mkdir, or a pipe nobody reads yet.
bool not_there_yet(int error) { return error == ENOENT || error == ENXIO; }

Error no_device(int error) {
  if (error == EACCES || error == EPERM) {
    return Error(TeeError::kDenied, "this process may not use configfs-tsm")
        .with_remedy("run as a user that may create directories under the tsm root's report/");
  }
  if (is_absent(error)) {
    return Error(TeeError::kNoDevice, "there is no configfs-tsm report interface here: " +
                                          std::generic_category().message(error))
        .with_remedy(
            "in a confidential VM: mount configfs and load the guest driver (sev-guest); on a "
            "machine without one: start this program with ensconce-sim run");
  }
  return device_error("mkdir", error);
}

Result<std::string> line_of(std::string_view attribute, const TsmAnswer& answer) {
  if (answer.error != 0) {
    return device_error("reading " + std::string(attribute), answer.error);
  }
  std::string_view text = as_text(answer.bytes);
  if (text.ends_with('\n')) {
    text.remove_suffix(1);
  }
  if (text.empty()) {
    return Error(TeeError::kBadAnswer, std::string(attribute) + " is empty");
  }
  // The value reaches log lines: keep it to what such names are made of.
  for (const char c : text) {
    if (c < 0x21 || c > 0x7e) {
      return Error(TeeError::kBadAnswer, std::string(attribute) + " is not one printable word");
    }
  }
  return std::string(text);
}

Result<std::uint64_t> number_of(std::string_view attribute, const TsmAnswer& answer) {
  ENSC_TRY_ASSIGN(const std::string text, line_of(attribute, answer));
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Error(TeeError::kBadAnswer, std::string(attribute) + " is no number");
  }
  return value;
}

}  // namespace

ConfigfsTsmProvider::ConfigfsTsmProvider(std::filesystem::path root, const Clock& clock,
                                         Random& random)
    : ConfigfsTsmProvider(make_tsm_tree(std::move(root)), clock, random, real_sleeper()) {}

ConfigfsTsmProvider::ConfigfsTsmProvider(std::unique_ptr<TsmTree> tree, const Clock& clock,
                                         Random& random, Sleeper sleep)
    : tree_(std::move(tree)), clock_(clock), random_(random), sleep_(std::move(sleep)) {}

Result<HardwareEvidence> ConfigfsTsmProvider::attest(const ByteArray<64>& report_data) {
  return internal::with_attempts(kAttempts, {kFirstPause, kLongestPause}, sleep_,
                                 [&] { return request(report_data); });
}

Result<HardwareEvidence> ConfigfsTsmProvider::request(const ByteArray<64>& report_data) {
  const std::string name = "ensconce-" + to_hex(random_.array<8>());
  if (const int error = tree_->make(name); error != 0) {
    if (error == EEXIST) {
      return Error(TeeError::kBusy, "the name of this request is taken");
    }
    return no_device(error);
  }
  auto evidence = exchange(report_data);
  remove_request(*tree_, sleep_);
  return evidence;
}

Result<HardwareEvidence> ConfigfsTsmProvider::exchange(const ByteArray<64>& report_data) {
  ENSC_TRY(write_inblob(report_data));
  ENSC_TRY_ASSIGN(const std::string provider, read_line("provider"));
  if (provider == "sev_guest") {
    return exchange_snp(report_data);
  }
  if (provider == "tdx_guest") {
    return exchange_tdx(report_data);
  }
  return Error(TeeError::kUnsupported, "configfs-tsm provider \"" + provider + "\"");
}

Result<HardwareEvidence> ConfigfsTsmProvider::exchange_snp(const ByteArray<64>& report_data) {
  ENSC_TRY_ASSIGN(const std::uint32_t level, ask_for_own_level());
  ENSC_TRY_ASSIGN(const Bytes outblob, read_blob("outblob", kMaxTsmOutblob));
  const TsmAnswer auxblob = tree_->read("auxblob", kMaxTsmAuxblob);
  // A host that has no certificates to give: the endorsements then come from elsewhere.
  if (auxblob.error != 0 && auxblob.error != ENOENT && auxblob.error != ENODATA) {
    return device_error("reading auxblob", auxblob.error);
  }
  ENSC_TRY(expect_own_writes_alone());
  return internal::snp_evidence(outblob, auxblob.bytes, {report_data, level});
}

Result<HardwareEvidence> ConfigfsTsmProvider::exchange_tdx(const ByteArray<64>& report_data) {
  ENSC_TRY_ASSIGN(const Bytes outblob, read_blob("outblob", kMaxTsmOutblob));
  ENSC_TRY(expect_own_writes_alone());
  return internal::quote_evidence(outblob, report_data, IntelTee::kTdx);
}

Result<Bytes> ConfigfsTsmProvider::read_blob(std::string_view attribute, std::size_t limit) {
  TsmAnswer answer = tree_->read(attribute, limit);
  if (answer.error != 0) {
    return device_error("reading " + std::string(attribute), answer.error);
  }
  return std::move(answer.bytes);
}

// The kernel asks for level 0 unless told otherwise, which a guest that runs below an SVSM may not
// ask for: the floor is the level it has.
Result<std::uint32_t> ConfigfsTsmProvider::ask_for_own_level() {
  const TsmAnswer answer = tree_->read("privlevel_floor", kMaxLine);
  if (answer.error == ENOENT) {
    return 0;
  }
  ENSC_TRY_ASSIGN(const std::uint64_t floor, number_of("privlevel_floor", answer));
  if (floor > 3) {
    return Error(TeeError::kBadAnswer,
                 "privlevel_floor: expected 0 to 3, got " + std::to_string(floor));
  }
  if (floor > 0) {
    if (const int error = tree_->write("privlevel", as_bytes(std::to_string(floor))); error != 0) {
      return device_error("writing privlevel", error);
    }
    ++writes_;
  }
  return static_cast<std::uint32_t>(floor);
}

// A fresh directory counts from 0; more than our own writes means that somebody else wrote, and the
// report may answer him.
Result<void> ConfigfsTsmProvider::expect_own_writes_alone() {
  ENSC_TRY_ASSIGN(const std::uint64_t generation, read_number("generation"));
  if (generation != writes_) {
    return Error(TeeError::kBusy, "generation " + std::to_string(generation) + " after " +
                                      std::to_string(writes_) + " writes of ours");
  }
  return ok();
}

Result<void> ConfigfsTsmProvider::write_inblob(const ByteArray<64>& report_data) {
  const Millis start = clock_.since_boot();
  Millis pause{1};
  for (;;) {
    const int error = tree_->write("inblob", report_data);
    if (error == 0) {
      writes_ = 1;
      return ok();
    }
    if (!not_there_yet(error)) {
      return device_error("writing inblob", error);
    }
    if (clock_.since_boot() - start >= kAppearLimit) {
      return Error(TeeError::kTimedOut, "inblob did not appear in the request directory");
    }
    sleep_(pause);
    pause = std::min(pause * 2, Millis(50));
  }
}

Result<std::string> ConfigfsTsmProvider::read_line(std::string_view attribute) {
  return line_of(attribute, tree_->read(attribute, kMaxLine));
}

Result<std::uint64_t> ConfigfsTsmProvider::read_number(std::string_view attribute) {
  return number_of(attribute, tree_->read(attribute, kMaxLine));
}

}  // namespace ensconce
