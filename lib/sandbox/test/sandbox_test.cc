// Each attack is made twice: by a process that is locked in, and, so that the test can fail, by one
// that is not.

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "child.h"
#include "ensconce/base/file.h"
#include "ensconce/base/kept_secret.h"

namespace ensconce {
namespace {

constexpr uid_t kNobody = 65534;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name =
        (std::filesystem::temp_directory_path() / "ensconce-sandbox-XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::filesystem::path path;
};

class Files : public testing::Test {
 protected:
  void SetUp() override {
    if (probe_sandbox().landlock_abi < 1) {
      GTEST_SKIP() << "this kernel has no landlock";
    }
    for (const char* name : {"named", "foreign"}) {
      std::ofstream(folder_.path / name) << name;
    }
    std::filesystem::create_directories(folder_.path / "tsm" / "report");
    std::filesystem::create_directories(folder_.path / "store");
    plan_.files = {{folder_.path / "named", FileUse::kRead, ""},
                   {folder_.path / "tsm", FileUse::kReports, ""},
                   {folder_.path / "store", FileUse::kStore, ""},
                   {folder_.path / "absent", FileUse::kRead, ""}};
  }
  [[nodiscard]] int open_it(const char* name, int flags) const {
    return errno_of(open((folder_.path / name).c_str(), flags, 0600));
  }
  TemporaryFolder folder_;
  SandboxPlan plan_;
};

TEST_F(Files, OfThePlanAreReadAndNoOthers) {
  const auto read_named = [this] { return open_it("named", O_RDONLY); };
  const auto read_foreign = [this] { return open_it("foreign", O_RDONLY); };
  EXPECT_EQ(locked_in(plan_, read_named), code(0));
  EXPECT_EQ(locked_in(plan_, read_foreign), code(EACCES));
  EXPECT_EQ(in_child(read_foreign), code(0));
}

TEST_F(Files, ThatAreReadAreNotWritten) {
  const auto write_named = [this] { return open_it("named", O_WRONLY); };
  EXPECT_EQ(locked_in(plan_, write_named), code(EACCES));
  EXPECT_EQ(in_child(write_named), code(0));
}

TEST_F(Files, OfADeviceAreMadeByDirectoryAlone) {
  const auto exchange = [this] {
    const std::string request = folder_.path / "tsm/report/one";
    const int made = errno_of(mkdir(request.c_str(), 0700));
    return made != 0 ? made : errno_of(rmdir(request.c_str()));
  };
  const auto make_file = [this] { return open_it("tsm/report/file", O_WRONLY | O_CREAT); };
  const auto make_elsewhere = [this] {
    return errno_of(mkdir((folder_.path / "elsewhere").c_str(), 0700));
  };
  EXPECT_EQ(locked_in(plan_, exchange), code(0));
  EXPECT_EQ(locked_in(plan_, make_file), code(EACCES));
  EXPECT_EQ(in_child(make_file), code(0));
  EXPECT_EQ(locked_in(plan_, make_elsewhere), code(EACCES));
  EXPECT_EQ(in_child(make_elsewhere), code(0));
}

TEST_F(Files, OfAStoreAreReplacedAsAWhole) {
  const auto replace = [this] {
    return write_file_atomically(folder_.path / "store" / "key", as_bytes("k"), 0600) ? 0 : 1;
  };
  EXPECT_EQ(locked_in(plan_, replace), code(0));
}

TEST_F(Files, AreRestrictedForThreadsThatComeLater) {
  const auto read_foreign = [this] {
    int error = 0;
    std::thread([&] { error = open_it("foreign", O_RDONLY); }).join();
    return error;
  };
  EXPECT_EQ(locked_in(plan_, read_foreign), code(EACCES));
}

// Landlock would not reach a thread that runs already.
TEST_F(Files, AreRestrictedBeforeThreadsStartOrNotAtAll) {
  if (probe_sandbox().sanitized) {
    GTEST_SKIP() << "a sanitizer may have threads of its own";
  }
  const auto enter_beside_a_thread = [this] {
    std::atomic<bool> done = false;
    std::thread other([&] { done.wait(false); });
    const auto entered = enter_sandbox(plan_, SandboxMode::kAuto);
    done = true;
    done.notify_all();
    other.join();
    return !entered && entered.error().is(SandboxError::kThreads) ? 0 : 1;
  };
  EXPECT_EQ(in_child(enter_beside_a_thread), code(0));
}

// Listener is a TCP port of the parent.
class Listener {
 public:
  Listener() : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof at;
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&at), len), 0);
    EXPECT_EQ(listen(fd_.get(), 8), 0);
    EXPECT_EQ(getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&at), &len), 0);
    address = at;
  }
  [[nodiscard]] std::uint16_t port() const { return ntohs(address.sin_port); }
  [[nodiscard]] int connect_to() const {
    const Fd fd(socket(AF_INET, SOCK_STREAM, 0));
    return errno_of(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
  }
  // fast_open_to sends with the first packet, which connects without connect.
  [[nodiscard]] int fast_open_to() const {
    const Fd fd(socket(AF_INET, SOCK_STREAM, 0));
    return errno_of(sendto(fd.get(), "x", 1, MSG_FASTOPEN,
                           reinterpret_cast<const sockaddr*>(&address), sizeof address));
  }
  sockaddr_in address{};

 private:
  Fd fd_;
};

