#include "ensconce/sim/swtpm.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string>
#include <system_error>

#include "tpm_commands.h"

namespace ensconce {

namespace {

constexpr int kChildSocket = 3;
constexpr int kAnswerMs = 60'000;  // a slow machine looking for two primes
constexpr std::size_t kMaxResponse = 4096;

std::string words(int error) { return std::generic_category().message(error); }

}  // namespace

Result<std::unique_ptr<Swtpm>> Swtpm::start(const std::filesystem::path& state) {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return Error(SimError::kVtpm, "cannot make a socket pair: " + words(errno));
  }
  Fd ours(ends[0]);
  const Fd theirs(ends[1]);
  const std::filesystem::path log = state / "swtpm.log";
  std::array<std::string, 9> arguments = {"swtpm",
                                          "socket",
                                          "--tpm2",
                                          "--fd",
                                          std::to_string(kChildSocket),
                                          "--tpmstate",
                                          "dir=" + state.string(),
                                          "--flags",
                                          "not-need-init,startup-clear"};
  std::array<char*, arguments.size() + 1> argv{};
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    argv[i] = arguments[i].data();
  }
  std::array<char*, 1> no_environment{};

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log.c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), kChildSocket);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setpgroup(&attributes, 0);  // a terminal's Ctrl-C is not for it
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  pid_t pid = -1;
  const int failed =
      posix_spawnp(&pid, "swtpm", &actions, &attributes, argv.data(), no_environment.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    return Error(SimError::kVtpm, "cannot start swtpm: " + words(failed))
        .with_remedy("install swtpm (Debian: apt-get install swtpm)");
  }
  return std::unique_ptr<Swtpm>(new Swtpm(pid, std::move(ours), log));
}

Swtpm::~Swtpm() {
  socket_.reset();
  kill(pid_, SIGKILL);  // its state goes with the run
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Error Swtpm::failed(std::string_view doing) const {
  const auto said = read_text_file(log_, 4096);
  return {SimError::kVtpm, std::string(doing) + (said && !said->empty() ? ": " + *said : "")};
}

Result<void> Swtpm::receive(MutableByteView out) {
  while (!out.empty()) {
    pollfd ready{socket_.get(), POLLIN, 0};
    const int polled = poll(&ready, 1, kAnswerMs);
    if (polled < 0 && errno == EINTR) {
      continue;
    }
    const ssize_t n = polled <= 0 ? -1 : read(socket_.get(), out.data(), out.size());
    if (n <= 0) {
      return failed("swtpm does not answer");
    }
    out = out.subspan(static_cast<std::size_t>(n));
  }
  return ok();
}

Result<Bytes> Swtpm::transact(ByteView command) {
  while (!command.empty()) {
    const ssize_t n = send(socket_.get(), command.data(), command.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      return failed("swtpm takes no command");
    }
    command = command.subspan(static_cast<std::size_t>(n));
  }
  Bytes response(tpm::kHeaderLen);
  ENSC_TRY(receive(response));
  ByteReader reader(response);
  ENSC_TRY(reader.u16_be());
  ENSC_TRY_ASSIGN(const std::uint32_t size, reader.u32_be());
  if (size < tpm::kHeaderLen || size > kMaxResponse) {
    return failed("swtpm answers with " + std::to_string(size) + " bytes");
  }
  response.resize(size);
  ENSC_TRY(receive(MutableByteView(response).subspan(tpm::kHeaderLen)));
  return response;
}

Result<Bytes> Swtpm::require(ByteView command) {
  ENSC_TRY_ASSIGN(const std::uint32_t what, tpm::code_of(command));
  ENSC_TRY_ASSIGN(Bytes response, transact(command));
  ENSC_TRY_ASSIGN(const std::uint32_t code, tpm::code_of(response));
  if (code != 0) {
    return failed("swtpm answers command " + std::to_string(what) + " with code " +
                  std::to_string(code));
  }
  return response;
}

}  // namespace ensconce
