#pragma once

#include <map>

#include "ensconce/sim/device_files.h"
#include "ensconce/sim/faults.h"
#include "ensconce/sim/process_gate.h"
#include "ensconce/sim/snp_pki.h"
#include "ensconce/sim/swtpm.h"

namespace ensconce {

// Where an Azure confidential VM keeps what its attester needs (Microsoft, "Confidential VM guest
// attestation design").
inline constexpr std::uint32_t kHclReportIndex = 0x01400001;
inline constexpr std::uint32_t kAttestationKeyHandle = 0x81000003;
// Where a key of the same kind lies that no HCL report vouches for.
inline constexpr std::uint32_t kOtherKeyHandle = 0x81000004;
// The PCR that this simulator extends with what was launched.
inline constexpr std::uint32_t kLaunchPcr = 11;

// azure_paravisor_measurement is MEASUREMENT of every simulated Azure guest: of what boots, and not
// of what was launched.
ByteArray<48> azure_paravisor_measurement();
// azure_launch_pcr is what kLaunchPcr holds after a launch of this digest.
ByteArray<32> azure_launch_pcr(const ByteArray<32>& launch_digest);

// furnish_vtpm makes a fresh software TPM that of an Azure confidential VM: attestation key, HCL
// report in its index, PCR. The faults are those of the whole run.
Result<void> furnish_vtpm(Swtpm& vtpm, const SnpPki& pki, const ByteArray<32>& launch_digest,
                          const FaultScript& faults, Random& random);

// VtpmFile plays /dev/tpmrm0 in front of a TPM: one write is one command, reads give its response,
// and what a user of it left loaded is flushed when it closes. As in the kernel a command before
// the last response was read is EBUSY.
// A fault takes its turn at TPM2_Quote; `denied` when the file is opened.
class VtpmFile final : public DeviceFiles {
 public:
  // TPM and gate are borrowed.
  VtpmFile(Swtpm& vtpm, const ProcessGate& gate, FaultScript faults = {})
      : vtpm_(vtpm), gate_(gate), faults_(std::move(faults)) {}

  [[nodiscard]] std::optional<Kind> kind(Node node) const override;
  int open(Node node, Handle handle) override;
  DeviceAnswer read(Node node, Handle handle, std::size_t size, std::uint64_t offset) override;
  int write(Node node, Handle handle, std::uint64_t offset, ByteView bytes) override;
  [[nodiscard]] bool readable(Node node, Handle handle) const override;
  void release(Handle handle) override;

 private:
  struct User {
    Bytes response;
    std::size_t read = 0;
    bool hangs = false;
  };
  Result<Bytes> answer(Bytes command, User& user);
  Result<Bytes> quote(Bytes command, User& user);

  Swtpm& vtpm_;
  const ProcessGate& gate_;
  FaultScript faults_;
  std::map<Handle, User> users_;
  std::uint64_t num_quotes_ = 0;
  bool pcr_extended_ = false;
};

}  // namespace ensconce
