#pragma once

#include <vector>

#include "ensconce/base/clock.h"
#include "ensconce/base/random.h"
#include "ensconce/sim/faults.h"
#include "ensconce/sim/stage.h"
#include "ensconce/sim/state.h"

namespace ensconce {

enum class TransportChoice : std::uint8_t { kAuto, kFuse, kPipes };

struct RunOptions {
  LaunchRequest launch;  // with the platform
  // Pipes are for SNP without faults alone; kAuto then tries nothing but FUSE.
  TransportChoice transport = TransportChoice::kAuto;
  std::vector<FaultRule> faults;
  bool keep = false;
};

// write_endorsements puts into `dir` what the platform's device does not hand out, in files as an
// operator would keep them: certificates, revocation lists, and Intel's TCB info and QE identity.
Result<void> write_endorsements(const SimulatorState& state, Platform platform, Instant now,
                                const std::filesystem::path& dir);

// measure_launch stages, measures and removes: the measurement `run_launch` would have.
Result<StagedLaunch> measure_launch(const SimulatorState& state, const LaunchRequest& request,
                                    Random& random);

// run_launch stages, measures and starts a program, plays its secure processor while it runs,
// forwards SIGTERM, SIGINT and SIGHUP to it, and returns its exit code (128 + n for signal n). Call
// from the main thread before others exist: it blocks signals, and the program dies with this
// thread.
Result<int> run_launch(const SimulatorState& state, const RunOptions& options, const Clock& clock,
                       Random& random);

}  // namespace ensconce
