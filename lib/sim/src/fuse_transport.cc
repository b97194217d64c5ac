#define FUSE_USE_VERSION 314

#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <thread>

#include "ensconce/base/log.h"
#include "ensconce/sim/transport.h"

namespace ensconce {

namespace {

// Inode numbers: 1 the root, 2 `report`; a request has a multiple of 16, its attributes follow it.
constexpr fuse_ino_t kRoot = FUSE_ROOT_ID;
constexpr fuse_ino_t kReport = 2;
constexpr fuse_ino_t kStep = 16;
constexpr std::size_t kMaxHandles = 256;

std::string g_fuse_said;  // what libfuse reported last; only its callback has no context

void remember_message(fuse_log_level /*level*/, const char* format, va_list arguments) {
  char text[256];
  std::vsnprintf(text, sizeof text, format, arguments);
  g_fuse_said = text;
  g_fuse_said.erase(g_fuse_said.find_last_not_of(" \n") + 1);
}

// FuseTree answers the kernel from one thread, so its maps need no lock.
class FuseTree {
 public:
  FuseTree(TsmDevice& device, const ProcessGate& gate) : device_(device), gate_(gate) {}

  // Everything but looking at the root is for the started process alone.
  bool admits(fuse_req_t request) const { return gate_.admits(fuse_req_ctx(request)->pid); }

  bool attributes_of(fuse_ino_t inode, struct stat& out) const {
    std::memset(&out, 0, sizeof out);
    out.st_ino = inode;
    out.st_uid = getuid();
    out.st_gid = getgid();
    if (inode == kRoot || inode == kReport || (is_request(inode) && inode % kStep == 0)) {
      out.st_mode = S_IFDIR | 0700;
      out.st_nlink = 2;
      return true;
    }
    const TsmDevice::Attribute* attribute = attribute_of(inode);
    if (attribute == nullptr) {
      return false;
    }
    out.st_mode = S_IFREG | (attribute->access == TsmDevice::Access::kRead ? 0400 : 0200);
    out.st_nlink = 1;
    return true;
  }

  fuse_ino_t child(fuse_ino_t parent, std::string_view name) const {
    if (parent == kRoot) {
      return name == "report" ? kReport : 0;
    }
    if (parent == kReport) {
      for (const auto& [inode, request] : names_) {
        if (request == name) {
          return inode;
        }
      }
      return 0;
    }
    if (!is_request(parent) || parent % kStep != 0) {
      return 0;
    }
    for (std::size_t i = 0; i < TsmDevice::kAttributes.size(); ++i) {
      if (TsmDevice::kAttributes[i].name == name) {
        return parent + 1 + i;
      }
    }
    return 0;
  }

  int make(fuse_ino_t parent, const char* name, fuse_ino_t& out) {
    if (parent != kReport) {
      return EPERM;
    }
    if (const int error = device_.make(name); error != 0) {
      return error;
    }
    out = next_;
    next_ += kStep;
    names_[out] = name;
    return 0;
  }

  int remove(fuse_ino_t parent, const char* name) {
    const fuse_ino_t inode = parent == kReport ? child(parent, name) : 0;
    if (inode == 0) {
      return parent == kReport ? ENOENT : EPERM;
    }
    names_.erase(inode);
    return device_.remove(name);
  }

  int open(fuse_ino_t inode, int flags, std::uint64_t& handle) {
    const TsmDevice::Attribute* attribute = attribute_of(inode);
    if (attribute == nullptr) {
      return inode == kRoot || inode == kReport || is_request(inode) ? EISDIR : ENOENT;
    }
    const int wanted = attribute->access == TsmDevice::Access::kRead ? O_RDONLY : O_WRONLY;
    if ((flags & O_ACCMODE) != wanted) {
      return EACCES;
    }
    if (answers_.size() == kMaxHandles) {
      return EMFILE;
    }
    handle = next_handle_++;
    answers_[handle] = std::nullopt;
    return 0;
  }

