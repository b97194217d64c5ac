#include "ensconce/sandbox/plan.h"

#include <arpa/inet.h>

#include <algorithm>

namespace ensconce {

namespace {

constexpr std::uint16_t kDnsPort = 53;

bool is_address(const std::string& host) {
  in6_addr buffer{};
  return ::inet_pton(AF_INET, host.c_str(), &buffer) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &buffer) == 1;
}

// A rule is of the file it finds, not of its name. Where the list of name servers is a link to a
// directory of its resolver, which replaces the file, the directory is what must be readable.
std::filesystem::path where_name_servers_are() {
  const std::filesystem::path named = "/etc/resolv.conf";
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(named, error);
  const std::filesystem::path directory = real.parent_path();
  // One that holds other things than a resolver's is not opened for it.
  const bool shared = directory == "/etc" || directory == "/run" || directory == "/var/run" ||
                      directory == "/tmp" || directory == "/";
  return error || shared ? named : directory;
}

}  // namespace

void SandboxPlan::reach(const std::string& host, std::uint16_t port, const std::string& why) {
  connects.push_back({port, why});
  if (is_address(host)) {
    return;
  }
  datagrams = true;
  connects.push_back({kDnsPort, "name servers, where an answer is long"});
  files.push_back({where_name_servers_are(), FileUse::kRead, "which name servers to ask"});
  for (const char* path : {"/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf"}) {
    files.push_back({path, FileUse::kRead, "how " + host + " is resolved"});
  }
}

void SandboxPlan::ask_processor(const ProcessorPaths& paths) {
  const auto add = [this](const std::filesystem::path& path, FileUse use, const char* why) {
    if (!path.empty()) {
      files.push_back({path, use, why});
    }
  };
  add(paths.tsm_root, FileUse::kReports, "the secure processor's reports (tsm_root)");
  add(paths.sev_guest, FileUse::kDevice, "the secure processor's reports (sev_guest)");
  add(paths.gramine_root, FileUse::kDevice, "the enclave's quotes (gramine_root)");
  add(paths.tpm, FileUse::kDevice, "the virtual machine's quotes (tpm)");
  add(paths.endorsements, FileUse::kRead, "certificates and lists of the vendor (endorsements)");
  if (!paths.sev_guest.empty()) {
    // Linux, include/uapi/linux/sev-guest.h: _IOWR('S', 0 and 2, 32 bytes).
    ioctls.push_back({0xc0205300, "SNP_GET_REPORT"});
    ioctls.push_back({0xc0205302, "SNP_GET_EXT_REPORT"});
  }
}

void SandboxPlan::know_processors() {
  for (const char* path : {"/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu"}) {
    files.push_back({path, FileUse::kRead, "what processors and memory there are, for the engine"});
  }
}

bool SandboxPlan::keeps_a_store() const {
  return std::any_of(files.begin(), files.end(),
                     [](const FileRule& rule) { return rule.use == FileUse::kStore; });
}

}  // namespace ensconce
