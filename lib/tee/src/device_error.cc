#include "device_error.h"

#include <cerrno>
#include <string>
#include <system_error>

namespace ensconce::internal {

bool may_pass(int error) { return error == EBUSY || error == EAGAIN || error == EINTR; }

bool is_absent(int error) {
  return error == ENOENT || error == ENOTDIR || error == ENXIO || error == ENODEV || error == ELOOP;
}

Error device_error(std::string_view doing, int error) {
  const std::string detail = std::string(doing) + ": " + std::generic_category().message(error);
  switch (error) {
    case EBUSY:
    case EAGAIN:
    case EINTR:
      return {TeeError::kBusy, detail};
    case ETIMEDOUT:
      return {TeeError::kTimedOut, detail};
    case EACCES:
    case EPERM:
      return {TeeError::kDenied, detail};
    case EFBIG:
      return {TeeError::kBadAnswer, detail};
    default:
      return {TeeError::kIo, detail};
  }
}

}  // namespace ensconce::internal
