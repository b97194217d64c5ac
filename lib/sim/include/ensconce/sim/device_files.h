#pragma once

#include <cerrno>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ensconce/base/bytes.h"

namespace ensconce {

// kNever as an error: the device does not answer at all, and whoever waits goes on waiting.
inline constexpr int kNever = -1;

struct DeviceAnswer {
  int error = 0;  // errno, or kNever
  Bytes bytes;
};

// DeviceFiles is a device as the kernel shows it to programs: a tree of files, or one file. A
// transport asks from one thread. Everything speaks errno, as the kernel's interfaces do.
class DeviceFiles {
 public:
  using Node = std::uint64_t;
  using Handle = std::uint64_t;
  static constexpr Node kNone = 0;
  static constexpr Node kRoot = 1;
  enum class Kind : std::uint8_t { kDirectory, kRead, kWrite, kReadWrite };
  struct Entry {
    std::string name;
    Node node = kNone;
  };
  struct Made {
    int error = 0;
    Node node = kNone;
  };

  DeviceFiles() = default;
  virtual ~DeviceFiles() = default;
  DeviceFiles(const DeviceFiles&) = delete;
  DeviceFiles& operator=(const DeviceFiles&) = delete;

  // kind is nothing for a node that is not there.
  [[nodiscard]] virtual std::optional<Kind> kind(Node node) const = 0;
  [[nodiscard]] virtual Node child(Node /*parent*/, std::string_view /*name*/) const {
    return kNone;
  }
  [[nodiscard]] virtual std::vector<Entry> list(Node /*directory*/) const { return {}; }
  virtual Made make(Node /*parent*/, std::string_view /*name*/) { return {EPERM, kNone}; }
  virtual int remove(Node /*parent*/, std::string_view /*name*/) { return EPERM; }

  // open begins the use of a file by a handle, of which each is used once.
  virtual int open(Node node, Handle handle) = 0;
  virtual DeviceAnswer read(Node node, Handle handle, std::size_t size, std::uint64_t offset) = 0;
  virtual int write(Node node, Handle handle, std::uint64_t offset, ByteView bytes) = 0;
  // readable is what poll(2) learns.
  [[nodiscard]] virtual bool readable(Node /*node*/, Handle /*handle*/) const { return true; }
  virtual void release(Handle handle) = 0;
};

// OpenAnswers keeps what open files answer: made at the first read of each and the same for every
// later one, as in configfs.
class OpenAnswers {
 public:
  void open(DeviceFiles::Handle handle) { answers_[handle] = std::nullopt; }
  void release(DeviceFiles::Handle handle) { answers_.erase(handle); }

  template <typename Make>
  DeviceAnswer read(DeviceFiles::Handle handle, std::size_t size, std::uint64_t offset,
                    Make&& make) {
    const auto it = answers_.find(handle);
    if (it == answers_.end()) {
      return {EBADF, {}};
    }
    if (!it->second) {
      DeviceAnswer answer = make();
      if (answer.error != 0) {
        return answer;
      }
      it->second = std::move(answer.bytes);
    }
    const ByteView all(*it->second);
    const std::size_t start = offset < all.size() ? static_cast<std::size_t>(offset) : all.size();
    const ByteView rest = all.subspan(start);
    return {0, to_bytes(rest.first(size < rest.size() ? size : rest.size()))};
  }

 private:
  std::map<DeviceFiles::Handle, std::optional<Bytes>> answers_;
};

}  // namespace ensconce
