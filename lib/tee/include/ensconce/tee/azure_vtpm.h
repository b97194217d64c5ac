#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "ensconce/crypto/keys.h"
#include "ensconce/tee/provider.h"

namespace ensconce {

// Where an Azure confidential VM's paravisor leaves its report, and the handle of the key that it
// vouches for (Microsoft, "Confidential VM guest attestation design").
inline constexpr std::uint32_t kHclReportIndex = 0x01400001;
inline constexpr std::uint32_t kHclKeyHandle = 0x81000003;
inline constexpr std::size_t kMaxHclReport = 16384;

// VtpmDevice is a TPM 2.0 as far as attestation needs it (TCG TPM 2.0 Library, part 3). Codes of
// the TPM that may pass (RETRY, YIELDED, TESTING, NV_UNAVAILABLE and their like) are
// TeeError::kBusy, an index or handle that is not there kNoDevice, what asks for a password
// kDenied, an answer of another form, or a TPM 1.2's, kBadAnswer, others kFirmware with their
// number.
class VtpmDevice {
 public:
  struct Quote {
    Bytes attest;     // TPMS_ATTEST
    Bytes signature;  // RSASSA with SHA-256, as the key's scheme says
  };

  VtpmDevice() = default;
  virtual ~VtpmDevice() = default;
  VtpmDevice(const VtpmDevice&) = delete;
  VtpmDevice& operator=(const VtpmDevice&) = delete;

  // open is called before a request and close after it.
  virtual Result<void> open() = 0;
  virtual void close() = 0;
  // read_nv reads an index whole; more than `limit` bytes is kBadAnswer.
  virtual Result<Bytes> read_nv(std::uint32_t index, std::size_t limit) = 0;
  // read_key reads the public area of a persistent RSA key.
  virtual Result<RsaPublicKey> read_key(std::uint32_t handle) = 0;
  // read_pcrs reads PCR 0 to 23 of the SHA-256 bank.
  virtual Result<std::vector<ByteArray<32>>> read_pcrs() = 0;
  // quote quotes all of them.
  virtual Result<Quote> quote(std::uint32_t handle, ByteView extra_data) = 0;
};
// make_vtpm_device speaks to the kernel's TPM device, such as /dev/tpmrm0, by tpm2-tss.
std::unique_ptr<VtpmDevice> make_vtpm_device(std::filesystem::path path);

// probe_azure_vtpm says whether the TPM at `path` holds a paravisor's report: an ordinary TPM has
// no such index (kNoDevice), or its owner keeps something else there (kBadAnswer).
Result<void> probe_azure_vtpm(const std::filesystem::path& path);
Result<void> probe_azure_vtpm(VtpmDevice& device);

// AzureVtpmProvider gets evidence "azure-snp": the paravisor's report, whose SNP report vouches for
// the vTPM's attestation key, and a quote of that key over the PCRs, whose extraData is the report
// data without the zeros behind its digest: 32 bytes (SHA-256, of a statement) or 48 (SHA-384, of a
// key release). More is kUnsupported: these TPMs know no longer digest, and take none.
// The chip's certificate comes from the directory of endorsements, since nothing in the VM hands it
// out (kEndorsements without). TDX below the paravisor is kUnsupported: its quote is made by the
// host's metadata service. What may pass is tried again, at most kAttempts times.
class AzureVtpmProvider final : public EvidenceProvider {
 public:
  static constexpr int kAttempts = 8;

  AzureVtpmProvider(std::filesystem::path tpm, std::filesystem::path endorsements,
                    Sleeper sleep = real_sleeper());
  AzureVtpmProvider(std::unique_ptr<VtpmDevice> device, std::filesystem::path endorsements,
                    Sleeper sleep);

  Result<HardwareEvidence> attest(const ByteArray<64>& report_data) override;
  [[nodiscard]] std::string name() const override { return "azure-vtpm"; }

 private:
  Result<HardwareEvidence> request(const ByteArray<64>& report_data);
  std::unique_ptr<VtpmDevice> device_;
  std::filesystem::path endorsements_;
  Sleeper sleep_;
};

}  // namespace ensconce
