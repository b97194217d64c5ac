#pragma once

#include "ensconce/sim/device_files.h"
#include "ensconce/sim/process_gate.h"
#include "ensconce/sim/processors.h"

namespace ensconce {

// GramineTree plays /dev/attestation of an enclave under Gramine with DCAP (Gramine, "Attestation
// and Secret Provisioning"): attestation_type, user_report_data (64 bytes, one for the whole
// enclave) and quote. The files of local attestation (target_info, my_target_info, report) and
// keys/ are not there: ENOENT. Gramine pads report data that is shorter; this refuses it.
// A fault takes its turn when a quote is read; `denied` when it is opened.
class GramineTree final : public DeviceFiles {
 public:
  // Enclave and gate are borrowed.
  GramineTree(const SimulatedEnclave& enclave, const ProcessGate& gate, FaultScript faults = {})
      : enclave_(enclave), gate_(gate), faults_(std::move(faults)) {}

  [[nodiscard]] std::optional<Kind> kind(Node node) const override;
  [[nodiscard]] Node child(Node parent, std::string_view name) const override;
  [[nodiscard]] std::vector<Entry> list(Node directory) const override;
  int open(Node node, Handle handle) override;
  DeviceAnswer read(Node node, Handle handle, std::size_t size, std::uint64_t offset) override;
  int write(Node node, Handle handle, std::uint64_t offset, ByteView bytes) override;
  void release(Handle handle) override { answers_.release(handle); }

 private:
  DeviceAnswer quote();

  const SimulatedEnclave& enclave_;
  const ProcessGate& gate_;
  FaultScript faults_;
  ByteArray<64> report_data_{};
  OpenAnswers answers_;
  std::uint64_t num_quotes_ = 0;
};

}  // namespace ensconce
