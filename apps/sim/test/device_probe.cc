// A small program to be started by the simulator that does to a device what it is told, in the
// device's own terms, and prints what came: "ok", bytes as hex, or the name of an errno.
//   mkdir PATH | write PATH HEX | read PATH | ask PATH HEX | child PATH | wait
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>

#include "ensconce/base/bytes.h"
#include "ensconce/base/file.h"

namespace {

using namespace ensconce;

void say(const std::string& text) {
  std::printf("%s\n", text.c_str());
  std::fflush(stdout);
}
void say_errno() { say(strerrorname_np(errno)); }

// Prints all there is to read, or one response.
void read_from(int fd, bool once) {
  Bytes all;
  std::array<std::uint8_t, 4096> chunk{};
  for (;;) {
    const ssize_t n = read(fd, chunk.data(), chunk.size());
    if (n < 0) {
      say_errno();
      return;
    }
    all.insert(all.end(), chunk.begin(), chunk.begin() + n);
    if (n == 0 || once) {
      say(to_hex(all));
      return;
    }
  }
}

void with_file(const char* path, int flags, const std::string& hex, bool reads) {
  const Fd fd(open(path, flags | O_CLOEXEC));
  if (!fd.valid()) {
    say_errno();
    return;
  }
  if (!hex.empty()) {
    const Bytes bytes = from_hex(hex).value();
    if (write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
      say_errno();
      return;
    }
  }
  if (reads) {
    read_from(fd.get(), !hex.empty());
  } else {
    say("ok");
  }
}

void in_a_child(const char* path) {
  std::fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    with_file(path, O_RDONLY, "", true);
    _exit(0);
  }
  waitpid(pid, nullptr, 0);
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string what = argv[i];
    if (what == "wait") {
      say("cwd " + std::filesystem::current_path().string());
      pause();
      return 0;
    }
    const char* path = ++i < argc ? argv[i] : "";
    if (what == "mkdir") {
      mkdir(path, 0700) == 0 ? say("ok") : say_errno();
    } else if (what == "read") {
      with_file(path, O_RDONLY, "", true);
    } else if (what == "child") {
      in_a_child(path);
    } else if (++i < argc && what == "write") {
      with_file(path, O_WRONLY, argv[i], false);
    } else if (i < argc && what == "ask") {
      with_file(path, O_RDWR, argv[i], true);
    } else {
      return 2;
    }
  }
  return 0;
}