int bind_to(std::uint16_t port) {
  const Fd fd(socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(port);
  return errno_of(bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at));
}

class Ports : public testing::Test {
 protected:
  void SetUp() override {
    if (probe_sandbox().landlock_abi < 4) {
      GTEST_SKIP() << "this kernel's landlock has no ports";
    }
    plan_.reach("127.0.0.1", broker_.port(), "");
  }
  Listener broker_;
  Listener elsewhere_;
  SandboxPlan plan_;
};

TEST_F(Ports, OfTheBrokerIsConnectedToAndNoOther) {
  EXPECT_EQ(locked_in(plan_, [this] { return broker_.connect_to(); }), code(0));
  EXPECT_EQ(locked_in(plan_, [this] { return elsewhere_.connect_to(); }), code(EACCES));
  EXPECT_EQ(in_child([this] { return elsewhere_.connect_to(); }), code(0));
}

TEST_F(Ports, ToListenOnAreThoseOfThePlan) {
  EXPECT_EQ(locked_in(plan_, [] { return bind_to(0); }), code(EACCES));
  EXPECT_EQ(in_child([] { return bind_to(0); }), code(0));
  plan_.listens.push_back({0, ""});
  EXPECT_EQ(locked_in(plan_, [] { return bind_to(0); }), code(0));
}

TEST_F(Ports, AreReachedByNameWhereThePlanHasOne) {
  const auto by_name = [this] {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (getaddrinfo("localhost", "1", &hints, &found) != 0) {
      return 1;
    }
    freeaddrinfo(found);
    return broker_.connect_to();
  };
  ASSERT_EQ(in_child(by_name), code(0));
  EXPECT_EQ(locked_in(plan_, by_name), code(1));  // it was given by its address
  SandboxPlan named;
  named.reach("localhost", broker_.port(), "");
  EXPECT_EQ(locked_in(named, by_name), code(0));
}

class Calls : public testing::Test {
 protected:
  void SetUp() override {
    if (!probe_sandbox().calls) {
      GTEST_SKIP() << "no system calls are filtered: no seccomp, or a sanitizer's build";
    }
    plan_.reach("127.0.0.1", 1, "");
  }
  SandboxPlan plan_;
};

TEST_F(Calls, ThatRunAProgramEndTheProcess) {
  const auto run = [] {
    char name[] = "/bin/true";
    char* argv[] = {name, nullptr};
    return errno_of(execv(name, argv));
  };
  EXPECT_EQ(locked_in(plan_, run), signal_of(SIGSYS));
  EXPECT_EQ(in_child(run), code(0));
}

