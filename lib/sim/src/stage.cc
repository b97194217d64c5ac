#include "ensconce/sim/stage.h"

#include <elf.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <set>
#include <system_error>

#include "ensconce/base/file.h"

namespace ensconce {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMaxListing = std::size_t{1} << 20U;
constexpr std::size_t kMaxObjects = 512;
constexpr std::size_t kMaxProgramHeaders = 256;
constexpr std::size_t kMaxInterpreter = 4096;
constexpr std::string_view kLibraryPath = "LD_LIBRARY_PATH";
constexpr std::string_view kPreload = "LD_PRELOAD";
constexpr std::string_view kAudit = "LD_AUDIT";

Error system_error(SimError code, std::string_view doing, const fs::path& path) {
  const int saved = errno;
  return {code,
          std::string(doing) + " " + path.string() + ": " + std::generic_category().message(saved)};
}

bool is_regular(const fs::path& path) {
  struct stat st {};
  return stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode);
}

Result<fs::path> find_program(const std::string& name, const std::string& search_path) {
  const auto runs = [](const fs::path& path) {
    return is_regular(path) && access(path.c_str(), X_OK) == 0;
  };
  if (name.find('/') != std::string::npos) {
    if (!runs(name)) {
      return Error(SimError::kNotFound, name + " is no executable file");
    }
    return fs::path(name);
  }
  std::size_t start = 0;
  while (start <= search_path.size()) {
    const std::size_t end = std::min(search_path.find(':', start), search_path.size());
    const std::string dir = search_path.substr(start, end - start);
    if (const fs::path candidate = fs::path(dir.empty() ? "." : dir) / name; runs(candidate)) {
      return candidate;
    }
    start = end + 1;
  }
  return Error(SimError::kNotFound, name + " is not on PATH").with_remedy("give its path");
}

// Pipes what a short program prints into a string; its exit code must be 0.
Result<std::string> output_of(const fs::path& program, const std::vector<std::string>& argv,
                              const Environment& environment, const fs::path& cwd) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    return system_error(SimError::kClosure, "cannot make a pipe for", program);
  }
  const Fd out(ends[0]);
  Fd in(ends[1]);
  std::vector<std::string> env_lines;
  for (const auto& [name, value] : environment) {
    env_lines.push_back(name + "=" + value);
  }
  std::vector<char*> envp;
  for (std::string& line : env_lines) {
    envp.push_back(line.data());
  }
  envp.push_back(nullptr);
  std::vector<std::string> arguments = argv;
  std::vector<char*> argp;
  for (std::string& argument : arguments) {
    argp.push_back(argument.data());
  }
  argp.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, in.get(), STDOUT_FILENO);
  posix_spawn_file_actions_addchdir_np(&actions, cwd.c_str());
  pid_t pid = -1;
  const int failed =
      posix_spawn(&pid, program.c_str(), &actions, nullptr, argp.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  in.reset();
  if (failed != 0) {
    errno = failed;
    return system_error(SimError::kClosure, "cannot run", program);
  }
  std::string text;
  std::array<char, 4096> chunk{};
  for (;;) {
    const ssize_t n = read(out.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      break;
    }
    if (text.size() < kMaxListing) {
      text.append(chunk.data(), static_cast<std::size_t>(n));
    }
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || text.size() >= kMaxListing) {
    return Error(SimError::kClosure,
                 "the dynamic loader " + program.string() + " cannot list " + argv.back());
  }
  return text;
}

// What of the environment decides which objects are loaded. Auditors run code, so listing happens
// without them; the rest only makes the loader talk.
Environment listing_environment(const Environment& environment) {
  Environment out;
  for (const std::string_view name :
       {kLibraryPath, kPreload, std::string_view("LD_HWCAP_MASK"), std::string_view("LD_BIND_NOW"),
        std::string_view("GLIBC_TUNABLES")}) {
    if (const auto it = environment.find(std::string(name)); it != environment.end()) {
      out.insert(*it);
    }
  }
  return out;
}

