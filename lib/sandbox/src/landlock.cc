#include "landlock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "ensconce/base/file.h"
#include "ensconce/sandbox/error.h"

namespace ensconce::sandbox {

namespace {

// Linux 6.10, include/uapi/linux/landlock.h. Written here because what a kernel knows is asked at
// run time, and the headers of the machine that built this may be older.
namespace fs {
constexpr std::uint64_t kExecute = 1U << 0U;
constexpr std::uint64_t kWriteFile = 1U << 1U;
constexpr std::uint64_t kReadFile = 1U << 2U;
constexpr std::uint64_t kReadDir = 1U << 3U;
constexpr std::uint64_t kRemoveDir = 1U << 4U;
constexpr std::uint64_t kRemoveFile = 1U << 5U;
constexpr std::uint64_t kMakeDir = 1U << 7U;
constexpr std::uint64_t kMakeReg = 1U << 8U;
constexpr std::uint64_t kAllOfAbi1 = (1U << 13U) - 1;
constexpr std::uint64_t kRefer = 1U << 13U;     // ABI 2
constexpr std::uint64_t kTruncate = 1U << 14U;  // ABI 3
constexpr std::uint64_t kIoctlDev = 1U << 15U;  // ABI 5
constexpr std::uint64_t kOfFiles = kExecute | kWriteFile | kReadFile | kTruncate | kIoctlDev;
}  // namespace fs

constexpr std::uint64_t kBindTcp = 1U << 0U;  // ABI 4
constexpr std::uint64_t kConnectTcp = 1U << 1U;
constexpr std::uint64_t kScopeAbstractUnixSocket = 1U << 0U;  // ABI 6
constexpr std::uint64_t kScopeSignal = 1U << 1U;

struct RulesetAttr {
  std::uint64_t handled_access_fs = 0;
  std::uint64_t handled_access_net = 0;  // ABI 4
  std::uint64_t scoped = 0;              // ABI 6
};
struct [[gnu::packed]] PathBeneathAttr {
  std::uint64_t allowed_access = 0;
  std::int32_t parent_fd = -1;
};
struct NetPortAttr {
  std::uint64_t allowed_access = 0;
  std::uint64_t port = 0;
};
constexpr int kRulePathBeneath = 1;
constexpr int kRuleNetPort = 2;
constexpr unsigned kCreateRulesetVersion = 1;

Error refused(std::string_view doing) {
  const int saved = errno;
  return {SandboxError::kRefused,
          "landlock, " + std::string(doing) + ": " + std::generic_category().message(saved)};
}

RulesetAttr handled_by(int abi) {
  RulesetAttr out;
  out.handled_access_fs = fs::kAllOfAbi1;
  if (abi >= 2) {
    out.handled_access_fs |= fs::kRefer;
  }
  if (abi >= 3) {
    out.handled_access_fs |= fs::kTruncate;
  }
  if (abi >= kAbiTcp) {
    out.handled_access_net = kBindTcp | kConnectTcp;
  }
  if (abi >= 5) {
    out.handled_access_fs |= fs::kIoctlDev;
  }
  if (abi >= 6) {
    out.scoped = kScopeAbstractUnixSocket | kScopeSignal;
  }
  return out;
}

std::uint64_t rights_of(FileUse use) {
  constexpr std::uint64_t kRead = fs::kReadFile | fs::kReadDir;
  switch (use) {
    case FileUse::kRead:
      return kRead;
    case FileUse::kDevice:
      return kRead | fs::kWriteFile | fs::kIoctlDev;
    case FileUse::kReports:
      return kRead | fs::kWriteFile | fs::kMakeDir | fs::kRemoveDir;
    case FileUse::kStore:
      return kRead | fs::kWriteFile | fs::kTruncate | fs::kMakeReg | fs::kRemoveFile;
  }
  return 0;
}

Result<void> allow_path(const Fd& ruleset, const FileRule& rule, std::uint64_t handled) {
  const Fd fd(open(rule.path.c_str(), O_PATH | O_CLOEXEC));
  struct stat st {};
  if (!fd.valid() || fstat(fd.get(), &st) != 0) {
    return ok();
  }
  PathBeneathAttr attr;
  attr.parent_fd = fd.get();
  attr.allowed_access = rights_of(rule.use) & handled;
  if (!S_ISDIR(st.st_mode)) {
    attr.allowed_access &= fs::kOfFiles;
  }
  if (syscall(SYS_landlock_add_rule, ruleset.get(), kRulePathBeneath, &attr, 0) != 0) {
    return refused("a rule for " + rule.path.string());
  }
  return ok();
}

Result<void> allow_port(const Fd& ruleset, const PortRule& rule, std::uint64_t access) {
  const NetPortAttr attr{access, rule.port};
  if (syscall(SYS_landlock_add_rule, ruleset.get(), kRuleNetPort, &attr, 0) != 0) {
    return refused("a rule for TCP port " + std::to_string(rule.port));
  }
  return ok();
}

}  // namespace

int landlock_abi() {
  const long abi = syscall(SYS_landlock_create_ruleset, nullptr, 0, kCreateRulesetVersion);
  return abi > 0 ? static_cast<int>(abi) : 0;
}

Result<void> restrict_paths_and_ports(const SandboxPlan& plan, int abi) {
  const RulesetAttr handled = handled_by(abi);
  // An older kernel takes a longer structure whose rest is zeros.
  const Fd ruleset(
      static_cast<int>(syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0)));
  if (!ruleset.valid()) {
    return refused("a set of rules");
  }
  for (const FileRule& rule : plan.files) {
    ENSC_TRY(allow_path(ruleset, rule, handled.handled_access_fs));
  }
  if (abi >= kAbiTcp) {
    for (const PortRule& rule : plan.listens) {
      ENSC_TRY(allow_port(ruleset, rule, kBindTcp));
    }
    for (const PortRule& rule : plan.connects) {
      ENSC_TRY(allow_port(ruleset, rule, kConnectTcp));
    }
  }
  if (syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0) {
    return refused("to apply the rules");
  }
  return ok();
}

}  // namespace ensconce::sandbox
