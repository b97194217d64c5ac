#pragma once

#include <filesystem>
#include <memory>

#include "ensconce/attestation/evidence/cert_table.h"
#include "ensconce/base/clock.h"
#include "ensconce/base/random.h"
#include "ensconce/tee/provider.h"
#include "ensconce/tee/tsm_tree.h"

namespace ensconce {

inline constexpr std::size_t kMaxTsmOutblob = 32768;
inline constexpr std::size_t kMaxTsmAuxblob = kMaxCertTable;

// ConfigfsTsmProvider gets evidence through Linux's configfs-tsm. One request is one directory with
// a random name, removed at the end whatever happened. `generation` shows whether another process
// wrote to the same directory meanwhile; then, and when the device is busy, the whole request is
// made again, at most kAttempts times. Knows the providers "sev_guest", of which it asks for the
// privilege level that this guest has, and "tdx_guest", which must give a quote; another is
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
  Result<HardwareEvidence> exchange_snp(const ByteArray<64>& report_data);
  Result<HardwareEvidence> exchange_tdx(const ByteArray<64>& report_data);
  Result<Bytes> read_blob(std::string_view attribute, std::size_t limit);
  Result<std::string> read_line(std::string_view attribute);
  Result<std::uint64_t> read_number(std::string_view attribute);
  Result<std::uint32_t> ask_for_own_level();
  Result<void> expect_own_writes_alone();
  Result<void> write_inblob(const ByteArray<64>& report_data);

  std::unique_ptr<TsmTree> tree_;
  const Clock& clock_;
  Random& random_;
  Sleeper sleep_;
  std::uint64_t writes_ = 0;  // of ours to the request at hand
};

}  // namespace ensconce
