#include "ensconce/sandbox/error.h"

namespace ensconce {

CodeInfo error_info(SandboxError code) {
  switch (code) {
    case SandboxError::kUnsupported:
      return {"sandbox.unsupported", Kind::kUnsupported, Stage::kSystem};
    case SandboxError::kThreads:
      return {"sandbox.threads", Kind::kInternal, Stage::kSystem};
    case SandboxError::kRefused:
      return {"sandbox.refused", Kind::kInternal, Stage::kSystem};
  }
  return {"sandbox.unknown", Kind::kInternal, Stage::kSystem};
}

}  // namespace ensconce
