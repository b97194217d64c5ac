#include "ensconce/sim/error.h"

namespace ensconce {

CodeInfo error_info(SimError code) {
  switch (code) {
    case SimError::kState:
      return {"sim.state", Kind::kInvalidInput, Stage::kUsage};
    case SimError::kNotFound:
      return {"sim.not_found", Kind::kInvalidInput, Stage::kUsage};
    case SimError::kNotElf:
      return {"sim.not_elf", Kind::kUnsupported, Stage::kUsage};
    case SimError::kClosure:
      return {"sim.closure", Kind::kUnsupported, Stage::kSystem};
    case SimError::kStage:
      return {"sim.stage", Kind::kInternal, Stage::kSystem};
    case SimError::kTransport:
      return {"sim.transport", Kind::kUnavailable, Stage::kSystem};
    case SimError::kStart:
      return {"sim.start", Kind::kInternal, Stage::kSystem};
    case SimError::kForeignCode:
      return {"sim.foreign_code", Kind::kRejected, Stage::kSystem};
    case SimError::kFault:
      return {"sim.fault", Kind::kInvalidInput, Stage::kUsage};
    case SimError::kVtpm:
      return {"sim.vtpm", Kind::kUnavailable, Stage::kSystem};
  }
  return {"sim.unknown", Kind::kInternal, Stage::kSystem};
}

}  // namespace ensconce
