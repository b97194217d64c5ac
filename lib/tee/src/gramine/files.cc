#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "ensconce/base/file.h"
#include "ensconce/tee/gramine.h"

namespace ensconce {

namespace {

class EnclaveFiles final : public GramineFiles {
 public:
  explicit EnclaveFiles(std::filesystem::path root) : root_(std::move(root)) {}

  Answer read(std::string_view file, std::size_t limit) override {
    const Fd fd(::open((root_ / file).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd.valid()) {
      return {errno, {}};
    }
    Bytes out(limit + 1);
    std::size_t have = 0;
    while (have < out.size()) {
      const ssize_t n = ::read(fd.get(), out.data() + have, out.size() - have);
      if (n < 0) {
        return {errno, {}};
      }
      if (n == 0) {
        out.resize(have);
        return {0, std::move(out)};
      }
      have += static_cast<std::size_t>(n);
    }
    return {EFBIG, {}};
  }

  int write(std::string_view file, ByteView bytes) override {
    const Fd fd(::open((root_ / file).c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd.valid()) {
      return errno;
    }
    const ssize_t n = ::write(fd.get(), bytes.data(), bytes.size());
    return n < 0 ? errno : static_cast<std::size_t>(n) == bytes.size() ? 0 : EIO;
  }

 private:
  std::filesystem::path root_;
};

}  // namespace

std::unique_ptr<GramineFiles> make_gramine_files(std::filesystem::path root) {
  return std::make_unique<EnclaveFiles>(std::move(root));
}

}  // namespace ensconce
