#pragma once

#include <filesystem>
#include <string>

#include "ensconce/base/bytes.h"
#include "ensconce/base/secret.h"

namespace ensconce {

inline constexpr std::size_t kMaxSmallFile = std::size_t{16} * 1024 * 1024;

// read_file reads a whole file of at most `limit` bytes; longer is BaseError::kTooLarge.
Result<Bytes> read_file(const std::filesystem::path& path, std::size_t limit = kMaxSmallFile);
Result<std::string> read_text_file(const std::filesystem::path& path,
                                   std::size_t limit = kMaxSmallFile);
// read_secret_file refuses a file that group or others may read.
Result<SecretBytes> read_secret_file(const std::filesystem::path& path, std::size_t limit = 65536);

// write_file_atomically writes to a temporary beside `path`, syncs and renames: afterwards there
// is the whole new file or the old one. `mode` is exact, whatever the umask.
Result<void> write_file_atomically(const std::filesystem::path& path, ByteView content,
                                   unsigned mode = 0644);

// Fd owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { reset(); }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }
  void reset() noexcept;

 private:
  int fd_ = -1;
};

}  // namespace ensconce
