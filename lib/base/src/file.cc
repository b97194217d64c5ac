#include "ensconce/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace ensconce {

namespace {

Error io_error(std::string_view doing, const std::filesystem::path& path) {
  const int saved = errno;
  return {BaseError::kIo,
          std::string(doing) + " " + path.string() + ": " + std::generic_category().message(saved)};
}

Result<Fd> open_for_reading(const std::filesystem::path& path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    return io_error("cannot open", path);
  }
  return fd;
}

// Reads to the end of the file or to one byte past the limit, so that pipes and devices work too.
template <typename Sink>
Result<void> read_all(const Fd& fd, const std::filesystem::path& path, std::size_t limit,
                      Sink&& sink) {
  std::array<std::uint8_t, 65536> chunk{};
  std::size_t total = 0;
  for (;;) {
    const ssize_t n = read(fd.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      return io_error("cannot read", path);
    }
    if (n == 0) {
      wipe(chunk.data(), chunk.size());
      return ok();
    }
    total += static_cast<std::size_t>(n);
    if (total > limit) {
      return Error(BaseError::kTooLarge,
                   path.string() + " is larger than " + std::to_string(limit) + " bytes");
    }
    sink(ByteView(chunk.data(), static_cast<std::size_t>(n)));
  }
}

}  // namespace

Result<Bytes> read_file(const std::filesystem::path& path, std::size_t limit) {
  ENSC_TRY_ASSIGN(const Fd fd, open_for_reading(path));
  Bytes out;
  ENSC_TRY(read_all(fd, path, limit,
                    [&](ByteView part) { out.insert(out.end(), part.begin(), part.end()); }));
  return out;
}

Result<std::string> read_text_file(const std::filesystem::path& path, std::size_t limit) {
  ENSC_TRY_ASSIGN(const Bytes bytes, read_file(path, limit));
  return std::string(as_text(bytes));
}

Result<SecretBytes> read_secret_file(const std::filesystem::path& path, std::size_t limit) {
  ENSC_TRY_ASSIGN(const Fd fd, open_for_reading(path));
  struct stat st {};
  if (fstat(fd.get(), &st) != 0) {
    return io_error("cannot stat", path);
  }
  if ((st.st_mode & 077U) != 0) {
    return Error(BaseError::kInvalidArgument,
                 path.string() + " holds a secret and others may read it")
        .with_remedy("chmod 600 " + path.string());
  }
  SecretBytes buffer(limit);
  std::size_t len = 0;
  ENSC_TRY(read_all(fd, path, limit, [&](ByteView part) {
    std::copy(part.begin(), part.end(), buffer.expose_mutable().begin() + static_cast<long>(len));
    len += part.size();
  }));
  return SecretBytes::copy_of(buffer.expose().first(len));
}

Result<void> write_file_atomically(const std::filesystem::path& path, ByteView content,
                                   unsigned mode) {
  std::string temporary = path.string() + ".tmp-XXXXXX";
  const Fd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.valid()) {
    return io_error("cannot create", temporary);
  }
  const auto give_up = [&](std::string_view doing) -> Error {
    Error e = io_error(doing, path);
    unlink(temporary.c_str());
    return e;
  };
  if (fchmod(fd.get(), mode) != 0) {
    return give_up("cannot set the mode of");
  }
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t n = write(fd.get(), content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      return give_up("cannot write");
    }
    done += static_cast<std::size_t>(n);
  }
  if (fsync(fd.get()) != 0) {
    return give_up("cannot sync");
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    return give_up("cannot rename to");
  }
  return ok();
}

void Fd::reset() noexcept {
  if (fd_ >= 0) {
    close(fd_);
    fd_ = -1;
  }
}

}  // namespace ensconce
