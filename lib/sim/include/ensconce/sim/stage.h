#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ensconce/sim/error.h"
#include "ensconce/sim/launch.h"
#include "ensconce/sim/platform.h"

namespace ensconce {

using Environment = std::map<std::string, std::string>;

// LaunchRequest is what somebody wants started.
struct LaunchRequest {
  std::vector<std::string> argv;       // argv[0] is looked up in `search_path` when it has no slash
  Environment environment;             // all the program will see, before paths are rewritten
  std::string search_path;             // PATH
  Platform platform = Platform::kSnp;  // decides which places are made for its device
};

// launch_environment picks what a simulated launch takes over from its caller: names that start
// with LD_, ENSCONCE_ or MALLOC_, and GLIBC_TUNABLES; then `added` on top. Nothing else.
Environment launch_environment(const Environment& caller, const Environment& added);

// StagedLaunch is a launch copied into a private directory, measured there and ready to be started
// there.
struct StagedLaunch {
  std::filesystem::path root;  // the private directory; the program's working directory
  LaunchManifest manifest;
  ByteArray<48> measurement{};
  ByteArray<32> digest{};
  std::filesystem::path image;  // what execve gets: the copied loader, or a static program
  std::vector<std::string> exec_argv;
  std::vector<std::filesystem::path> code;     // every copy that may be mapped executable
  std::map<std::string, std::string> sources;  // staged name → where it was copied from
};

// stage_launch copies the executable, everything the dynamic loader would load for it with this
// very environment (so also what LD_PRELOAD, LD_AUDIT and LD_LIBRARY_PATH bring in) and every file
// that an argument names into `root`, an empty directory of ours; makes the copies read-only;
// measures the copies; and asks the copied loader whether it would load them and nothing else.
// It also makes the places of the platform's device in `root`: an empty directory or file to mount
// over, and directories for endorsements and for the state of a software TPM.
Result<StagedLaunch> stage_launch(const LaunchRequest& request, const std::filesystem::path& root);

// kVtpmState is where the software TPM of an Azure launch keeps its state, inside the root.
inline constexpr std::string_view kVtpmState = "vtpm";

// unstage removes `root` and all in it, read-only or not. It never leaves `root`.
void unstage(const std::filesystem::path& root);

// LoadedObject is one line of what the dynamic loader lists.
struct LoadedObject {
  std::string name;            // as asked for: a soname, or a path
  std::filesystem::path path;  // where it was found
};
// parse_loader_list reads the output of `ld.so --list`; a name that was not found, or a line of
// another form, is SimError::kClosure.
Result<std::vector<LoadedObject>> parse_loader_list(std::string_view text);

// elf_interpreter returns PT_INTERP of a 64-bit little-endian ELF program, "" for a static one.
Result<std::string> elf_interpreter(const std::filesystem::path& program);

}  // namespace ensconce
