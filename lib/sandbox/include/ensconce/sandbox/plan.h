#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace ensconce {

// FileUse is what a process may do with a path, and with what lies beneath it.
enum class FileUse : std::uint8_t {
  kRead,     // read a file; list a directory and read what is in it
  kDevice,   // read, write and ioctl what is there; make nothing
  kReports,  // kDevice, and make and remove directories: configfs-tsm
  kStore,    // kRead, and make, write, rename and remove files: a program's own state
};

struct FileRule {
  std::filesystem::path path;
  FileUse use = FileUse::kRead;
  std::string why;
};

struct PortRule {
  std::uint16_t port = 0;  // to listen on 0: whichever the kernel gives
  std::string why;
};

// IoctlRule is one request number of a device of the plan.
struct IoctlRule {
  std::uint32_t request = 0;
  std::string name;
};

// ProcessorPaths are where a secure processor may be asked; empty ones are not needed.
struct ProcessorPaths {
  std::filesystem::path tsm_root;      // configfs-tsm
  std::filesystem::path sev_guest;     // its ioctls give reports
  std::filesystem::path gramine_root;  // Gramine's /dev/attestation
  std::filesystem::path tpm;           // the kernel's resource manager of a TPM
  std::filesystem::path endorsements;  // a directory, read at each report
};

// SandboxPlan is what a program needs from the system once it knows its configuration. What it
// does not name is refused. Relative paths are of the working directory.
struct SandboxPlan {
  std::string program;
  std::vector<FileRule> files;
  std::vector<PortRule> listens;   // TCP
  std::vector<PortRule> connects;  // TCP; to any address, as the kernel judges ports alone
  std::vector<IoctlRule> ioctls;
  bool datagrams = false;  // UDP sockets, for the resolver

  // reach adds what connecting to `host` takes: the port, and the resolver where it is a name.
  void reach(const std::string& host, std::uint16_t port, const std::string& why);
  // ask_processor adds what reports of the secure processor take.
  void ask_processor(const ProcessorPaths& paths);
  // know_processors adds what engine and C library read about processors.
  void know_processors();
  [[nodiscard]] bool keeps_a_store() const;
};

}  // namespace ensconce
