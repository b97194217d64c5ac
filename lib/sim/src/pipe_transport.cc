#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <system_error>
#include <thread>

#include "ensconce/base/log.h"
#include "ensconce/sim/transport.h"

namespace ensconce {

namespace fs = std::filesystem;

namespace {

using Steady = std::chrono::steady_clock;

constexpr Millis kLookAgain{10};     // for readers that were blocked in open(2) before we looked
constexpr Millis kIdle{60'000};      // a request that nobody cleans up
constexpr Millis kAbandoned{2'000};  // one whose directory was let go of but not removed
constexpr std::size_t kMaxInblob = 64;

Error transport_error(std::string_view doing) {
  const int saved = errno;
  return {SimError::kTransport, std::string(doing) + ": " + std::generic_category().message(saved)};
}

struct FileId {
  dev_t device = 0;
  ino_t inode = 0;
  friend bool operator==(const FileId&, const FileId&) = default;
};

std::optional<FileId> id_of(const std::string& path) {
  struct stat st {};
  if (stat(path.c_str(), &st) != 0) {
    return std::nullopt;
  }
  return FileId{st.st_dev, st.st_ino};
}

bool may_not_look() { return errno == EACCES || errno == EPERM; }

// Holding says whether a process has a file open, as far as we may look.
enum class Holding : std::uint8_t { kYes, kNo, kHidden };

Holding holds(pid_t pid, const FileId& file) {
  const std::string dir = "/proc/" + std::to_string(pid) + "/fd";
  DIR* listing = opendir(dir.c_str());
  if (listing == nullptr) {
    return Holding::kHidden;
  }
  Holding out = Holding::kNo;
  while (const dirent* entry = readdir(listing)) {
    if (entry->d_name[0] == '.') {
      continue;
    }
    const auto id = id_of(dir + "/" + entry->d_name);
    if (id == file) {
      out = Holding::kYes;
    } else if (!id && may_not_look() && out == Holding::kNo) {
      out = Holding::kHidden;
    }
  }
  closedir(listing);
  return out;
}

std::vector<pid_t> processes() {
  std::vector<pid_t> out;
  DIR* listing = opendir("/proc");
  if (listing == nullptr) {
    return out;
  }
  while (const dirent* entry = readdir(listing)) {
    const std::string_view name = entry->d_name;
    pid_t pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ec == std::errc() && parsed.ptr == name.data() + name.size()) {
      out.push_back(pid);
    }
  }
  closedir(listing);
  return out;
}

// PipeTransport plays configfs with named pipes. A pipe has no credentials, so an answer goes out
// only after the pipe was taken out of the tree (nobody can open it any more) and /proc shows the
// started process, and no other, at its end. Each pipe is answered once; a fresh one takes its
// name.
class PipeTransport final : public Transport {
 public:
  PipeTransport(TsmDevice& device, const ProcessGate& gate) : device_(device), gate_(gate) {}

  Result<void> start(const fs::path& directory) {
    report_ = directory / "report";
    if (mkdir(report_.c_str(), 0700) != 0) {
      return transport_error("cannot create " + report_.string());
    }
    watch_ = Fd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    stop_ = Fd(eventfd(0, EFD_CLOEXEC));
    if (!watch_.valid() || !stop_.valid() ||
        inotify_add_watch(watch_.get(), report_.c_str(), IN_CREATE | IN_DELETE | IN_ONLYDIR) < 0) {
      return transport_error("cannot watch " + report_.string());
    }
    thread_ = std::thread([this] { loop(); });
    return ok();
  }

  ~PipeTransport() override {
    if (thread_.joinable()) {
      const std::uint64_t one = 1;
      (void)!write(stop_.get(), &one, sizeof one);
      thread_.join();
    }
  }

  [[nodiscard]] std::string_view name() const override { return "pipes"; }

 private:
  struct Request {
    int watch = -1;
    std::map<std::string, Fd, std::less<>> inputs;  // our reading ends of what the program writes
    Steady::time_point born = Steady::now();
    std::optional<Steady::time_point> let_go;
  };

  void loop() {
    for (;;) {
      std::vector<pollfd> ready = {{stop_.get(), POLLIN, 0}, {watch_.get(), POLLIN, 0}};
      for (const auto& [name, request] : requests_) {
        for (const auto& [attribute, fd] : request.inputs) {
          ready.push_back({fd.get(), POLLIN, 0});
        }
      }
      const int timeout = requests_.empty() ? -1 : static_cast<int>(kLookAgain.count());
      if (poll(ready.data(), ready.size(), timeout) < 0 && errno != EINTR) {
        log_error("SIMULATED processor: poll failed");
        return;
      }
      if ((ready[0].revents & POLLIN) != 0) {
        return;
      }
      take_events();
      for (auto& [name, request] : requests_) {
        take_input(name, request);
        if (!request.let_go) {
          answer_readers(name, request);
        }
      }
      sweep();
    }
  }

  void take_events() {
    alignas(inotify_event) std::array<char, 16384> buffer{};
    for (;;) {
      const ssize_t n = read(watch_.get(), buffer.data(), buffer.size());
      if (n <= 0) {
        return;
      }
      for (ssize_t at = 0; at < n;) {
        const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
        at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
        take_event(*event);
      }
    }
  }

  void take_event(const inotify_event& event) {
    const std::string name = event.len > 0 ? std::string(event.name) : std::string();
    const bool directory = (event.mask & IN_ISDIR) != 0;
    if (directory && (event.mask & IN_CREATE) != 0) {
      add(name);
    } else if (directory && (event.mask & IN_DELETE) != 0) {
      forget(name);
    } else if (directory && name.empty() && (event.mask & IN_CLOSE_NOWRITE) != 0) {
      for (auto& [request_name, request] : requests_) {
        if (request.watch == event.wd) {
          let_go(request_name, request);
        }
      }
    }
  }

  fs::path path_of(std::string_view name, std::string_view attribute) const {
    return report_ / name / attribute;
  }

  void add(const std::string& name) {
    if (requests_.contains(name) || device_.make(name) != 0) {
      return;
    }
    Request request;
    request.watch = inotify_add_watch(watch_.get(), (report_ / name).c_str(),
                                      IN_OPEN | IN_CLOSE_NOWRITE | IN_ONLYDIR);
    for (const auto& attribute : TsmDevice::kAttributes) {  // inblob comes last: then all is there
      const fs::path path = path_of(name, attribute.name);
      if (mkfifo(path.c_str(), 0600) != 0) {
        continue;
      }
      if (attribute.access == TsmDevice::Access::kWrite) {
        request.inputs[std::string(attribute.name)] = open_input(path);
      }
    }
    requests_.emplace(name, std::move(request));
  }

  static Fd open_input(const fs::path& path) {
    return Fd(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
  }

  void forget(const std::string& name) {
    requests_.erase(name);
    device_.remove(name);
  }

  // What is written needs no identity: it changes what the next report says, and that report goes
  // to the started process alone, which compares it with what it asked for.
  void take_input(const std::string& name, Request& request) {
    for (auto& [attribute, fd] : request.inputs) {
      std::array<std::uint8_t, kMaxInblob + 1> bytes{};
      const ssize_t n = read(fd.get(), bytes.data(), bytes.size());
      if (n > 0) {
        const ByteView written = ByteView(bytes).first(static_cast<std::size_t>(n));
        if (device_.write(name, attribute, written) != 0) {
          log_warning("SIMULATED processor: a malformed " + attribute + " was ignored");
        }
      }
      pollfd state{fd.get(), POLLIN, 0};
      if (poll(&state, 1, 0) > 0 && (state.revents & POLLHUP) != 0 &&
          (state.revents & POLLIN) == 0) {
        // The writer is gone, and this end would report that for ever. The new one is opened before
        // the old one closes, so no writer ever finds nobody reading.
        Fd next = open_input(path_of(name, attribute));
        fd = std::move(next);
      }
    }
  }

  void answer_readers(const std::string& name, Request& request) {
    for (const auto& attribute : TsmDevice::kAttributes) {
      if (attribute.access != TsmDevice::Access::kRead) {
        continue;
      }
      const fs::path path = path_of(name, attribute.name);
      const Fd out(open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
      if (!out.valid()) {
        continue;  // ENXIO: nobody reads
      }
      take_input(name, request);  // what was written before this read counts
      replace(path);
      answer(name, attribute.name, out);
    }
  }

  // Puts a fresh pipe at the name; the old one lives on with whoever has it open.
  void replace(const fs::path& path) {
    const std::string fresh = path.string() + ".next";
    if (mkfifo(fresh.c_str(), 0600) != 0 || rename(fresh.c_str(), path.c_str()) != 0) {
      unlink(fresh.c_str());
      unlink(path.c_str());
    }
  }

  void answer(const std::string& name, std::string_view attribute, const Fd& out) {
    struct stat st {};
    if (fstat(out.get(), &st) != 0 || !held_by_program_alone({st.st_dev, st.st_ino})) {
      return;  // closing unwritten is an empty answer
    }
    const DeviceAnswer answer = device_.read(name, attribute);
    if (answer.error == 0) {
      // At most 32 KiB by the interface, and a pipe holds 64.
      (void)!write(out.get(), answer.bytes.data(), answer.bytes.size());
    }
  }

  bool held_by_program_alone(const FileId& pipe) const {
    const pid_t program = gate_.pid();
    if (program <= 0) {
      return false;
    }
    const Holding own = holds(program, pipe);
    bool foreign = own == Holding::kNo;
    for (const pid_t pid : processes()) {
      if (pid != program && pid != getpid() && holds(pid, pipe) == Holding::kYes) {
        foreign = true;
      }
    }
    if (foreign) {
      log_warning("SIMULATED processor: a process it was not started for reads a pipe");
    }
    // A program that made itself undumpable hides its files from an ordinary user; then it is
    // enough that nobody else holds the pipe.
    return !foreign;
  }

  // The program let go of the request's directory: take the pipes out, so that rmdir can succeed
  // as it does in configfs.
  void let_go(const std::string& name, Request& request) {
    const auto directory = id_of((report_ / name).string());
    if (request.let_go || !directory || holds(gate_.pid(), *directory) == Holding::kYes) {
      return;
    }
    request.let_go = Steady::now();
    clear(name);
  }

  void clear(const std::string& name) {
    for (const auto& attribute : TsmDevice::kAttributes) {
      unlink(path_of(name, attribute.name).c_str());
    }
  }

  void sweep() {
    const auto now = Steady::now();
    for (auto it = requests_.begin(); it != requests_.end();) {
      const Request& request = it->second;
      const bool over =
          now - request.born > kIdle || (request.let_go && now - *request.let_go > kAbandoned);
      if (!over) {
        ++it;
        continue;
      }
      clear(it->first);
      rmdir((report_ / it->first).c_str());
      device_.remove(it->first);
      it = requests_.erase(it);
    }
  }

  TsmDevice& device_;
  const ProcessGate& gate_;
  fs::path report_;
  Fd watch_;
  Fd stop_;
  std::map<std::string, Request> requests_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Transport>> serve_pipes(const fs::path& directory, TsmDevice& device,
                                               const ProcessGate& gate) {
  auto transport = std::make_unique<PipeTransport>(device, gate);
  ENSC_TRY(transport->start(directory));
  return std::unique_ptr<Transport>(std::move(transport));
}

}  // namespace ensconce
