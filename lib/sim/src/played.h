#pragma once

#include <memory>

#include "ensconce/sim/gramine_tree.h"
#include "ensconce/sim/runner.h"
#include "ensconce/sim/swtpm.h"
#include "ensconce/sim/transport.h"
#include "ensconce/sim/tsm_device.h"

namespace ensconce {

// Played is the secure processor of one run, and the device it answers by. What is borrowed lies
// above what borrows it.
struct Played {
  std::unique_ptr<TsmProcessor> processor;    // SNP, TDX
  std::unique_ptr<TsmDevice> tsm;             // SNP, TDX
  std::unique_ptr<SimulatedEnclave> enclave;  // SGX
  std::unique_ptr<Swtpm> vtpm;                // Azure
  std::unique_ptr<DeviceFiles> files;
};

// play makes the processor of a launch. The state, gate, clock and randomness must outlive it.
Result<std::unique_ptr<Played>> play(const SimulatorState& state, const RunOptions& options,
                                     const StagedLaunch& launch, const ProcessGate& gate,
                                     const Clock& clock, Random& random);

}  // namespace ensconce