std::vector<std::string> split(std::string_view text, std::string_view separators) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(separators), text.size());
    if (end > 0) {
      parts.emplace_back(text.substr(0, end));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

// Stager does the work of stage_launch, step by step.
class Stager {
 public:
  Stager(const LaunchRequest& request, fs::path root) : request_(request) {
    out_.root = std::move(root);
  }

  Result<StagedLaunch> run() {
    if (request_.argv.empty()) {
      return Error(SimError::kNotFound, "no program was named");
    }
    if (out_.root.string().find_first_of(":;\n") != std::string::npos) {
      return Error(SimError::kStage, "a path with ':' or ';' cannot be searched for libraries")
          .with_remedy("choose another --state directory");
    }
    for (const char* dir : {"bin", "lib", "etc"}) {
      ENSC_TRY(make_directory(dir));
    }
    ENSC_TRY(make_places());
    ENSC_TRY_ASSIGN(program_, find_program(request_.argv[0], request_.search_path));
    ENSC_TRY_ASSIGN(interpreter_, elf_interpreter(program_));
    const std::string name = program_.filename().string();
    ENSC_TRY(copy(program_, "bin/" + name, 0500));
    out_.code.push_back(out_.root / "bin" / name);
    out_.manifest.environment = request_.environment;
    if (!interpreter_.empty()) {
      ENSC_TRY(stage_libraries());
    }
    ENSC_TRY(stage_arguments());
    ENSC_TRY(measure(name));
    ENSC_TRY(seal());
    prepare_exec(name);
    if (!interpreter_.empty()) {
      ENSC_TRY(confirm_closure(name));
    }
    return std::move(out_);
  }

 private:
  Result<void> make_directory(std::string_view name) {
    if (mkdir((out_.root / name).c_str(), 0700) != 0) {
      return system_error(SimError::kStage, "cannot create", out_.root / name);
    }
    return ok();
  }

  Result<void> make_places() {
    const std::string_view device = device_place(request_.platform);
    if (has_endorsements(request_.platform)) {
      ENSC_TRY(make_directory(kEndorsementsPlace));
    }
    if (request_.platform != Platform::kAzure) {
      return make_directory(device);
    }
    // The device is one file, and is mounted over one.
    const Fd file(
        open((out_.root / device).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file.valid()) {
      return system_error(SimError::kStage, "cannot create", out_.root / device);
    }
    return make_directory(kVtpmState);
  }

  Result<void> copy(const fs::path& from, const std::string& to, mode_t mode) {
    const fs::path target = out_.root / to;
    std::error_code error;
    if (!fs::copy_file(from, target, error)) {
      return Error(SimError::kStage, "cannot copy " + from.string() + ": " + error.message());
    }
    if (chmod(target.c_str(), mode) != 0) {
      return system_error(SimError::kStage, "cannot make read-only", target);
    }
    out_.sources[to] = from.string();
    return ok();
  }

  Result<void> add_library(const std::string& name, const fs::path& from) {
    const std::string to = "lib/" + fs::path(name).filename().string();
    if (const auto it = out_.sources.find(to); it != out_.sources.end()) {
      std::error_code error;
      if (fs::equivalent(it->second, from, error)) {
        return ok();
      }
      return Error(SimError::kClosure,
                   "two different files for " + to + ": " + it->second + " and " + from.string());
    }
    if (out_.code.size() > kMaxObjects) {
      return Error(SimError::kClosure, "more than " + std::to_string(kMaxObjects) + " libraries");
    }
    ENSC_TRY(copy(from, to, 0500));
    out_.code.push_back(out_.root / to);
    libraries_.push_back(to);
    return ok();
  }

  Result<void> add_closure(const fs::path& object, const Environment& environment) {
    const fs::path absolute = fs::absolute(object);
    ENSC_TRY_ASSIGN(const std::string listing,
                    output_of(interpreter_, {interpreter_, "--list", absolute.string()},
                              environment, fs::current_path()));
    ENSC_TRY_ASSIGN(const auto objects, parse_loader_list(listing));
    for (const LoadedObject& loaded : objects) {
      ENSC_TRY(add_library(loaded.name, loaded.path));
    }
    return ok();
  }

  Result<void> stage_libraries() {
    Environment& environment = out_.manifest.environment;
    const Environment listing = listing_environment(environment);
    ENSC_TRY(add_library(interpreter_, interpreter_));
    ENSC_TRY(add_closure(program_, listing));
    if (const auto it = environment.find(std::string(kAudit)); it != environment.end()) {
      Environment plain = listing;
      plain.erase(std::string(kPreload));
      for (const std::string& auditor : split(it->second, ":")) {
        if (auditor.find('/') == std::string::npos || !is_regular(auditor)) {
          return Error(SimError::kClosure, "LD_AUDIT names " + auditor + ", which is no file")
              .with_remedy("give its path");
        }
        ENSC_TRY(add_library(auditor, auditor));
        ENSC_TRY(add_closure(auditor, plain));
      }
      ENSC_TRY(point_at_copies(it->second, ":"));
    }
    if (const auto it = environment.find(std::string(kPreload)); it != environment.end()) {
      ENSC_TRY(point_at_copies(it->second, ": "));
    }
    if (const auto it = environment.find(std::string(kLibraryPath)); it != environment.end()) {
      it->second = "lib";
    }
    return ok();
  }

  // Rewrites a list of objects to the copies, relative to the working directory of the launch.
  Result<void> point_at_copies(std::string& list, std::string_view separators) {
    std::string rewritten;
    for (const std::string& object : split(list, separators)) {
      const std::string copy = "lib/" + fs::path(object).filename().string();
      if (!out_.sources.contains(copy)) {
        return Error(SimError::kClosure, "the dynamic loader would not load " + object +
                                             ", which the environment names");
      }
      rewritten += (rewritten.empty() ? "" : ":") + copy;
    }
    list = rewritten;
    return ok();
  }

  Result<void> stage_arguments() {
    out_.manifest.argv.push_back(program_.filename().string());
    for (std::size_t i = 1; i < request_.argv.size(); ++i) {
      ENSC_TRY_ASSIGN(std::string argument, stage_argument(request_.argv[i]));
      out_.manifest.argv.push_back(std::move(argument));
    }
    return ok();
  }

  Result<std::string> stage_argument(const std::string& argument) {
    std::string prefix;
    std::string value = argument;
    if (!is_regular(value) && argument.starts_with('-')) {
      const std::size_t sign = argument.find('=');
      if (sign == std::string::npos) {
        return argument;
      }
      prefix = argument.substr(0, sign + 1);
      value = argument.substr(sign + 1);
    }
    if (value.empty() || !is_regular(value)) {
      return argument;
    }
    const std::string to =
        "etc/" + std::to_string(configuration_.size()) + "-" + fs::path(value).filename().string();
    ENSC_TRY(copy(value, to, 0400));
    configuration_.push_back(to);
    return prefix + to;
  }

  Result<MeasuredFile> digest(const std::string& name) {
    const fs::path path = out_.root / name;
    const Fd fd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.valid()) {
      return system_error(SimError::kStage, "cannot open", path);
    }
    Sha256 hasher;
    std::vector<std::uint8_t> chunk(std::size_t{1} << 18U);
    for (;;) {
      const ssize_t n = read(fd.get(), chunk.data(), chunk.size());
      if (n < 0 && errno == EINTR) {
        continue;
      }
      if (n < 0) {
        return system_error(SimError::kStage, "cannot read", path);
      }
      if (n == 0) {
        return MeasuredFile{name, hasher.finish()};
      }
      hasher.update(ByteView(chunk.data(), static_cast<std::size_t>(n)));
    }
  }

  Result<void> measure(const std::string& name) {
    ENSC_TRY_ASSIGN(out_.manifest.executable, digest("bin/" + name));
    std::sort(libraries_.begin(), libraries_.end());
    for (const std::string& library : libraries_) {
      ENSC_TRY_ASSIGN(MeasuredFile file, digest(library));
      out_.manifest.libraries.push_back(std::move(file));
    }
    for (const std::string& file_name : configuration_) {
      ENSC_TRY_ASSIGN(MeasuredFile file, digest(file_name));
      out_.manifest.configuration.push_back(std::move(file));
    }
    out_.measurement = launch_measurement(out_.manifest);
    out_.digest = launch_digest(out_.manifest);
    return ok();
  }

  Result<void> seal() {
    for (const char* dir : {"bin", "lib", "etc", "."}) {
      if (chmod((out_.root / dir).c_str(), 0500) != 0) {
        return system_error(SimError::kStage, "cannot make read-only", out_.root / dir);
      }
    }
    return ok();
  }

  // The copied loader, told to look in the copied libraries first and to follow no path that is
  // written into an object.
  std::vector<std::string> loader_options() const {
    const std::string lib = (out_.root / "lib").string();
    std::string inhibited;
    for (const std::string& library : libraries_) {
      inhibited += ":" + (out_.root / library).string();  // the empty first name is the program
    }
    return {"--inhibit-rpath", inhibited, "--library-path", lib};
  }

  fs::path loader() const { return out_.root / "lib" / fs::path(interpreter_).filename(); }

  void prepare_exec(const std::string& name) {
    const std::string program = (out_.root / "bin" / name).string();
    if (interpreter_.empty()) {
      out_.image = program;
      out_.exec_argv = out_.manifest.argv;
      return;
    }
    out_.image = loader();
    out_.exec_argv = {out_.image.string()};
    const auto options = loader_options();
    out_.exec_argv.insert(out_.exec_argv.end(), options.begin(), options.end());
    out_.exec_argv.insert(out_.exec_argv.end(), {"--argv0", out_.manifest.argv[0], program});
    out_.exec_argv.insert(out_.exec_argv.end(), out_.manifest.argv.begin() + 1,
                          out_.manifest.argv.end());
  }

  // The copies must be what the copied loader picks: an object with an absolute path written into
  // it, or /etc/ld.so.preload, would bring in something that was not measured.
  Result<void> confirm_closure(const std::string& name) {
    std::vector<std::string> argv = {loader().string()};
    const auto options = loader_options();
    argv.insert(argv.end(), options.begin(), options.end());
    argv.insert(argv.end(), {"--list", (out_.root / "bin" / name).string()});
    Environment environment = listing_environment(out_.manifest.environment);
    ENSC_TRY_ASSIGN(const std::string listing, output_of(loader(), argv, environment, out_.root));
    ENSC_TRY_ASSIGN(const auto objects, parse_loader_list(listing));
    const fs::path lib = out_.root / "lib";
    for (const LoadedObject& loaded : objects) {
      if ((out_.root / loaded.path).lexically_normal().parent_path() == lib) {
        continue;
      }
      // The program's PT_INTERP is listed by its own name although the copy is what runs.
      if (loaded.path == interpreter_) {
        continue;
      }
      return Error(SimError::kClosure, loaded.name + " would be loaded from " +
                                           loaded.path.string() + " and not from its copy");
    }
    return ok();
  }

  const LaunchRequest& request_;
  StagedLaunch out_;
  fs::path program_;
  std::string interpreter_;
  std::vector<std::string> libraries_;
  std::vector<std::string> configuration_;
};

void make_removable(const fs::path& dir) {
  std::error_code error;
  fs::permissions(dir, fs::perms::owner_all, error);
  for (const auto& entry : fs::directory_iterator(dir, error)) {
    if (fs::is_directory(entry.symlink_status(error))) {
      make_removable(entry.path());
    }
  }
}

}  // namespace

