#define FUSE_USE_VERSION 314

#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <set>
#include <string>
#include <thread>

#include "ensconce/base/log.h"
#include "ensconce/sim/transport.h"

namespace ensconce {

namespace {

constexpr std::size_t kMaxHandles = 256;

std::string g_fuse_said;  // what libfuse reported last; only its callback has no context

void remember_message(fuse_log_level /*level*/, const char* format, va_list arguments) {
  char text[256];
  std::vsnprintf(text, sizeof text, format, arguments);
  g_fuse_said = text;
  g_fuse_said.erase(g_fuse_said.find_last_not_of(" \n") + 1);
}

// Served is what the callbacks work on: one device, asked from one thread.
struct Served {
  DeviceFiles& files;
  const ProcessGate& gate;
  std::uint64_t next_handle = 1;
  std::size_t num_open = 0;
  std::set<fuse_req_t> waiting;  // for an answer that never comes
};

Served& served(fuse_req_t request) { return *static_cast<Served*>(fuse_req_userdata(request)); }
DeviceFiles& files(fuse_req_t request) { return served(request).files; }

bool attributes_of(const DeviceFiles& files, fuse_ino_t inode, struct stat& out) {
  const auto kind = files.kind(inode);
  if (!kind.has_value()) {
    return false;
  }
  std::memset(&out, 0, sizeof out);
  out.st_ino = inode;
  out.st_uid = getuid();
  out.st_gid = getgid();
  out.st_nlink = *kind == DeviceFiles::Kind::kDirectory ? 2 : 1;
  switch (*kind) {
    case DeviceFiles::Kind::kDirectory:
      out.st_mode = S_IFDIR | 0700;
      break;
    case DeviceFiles::Kind::kRead:
      out.st_mode = S_IFREG | 0400;
      break;
    case DeviceFiles::Kind::kWrite:
      out.st_mode = S_IFREG | 0200;
      break;
    case DeviceFiles::Kind::kReadWrite:
      out.st_mode = S_IFREG | 0600;
      break;
  }
  return true;
}

// refused answers EACCES when the caller is not the started process. Everything but looking at the
// root is for it alone.
bool refused(fuse_req_t request) {
  if (served(request).gate.admits(fuse_req_ctx(request)->pid)) {
    return false;
  }
  log_warning("SIMULATED processor: process " + std::to_string(fuse_req_ctx(request)->pid) +
              " is not the one it was started for");
  fuse_reply_err(request, EACCES);
  return true;
}

// A caller that waits for nothing can be interrupted; the kernel tells us.
void on_interrupt(fuse_req_t request, void* /*data*/) {
  served(request).waiting.erase(request);
  fuse_reply_err(request, EINTR);
}

void leave_waiting(fuse_req_t request) {
  served(request).waiting.insert(request);
  fuse_req_interrupt_func(request, on_interrupt, nullptr);
}

void reply_entry(fuse_req_t request, fuse_ino_t inode) {
  fuse_entry_param entry{};
  entry.ino = inode;
  if (inode == DeviceFiles::kNone || !attributes_of(files(request), inode, entry.attr)) {
    fuse_reply_err(request, ENOENT);
    return;
  }
  fuse_reply_entry(request, &entry);  // timeouts 0: nothing is cached, so every use is seen here
}

void on_lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  if (!refused(request)) {
    reply_entry(request, files(request).child(parent, name));
  }
}

void on_getattr(fuse_req_t request, fuse_ino_t inode, fuse_file_info* /*info*/) {
  if (inode != DeviceFiles::kRoot && refused(request)) {
    return;
  }
  struct stat st {};
  if (attributes_of(files(request), inode, st)) {
    fuse_reply_attr(request, &st, 0);
  } else {
    fuse_reply_err(request, ENOENT);
  }
}

// Shells open for writing with O_TRUNC; there is nothing to cut and nothing else to set.
void on_setattr(fuse_req_t request, fuse_ino_t inode, struct stat* /*to*/, int set,
                fuse_file_info* info) {
  if ((set & ~FUSE_SET_ATTR_SIZE) != 0) {
    fuse_reply_err(request, EPERM);
    return;
  }
  on_getattr(request, inode, info);
}

void on_mkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t /*mode*/) {
  if (refused(request)) {
    return;
  }
  const DeviceFiles::Made made = files(request).make(parent, name);
  if (made.error != 0) {
    fuse_reply_err(request, made.error);
    return;
  }
  reply_entry(request, made.node);
}

