#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>

#include "ensconce/base/bytes.h"
#include "ensconce/base/file.h"
#include "ensconce/base/result.h"
#include "ensconce/sim/error.h"

namespace ensconce {

// Swtpm is a software TPM 2.0 (Debian's swtpm) in a process of its own, spoken to over a pair of
// sockets that nobody else has. It ends with us: it sees its socket close.
class Swtpm {
 public:
  // start needs an empty directory for the TPM's state. SimError::kVtpm without swtpm.
  static Result<std::unique_ptr<Swtpm>> start(const std::filesystem::path& state);
  ~Swtpm();
  Swtpm(const Swtpm&) = delete;
  Swtpm& operator=(const Swtpm&) = delete;

  // transact sends one command and returns its whole response, whatever its code. Blocks.
  Result<Bytes> transact(ByteView command);
  // require does the same and makes any code but success an error.
  Result<Bytes> require(ByteView command);

 private:
  Swtpm(pid_t pid, Fd socket, std::filesystem::path log)
      : pid_(pid), socket_(std::move(socket)), log_(std::move(log)) {}
  [[nodiscard]] Error failed(std::string_view doing) const;
  Result<void> receive(MutableByteView out);
  pid_t pid_;
  Fd socket_;
  std::filesystem::path log_;
};

}  // namespace ensconce
