#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace ensconce {

// MachineFacts is what Linux says of the machine, as far as attestation and its company care. All
// of it can be made up by whoever runs the machine: it is for the operator, and proves nothing.
struct MachineFacts {
  // A device or directory: whether it is there, and whether this process may read and write it.
  struct Access {
    bool there = false;
    bool usable = false;
  };

  std::string processor_vendor;  // "AuthenticAMD", "GenuineIntel"; "" where nobody says
  std::string processor;
  std::set<std::string> flags;  // of /proc/cpuinfo
  std::string kernel;           // "6.12.95+deb12-cloud-amd64"
  std::string maker;      // DMI's system vendor: "Microsoft Corporation", "Google", "Amazon EC2"
  std::string product;    // DMI's product name: "Google Compute Engine"
  std::string asset_tag;  // DMI's chassis asset tag, by which Azure is told from Hyper-V
  bool configfs = false;  // the kernel knows it
  std::map<std::string, Access> devices;               // by path
  std::map<std::string, std::string> host_parameters;  // kvm_amd.sev_snp, kvm_intel.tdx, … as read
  std::set<std::string> programs;                      // of those looked for, what PATH has

  // Names of the attesters that are there as a worker would find them; whoever looks fills it in.
  std::set<std::string> attesters;

  std::uint64_t swap_kib = 0;
  std::string core_pattern;
  std::optional<std::uint64_t> locked_limit;  // bytes of RLIMIT_MEMLOCK; nothing: no limit
  int landlock = 0;  // version of its interface; 0: the kernel has none, or keeps it off
  bool seccomp = false;
};

// look_at_machine reads /proc, /sys and /dev below `root`, which is "/" but in tests, and looks for
// programs in `path` (as $PATH is written). Limits and Landlock are this process's. What cannot be
// read is taken for absent.
MachineFacts look_at_machine(const std::filesystem::path& root, const std::string& path);

}  // namespace ensconce
