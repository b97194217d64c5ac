#include "ensconce/attester/error.h"

namespace ensconce {

CodeInfo error_info(AttesterError code) {
  switch (code) {
    case AttesterError::kQuestion:
      return {"attester.question", Kind::kInvalidInput, Stage::kForm};
    case AttesterError::kMethod:
      return {"attester.method", Kind::kInvalidInput, Stage::kForm};
    case AttesterError::kThrottled:
      return {"attester.throttled", Kind::kUnavailable, Stage::kSystem};
    case AttesterError::kDevice:
      return {"attester.device", Kind::kUnavailable, Stage::kSystem};
  }
  return {"attester.unknown", Kind::kInternal, Stage::kSystem};
}

int http_status_of(AttesterError code) {
  switch (code) {
    case AttesterError::kMethod:
      return 405;
    case AttesterError::kThrottled:
      return 429;
    default:
      return http_status_of(error_info(code).kind);
  }
}

}  // namespace ensconce
