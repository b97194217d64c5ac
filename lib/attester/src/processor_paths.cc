#include "ensconce/attester/processor_paths.h"

namespace ensconce {

ProcessorPaths processor_paths(const AttesterSettings& settings) {
  ProcessorPaths out;
  const auto may_be = [&](AttesterKind kind) {
    return settings.attester == kind || settings.attester == AttesterKind::kAuto;
  };
  if (may_be(AttesterKind::kConfigfsTsm)) {
    out.tsm_root = settings.tsm_root;
  }
  if (may_be(AttesterKind::kSevGuest)) {
    out.sev_guest = settings.sev_guest;
  }
  if (may_be(AttesterKind::kGramine)) {
    out.gramine_root = settings.gramine_root;
  }
  if (may_be(AttesterKind::kAzureVtpm)) {
    out.tpm = settings.tpm;
  }
  out.endorsements = settings.endorsements;
  return out;
}

}  // namespace ensconce
