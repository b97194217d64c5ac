#include "ensconce/tee/error.h"

namespace ensconce {

CodeInfo error_info(TeeError code) {
  switch (code) {
    case TeeError::kNoDevice:
      return {"tee.no_device", Kind::kUnavailable, Stage::kSystem};
    case TeeError::kDenied:
      return {"tee.denied", Kind::kRejected, Stage::kSystem};
    case TeeError::kBusy:
      return {"tee.busy", Kind::kUnavailable, Stage::kSystem};
    case TeeError::kTimedOut:
      return {"tee.timed_out", Kind::kUnavailable, Stage::kSystem};
    case TeeError::kUnsupported:
      return {"tee.unsupported", Kind::kUnsupported, Stage::kSystem};
    case TeeError::kBadAnswer:
      return {"tee.bad_answer", Kind::kInvalidInput, Stage::kForm};
    case TeeError::kWrongReport:
      return {"tee.wrong_report", Kind::kRejected, Stage::kForm};
    case TeeError::kIo:
      return {"tee.io", Kind::kInternal, Stage::kSystem};
  }
  return {"tee.unknown", Kind::kInternal, Stage::kSystem};
}

}  // namespace ensconce
