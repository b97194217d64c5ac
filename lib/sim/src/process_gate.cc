#include "ensconce/sim/process_gate.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <system_error>

namespace ensconce {

namespace {

constexpr std::size_t kMaxMaps = std::size_t{16} << 20U;

// Reads /proc/<pid>/maps from the start through a descriptor that was opened earlier.
Result<std::string> reread(int fd) {
  if (lseek(fd, 0, SEEK_SET) != 0) {
    return Error(SimError::kForeignCode, "the mappings of the program cannot be read");
  }
  std::string text;
  std::array<char, 16384> chunk{};
  for (;;) {
    const ssize_t n = read(fd, chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0 || text.size() > kMaxMaps) {
      return Error(SimError::kForeignCode, "the mappings of the program cannot be read");
    }
    if (n == 0) {
      return text;
    }
    text.append(chunk.data(), static_cast<std::size_t>(n));
  }
}

std::string_view next_field(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view field = line.substr(0, end);
  line.remove_prefix(end);
  return field;
}

std::vector<Mapping> parse_mappings(std::string_view maps, bool executable_only) {
  std::vector<Mapping> out;
  while (!maps.empty()) {
    const std::size_t end = std::min(maps.find('\n'), maps.size());
    std::string_view line = maps.substr(0, end);
    maps.remove_prefix(std::min(end + 1, maps.size()));
    next_field(line);  // addresses
    const std::string_view permissions = next_field(line);
    next_field(line);  // offset
    const std::string_view device = next_field(line);
    const std::string_view inode = next_field(line);
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    const bool executable = permissions.size() > 2 && permissions[2] == 'x';
    if (inode.empty() || inode == "0" || (executable_only && !executable)) {
      continue;
    }
    out.push_back({std::string(device) + " " + std::string(inode) + " " + std::string(line),
                   std::string(line)});
  }
  return out;
}

}  // namespace

std::vector<Mapping> parse_executable_mappings(std::string_view maps) {
  return parse_mappings(maps, true);
}

ProcessGate::ProcessGate(std::vector<std::filesystem::path> code) : code_(std::move(code)) {}

Result<void> ProcessGate::learn_code() {
  const std::lock_guard lock(mutex_);
  shown_.clear();
  for (const std::filesystem::path& copy : code_) {
    const Fd fd(open(copy.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    void* page = fd.valid() ? mmap(nullptr, 1, PROT_READ, MAP_PRIVATE, fd.get(), 0) : MAP_FAILED;
    if (page == MAP_FAILED) {
      return Error(SimError::kStage, "cannot map " + copy.string());
    }
    const Fd maps(open("/proc/self/maps", O_RDONLY | O_CLOEXEC));
    const auto text = reread(maps.get());
    munmap(page, 1);
    ENSC_TRY(text);
    bool found = false;
    for (const Mapping& mapping : parse_mappings(*text, false)) {
      if (mapping.path == copy.string()) {
        shown_.insert(mapping.key);
        found = true;
      }
    }
    if (!found) {
      return Error(SimError::kStage, "/proc/self/maps does not show " + copy.string());
    }
  }
  return ok();
}

Result<void> ProcessGate::arm(pid_t pid) {
  const std::lock_guard lock(mutex_);
  maps_ = Fd(open(("/proc/" + std::to_string(pid) + "/maps").c_str(), O_RDONLY | O_CLOEXEC));
  if (!maps_.valid()) {
    return Error(SimError::kStart, "cannot read the mappings of the program: " +
                                       std::generic_category().message(errno));
  }
  pid_ = pid;
  return ok();
}

void ProcessGate::disarm() {
  const std::lock_guard lock(mutex_);
  pid_ = -1;
  maps_.reset();
}

pid_t ProcessGate::pid() const {
  const std::lock_guard lock(mutex_);
  return pid_;
}

bool ProcessGate::admits(pid_t tid) const {
  const pid_t process = pid();
  if (process <= 0 || tid <= 0) {
    return false;
  }
  std::ifstream status("/proc/" + std::to_string(tid) + "/status");
  constexpr std::string_view kField = "Tgid:";
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with(kField)) {
      continue;
    }
    const std::size_t start = std::min(line.find_first_not_of(" \t", kField.size()), line.size());
    pid_t tgid = -1;
    const auto parsed = std::from_chars(line.data() + start, line.data() + line.size(), tgid);
    return parsed.ec == std::errc() && tgid == process;
  }
  return false;
}

Result<void> ProcessGate::verify_code() const {
  const std::lock_guard lock(mutex_);
  if (pid_ <= 0) {
    return Error(SimError::kForeignCode, "no program runs");
  }
  // The descriptor belongs to the memory the process had after exec. Another exec leaves it empty.
  ENSC_TRY_ASSIGN(const std::string text, reread(maps_.get()));
  const std::vector<Mapping> mappings = parse_executable_mappings(text);
  if (mappings.empty()) {
    return Error(SimError::kForeignCode, "the process is not the program that was started");
  }
  for (const Mapping& mapping : mappings) {
    if (!shown_.contains(mapping.key)) {
      return Error(SimError::kForeignCode,
                   "the program runs code that was not measured: " + mapping.path);
    }
  }
  // Where the process lets us look: it must still be the image that was started.
  std::array<char, 4096> exe{};
  const ssize_t n =
      readlink(("/proc/" + std::to_string(pid_) + "/exe").c_str(), exe.data(), exe.size());
  if (n > 0) {
    const std::string image(exe.data(), static_cast<std::size_t>(n));
    bool ours = false;
    for (const std::filesystem::path& copy : code_) {
      ours = ours || copy.string() == image;
    }
    if (!ours) {
      return Error(SimError::kForeignCode, "the process has become " + image);
    }
  }
  return ok();
}

}  // namespace ensconce
