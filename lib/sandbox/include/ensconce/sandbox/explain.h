#pragma once

#include <string>

#include "ensconce/codec/json.h"
#include "ensconce/sandbox/sandbox.h"

namespace ensconce {

// explain_sandbox says in words what a plan allows and why, what is refused, what this kernel
// supports, and what the statement will say. For people; lines of text.
std::string explain_sandbox(const SandboxPlan& plan, SandboxMode mode,
                            const SandboxSupport& support);
// sandbox_to_json is the same for machines.
json::Value sandbox_to_json(const SandboxPlan& plan, SandboxMode mode,
                            const SandboxSupport& support);

}  // namespace ensconce
