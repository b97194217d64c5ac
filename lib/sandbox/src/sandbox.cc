#include "ensconce/sandbox/sandbox.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "ensconce/base/kept_secret.h"
#include "filter.h"
#include "landlock.h"

namespace ensconce {

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)  // GCC
constexpr bool kSanitized = true;
#elif defined(__has_feature)  // Clang
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
#else
constexpr bool kSanitized = false;
#endif

// Landlock reaches the calling thread and those it starts. A sanitizer's own threads do not count.
bool one_thread() {
  std::error_code error;
  std::filesystem::directory_iterator tasks("/proc/self/task", error);
  return error || kSanitized || std::distance(begin(tasks), end(tasks)) == 1;
}

std::string lacking(const SandboxPlan& plan, const SandboxInForce& have) {
  std::string out;
  const auto add = [&](bool there, const char* what) {
    if (!there) {
      out += (out.empty() ? "" : ", ") + std::string(what);
    }
  };
  add(have.files, "landlock (files)");
  add(have.tcp, "landlock ABI 4 (TCP ports)");
  add(have.network || plan.datagrams, "seccomp (sockets)");
  add(have.calls, "seccomp (system calls)");
  add(have.locked, "locked memory (RLIMIT_MEMLOCK)");
  return out;
}

}  // namespace

std::string SandboxInForce::to_string() const {
  std::string out;
  const auto add = [&](bool there, const char* what) {
    if (there) {
      out += (out.empty() ? "" : "+") + std::string(what);
    }
  };
  add(files, "files");
  add(network, "network");
  add(tcp && !network, "tcp");
  add(calls, "calls");
  add(locked, "locked");
  return out.empty() ? "none" : out;
}

SandboxSupport probe_sandbox() {
  SandboxSupport out;
  out.sanitized = kSanitized;
  out.landlock_abi = sandbox::landlock_abi();
  out.calls = sandbox::seccomp_known() && !kSanitized;
  out.locked = may_lock_all_memory() && !kSanitized;
  out.secret_pages = have_secret_pages();
  return out;
}

SandboxInForce expected_in_force(const SandboxPlan& plan, const SandboxSupport& support) {
  SandboxInForce out;
  out.files = support.landlock_abi >= 1;
  out.tcp = support.landlock_abi >= sandbox::kAbiTcp;
  out.calls = support.calls;
  out.network = out.tcp && out.calls && !plan.datagrams;
  out.locked = support.locked;
  return out;
}

void forbid_dumps() {
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  prctl(PR_SET_DUMPABLE, 0);
}

Result<SandboxInForce> enter_sandbox(const SandboxPlan& plan, SandboxMode mode) {
  if (!one_thread()) {
    return Error(SandboxError::kThreads, "the sandbox must be entered before threads start");
  }
  forbid_dumps();
  const SandboxSupport support = probe_sandbox();
  SandboxInForce out = expected_in_force(plan, support);
  out.locked = !kSanitized && lock_memory() == LockedMemory::kAll;
  if (mode == SandboxMode::kRequired) {
    if (const std::string missing = lacking(plan, out); !missing.empty()) {
      return Error(SandboxError::kUnsupported,
                   "sandbox = \"required\", and missing here: " + missing)
          .with_remedy(
              "a kernel with landlock, seccomp and a sufficient RLIMIT_MEMLOCK; or sandbox = "
              "\"auto\", whose statement says what is missing. --explain-sandbox tells more");
    }
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    if (mode == SandboxMode::kRequired) {
      return Error(SandboxError::kRefused,
                   "no_new_privs: " + std::generic_category().message(errno));
    }
    return SandboxInForce{.locked = out.locked};  // without it neither of the others is taken
  }
  if (out.files) {
    ENSC_TRY(sandbox::restrict_paths_and_ports(plan, support.landlock_abi));
  }
  if (out.calls) {
    ENSC_TRY(sandbox::install(sandbox::filter_of(plan)));
  }
  return out;
}

Result<void> close_listeners(const SandboxInForce& in_force) {
  return in_force.calls ? sandbox::install(sandbox::listener_filter()) : ok();
}

}  // namespace ensconce
