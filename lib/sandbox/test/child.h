#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#include "ensconce/sandbox/sandbox.h"

namespace ensconce {

// Ended is how a child process ended: by exit code or by signal, one of them 0.
struct Ended {
  int code = 0;
  int signal = 0;
  bool core = false;
  friend bool operator==(const Ended& a, const Ended& b) {
    return a.code == b.code && a.signal == b.signal;
  }
};
inline std::ostream& operator<<(std::ostream& out, const Ended& ended) {
  return out << "code " << ended.code << ", signal " << ended.signal;
}
inline Ended code(int n) { return {n, 0}; }
inline Ended signal_of(int n) { return {0, n}; }
inline constexpr int kNotEntered = 250;  // no errno

inline Ended wait_for(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) {
    return {0, WTERMSIG(status), WCOREDUMP(status) != 0};
  }
  return {WEXITSTATUS(status), 0};
}

// in_child runs `body` in a process of its own; it returns an exit code, as a rule an errno.
inline Ended in_child(const std::function<int()>& body) {
  const pid_t pid = fork();
  if (pid == 0) {
    _exit(body());
  }
  return wait_for(pid);
}

// locked_in is the same after enter_sandbox.
inline Ended locked_in(const SandboxPlan& plan, const std::function<int()>& body) {
  return in_child([&] { return enter_sandbox(plan, SandboxMode::kAuto) ? body() : kNotEntered; });
}

// errno_of turns what a system call returned into an errno, 0 for success.
inline int errno_of(long returned) { return returned < 0 ? errno : 0; }

}  // namespace ensconce