Environment launch_environment(const Environment& caller, const Environment& added) {
  Environment out;
  for (const auto& [name, value] : caller) {
    if (name.starts_with("LD_") || name.starts_with("ENSCONCE_") || name.starts_with("MALLOC_") ||
        name == "GLIBC_TUNABLES") {
      out[name] = value;
    }
  }
  for (const auto& [name, value] : added) {
    out[name] = value;
  }
  return out;
}

Result<StagedLaunch> stage_launch(const LaunchRequest& request, const fs::path& root) {
  return Stager(request, root).run();
}

void unstage(const fs::path& root) {
  std::error_code error;
  if (!fs::is_directory(fs::symlink_status(root, error))) {
    return;
  }
  make_removable(root);
  fs::remove_all(root, error);
}

Result<std::vector<LoadedObject>> parse_loader_list(std::string_view text) {
  constexpr std::string_view kArrow = " => ";
  std::vector<LoadedObject> objects;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    if (line.empty() || line.starts_with("linux-vdso.") || line.starts_with("linux-gate.")) {
      continue;  // the kernel's own page is no file
    }
    if (line == "statically linked") {
      continue;
    }
    const std::size_t address = line.rfind(" (0x");
    const std::string whole(line);
    if (address == std::string_view::npos || !line.ends_with(')')) {
      return Error(SimError::kClosure, "the dynamic loader says: " + whole);
    }
    line = line.substr(0, address);
    const std::size_t arrow = line.find(kArrow);
    const std::string_view name = arrow == std::string_view::npos ? line : line.substr(0, arrow);
    const std::string_view path =
        arrow == std::string_view::npos ? line : line.substr(arrow + kArrow.size());
    if (name.empty() || path.find('/') == std::string_view::npos) {
      return Error(SimError::kClosure, "the dynamic loader says: " + whole);
    }
    objects.push_back({std::string(name), fs::path(path)});
  }
  return objects;
}

