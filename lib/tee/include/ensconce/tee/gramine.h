#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "ensconce/tee/provider.h"

namespace ensconce {

inline constexpr std::size_t kMaxGramineQuote = 65536;

// GramineFiles are the pseudo files of an enclave's attestation (Gramine documentation,
// "Attestation and Secret Provisioning", low-level /dev/attestation interface). It speaks errno.
class GramineFiles {
 public:
  GramineFiles() = default;
  virtual ~GramineFiles() = default;
  GramineFiles(const GramineFiles&) = delete;
  GramineFiles& operator=(const GramineFiles&) = delete;

  struct Answer {
    int error = 0;
    Bytes bytes;
  };
  // read reads to the end; more than `limit` bytes is EFBIG.
  virtual Answer read(std::string_view file, std::size_t limit) = 0;
  // write gives all in one write(2); fewer taken is EIO.
  virtual int write(std::string_view file, ByteView bytes) = 0;
};
std::unique_ptr<GramineFiles> make_gramine_files(std::filesystem::path root);

// GramineProvider gets SGX quotes: it writes user_report_data and reads quote, one pair at a time
// for the whole process, since an enclave has one of each. The enclave's manifest must say
// sgx.remote_attestation = "dcap".
class GramineProvider final : public EvidenceProvider {
 public:
  static constexpr int kAttempts = 8;

  explicit GramineProvider(std::filesystem::path root);
  GramineProvider(std::unique_ptr<GramineFiles> files, Sleeper sleep);

  Result<HardwareEvidence> attest(const ByteArray<64>& report_data) override;
  [[nodiscard]] std::string name() const override { return "gramine"; }

 private:
  Result<HardwareEvidence> request(const ByteArray<64>& report_data);
  std::unique_ptr<GramineFiles> files_;
  Sleeper sleep_;
};

}  // namespace ensconce