  // An answer is made at the first read of an open file and stays the same for it, as in configfs.
  int read(fuse_ino_t inode, std::uint64_t handle, const Bytes*& out) {
    const auto it = answers_.find(handle);
    const TsmDevice::Attribute* attribute = attribute_of(inode);
    if (it == answers_.end() || attribute == nullptr) {
      return EBADF;
    }
    if (!it->second) {
      DeviceAnswer answer = device_.read(name_of(inode), attribute->name);
      if (answer.error != 0) {
        return answer.error;
      }
      it->second = std::move(answer.bytes);
    }
    out = &*it->second;
    return 0;
  }

  int write(fuse_ino_t inode, off_t offset, ByteView bytes) {
    const TsmDevice::Attribute* attribute = attribute_of(inode);
    if (attribute == nullptr) {
      return EBADF;
    }
    return offset != 0 ? EINVAL : device_.write(name_of(inode), attribute->name, bytes);
  }

  void release(std::uint64_t handle) { answers_.erase(handle); }

  std::vector<std::pair<std::string, fuse_ino_t>> list(fuse_ino_t inode) const {
    if (inode == kRoot) {
      return {{"report", kReport}};
    }
    std::vector<std::pair<std::string, fuse_ino_t>> out;
    if (inode == kReport) {
      for (const auto& [request, name] : names_) {
        out.emplace_back(name, request);
      }
    } else {
      for (std::size_t i = 0; i < TsmDevice::kAttributes.size(); ++i) {
        out.emplace_back(TsmDevice::kAttributes[i].name, inode + 1 + i);
      }
    }
    return out;
  }

 private:
  bool is_request(fuse_ino_t inode) const {
    return inode >= kStep && names_.contains(inode - inode % kStep);
  }
  std::string name_of(fuse_ino_t inode) const { return names_.at(inode - inode % kStep); }
  const TsmDevice::Attribute* attribute_of(fuse_ino_t inode) const {
    const std::size_t index = inode % kStep;
    if (!is_request(inode) || index == 0 || index > TsmDevice::kAttributes.size()) {
      return nullptr;
    }
    return &TsmDevice::kAttributes[index - 1];
  }

