#include "ensconce/base/locked_memory.h"

#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>

#include "ensconce/base/file.h"

namespace ensconce {

namespace {

#ifndef MCL_ONFAULT
constexpr int MCL_ONFAULT = 4;
#endif
constexpr int kEverything = MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT;
constexpr int kDontNeedLocked = 24;  // MADV_DONTNEED_LOCKED, Linux 5.18
constexpr unsigned kCapIpcLock = 14;

std::atomic<LockedMemory> g_locked = LockedMemory::kNone;
std::mutex g_trim_mutex;

// A number of /proc/self/status, 0 where it is not there. What the process may is asked there too:
// a program that links libcap for one bit is larger.
std::uint64_t own_status(std::string_view field, int base) {
  const Result<std::string> status = read_text_file("/proc/self/status");
  const std::string line = "\n" + std::string(field) + ":\t";
  const std::size_t at = status ? status->find(line) : std::string::npos;
  return at == std::string::npos ? 0
                                 : std::strtoull(status->c_str() + at + line.size(), nullptr, base);
}

// mlock asks the first user namespace: in another one the capability is shown and counts for
// nothing.
bool in_first_user_namespace() {
  std::uint64_t inside = 1;
  std::uint64_t outside = 1;
  std::uint64_t count = 0;
  const Result<std::string> map = read_text_file("/proc/self/uid_map");
  return map &&
         std::sscanf(map->c_str(), "%" SCNu64 " %" SCNu64 " %" SCNu64, &inside, &outside, &count) ==
             3 &&
         inside == 0 && outside == 0 && count == UINT32_MAX;
}

bool has_ipc_lock() {
  return (own_status("CapEff", 16) >> kCapIpcLock & 1U) != 0 && in_first_user_namespace();
}

// There are kernels, in libraries, that take mlockall and do nothing.
bool shows_locked_pages() { return own_status("VmLck", 10) > 0; }

}  // namespace

bool may_lock_all_memory() {
  rlimit limit{};
  return (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY) ||
         has_ipc_lock();
}

LockedMemory lock_memory() {
  if (may_lock_all_memory() && mlockall(kEverything) == 0 && shows_locked_pages()) {
    g_locked = LockedMemory::kAll;
  } else {
    rlimit limit{};
    const bool some = getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur > 0;
    g_locked = some ? LockedMemory::kSecrets : LockedMemory::kNone;
  }
  return g_locked;
}

LockedMemory locked_memory() { return g_locked; }

void trim_heap() {
  const std::lock_guard lock(g_trim_mutex);
  // The C library gives pages back by MADV_DONTNEED, which locked ones refuse.
  const bool all = g_locked == LockedMemory::kAll;
  if (all) {
    (void)munlockall();
  }
  ::malloc_trim(0);
  if (all) {
    ENSC_CHECK(mlockall(kEverything) == 0);  // no limit holds: may_lock_all_memory
  }
}

void lock_pages(void* pages, std::size_t len) noexcept {
  if (g_locked == LockedMemory::kSecrets) {
    (void)mlock2(pages, len, MLOCK_ONFAULT);
  }
}

bool discard_pages(void* pages, std::size_t len) noexcept {
  return madvise(pages, len, MADV_DONTNEED) == 0 ||
         (errno == EINVAL && madvise(pages, len, kDontNeedLocked) == 0);
}

}  // namespace ensconce
