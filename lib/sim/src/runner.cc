#include "ensconce/sim/runner.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>

#include "ensconce/base/log.h"
#include "ensconce/sim/process_gate.h"
#include "ensconce/sim/transport.h"
#include "ensconce/sim/tsm_device.h"

namespace ensconce {

namespace fs = std::filesystem;

namespace {

constexpr int kForwardsBeforeKill = 2;

Error state_error(std::string_view doing, const fs::path& path) {
  const int saved = errno;
  return {SimError::kState,
          std::string(doing) + " " + path.string() + ": " + std::generic_category().message(saved)};
}

Result<void> check_private(const fs::path& dir) {
  struct stat st {};
  if (lstat(dir.c_str(), &st) != 0) {
    return state_error("cannot use", dir);
  }
  if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077U) != 0) {
    return Error(SimError::kState, dir.string() + " must be a directory that is yours alone")
        .with_remedy("chmod 700 " + dir.string());
  }
  return ok();
}

Result<void> make_private(const fs::path& dir) {
  std::error_code error;
  fs::create_directories(dir.parent_path(), error);
  if (mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST) {
    return state_error("cannot create", dir);
  }
  return check_private(dir);
}

Result<Fd> open_lock(const fs::path& path) {
  Fd fd(open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.valid()) {
    return state_error("cannot open", path);
  }
  return fd;
}

void remove_run(const fs::path& dir, const fs::path& lock_path) {
  unmount_stale(dir / "tsm");
  unstage(dir);
  unlink(lock_path.c_str());
}

// Each run holds the lock beside its directory for as long as its simulator lives.
void remove_stale_runs(const fs::path& runs) {
  std::error_code error;
  std::vector<fs::path> locks;
  for (const auto& entry : fs::directory_iterator(runs, error)) {
    if (entry.path().extension() == ".lock") {
      locks.push_back(entry.path());
    }
  }
  for (const fs::path& lock_path : locks) {
    const Fd lock(open(lock_path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
    if (lock.valid() && flock(lock.get(), LOCK_EX | LOCK_NB) == 0) {
      remove_run(fs::path(lock_path).replace_extension(), lock_path);
    }
  }
}

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

Result<std::unique_ptr<Transport>> open_transport(TransportChoice choice, const fs::path& directory,
                                                  TsmDevice& device, const ProcessGate& gate) {
  if (choice == TransportChoice::kPipes) {
    return serve_pipes(directory, device, gate);
  }
  auto fuse = mount_fuse(directory, device, gate);
  if (fuse || choice == TransportChoice::kFuse) {
    return fuse;
  }
  log_info("SIMULATED device tree: " + fuse.error().detail() + "; named pipes instead");
  return serve_pipes(directory, device, gate);
}

}  // namespace

Result<bool> SimulatorState::init(const fs::path& dir, Random& random, const Clock& clock) {
  ENSC_TRY(make_private(dir));
  ENSC_TRY_ASSIGN(const Fd lock, open_lock(dir / ".lock"));
  flock(lock.get(), LOCK_EX);
  const fs::path pki_dir = dir / "pki";
  if (fs::exists(pki_dir)) {
    ENSC_TRY(check_private(pki_dir));
    ENSC_TRY(SnpPki::load(pki_dir));
    return false;
  }
  // Written beside and renamed: there is a whole PKI or none.
  const fs::path fresh = dir / "pki.new";
  unstage(fresh);
  ENSC_TRY(make_private(fresh));
  const SnpPki pki = SnpPki::generate({}, random, clock.now());
  ENSC_TRY(pki.save(fresh));
  if (rename(fresh.c_str(), pki_dir.c_str()) != 0) {
    return state_error("cannot create", pki_dir);
  }
  return true;
}

Result<SimulatorState> SimulatorState::open(const fs::path& dir) {
  if (!fs::exists(dir / "pki")) {
    return Error(SimError::kState, dir.string() + " holds no simulated processor")
        .with_remedy("ensconce-sim init --state " + dir.string());
  }
  ENSC_TRY(check_private(dir));
  ENSC_TRY_ASSIGN(SnpPki pki, SnpPki::load(dir / "pki"));
  return SimulatorState(fs::canonical(dir), std::make_unique<SnpPki>(std::move(pki)));
}

Result<RunDirectory> RunDirectory::create(const SimulatorState& state, Random& random) {
  const fs::path runs = state.dir() / "run";
  ENSC_TRY(make_private(runs));
  ENSC_TRY_ASSIGN(const Fd all, open_lock(state.dir() / ".lock"));
  flock(all.get(), LOCK_EX);  // nobody takes a lock file for stale between open and flock below
  remove_stale_runs(runs);
  const fs::path path = runs / to_hex(random.array<8>());
  const fs::path lock_path = path.string() + ".lock";
  ENSC_TRY_ASSIGN(Fd lock, open_lock(lock_path));
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return state_error("cannot lock", lock_path);
  }
  if (mkdir(path.c_str(), 0700) != 0) {
    return state_error("cannot create", path);
  }
  return RunDirectory(path, lock_path, std::move(lock));
}

RunDirectory::~RunDirectory() {
  if (lock_.valid()) {
    if (keep_) {
      unlink(lock_path_.c_str());  // so that no later run takes it for stale
    } else {
      remove_run(path_, lock_path_);
    }
  }
}

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
  log_info("SIMULATED measurement " + to_hex(launch.measurement));
  ProcessGate gate(launch.code);
  ENSC_TRY(gate.learn_code());
  SimulatedChip chip(state.pki(), launch.measurement, clock, random);
  TsmDevice device(chip, gate);
  // Forked before the transport's threads exist, started after the tree does.
  ENSC_TRY_ASSIGN(const auto child, Child::fork_off(launch));
  ENSC_TRY_ASSIGN(auto transport,
                  open_transport(options.transport, launch.root / "tsm", device, gate));
  ENSC_TRY(child->exec(gate));
  log_info("SIMULATED device tree by " + std::string(transport->name()) + " at " +
           (launch.root / "tsm").string() + ", for process " + std::to_string(gate.pid()));
  child->release();
  const int code = child->wait(gate);
  return code;
}

}  // namespace ensconce
