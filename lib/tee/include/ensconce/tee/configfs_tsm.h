#pragma once

#include <filesystem>
#include <memory>

#include "ensconce/attestation/evidence/cert_table.h"
#include "ensconce/base/clock.h"
#include "ensconce/base/random.h"
#include "ensconce/tee/provider.h"
#include "ensconce/tee/tsm_tree.h"

namespace ensconce {

// kDefaultTsmRoot is where Linux has it when configfs is mounted.
inline constexpr std::string_view kDefaultTsmRoot = "/sys/kernel/config/tsm";
inline constexpr std::size_t kMaxTsmOutblob = 32768;
inline constexpr std::size_t kMaxTsmAuxblob = kMaxCertTable;

// ConfigfsTsmProvider gets evidence through Linux's configfs-tsm. One request is one directory with
// a random name, removed at the end whatever happened. `generation` shows whether another process
// wrote to the same directory meanwhile; then, and when the device is busy, the whole request is
// made again, at most kAttempts times. Knows provider "sev_guest"; another is
// TeeError::kUnsupported.
class ConfigfsTsmProvider final : public EvidenceProvider {
 public:
  static constexpr int kAttempts = 8;
  // kAppearLimit bounds the wait for attributes after mkdir.
  static constexpr Millis kAppearLimit{2000};

  // The clock and randomness must outlive the provider.
  ConfigfsTsmProvider(std::filesystem::path root, const Clock& clock, Random& random);
  ConfigfsTsmProvider(std::unique_ptr<TsmTree> tree, const Clock& clock, Random& random,
                      Sleeper sleep);

  Result<HardwareEvidence> attest(const ByteArray<64>& report_data) override;
  [[nodiscard]] std::string name() const override { return "configfs-tsm"; }

 private:
  Result<HardwareEvidence> request(const ByteArray<64>& report_data);
  Result<HardwareEvidence> exchange(const ByteArray<64>& report_data);
  Result<std::string> read_line(std::string_view attribute);
  Result<std::uint64_t> read_generation();
  Result<void> write_inblob(const ByteArray<64>& report_data);
  void remove();

  std::unique_ptr<TsmTree> tree_;
  const Clock& clock_;
  Random& random_;
  Sleeper sleep_;
};

}  // namespace ensconce
