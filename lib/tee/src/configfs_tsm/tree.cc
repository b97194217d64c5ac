#include "ensconce/tee/tsm_tree.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>

#include "../device_error.h"
#include "ensconce/base/file.h"
#include "ensconce/base/log.h"

namespace ensconce {

namespace {

constexpr int kOpenFlags = O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY;

class PosixTsmTree final : public TsmTree {
 public:
  PosixTsmTree(std::filesystem::path root, Millis answer_limit)
      : root_(std::move(root)), answer_limit_(answer_limit) {}

  int make(std::string_view name) override {
    const Fd root(open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root.valid()) {
      return errno;
    }
    report_ = Fd(openat(root.get(), "report", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!report_.valid()) {
      return errno;
    }
    name_ = std::string(name);
    if (mkdirat(report_.get(), name_.c_str(), 0700) != 0) {
      return errno;
    }
    entry_ =
        Fd(openat(report_.get(), name_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!entry_.valid()) {
      const int error = errno;
      unlinkat(report_.get(), name_.c_str(), AT_REMOVEDIR);
      return error;
    }
    return 0;
  }

  int write(std::string_view attribute, ByteView bytes) override {
    Fd fd;
    if (const int error = open_attribute(attribute, O_WRONLY, fd); error != 0) {
      return error;
    }
    const ssize_t n = ::write(fd.get(), bytes.data(), bytes.size());
    if (n < 0) {
      return errno;
    }
    return std::cmp_equal(n, bytes.size()) ? 0 : EIO;
  }

  TsmAnswer read(std::string_view attribute, std::size_t limit) override {
    Fd fd;
    if (const int error = open_attribute(attribute, O_RDONLY, fd); error != 0) {
      return {error, {}};
    }
    TsmAnswer answer;
    const auto deadline = std::chrono::steady_clock::now() + answer_limit_;
    std::array<std::uint8_t, 4096> chunk{};
    for (;;) {
      // A regular file is always ready; a FIFO is once its writer wrote or went away.
      const auto left =
          std::chrono::duration_cast<Millis>(deadline - std::chrono::steady_clock::now());
      pollfd ready{fd.get(), POLLIN, 0};
      const int polled = left > Millis(0) ? poll(&ready, 1, static_cast<int>(left.count())) : 0;
      if (polled == 0) {
        return {ETIMEDOUT, {}};
      }
      const ssize_t n = polled < 0 ? -1 : ::read(fd.get(), chunk.data(), chunk.size());
      if (n < 0 && fifo_ && (errno == EAGAIN || errno == EINTR)) {
        continue;
      }
      if (n < 0) {
        return {errno, {}};
      }
      if (n == 0) {
        return answer;
      }
      if (answer.bytes.size() + static_cast<std::size_t>(n) > limit) {
        return {EFBIG, {}};
      }
      answer.bytes.insert(answer.bytes.end(), chunk.begin(), chunk.begin() + n);
    }
  }

  int remove() override {
    // First let go of the directory: a device may clear it only when nobody is in it.
    entry_.reset();
    if (!report_.valid() || unlinkat(report_.get(), name_.c_str(), AT_REMOVEDIR) == 0) {
      return 0;
    }
    return errno;
  }

 private:
  int open_attribute(std::string_view attribute, int mode, Fd& out) {
    Fd fd(openat(entry_.get(), std::string(attribute).c_str(), mode | kOpenFlags));
    if (!fd.valid()) {
      return errno;
    }
    struct stat st {};
    if (fstat(fd.get(), &st) != 0) {
      return errno;
    }
    fifo_ = S_ISFIFO(st.st_mode);
    if (!fifo_ && !S_ISREG(st.st_mode)) {
      return EINVAL;
    }
    out = std::move(fd);
    return 0;
  }

  std::filesystem::path root_;
  Millis answer_limit_;
  Fd report_;
  Fd entry_;
  std::string name_;
  bool fifo_ = false;
};

}  // namespace

std::unique_ptr<TsmTree> make_tsm_tree(std::filesystem::path root, Millis answer_limit) {
  return std::make_unique<PosixTsmTree>(std::move(root), answer_limit);
}

void remove_request(TsmTree& tree, const Sleeper& sleep) {
  constexpr int kAttempts = 8;
  constexpr Millis kLongestPause{200};
  Millis pause{1};
  for (int attempt = 1;; ++attempt) {
    const int error = tree.remove();
    if (error == 0 || error == ENOENT) {
      return;
    }
    if ((!internal::may_pass(error) && error != ENOTEMPTY) || attempt == kAttempts) {
      log_warning("configfs-tsm: a request directory could not be removed: " +
                  std::generic_category().message(error));
      return;
    }
    sleep(pause);
    pause = std::min(pause * 2, kLongestPause);
  }
}

}  // namespace ensconce
