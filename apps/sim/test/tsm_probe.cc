// A small program to be started by the simulator: does one thing a worker does, or must not do.
#include <dlfcn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>

#include "ensconce/base/file.h"
#include "ensconce/tee/configfs_tsm.h"

namespace {

using namespace ensconce;

// Prints "report <hex>", "endorsement <type> <hex>" …, "missing <name>" …; or "error <id>".
int report(const std::string& root, std::uint8_t fill) {
  const SystemClock clock;
  SystemRandom random;
  ConfigfsTsmProvider provider(root, clock, random);
  ByteArray<64> report_data{};
  report_data.fill(fill);
  const auto evidence = provider.attest(report_data);
  if (!evidence) {
    std::printf("error %s\n", std::string(evidence.error().id()).c_str());
    return 3;
  }
  std::printf("report %s\n", to_hex(evidence->evidence.data).c_str());
  for (const EndorsementItem& item : evidence->endorsements) {
    std::printf("endorsement %s %s\n", item.type.c_str(), to_hex(item.data).c_str());
  }
  for (const std::string& name : evidence->missing) {
    std::printf("missing %s\n", name.c_str());
  }
  std::fflush(stdout);
  return 0;
}

void on_term(int /*signal*/) { _exit(7); }

int show_world() {
  for (char** entry = environ; *entry != nullptr; ++entry) {
    std::printf("env %s\n", *entry);
  }
  std::size_t num_fds = 0;
  for ([[maybe_unused]] const auto& fd : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++num_fds;
  }
  std::printf("fds %zu\n", num_fds - 1);  // without the one that lists
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "report") {
    return report(argc > 2 ? argv[2] : "tsm", 0x42);
  }
  if (what == "report-many") {
    for (std::uint8_t i = 1; i <= 20; ++i) {
      if (const int code = report("tsm", i); code != 0) {
        return code;
      }
    }
    return static_cast<int>(std::distance(std::filesystem::directory_iterator("tsm/report"), {}));
  }
  if (what == "report-from-thread") {
    int code = 1;
    std::thread([&] { code = report("tsm", 0x42); }).join();
    return code;
  }
  if (what == "report-undumpable") {
    prctl(PR_SET_DUMPABLE, 0);
    return report("tsm", 0x42);
  }
  if (what == "report-from-child") {
    const pid_t pid = fork();
    if (pid == 0) {
      const int code = report("tsm", 0x42);
      std::fflush(stdout);
      _exit(code);
    }
    int status = 0;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status)
                                                                           : 1;
  }
  // By environment, since a file that an argument names is copied and measured.
  const char* foreign = std::getenv("FOREIGN");
  if (what == "dlopen" && foreign != nullptr) {
    if (dlopen(foreign, RTLD_NOW) == nullptr) {
      std::printf("dlopen failed: %s\n", dlerror());
      return 1;
    }
    return report("tsm", 0x42);
  }
  if (what == "exec" && foreign != nullptr) {  // becomes another program, which then asks
    execl(foreign, foreign, "report", "tsm", nullptr);
    return 1;
  }
  if (what == "read-config" && argc > 2) {
    const auto text = read_text_file(argv[2]);
    std::printf("config %s %s\n", argv[2], text ? text->c_str() : "unreadable");
    return report("tsm", 0x42);
  }
  if (what == "wait") {
    std::signal(SIGTERM, on_term);
    const int code = report("tsm", 0x42);
    std::printf("pid %d\ncwd %s\n", getpid(), std::filesystem::current_path().c_str());
    std::fflush(stdout);
    for (;;) {
      pause();
    }
    return code;
  }
  if (what == "world") {
    return show_world();
  }
  if (what == "exit" && argc > 2) {
    return std::atoi(argv[2]);
  }
  return 2;
}
