#include "ensconce/sim/runner.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>

#include "ensconce/base/log.h"
#include "ensconce/sim/process_gate.h"
#include "ensconce/sim/vtpm_file.h"
#include "played.h"

namespace ensconce {

namespace fs = std::filesystem;

namespace {

constexpr int kForwardsBeforeKill = 2;

sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) {
    sigaddset(&set, signal);
  }
  return set;
}

// What the child tells its parent before exec, one byte, and then an errno if exec failed.
constexpr char kTraced = 'T';
constexpr char kUntraced = 'U';

// Runs in the child. Nothing of the parent is left but the three standard streams.
[[noreturn]] void become(const StagedLaunch& launch, pid_t parent, int tell, int gate) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) {
    _exit(127);
  }
  setpgid(0, 0);  // a terminal's Ctrl-C reaches it once, through us
  sigset_t none;
  sigemptyset(&none);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGPIPE}) {
    std::signal(signal, SIG_DFL);
  }
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null = open("/dev/null", O_RDONLY);
  if (null < 0 || dup2(null, STDIN_FILENO) < 0 || chdir(launch.root.c_str()) != 0) {
    _exit(127);
  }
  if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) != 0) {
    for (int fd = 3; fd < 65536; ++fd) {
      fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
  }
  std::vector<std::string> environment;
  for (const auto& [name, value] : launch.manifest.environment) {
    environment.push_back(name + "=" + value);
  }
  std::vector<char*> envp;
  for (std::string& line : environment) {
    envp.push_back(line.data());
  }
  envp.push_back(nullptr);
  std::vector<std::string> arguments = launch.exec_argv;
  std::vector<char*> argp;
  for (std::string& argument : arguments) {
    argp.push_back(argument.data());
  }
  argp.push_back(nullptr);

  const char how = ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0 ? kTraced : kUntraced;
  char go = 0;
  if (write(tell, &how, 1) != 1 || read(gate, &go, 1) != 1) {
    _exit(127);
  }
  execve(launch.image.c_str(), argp.data(), envp.data());
  const int failed = errno;
  (void)!write(tell, &failed, sizeof failed);
  _exit(127);
}

ssize_t read_fully(int fd, void* out, std::size_t len) {
  ssize_t n = 0;
  do {
    n = read(fd, out, len);
  } while (n < 0 && errno == EINTR);
  return n;
}

// Child is the program: forked by fork_off, started by exec (and, where ptrace is allowed, held
// before its first instruction until release), killed when it is dropped.
class Child {
 public:
  static Result<std::unique_ptr<Child>> fork_off(const StagedLaunch& launch) {
    std::array<int, 2> tell{};
    std::array<int, 2> go{};
    if (pipe2(tell.data(), O_CLOEXEC) != 0 || pipe2(go.data(), O_CLOEXEC) != 0) {
      return Error(SimError::kStart, "cannot make a pipe");
    }
    Fd told(tell[0]);
    const Fd teller(tell[1]);
    const Fd gated(go[0]);
    Fd opener(go[1]);
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0) {
      return Error(SimError::kStart, "cannot fork: " + std::generic_category().message(errno));
    }
    if (pid == 0) {
      become(launch, parent, tell[1], go[0]);
    }
    return std::unique_ptr<Child>(new Child(pid, std::move(told), std::move(opener)));
  }

  ~Child() {
    if (!reaped_) {
      kill(pid_, SIGKILL);
      while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
      }
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // exec starts the program and arms the gate for it.
  Result<void> exec(ProcessGate& gate) {
    char how = 0;
    if (read_fully(told_.get(), &how, 1) != 1 || write(opener_.get(), "g", 1) != 1) {
      return Error(SimError::kStart, "the child process ended early");
    }
    if (how == kTraced) {
      int status = 0;
      while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
      }
      stopped_ = WIFSTOPPED(status);
      reaped_ = !stopped_;
    }
    // A successful exec closes the pipe; an errno in it says why it failed.
    int error = 0;
    if (!stopped_ && read_fully(told_.get(), &error, sizeof error) > 0) {
      return Error(SimError::kStart, "exec: " + std::generic_category().message(error))
          .with_remedy("the --state directory must be on a file system that may run programs");
    }
    if (reaped_) {
      return Error(SimError::kStart, "the program ended before it began");
    }
    return gate.arm(pid_);
  }

  void release() {
    if (stopped_) {
      ptrace(PTRACE_DETACH, pid_, nullptr, nullptr);
      stopped_ = false;
    }
  }

  // Waits until the program ends, forwards signals meanwhile, and lets the gate forget the pid
  // before the kernel may give it to somebody else.
  int wait(ProcessGate& gate) {
    const sigset_t set = watched_signals();
    int forwarded = 0;
    for (;;) {
      siginfo_t ended{};
      if (waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
          ended.si_pid == pid_) {
        break;
      }
      const int signal = sigwaitinfo(&set, nullptr);
      if (signal == SIGTERM || signal == SIGINT || signal == SIGHUP) {
        kill(pid_, forwarded < kForwardsBeforeKill ? signal : SIGKILL);
        ++forwarded;
      }
    }
    gate.disarm();
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    reaped_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  Child(pid_t pid, Fd told, Fd opener)
      : pid_(pid), told_(std::move(told)), opener_(std::move(opener)) {}
  pid_t pid_;
  Fd told_;
  Fd opener_;
  bool stopped_ = false;
  bool reaped_ = false;
};

