#include "calls.h"

#include <sys/syscall.h>

#include <array>

namespace ensconce::sandbox {

namespace {

// From traces of worker and broker through boot, requests on every channel, renewals, refusals and
// the end (tests/e2e/sandbox.py asks for the same again), and from what glibc 2.36 calls instead
// where another path is taken.
#define CALL(name, ...) \
  Call { SYS_##name, #name __VA_OPT__(, ) __VA_ARGS__ }

#if defined(__x86_64__)
constexpr bool kStoreOnly = true;
constexpr Arguments kAny = Arguments::kAny;

constexpr std::array kAllowed = {
    // Arguments looked at.
    CALL(mmap, Arguments::kNoCode),
    CALL(mprotect, Arguments::kNoCode),
    CALL(clone, Arguments::kThread),
    CALL(socket, Arguments::kSocket),
    CALL(sendto, Arguments::kNoFastOpen),
    CALL(sendmsg, Arguments::kNoFastOpen),
    CALL(sendmmsg, Arguments::kNoFastOpen),
    CALL(kill, Arguments::kOwnProcess),
    CALL(tgkill, Arguments::kOwnProcess),
    CALL(prlimit64, Arguments::kOwnLimitsRead),
    CALL(ioctl, Arguments::kIoctl),
    CALL(fcntl, Arguments::kFcntl),
    CALL(prctl, Arguments::kPrctl),
    CALL(seccomp, Arguments::kTighter),
    // Memory.
    CALL(brk),
    CALL(munmap),
    CALL(mremap),
    CALL(madvise),
    CALL(mlock),
    CALL(mlock2),
    CALL(munlock),
    CALL(mlockall),
    CALL(munlockall),
    CALL(membarrier),
    // Threads and time.
    CALL(futex),
    CALL(set_robust_list),
    CALL(rseq),
    CALL(gettid),
    CALL(getpid),
    CALL(sched_yield),
    CALL(sched_getaffinity),
    CALL(sched_setaffinity),
    CALL(sched_getparam),
    CALL(sched_getscheduler),
    CALL(setpriority),
    CALL(getpriority),
    CALL(getcpu),
    CALL(exit),
    CALL(exit_group),
    CALL(nanosleep),
    CALL(clock_nanosleep),
    CALL(clock_gettime),
    CALL(clock_getres),
    CALL(gettimeofday),
    CALL(time),
    CALL(restart_syscall),
    CALL(rt_sigaction),
    CALL(rt_sigprocmask),
    CALL(rt_sigreturn),
    CALL(rt_sigtimedwait),
    CALL(sigaltstack),
    CALL(getrandom),
    CALL(sysinfo),
    CALL(uname),
    CALL(getrusage),
    CALL(times),
    CALL(getuid),
    CALL(geteuid),
    CALL(getgid),
    CALL(getegid),
    // Descriptors.
    CALL(read),
    CALL(readv),
    CALL(pread64),
    CALL(write),
    CALL(writev),
    CALL(lseek),
    CALL(close),
    CALL(dup),
    CALL(pipe2),
    CALL(poll),
    CALL(ppoll),
    CALL(epoll_create1),
    CALL(epoll_ctl),
    CALL(epoll_wait),
    CALL(epoll_pwait),
    CALL(eventfd2),
    CALL(timerfd_create),
    CALL(timerfd_settime),
    // Paths; which ones is landlock's to say.
    CALL(open),
    CALL(openat),
    CALL(access),
    CALL(faccessat),
    CALL(faccessat2),
    CALL(stat),
    CALL(lstat),
    CALL(fstat),
    CALL(newfstatat),
    CALL(statx),
    CALL(readlink),
    CALL(readlinkat),
    CALL(getcwd),
    CALL(getdents64),
    CALL(mkdir),
    CALL(mkdirat),
    CALL(rmdir),
    CALL(unlinkat),
    // Sockets.
    CALL(bind),
    CALL(listen),
    CALL(accept),
    CALL(accept4),
    CALL(connect),
    CALL(shutdown),
    CALL(getsockname),
    CALL(getpeername),
    CALL(getsockopt),
    CALL(setsockopt),
    CALL(recvfrom),
    CALL(recvmsg),
    // What a store takes: SQLite, and files that are replaced as a whole.
    CALL(pwrite64, kAny, kStoreOnly),
    CALL(fsync, kAny, kStoreOnly),
    CALL(fdatasync, kAny, kStoreOnly),
    CALL(ftruncate, kAny, kStoreOnly),
    CALL(rename, kAny, kStoreOnly),
    CALL(unlink, kAny, kStoreOnly),
    CALL(fchmod, kAny, kStoreOnly),
    CALL(fchown, kAny, kStoreOnly),
    CALL(fstatfs, kAny, kStoreOnly),
    CALL(umask, kAny, kStoreOnly),
    CALL(utimensat, kAny, kStoreOnly),
};

constexpr std::array kFatal = {
    CALL(ptrace),
    CALL(process_vm_readv),
    CALL(process_vm_writev),
    CALL(pidfd_getfd),
    CALL(execve),
    CALL(execveat),
    CALL(fork),
    CALL(vfork),
    CALL(setns),
    CALL(unshare),
    CALL(chroot),
    CALL(pivot_root),
    CALL(mount),
    CALL(umount2),
    CALL(move_mount),
    CALL(open_tree),
    CALL(fsopen),
    CALL(fsmount),
    CALL(mount_setattr),
    CALL(open_by_handle_at),
    CALL(bpf),
    CALL(perf_event_open),
    CALL(userfaultfd),
    CALL(io_uring_setup),
    CALL(io_uring_enter),
    CALL(io_uring_register),
    CALL(init_module),
    CALL(finit_module),
    CALL(delete_module),
    CALL(kexec_load),
    CALL(kexec_file_load),
    CALL(reboot),
    CALL(swapon),
    CALL(swapoff),
    CALL(iopl),
    CALL(ioperm),
    CALL(modify_ldt),
    CALL(add_key),
    CALL(request_key),
    CALL(keyctl),
};
#else
constexpr std::array<Call, 0> kAllowed{};
constexpr std::array<Call, 0> kFatal{};
#endif
#undef CALL

}  // namespace

std::span<const Call> allowed_calls() { return kAllowed; }
std::span<const Call> fatal_calls() { return kFatal; }

std::string_view what_of(Arguments arguments) {
  switch (arguments) {
    case Arguments::kAny:
      return "";
    case Arguments::kNoCode:
      return "not executable";
    case Arguments::kThread:
      return "threads alone";
    case Arguments::kSocket:
      return "TCP, and UDP where names are resolved";
    case Arguments::kNoFastOpen:
      return "without fast open";
    case Arguments::kOwnProcess:
      return "to itself";
    case Arguments::kOwnLimitsRead:
      return "its own limits, to read";
    case Arguments::kIoctl:
      return "FIONBIO, FIONREAD, TCGETS and the devices' own";
    case Arguments::kFcntl:
      return "flags, duplicates, locks and pipe sizes";
    case Arguments::kTighter:
      return "one more filter";
    case Arguments::kPrctl:
      return "names of threads; whether dumpable, to read";
  }
  return "";
}

}  // namespace ensconce::sandbox
