#pragma once

#include <cstdint>

#include "ensconce/base/bytes.h"
#include "ensconce/sandbox/plan.h"

namespace ensconce::sandbox {

// What each version of landlock's interface brought
// (Linux, Documentation/userspace-api/landlock.rst).
inline constexpr int kAbiTcp = 4;

// landlock_abi is the version this kernel speaks, 0 for none.
int landlock_abi();
// restrict_paths_and_ports holds for the calling thread and those it starts. A path of the plan
// that does not exist is passed over: it cannot be opened then either.
Result<void> restrict_paths_and_ports(const SandboxPlan& plan, int abi);

}  // namespace ensconce::sandbox
