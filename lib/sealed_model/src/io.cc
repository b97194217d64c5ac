#include "io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace ensconce::internal {

Error io_error(std::string_view doing, const std::filesystem::path& path) {
  const int saved = errno;
  return {SealedModelError::kIo,
          std::string(doing) + " " + path.string() + ": " + std::generic_category().message(saved)};
}

Result<Fd> open_regular_file(const std::filesystem::path& path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) {
    return io_error("cannot open", path);
  }
  struct stat st {};
  if (fstat(fd.get(), &st) != 0) {
    return io_error("cannot stat", path);
  }
  if (!S_ISREG(st.st_mode)) {
    return Error(SealedModelError::kIo, path.string() + " is no regular file");
  }
  return fd;
}

Result<std::uint64_t> file_len(const Fd& fd, const std::filesystem::path& path) {
  struct stat st {};
  if (fstat(fd.get(), &st) != 0) {
    return io_error("cannot stat", path);
  }
  return static_cast<std::uint64_t>(st.st_size);
}

Result<std::size_t> read_some_at(const Fd& fd, std::uint64_t offset, MutableByteView out,
                                 const std::filesystem::path& path) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t n =
        pread(fd.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      return io_error("cannot read", path);
    }
    if (n == 0) {
      break;
    }
    done += static_cast<std::size_t>(n);
  }
  return done;
}

Result<void> write_all_at(const Fd& fd, std::uint64_t offset, ByteView bytes,
                          const std::filesystem::path& path) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = pwrite(fd.get(), bytes.data() + done, bytes.size() - done,
                             static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      return io_error("cannot write", path);
    }
    done += static_cast<std::size_t>(n);
  }
  return ok();
}

}  // namespace ensconce::internal
