#pragma once

#include <string>
#include <string_view>

#include "ensconce/base/bytes.h"
#include "ensconce/base/locked_memory.h"
#include "ensconce/sandbox/error.h"
#include "ensconce/sandbox/mode.h"
#include "ensconce/sandbox/plan.h"

namespace ensconce {

// SandboxSupport is what this kernel, and this build of the program, can do.
struct SandboxSupport {
  int landlock_abi = 0;       // 0: none. 1 has files, 4 TCP ports, 5 ioctls, 6 signals
  bool calls = false;         // seccomp filters
  bool locked = false;        // the whole process may be locked into memory
  bool secret_pages = false;  // memfd_secret
  bool sanitized = false;     // a sanitizer's build: it filters no calls and locks no memory
};
// probe_sandbox asks the kernel and changes nothing.
SandboxSupport probe_sandbox();

// SandboxInForce is what holds for every thread of this process until it ends.
struct SandboxInForce {
  bool files = false;    // no path but those of the plan
  bool tcp = false;      // no TCP port but those of the plan
  bool network = false;  // tcp, and no other kind of socket at all
  bool calls = false;    // no system call but those of the list
  bool locked = false;   // no page of the process, present or to come, goes to swap

  // to_string is the text of `security.sandbox` in a statement
  // (docs/protocols/statement.md, section 7): "files+network+calls+locked", or "none".
  [[nodiscard]] std::string to_string() const;
};
// expected_in_force is what enter_sandbox would return for this plan with this support.
SandboxInForce expected_in_force(const SandboxPlan& plan, const SandboxSupport& support);

// forbid_dumps is for the first line of a program: no core dump, also not to a pipe, and nobody of
// the same user reads or traces this process (PR_SET_DUMPABLE 0, RLIMIT_CORE 0).
void forbid_dumps();

// enter_sandbox locks this process in, for good: no new privileges, memory locked, files and ports
// by landlock, system calls by seccomp. Call it while there is one thread, before anything comes
// from the network; it logs nothing. Fails with a SandboxError; what was applied until then stays.
Result<SandboxInForce> enter_sandbox(const SandboxPlan& plan, SandboxMode mode);

// close_listeners is for a program whose listeners are there: from now on it makes no other. Holds
// for all threads. Does nothing where calls are not filtered.
Result<void> close_listeners(const SandboxInForce& in_force);

}  // namespace ensconce
