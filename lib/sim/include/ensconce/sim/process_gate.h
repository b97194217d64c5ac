#pragma once

#include <sys/types.h>

#include <filesystem>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "ensconce/base/file.h"
#include "ensconce/sim/error.h"

namespace ensconce {

// ProcessGate knows the one process a simulated processor answers, and whether that process still
// runs what was measured. It is armed when the process has been started and disarmed before it is
// reaped, so that a reused pid is never taken for it. Safe to use from several threads.
class ProcessGate {
 public:
  // code lists the copies that may be mapped executable.
  explicit ProcessGate(std::vector<std::filesystem::path> code);

  // learn_code finds out how this kernel shows the copies in /proc/<pid>/maps. File systems that
  // stack (overlayfs) show another inode there than stat does, so it maps each copy and looks.
  Result<void> learn_code();
  // arm opens /proc/<pid>/maps at once and keeps it: later the process may make itself undumpable,
  // and an ordinary user could open it no more. Call when exec is done.
  Result<void> arm(pid_t pid);
  void disarm();
  [[nodiscard]] pid_t pid() const;

  // admits says whether this thread or process is (part of) the process.
  [[nodiscard]] bool admits(pid_t tid) const;
  // verify_code reads the process's mappings: each one that is executable and comes from a file
  // must come from a copy. SimError::kForeignCode names the first that does not.
  Result<void> verify_code() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::filesystem::path> code_;
  std::set<std::string> shown_;  // "dev inode path" as maps shows the copies
  pid_t pid_ = -1;
  Fd maps_;
};

// Mapping is one executable, file-backed line of /proc/<pid>/maps.
struct Mapping {
  std::string key;  // "dev inode path"
  std::string path;
};
// parse_executable_mappings picks those lines.
std::vector<Mapping> parse_executable_mappings(std::string_view maps);

}  // namespace ensconce