Result<std::string> elf_interpreter(const fs::path& program) {
  const Fd fd(open(program.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    return system_error(SimError::kNotFound, "cannot open", program);
  }
  const auto read_at = [&](void* out, std::size_t len, std::uint64_t offset) {
    return offset <= static_cast<std::uint64_t>(INT64_MAX) &&
           std::cmp_equal(pread(fd.get(), out, len, static_cast<off_t>(offset)), len);
  };
  const auto not_elf = [&](std::string_view why) {
    return Error(SimError::kNotElf, program.string() + " " + std::string(why))
        .with_remedy("the simulator starts ELF programs of this machine, not scripts");
  };
  Elf64_Ehdr header{};
  if (!read_at(&header, sizeof header, 0) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB) {
    return not_elf("is no 64-bit ELF program");
  }
  if ((header.e_type != ET_EXEC && header.e_type != ET_DYN) ||
      header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum > kMaxProgramHeaders) {
    return not_elf("has a form that cannot be started");
  }
  for (std::uint64_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    if (!read_at(&segment, sizeof segment, header.e_phoff + i * sizeof segment)) {
      return not_elf("ends before its program headers");
    }
    if (segment.p_type != PT_INTERP) {
      continue;
    }
    if (segment.p_filesz < 2 || segment.p_filesz > kMaxInterpreter) {
      return not_elf("names no loader");
    }
    std::string name(segment.p_filesz, '\0');
    if (!read_at(name.data(), name.size(), segment.p_offset) || name.back() != '\0' ||
        name.front() != '/') {
      return not_elf("names no loader");
    }
    name.pop_back();
    return name;
  }
  return std::string();
}

}  // namespace ensconce