void on_rmdir(fuse_req_t request, fuse_ino_t parent, const char* name) {
  if (!refused(request)) {
    fuse_reply_err(request, files(request).remove(parent, name));
  }
}

// may_open says with which errno a file is not opened in this way.
int may_open(const DeviceFiles& files, fuse_ino_t inode, int flags) {
  const auto kind = files.kind(inode);
  if (!kind.has_value()) {
    return ENOENT;
  }
  const int wanted = flags & O_ACCMODE;
  switch (*kind) {
    case DeviceFiles::Kind::kDirectory:
      return EISDIR;
    case DeviceFiles::Kind::kRead:
      return wanted == O_RDONLY ? 0 : EACCES;
    case DeviceFiles::Kind::kWrite:
      return wanted == O_WRONLY ? 0 : EACCES;
    case DeviceFiles::Kind::kReadWrite:
      return 0;
  }
  return EACCES;
}

void on_open(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info) {
  if (refused(request)) {
    return;
  }
  Served& state = served(request);
  int error = may_open(state.files, inode, info->flags);
  if (error == 0) {
    info->fh = state.next_handle++;
    error = state.num_open == kMaxHandles ? EMFILE : state.files.open(inode, info->fh);
  }
  if (error != 0) {
    fuse_reply_err(request, error);
    return;
  }
  ++state.num_open;
  info->direct_io = 1;
  fuse_reply_open(request, info);
}

void on_read(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset,
             fuse_file_info* info) {
  if (refused(request)) {  // also when the descriptor was handed to another process
    return;
  }
  const DeviceAnswer answer =
      files(request).read(inode, info->fh, size, static_cast<std::uint64_t>(offset));
  if (answer.error == kNever) {
    leave_waiting(request);
  } else if (answer.error != 0) {
    fuse_reply_err(request, answer.error);
  } else {
    fuse_reply_buf(request, reinterpret_cast<const char*>(answer.bytes.data()),
                   answer.bytes.size());
  }
}

void on_write(fuse_req_t request, fuse_ino_t inode, const char* data, std::size_t size,
              off_t offset, fuse_file_info* info) {
  if (refused(request)) {
    return;
  }
  const int error = files(request).write(inode, info->fh, static_cast<std::uint64_t>(offset),
                                         as_bytes({data, size}));
  if (error != 0) {
    fuse_reply_err(request, error);
  } else {
    fuse_reply_write(request, size);
  }
}

void on_poll(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info, fuse_pollhandle* handle) {
  if (handle != nullptr) {
    fuse_pollhandle_destroy(handle);  // what is not readable now never will be
  }
  if (!refused(request)) {
    const bool readable = files(request).readable(inode, info->fh);
    fuse_reply_poll(request, POLLOUT | POLLWRNORM | (readable ? POLLIN | POLLRDNORM : 0));
  }
}

void on_release(fuse_req_t request, fuse_ino_t /*inode*/, fuse_file_info* info) {
  files(request).release(info->fh);
  --served(request).num_open;
  fuse_reply_err(request, 0);
}

void on_opendir(fuse_req_t request, fuse_ino_t /*inode*/, fuse_file_info* info) {
  if (!refused(request)) {
    fuse_reply_open(request, info);
  }
}

void on_readdir(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset,
                fuse_file_info* /*info*/) {
  if (refused(request)) {
    return;
  }
  const auto entries = files(request).list(inode);
  Bytes buffer(size);
  std::size_t used = 0;
  for (std::size_t i = static_cast<std::size_t>(offset); i < entries.size(); ++i) {
    struct stat st {};
    attributes_of(files(request), entries[i].node, st);
    const std::size_t need =
        fuse_add_direntry(request, reinterpret_cast<char*>(buffer.data()) + used, size - used,
                          entries[i].name.c_str(), &st, static_cast<off_t>(i + 1));
    if (need > size - used) {
      break;
    }
    used += need;
  }
  fuse_reply_buf(request, reinterpret_cast<const char*>(buffer.data()), used);
}

