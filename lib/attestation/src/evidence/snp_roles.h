#pragma once

#include "ensconce/crypto/x509.h"

namespace ensconce::internal {

// SnpRole is what a certificate is in an SNP chain, told by its content (AMD 57230): the key it
// holds and who issued it. It says nothing of trust.
enum class SnpRole : std::uint8_t { kLeaf, kIntermediate, kRoot, kNone };
SnpRole snp_role_of(const Certificate& certificate);

}  // namespace ensconce::internal