TEST_F(Calls, ThatLookIntoAnotherProcessEndThisOne) {
  const pid_t victim = fork();
  if (victim == 0) {
    pause();
    _exit(0);
  }
  static const char secret[] = "a secret";
  const auto trace = [&] { return errno_of(ptrace(PTRACE_SEIZE, victim, nullptr, nullptr)); };
  const auto read_it = [&] {
    char got[sizeof secret] = {};
    const iovec here{got, sizeof got};
    const iovec there{const_cast<char*>(secret), sizeof secret};
    return errno_of(process_vm_readv(victim, &here, 1, &there, 1, 0));
  };
  EXPECT_EQ(locked_in(plan_, trace), signal_of(SIGSYS));
  EXPECT_EQ(locked_in(plan_, read_it), signal_of(SIGSYS));
  if (geteuid() == 0) {  // others need a kernel that lets siblings trace each other
    EXPECT_EQ(in_child(trace), code(0));
    EXPECT_EQ(in_child(read_it), code(0));
  }
  kill(victim, SIGKILL);
  wait_for(victim);
}

TEST_F(Calls, ThatNobodyHereMakesEndTheProcess) {
  const std::pair<const char*, std::function<void()>> attacks[] = {
      {"bpf", [] { syscall(SYS_bpf, -1, nullptr, 0); }},
      {"mount", [] { syscall(SYS_mount, nullptr, nullptr, nullptr, 0, nullptr); }},
      {"init_module", [] { syscall(SYS_init_module, nullptr, 0, nullptr); }},
      {"kexec_load", [] { syscall(SYS_kexec_load, 0, 0, nullptr, ~0UL); }},
      {"perf_event_open", [] { syscall(SYS_perf_event_open, nullptr, 0, 0, 0, 0); }},
      {"io_uring_setup", [] { syscall(SYS_io_uring_setup, 0, nullptr); }},
      {"userfaultfd", [] { syscall(SYS_userfaultfd, ~0U); }},
      {"unshare", [] { syscall(SYS_unshare, ~0U); }},
      {"x32", [] { syscall(0x40000000 + SYS_getpid); }},
  };
  for (const auto& [name, attack] : attacks) {
    const auto body = [&attack = attack] {
      attack();
      return 0;
    };
    EXPECT_EQ(locked_in(plan_, body), signal_of(SIGSYS)) << name;
    EXPECT_EQ(in_child(body), code(0)) << name;
  }
}

TEST_F(Calls, ThatAreNotOnTheListAreRefused) {
  const auto make = [] { return errno_of(syscall(SYS_memfd_create, "x", 0)); };
  EXPECT_EQ(locked_in(plan_, make), code(EPERM));
  EXPECT_EQ(in_child(make), code(0));
}

TEST_F(Calls, MakeThreadsAndNoProcesses) {
  const auto make_process = [] {
    const pid_t pid = fork();
    if (pid == 0) {
      _exit(0);
    }
    return errno_of(pid);
  };
  const auto make_thread = [] {
    int done = 1;
    std::thread([&] { done = 0; }).join();
    return done;
  };
  EXPECT_EQ(locked_in(plan_, make_process), code(EPERM));
  EXPECT_EQ(in_child(make_process), code(0));
  EXPECT_EQ(locked_in(plan_, make_thread), code(0));
}

