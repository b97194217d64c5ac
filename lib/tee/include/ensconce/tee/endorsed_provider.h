#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "ensconce/tee/provider.h"

namespace ensconce {

// What an evidence document, and a request for a key, have room for beside the evidence.
inline constexpr std::size_t kMaxEndorsementBytes = std::size_t{160} * 1024;
inline constexpr std::size_t kMaxEndorsementItems = 16;

// EndorsedProvider puts the endorsements of a directory beside another provider's evidence:
// certificates, revocation lists, Intel's TCB info and identities, which its device does not hand
// out. The directory is read at each evidence, so that whoever keeps it fresh need not restart
// anything. Of a pool, only what belongs to an SNP report is taken; of Intel's all of it. One that
// cannot be read, or holds more than a document has room for, is TeeError::kEndorsements.
class EndorsedProvider final : public EvidenceProvider {
 public:
  EndorsedProvider(std::unique_ptr<EvidenceProvider> provider, std::filesystem::path directory);

  Result<HardwareEvidence> attest(const ByteArray<64>& report_data) override;
  [[nodiscard]] std::string name() const override { return provider_->name(); }

 private:
  std::unique_ptr<EvidenceProvider> provider_;
  std::filesystem::path directory_;
};

}  // namespace ensconce
