#include "snp_roles.h"

namespace ensconce::internal {

SnpRole snp_role_of(const Certificate& certificate) {
  if (certificate.self_issued()) {
    return SnpRole::kRoot;
  }
  if (certificate.extension("1.3.6.1.4.1.3704.1.1").has_value()) {
    return SnpRole::kLeaf;  // structVersion stands in every VCEK and VLEK and nowhere else
  }
  // By name, not by basicConstraints: a verifier says of a CA that may not sign that it may not.
  return certificate.subject_cn().starts_with("SEV-") ? SnpRole::kIntermediate : SnpRole::kNone;
}

}  // namespace ensconce::internal
