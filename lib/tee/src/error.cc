#include "ensconce/tee/error.h"

namespace ensconce {

CodeInfo error_info(TeeError code) {
  switch (code) {
    case TeeError::kConfig:
      return {"tee.config", Kind::kInvalidInput, Stage::kUsage};
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
    case TeeError::kAttestationType:
      return {"tee.attestation_type", Kind::kUnsupported, Stage::kSystem};
    case TeeError::kBadAnswer:
      return {"tee.bad_answer", Kind::kInvalidInput, Stage::kForm};
    case TeeError::kTdReport:
      return {"tee.tdreport", Kind::kRejected, Stage::kForm};
    case TeeError::kWrongReport:
      return {"tee.wrong_report", Kind::kRejected, Stage::kForm};
    case TeeError::kWrongLevel:
      return {"tee.privilege_level", Kind::kRejected, Stage::kForm};
    case TeeError::kWrongKey:
      return {"tee.wrong_key", Kind::kRejected, Stage::kSignature};
    case TeeError::kFirmware:
      return {"tee.firmware", Kind::kUnavailable, Stage::kSystem};
    case TeeError::kEndorsements:
      return {"tee.endorsements", Kind::kUnavailable, Stage::kSystem};
    case TeeError::kIo:
      return {"tee.io", Kind::kInternal, Stage::kSystem};
  }
  return {"tee.unknown", Kind::kInternal, Stage::kSystem};
}

}  // namespace ensconce