// What a policy will pin of this launch.
std::string shown_measurement(Platform platform, const StagedLaunch& launch) {
  switch (platform) {
    case Platform::kSnp:
    case Platform::kTdx:
      return to_hex(launch.measurement);
    case Platform::kSgx:
      return to_hex(launch.digest);
    case Platform::kAzure:
      return to_hex(azure_launch_pcr(launch.digest)) + " in PCR 11";
  }
  return "";
}

Result<std::unique_ptr<Transport>> open_transport(const RunOptions& options, const fs::path& place,
                                                  Played& played, const ProcessGate& gate) {
  const Platform platform = options.launch.platform;
  const bool pipes_do = platform == Platform::kSnp && options.faults.empty();
  if (options.transport == TransportChoice::kPipes && !pipes_do) {
    return Error(SimError::kTransport,
                 platform == Platform::kSnp
                     ? std::string("named pipes cannot play a device that fails")
                     : "named pipes cannot play the device of " + std::string(name_of(platform)))
        .with_remedy("--transport fuse");
  }
  if (options.transport == TransportChoice::kPipes) {
    return serve_pipes(place, *played.tsm, gate);
  }
  auto fuse = mount_fuse(place, *played.files, gate);
  if (fuse || options.transport == TransportChoice::kFuse) {
    return fuse;
  }
  if (!pipes_do) {
    return fuse.error()
        .with_context("this device, and devices that fail, are played over FUSE alone")
        .with_remedy("run where /dev/fuse is, as root or with fusermount3 (Debian: fuse3)");
  }
  log_info("SIMULATED device tree: " + fuse.error().detail() + "; named pipes instead");
  return serve_pipes(place, *played.tsm, gate);
}

}  // namespace

Result<StagedLaunch> measure_launch(const SimulatorState& state, const LaunchRequest& request,
                                    Random& random) {
  ENSC_TRY_ASSIGN(const RunDirectory directory, RunDirectory::create(state, random));
  return stage_launch(request, directory.path());
}

Result<int> run_launch(const SimulatorState& state, const RunOptions& options, const Clock& clock,
                       Random& random) {
  const sigset_t watched = watched_signals();
  sigprocmask(SIG_BLOCK, &watched, nullptr);  // also for the threads and helpers that follow
  ENSC_TRY_ASSIGN(RunDirectory directory, RunDirectory::create(state, random));
  if (options.keep) {
    directory.keep();
  }
  ENSC_TRY_ASSIGN(const StagedLaunch launch, stage_launch(options.launch, directory.path()));
  log_info(
      "SIMULATED secure processor: it protects nothing, and only who trusts its root believes it");
  log_info("SIMULATED measurement " + shown_measurement(options.launch.platform, launch));
  ProcessGate gate(launch.code);
  ENSC_TRY(gate.learn_code());
  for (const FaultRule& rule : options.faults) {
    log_info("SIMULATED fault scripted: " + std::string(name_of(rule.fault)));
  }
  const Platform platform = options.launch.platform;
  const fs::path place = launch.root / device_place(platform);
  if (has_endorsements(platform)) {
    ENSC_TRY(write_endorsements(state, platform, clock.now(), launch.root / kEndorsementsPlace));
  }
  ENSC_TRY_ASSIGN(const auto played, play(state, options, launch, gate, clock, random));
  // Forked before the transport's threads exist, started after the tree does.
  ENSC_TRY_ASSIGN(const auto child, Child::fork_off(launch));
  ENSC_TRY_ASSIGN(auto transport, open_transport(options, place, *played, gate));
  ENSC_TRY(child->exec(gate));
  log_info("SIMULATED " + std::string(name_of(platform)) + " device by " +
           std::string(transport->name()) + " at " + place.string() + ", for process " +
           std::to_string(gate.pid()));
  child->release();
  const int code = child->wait(gate);
  return code;
}

}  // namespace ensconce
