#pragma once

#include <linux/filter.h>

#include <vector>

#include "ensconce/base/bytes.h"
#include "ensconce/sandbox/plan.h"

namespace ensconce::sandbox {

// seccomp_known says whether this kernel takes filters, and this build has one for its processor.
bool seccomp_known();
// filter_of is the program for a plan: allowed calls, EPERM, or the end of the process.
std::vector<sock_filter> filter_of(const SandboxPlan& plan);
// listener_filter refuses bind and listen, and allows what the filter before it does.
std::vector<sock_filter> listener_filter();
// install makes every thread of the process subject to the program, beside those it had.
Result<void> install(std::vector<sock_filter> program);

}  // namespace ensconce::sandbox
