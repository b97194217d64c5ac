#include "ensconce/attestation/verify/error.h"

#include "ensconce/attestation/verify/check.h"
#include "ensconce/base/check.h"

namespace ensconce {

CodeInfo error_info(AttestationError code) {
  const auto index = static_cast<std::size_t>(code);
  ENSC_CHECK(index < all_checks().size());
  const CheckInfo& info = all_checks()[index];
  return {info.id, Kind::kRejected, info.stage};
}

}  // namespace ensconce