fuse_lowlevel_ops operations() {
  fuse_lowlevel_ops ops{};
  ops.lookup = on_lookup;
  ops.getattr = on_getattr;
  ops.setattr = on_setattr;
  ops.mkdir = on_mkdir;
  ops.rmdir = on_rmdir;
  ops.open = on_open;
  ops.read = on_read;
  ops.write = on_write;
  ops.poll = on_poll;
  ops.release = on_release;
  ops.opendir = on_opendir;
  ops.readdir = on_readdir;
  return ops;
}

// unmount detaches at once, so that the serving thread's read ends with ENODEV.
void unmount(const std::string& directory) {
  if (umount2(directory.c_str(), MNT_DETACH) == 0 || errno != EPERM) {
    return;
  }
  const pid_t pid = fork();
  if (pid == 0) {
    execlp("fusermount3", "fusermount3", "-u", "-z", "-q", "--", directory.c_str(), nullptr);
    _exit(127);
  }
  int status = 0;
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
}

class FuseTransport final : public Transport {
 public:
  FuseTransport(DeviceFiles& files, const ProcessGate& gate) : served_{files, gate, 1, 0, {}} {}

  Result<void> start(const std::filesystem::path& directory) {
    directory_ = directory.string();
    fuse_set_log_func(remember_message);
    g_fuse_said.clear();
    const fuse_lowlevel_ops ops = operations();
    std::string name = "ensconce-sim";
    std::string flag = "-o";
    std::string options = "fsname=ensconce-sim,subtype=SIMULATED,nosuid,nodev,noexec";
    std::array<char*, 4> argv = {name.data(), flag.data(), options.data(), nullptr};
    fuse_args arguments = FUSE_ARGS_INIT(3, argv.data());
    session_ = fuse_session_new(&arguments, &ops, sizeof ops, &served_);
    fuse_opt_free_args(&arguments);
    if (session_ == nullptr || fuse_session_mount(session_, directory_.c_str()) != 0) {
      return Error(SimError::kTransport,
                   g_fuse_said.empty() ? "FUSE cannot be mounted here" : g_fuse_said);
    }
    mounted_ = true;
    thread_ = std::thread([this] { fuse_session_loop(session_); });
    return ok();
  }

  ~FuseTransport() override {
    if (thread_.joinable()) {
      fuse_session_exit(session_);
      unmount(directory_);
      thread_.join();
      for (fuse_req_t request : served_.waiting) {
        fuse_reply_err(request, ENODEV);
      }
    }
    if (session_ != nullptr) {
      if (mounted_) {
        fuse_session_unmount(session_);
      }
      fuse_session_destroy(session_);
    }
  }

  [[nodiscard]] std::string_view name() const override { return "fuse"; }

 private:
  Served served_;
  std::string directory_;
  fuse_session* session_ = nullptr;
  bool mounted_ = false;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Transport>> mount_fuse(const std::filesystem::path& place,
                                              DeviceFiles& files, const ProcessGate& gate) {
  auto transport = std::make_unique<FuseTransport>(files, gate);
  ENSC_TRY(transport->start(place));
  return std::unique_ptr<Transport>(std::move(transport));
}

void unmount_stale(const std::filesystem::path& place) {
  struct stat here {};
  struct stat parent {};
  const bool reachable = stat(place.c_str(), &here) == 0;
  // A dead FUSE mount answers ENOTCONN; a live one lies on another device than its parent.
  if ((!reachable && errno == ENOTCONN) ||
      (reachable && stat(place.parent_path().c_str(), &parent) == 0 &&
       here.st_dev != parent.st_dev)) {
    unmount(place.string());
  }
}

}  // namespace ensconce
