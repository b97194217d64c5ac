#include "filter.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <initializer_list>
#include <system_error>

#include "calls.h"
#include "ensconce/sandbox/error.h"

namespace ensconce::sandbox {

namespace {

constexpr std::uint32_t kX32 = 0x40000000;  // calls of the x32 ABI, under the same architecture
constexpr std::uint32_t kAllow = SECCOMP_RET_ALLOW;
constexpr std::uint32_t kKill = SECCOMP_RET_KILL_PROCESS;
constexpr std::uint32_t kRefuse = SECCOMP_RET_ERRNO | EPERM;
constexpr std::uint32_t kAbsent = SECCOMP_RET_ERRNO | ENOSYS;

constexpr int kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                            CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

// Program writes classic BPF (Linux, Documentation/userspace-api/seccomp_filter.rst). Jumps are
// over the next instructions, so no label is needed; a jump that would be too long aborts.
class Program {
 public:
  void load(std::size_t offset) {
    put(BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<std::uint32_t>(offset));
  }
  void load_number() { load(offsetof(seccomp_data, nr)); }
  // The lower and the upper half of an argument, on a little-endian machine.
  void load_argument(std::size_t i) { load(offsetof(seccomp_data, args) + i * 8); }
  void load_upper(std::size_t i) { load(offsetof(seccomp_data, args) + i * 8 + 4); }
  void mask(std::uint32_t bits) { put(BPF_ALU | BPF_AND | BPF_K, 0, 0, bits); }
  void answer(std::uint32_t what) { put(BPF_RET | BPF_K, 0, 0, what); }
  void answer_if(std::uint32_t equals, std::uint32_t what) {
    put(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, equals);
    answer(what);
  }
  void answer_unless(std::uint32_t equals, std::uint32_t what) {
    put(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, equals);
    answer(what);
  }
  void answer_if_any(std::uint32_t bits, std::uint32_t what) {
    put(BPF_JMP | BPF_JSET | BPF_K, 0, 1, bits);
    answer(what);
  }
  void answer_from(std::uint32_t least, std::uint32_t what) {
    put(BPF_JMP | BPF_JGE | BPF_K, 0, 1, least);
    answer(what);
  }
  // body is run where the number loaded is `number`; it must end in an answer.
  void if_call(int number, const std::vector<sock_filter>& body) {
    ENSC_CHECK(body.size() <= 255);
    put(BPF_JMP | BPF_JEQ | BPF_K, 0, static_cast<std::uint8_t>(body.size()),
        static_cast<std::uint32_t>(number));
    code_.insert(code_.end(), body.begin(), body.end());
  }
  std::vector<sock_filter> take() && { return std::move(code_); }

