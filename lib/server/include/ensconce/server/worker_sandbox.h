#pragma once

#include "ensconce/sandbox/plan.h"
#include "ensconce/server/worker_config.h"

namespace ensconce {

// worker_sandbox is what a worker of this configuration needs from the system after it has read
// worker.toml and the broker's policy: docs/sandbox.md.
SandboxPlan worker_sandbox(const WorkerConfig& config);

}  // namespace ensconce
