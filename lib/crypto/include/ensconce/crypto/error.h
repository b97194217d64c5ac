#pragma once

#include "ensconce/base/error.h"

namespace ensconce {

// CryptoError is coarse on purpose: outward all of these look alike.
enum class CryptoError : std::uint8_t {
  kBadKey,
  kBadSignature,
  kDecryptFailed,
  kBadCertificate,   // does not parse, or is of a form we refuse
  kChain,            // issuer, CA or signature of a chain does not hold
  kExpired,          // a certificate or CRL outside its time
  kRevoked,
  kBadCose,
  kBadJose,
  kBackend,          // OpenSSL failed where it should not
};
CodeInfo error_info(CryptoError code);

}  // namespace ensconce