 private:
  void put(int code, std::uint8_t yes, std::uint8_t no, std::uint32_t k) {
    code_.push_back({static_cast<std::uint16_t>(code), yes, no, k});
  }
  std::vector<sock_filter> code_;
};

void begin(Program& program) {
  program.load(offsetof(seccomp_data, arch));
  program.answer_unless(AUDIT_ARCH_X86_64, kKill);
  program.load_number();
  program.answer_from(kX32, kKill);
}

void allow_one_of(Program& p, std::initializer_list<std::uint32_t> values) {
  for (const std::uint32_t value : values) {
    p.answer_if(value, kAllow);
  }
}

std::size_t flags_argument_of(int number) { return number == SYS_sendmsg ? 2 : 3; }

void judge_socket(Program& p, bool datagrams) {
  Program inet;  // the type, in its low bits, and then the protocol
  inet.load_argument(1);
  inet.mask(0xf);
  // Streams must be TCP: what else streams (MPTCP, SCTP) connects past landlock's rules.
  Program stream;
  stream.load_argument(2);
  allow_one_of(stream, {0, IPPROTO_TCP});
  stream.answer(kRefuse);
  inet.if_call(SOCK_STREAM, std::move(stream).take());
  if (datagrams) {
    Program datagram;
    datagram.load_argument(2);
    allow_one_of(datagram, {0, IPPROTO_UDP});
    datagram.answer(kRefuse);
    inet.if_call(SOCK_DGRAM, std::move(datagram).take());
  }
  inet.answer(kRefuse);
  const std::vector<sock_filter> body = std::move(inet).take();
  p.load_argument(0);
  p.if_call(AF_INET, body);
  p.if_call(AF_INET6, body);
  p.answer(kRefuse);
}

std::vector<sock_filter> judge(const Call& call, const SandboxPlan& plan) {
  Program p;
  switch (call.arguments) {
    case Arguments::kAny:
      p.answer(kAllow);
      break;
    case Arguments::kNoCode:
      p.load_argument(2);
      p.answer_if_any(PROT_EXEC, kRefuse);
      p.answer(kAllow);
      break;
    case Arguments::kThread:
      p.load_argument(0);
      p.mask(CLONE_VM | CLONE_THREAD | CLONE_PTRACE | static_cast<std::uint32_t>(kNamespaces));
      p.answer_if(CLONE_VM | CLONE_THREAD, kAllow);
      p.answer(kRefuse);
      break;
    case Arguments::kSocket:
      judge_socket(p, plan.datagrams);
      break;
    case Arguments::kNoFastOpen:
      p.load_argument(flags_argument_of(call.number));
      p.answer_if_any(MSG_FASTOPEN, kRefuse);
      p.answer(kAllow);
      break;
    case Arguments::kOwnProcess:
      p.load_argument(0);
      p.answer_if(static_cast<std::uint32_t>(getpid()), kAllow);
      p.answer(kRefuse);
      break;
    case Arguments::kOwnLimitsRead:
      p.load_argument(0);
      p.answer_unless(0, kRefuse);
      p.load_argument(2);
      p.answer_unless(0, kRefuse);
      p.load_upper(2);
      p.answer_unless(0, kRefuse);
      p.answer(kAllow);
      break;
    case Arguments::kIoctl:
      p.load_argument(1);
      for (const std::uint32_t request : kPlainIoctls) {
        p.answer_if(request, kAllow);
      }
      for (const IoctlRule& rule : plan.ioctls) {
        p.answer_if(rule.request, kAllow);
      }
      p.answer(kRefuse);
      break;
    case Arguments::kFcntl:
      p.load_argument(1);
      allow_one_of(p, {F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW,
                       F_DUPFD_CLOEXEC, F_SETPIPE_SZ, F_GETPIPE_SZ});
      p.answer(kRefuse);
      break;
    case Arguments::kTighter:
      p.load_argument(0);
      p.answer_unless(SECCOMP_SET_MODE_FILTER, kRefuse);
      p.load_argument(1);
      p.answer_if(SECCOMP_FILTER_FLAG_TSYNC, kAllow);
      p.answer(kRefuse);
      break;
    case Arguments::kPrctl:
      p.load_argument(0);
      allow_one_of(p, {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE});
      p.answer(kRefuse);
      break;
  }
  return std::move(p).take();
}

}  // namespace

bool seccomp_known() {
#if defined(__x86_64__)
  // SECCOMP_GET_ACTION_AVAIL changes nothing.
  std::uint32_t action = kKill;
  return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
#else
  return false;
#endif
}

std::vector<sock_filter> filter_of(const SandboxPlan& plan) {
  Program program;
  begin(program);
  const bool store = plan.keeps_a_store();
  for (const Call& call : allowed_calls()) {
    if (!call.store_only || store) {
      program.if_call(call.number, judge(call, plan));
    }
  }
  for (const Call& call : fatal_calls()) {
    program.answer_if(static_cast<std::uint32_t>(call.number), kKill);
  }
  // Its flags lie in memory, where a filter cannot look: the C library then falls back to clone.
  program.answer_if(SYS_clone3, kAbsent);
  program.answer(kRefuse);
  return std::move(program).take();
}

std::vector<sock_filter> listener_filter() {
  Program program;
  begin(program);
  for (const int number : {SYS_bind, SYS_listen}) {
    program.answer_if(static_cast<std::uint32_t>(number), kRefuse);
  }
  program.answer(kAllow);
  return std::move(program).take();
}

Result<void> install(std::vector<sock_filter> program) {
  ENSC_CHECK(program.size() <= BPF_MAXINSNS);
  const sock_fprog given{static_cast<unsigned short>(program.size()), program.data()};
  const long done =
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &given);
  if (done != 0) {
    return Error(SandboxError::kRefused,
                 "seccomp: " + (done > 0 ? "thread " + std::to_string(done) + " does not take it"
                                         : std::generic_category().message(errno)));
  }
  return ok();
}

}  // namespace ensconce::sandbox