TEST_F(Calls, MapNoNewCode) {
  const auto map = [](int protection) {
    void* p = mmap(nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? errno : 0;
  };
  const auto turn = [] {
    void* p = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return errno_of(mprotect(p, 4096, PROT_READ | PROT_EXEC));
  };
  EXPECT_EQ(locked_in(plan_, [&] { return map(PROT_READ | PROT_WRITE); }), code(0));
  EXPECT_EQ(locked_in(plan_, [&] { return map(PROT_READ | PROT_EXEC); }), code(EPERM));
  EXPECT_EQ(in_child([&] { return map(PROT_READ | PROT_EXEC); }), code(0));
  EXPECT_EQ(locked_in(plan_, turn), code(EPERM));
  EXPECT_EQ(in_child(turn), code(0));
}

TEST_F(Calls, MakeNoSocketButTcp) {
  constexpr int kMptcp = 262;
  const auto make = [](int domain, int type, int protocol) {
    return [=] { return errno_of(socket(domain, type, protocol)); };
  };
  EXPECT_EQ(locked_in(plan_, make(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP)), code(0));
  EXPECT_EQ(locked_in(plan_, make(AF_INET6, SOCK_STREAM, 0)), code(0));
  EXPECT_EQ(locked_in(plan_, make(AF_INET, SOCK_DGRAM, 0)), code(EPERM));
  EXPECT_EQ(locked_in(plan_, make(AF_INET, SOCK_STREAM, kMptcp)), code(EPERM));
  EXPECT_EQ(locked_in(plan_, make(AF_UNIX, SOCK_STREAM, 0)), code(EPERM));
  EXPECT_EQ(locked_in(plan_, make(AF_NETLINK, SOCK_RAW, 0)), code(EPERM));
  EXPECT_EQ(in_child(make(AF_INET, SOCK_DGRAM, 0)), code(0));
  EXPECT_EQ(in_child(make(AF_UNIX, SOCK_STREAM, 0)), code(0));
  plan_.reach("broker.example", 1, "");
  EXPECT_EQ(locked_in(plan_, make(AF_INET, SOCK_DGRAM, 0)), code(0));
  EXPECT_EQ(locked_in(plan_, make(AF_INET, SOCK_DGRAM, IPPROTO_ICMP)), code(EPERM));
}

// The file is none that knows the request, so what is allowed comes back as ENOTTY.
TEST_F(Calls, AskADeviceOnlyWhatThePlanSays) {
  const Fd file(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto ask = [&](unsigned long request) {
    return [&file, request] { return errno_of(ioctl(file.get(), request, nullptr)); };
  };
  EXPECT_EQ(locked_in(plan_, ask(0xc0205300)), code(EPERM));
  EXPECT_EQ(in_child(ask(0xc0205300)), code(ENOTTY));
  ProcessorPaths processor;
  processor.sev_guest = "/dev/null";
  plan_.ask_processor(processor);
  EXPECT_EQ(locked_in(plan_, ask(0xc0205300)), code(ENOTTY));
  EXPECT_EQ(locked_in(plan_, ask(0xc0205301)), code(EPERM));  // derives keys: not used
}

TEST_F(Calls, SendNothingWithTheFirstPacket) {
  const Listener elsewhere;
  EXPECT_EQ(locked_in(plan_, [&] { return elsewhere.fast_open_to(); }), code(EPERM));
  EXPECT_NE(in_child([&] { return elsewhere.fast_open_to(); }), code(EPERM));
}

TEST_F(Calls, SignalThisProcessAlone) {
  const pid_t parent = getpid();
  EXPECT_EQ(locked_in(plan_, [] { return errno_of(kill(getpid(), 0)); }), code(0));
  EXPECT_EQ(locked_in(plan_, [&] { return errno_of(kill(parent, 0)); }), code(EPERM));
  EXPECT_EQ(in_child([&] { return errno_of(kill(parent, 0)); }), code(0));
}

TEST_F(Calls, DoNotMakeItDumpableAgain) {
  const auto undo = [] { return errno_of(prctl(PR_SET_DUMPABLE, 1)); };
  EXPECT_EQ(locked_in(plan_, undo), code(EPERM));
  EXPECT_EQ(in_child(undo), code(0));
}

TEST_F(Calls, MakeNoListenerOnceThoseAreThereThatShallBe) {
  const auto close_and_bind = [](bool close) {
    return [close]() -> int {
      SandboxPlan plan;
      plan.listens = {{0, ""}};
      const auto in_force = enter_sandbox(plan, SandboxMode::kAuto);
      std::atomic<bool> go = false;
      int error = 0;
      std::thread other([&] {  // that was there before
        go.wait(false);
        error = bind_to(0);
      });
      const bool closed = !close || close_listeners(in_force.value());
      go = true;
      go.notify_all();
      other.join();
      return closed ? error : kNotEntered;
    };
  };
  EXPECT_EQ(in_child(close_and_bind(true)), code(EPERM));
  EXPECT_EQ(in_child(close_and_bind(false)), code(0));
}

// dies_of leaves a core where one may be left. The limit is lifted again where that is allowed, as
// a core that goes to a program through a pipe asks for none.
Ended dies_of(int signal, bool forbid, const std::filesystem::path& folder) {
  return in_child([&] {
    if (forbid) {
      forbid_dumps();
    }
    const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
    (void)setrlimit(RLIMIT_CORE, &unlimited);
    if (chdir(folder.c_str()) != 0) {
      return kNotEntered;
    }
    std::signal(signal, SIG_DFL);
    raise(signal);
    return 0;
  });
}

TEST(Dumps, AreNotLeft) {
  const TemporaryFolder folder;
  const bool tells = dies_of(SIGQUIT, false, folder.path).core;
  for (const int signal : {SIGQUIT, SIGABRT, SIGSYS}) {
    const Ended ended = dies_of(signal, true, folder.path);
    EXPECT_EQ(ended, signal_of(signal));
    EXPECT_FALSE(ended.core) << signal;
  }
  if (!tells) {
    GTEST_SKIP() << "nobody leaves a core here";
  }
}

// What the kernel asks before limits and patterns, and before it lets others look.
TEST(Dumps, AreForbiddenByBothMeans) {
  const auto state = [](bool forbid) {
    return [forbid] {
      if (forbid) {
        forbid_dumps();
      }
      rlimit limit{1, 1};
      getrlimit(RLIMIT_CORE, &limit);
      return prctl(PR_GET_DUMPABLE) * 2 + (limit.rlim_max == 0 ? 0 : 1);
    };
  };
  EXPECT_EQ(in_child(state(true)), code(0));
  EXPECT_GE(in_child(state(false)).code, 2);
}

TEST(LockedMemory, IsAllOfItWhereThatIsAllowed) {
  if (!probe_sandbox().locked) {
    GTEST_SKIP() << "not allowed here: RLIMIT_MEMLOCK, or a sanitizer's build";
  }
  const auto locked_kib = [](bool lock) {
    return [lock]() -> int {
      SandboxPlan plan;
      plan.files = {{"/proc/self", FileUse::kRead, ""}};
      if (lock && !enter_sandbox(plan, SandboxMode::kAuto).value().locked) {
        return kNotEntered;
      }
      const std::string status = read_text_file("/proc/self/status").value();
      const std::size_t at = status.find("VmLck:");
      return std::stol(status.substr(at + 6)) > 1024 ? 1 : 0;
    };
  };
  EXPECT_EQ(in_child(locked_kib(true)), code(1));
  EXPECT_EQ(in_child(locked_kib(false)), code(0));
}

TEST(LockedMemory, IsNotClaimedWhereItIsNotAllowed) {
  if (geteuid() != 0 || probe_sandbox().sanitized) {
    GTEST_SKIP() << "only root can become somebody with less rights";
  }
  const auto without_rights = [](SandboxMode mode, const std::string& expected) {
    return [=]() -> int {
      const rlimit little{65536, 65536};
      if (setrlimit(RLIMIT_MEMLOCK, &little) != 0 || setuid(kNobody) != 0) {
        return kNotEntered;
      }
      const auto entered = enter_sandbox({}, mode);
      const std::string said = entered ? entered->to_string() : entered.error().to_string();
      return said.find(expected) != std::string::npos && said.find("+locked") == std::string::npos
                 ? 0
                 : 1;
    };
  };
  EXPECT_EQ(in_child(without_rights(SandboxMode::kAuto, "files")), code(0));
  EXPECT_EQ(in_child(without_rights(SandboxMode::kRequired,
                                    "sandbox.unsupported: sandbox = \"required\", and missing "
                                    "here: locked memory")),
            code(0));
}

// Even this process, asking the kernel, does not read it.
TEST(KeptSecret, IsNotReadThroughTheKernel) {
  if (!probe_sandbox().secret_pages) {
    GTEST_SKIP() << "this kernel has no memfd_secret";
  }
  const auto read_it = [](bool keep) {
    return [keep]() -> int {
      if (keep) {
        keep_secrets_from_kernel();
      }
      const KeptSecret secret = KeptSecret::copy_of(as_bytes("0123456789abcdef"));
      const Fd memory(open("/proc/self/mem", O_RDONLY));
      char got[16] = {};
      return errno_of(
          pread(memory.get(), got, sizeof got, reinterpret_cast<off_t>(secret.expose().data())));
    };
  };
  EXPECT_EQ(in_child(read_it(true)), code(EIO));
  EXPECT_EQ(in_child(read_it(false)), code(0));
}

}  // namespace
}  // namespace ensconce