  TsmDevice& device_;
  const ProcessGate& gate_;
  std::map<fuse_ino_t, std::string> names_;
  std::map<std::uint64_t, std::optional<Bytes>> answers_;
  fuse_ino_t next_ = kStep;
  std::uint64_t next_handle_ = 1;
};

FuseTree& tree_of(fuse_req_t request) {
  return *static_cast<FuseTree*>(fuse_req_userdata(request));
}

// refused answers EACCES when the caller is not the started process.
bool refused(fuse_req_t request) {
  if (tree_of(request).admits(request)) {
    return false;
  }
  log_warning("SIMULATED processor: process " + std::to_string(fuse_req_ctx(request)->pid) +
              " is not the one it was started for");
  fuse_reply_err(request, EACCES);
  return true;
}

void reply_entry(fuse_req_t request, fuse_ino_t inode) {
  fuse_entry_param entry{};
  entry.ino = inode;
  if (inode == 0 || !tree_of(request).attributes_of(inode, entry.attr)) {
    fuse_reply_err(request, ENOENT);
    return;
  }
  fuse_reply_entry(request, &entry);  // timeouts 0: nothing is cached, so every use is seen here
}

void on_lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  if (!refused(request)) {
    reply_entry(request, tree_of(request).child(parent, name));
  }
}

void on_getattr(fuse_req_t request, fuse_ino_t inode, fuse_file_info* /*info*/) {
  if (inode != kRoot && refused(request)) {
    return;
  }
  struct stat st {};
  if (tree_of(request).attributes_of(inode, st)) {
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
  fuse_ino_t inode = 0;
  if (const int error = tree_of(request).make(parent, name, inode); error != 0) {
    fuse_reply_err(request, error);
    return;
  }
  reply_entry(request, inode);
}

void on_rmdir(fuse_req_t request, fuse_ino_t parent, const char* name) {
  if (!refused(request)) {
    fuse_reply_err(request, tree_of(request).remove(parent, name));
  }
}

void on_open(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info) {
  if (refused(request)) {
    return;
  }
  if (const int error = tree_of(request).open(inode, info->flags, info->fh); error != 0) {
    fuse_reply_err(request, error);
    return;
  }
  info->direct_io = 1;
  fuse_reply_open(request, info);
}

void on_read(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset,
             fuse_file_info* info) {
  if (refused(request)) {  // also when the descriptor was handed to another process
    return;
  }
  const Bytes* bytes = nullptr;
  if (const int error = tree_of(request).read(inode, info->fh, bytes); error != 0) {
    fuse_reply_err(request, error);
    return;
  }
  const std::size_t start = std::min(static_cast<std::size_t>(offset), bytes->size());
  const std::size_t len = std::min(size, bytes->size() - start);
  fuse_reply_buf(request, reinterpret_cast<const char*>(bytes->data()) + start, len);
}

void on_write(fuse_req_t request, fuse_ino_t inode, const char* data, std::size_t size,
              off_t offset, fuse_file_info* /*info*/) {
  if (refused(request)) {
    return;
  }
  const int error = tree_of(request).write(inode, offset, as_bytes({data, size}));
  if (error != 0) {
    fuse_reply_err(request, error);
  } else {
    fuse_reply_write(request, size);
  }
}

void on_release(fuse_req_t request, fuse_ino_t /*inode*/, fuse_file_info* info) {
  tree_of(request).release(info->fh);
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
  const auto entries = tree_of(request).list(inode);
  Bytes buffer(size);
  std::size_t used = 0;
  for (std::size_t i = static_cast<std::size_t>(offset); i < entries.size(); ++i) {
    struct stat st {};
    tree_of(request).attributes_of(entries[i].second, st);
    const std::size_t need =
        fuse_add_direntry(request, reinterpret_cast<char*>(buffer.data()) + used, size - used,
                          entries[i].first.c_str(), &st, static_cast<off_t>(i + 1));
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
  FuseTransport(TsmDevice& device, const ProcessGate& gate) : tree_(device, gate) {}

  Result<void> start(const std::filesystem::path& directory) {
    directory_ = directory.string();
    fuse_set_log_func(remember_message);
    g_fuse_said.clear();
    const fuse_lowlevel_ops ops = operations();
    std::string name = "ensconce-sim";
    std::string flag = "-o";
    std::string options = "fsname=ensconce-sim,subtype=SIMULATED-tsm,nosuid,nodev,noexec";
    std::array<char*, 4> argv = {name.data(), flag.data(), options.data(), nullptr};
    fuse_args arguments = FUSE_ARGS_INIT(3, argv.data());
    session_ = fuse_session_new(&arguments, &ops, sizeof ops, &tree_);
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
  FuseTree tree_;
  std::string directory_;
  fuse_session* session_ = nullptr;
  bool mounted_ = false;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Transport>> mount_fuse(const std::filesystem::path& directory,
                                              TsmDevice& device, const ProcessGate& gate) {
  auto transport = std::make_unique<FuseTransport>(device, gate);
  ENSC_TRY(transport->start(directory));
  return std::unique_ptr<Transport>(std::move(transport));
}

void unmount_stale(const std::filesystem::path& directory) {
  struct stat here {};
  struct stat parent {};
  const bool reachable = stat(directory.c_str(), &here) == 0;
  // A dead FUSE mount answers ENOTCONN; a live one lies on another device than its parent.
  if ((!reachable && errno == ENOTCONN) ||
      (reachable && stat(directory.parent_path().c_str(), &parent) == 0 &&
       here.st_dev != parent.st_dev)) {
    unmount(directory.string());
  }
}

}  // namespace ensconce
