#include "ensconce/doctor/machine.h"

#include <linux/landlock.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>
#include <string_view>

#include "ensconce/base/file.h"
#include "ensconce/base/printable.h"

namespace ensconce {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxCpuinfo = std::size_t{4} * 1024 * 1024;
constexpr std::size_t kMaxLine = 256;

constexpr std::array kDevices = {"/sys/kernel/config/tsm/report",
                                 "/dev/sev-guest",
                                 "/dev/tdx_guest",
                                 "/dev/tpmrm0",
                                 "/dev/sgx_enclave",
                                 "/dev/sgx_provision",
                                 "/dev/attestation",
                                 "/dev/fuse",
                                 "/dev/sev",
                                 "/var/run/aesmd/aesm.socket",
                                 "/sys/kernel/config"};
constexpr std::array kHostParameters = {"kvm_amd/parameters/sev_snp", "kvm_amd/parameters/sev",
                                        "kvm_intel/parameters/tdx", "kvm_intel/parameters/sgx"};
constexpr std::array kPrograms = {"gramine-sgx", "ensconce-sim", "swtpm", "fusermount3"};

fs::path below(const fs::path& root, std::string_view absolute) {
  return root / fs::path(absolute).relative_path();
}

// line_of reads the first line of a small file, in printable characters.
std::string line_of(const fs::path& path) {
  const auto text = read_text_file(path, kMaxCpuinfo);
  if (!text) {
    return "";
  }
  return printable(text->substr(0, text->find('\n')), kMaxLine);
}

// value_of finds "name  : value" in a file of such lines.
std::string value_of(std::string_view text, std::string_view name) {
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    const std::size_t colon = line.find(':');
    if (line.starts_with(name) && colon != std::string::npos &&
        line.find_first_not_of(" \t", name.size()) == colon) {
      const std::size_t begin = line.find_first_not_of(" \t", colon + 1);
      return begin == std::string::npos ? "" : line.substr(begin);
    }
  }
  return "";
}

std::set<std::string> words_of(const std::string& text) {
  std::istringstream words(text);
  std::set<std::string> out;
  for (std::string word; words >> word;) {
    out.insert(word);
  }
  return out;
}

MachineFacts::Access access_of(const fs::path& path) {
  std::error_code ec;
  if (!fs::exists(path, ec)) {
    // What a directory hides is there all the same; nothing more can be said of it.
    return {ec == std::errc::permission_denied, false};
  }
  return {true, ::access(path.c_str(), R_OK | W_OK) == 0};
}

bool on_path(const std::string& path, const std::string& program) {
  std::istringstream folders(path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (!folder.empty() && ::access((fs::path(folder) / program).c_str(), X_OK) == 0) {
      return true;
    }
  }
  return false;
}

std::uint64_t swap_of(const std::string& meminfo) {
  const std::string text = value_of(meminfo, "SwapTotal");
  std::uint64_t kib = 0;
  std::from_chars(text.data(), text.data() + text.size(), kib);
  return kib;
}

}  // namespace

MachineFacts look_at_machine(const fs::path& root, const std::string& path) {
  MachineFacts out;
  const auto cpuinfo = read_text_file(below(root, "/proc/cpuinfo"), kMaxCpuinfo);
  if (cpuinfo) {
    out.processor_vendor = printable(value_of(*cpuinfo, "vendor_id"), kMaxLine);
    out.processor = printable(value_of(*cpuinfo, "model name"), kMaxLine);
    out.flags = words_of(value_of(*cpuinfo, "flags"));
  }
  out.kernel = line_of(below(root, "/proc/sys/kernel/osrelease"));
  out.maker = line_of(below(root, "/sys/class/dmi/id/sys_vendor"));
  out.product = line_of(below(root, "/sys/class/dmi/id/product_name"));
  out.asset_tag = line_of(below(root, "/sys/class/dmi/id/chassis_asset_tag"));
  if (const auto known = read_text_file(below(root, "/proc/filesystems"), kMaxCpuinfo)) {
    out.configfs = words_of(*known).contains("configfs");
  }
  for (const char* device : kDevices) {
    out.devices[device] = access_of(below(root, device));
  }
  for (const char* parameter : kHostParameters) {
    const std::string value = line_of(below(root, std::string("/sys/module/") + parameter));
    if (!value.empty()) {
      out.host_parameters[parameter] = value;
    }
  }
  for (const char* program : kPrograms) {
    if (on_path(path, program)) {
      out.programs.insert(program);
    }
  }
  if (const auto meminfo = read_text_file(below(root, "/proc/meminfo"), kMaxCpuinfo)) {
    out.swap_kib = swap_of(*meminfo);
  }
  out.core_pattern = line_of(below(root, "/proc/sys/kernel/core_pattern"));
  const long landlock =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  out.landlock = landlock > 0 ? static_cast<int>(landlock) : 0;
  out.seccomp = !line_of(below(root, "/proc/sys/kernel/seccomp/actions_avail")).empty();
  rlimit locked{};
  if (::getrlimit(RLIMIT_MEMLOCK, &locked) == 0 && locked.rlim_cur != RLIM_INFINITY) {
    out.locked_limit = locked.rlim_cur;
  }
  return out;
}

}  // namespace ensconce
