#include "ensconce/crypto/error.h"

namespace ensconce {

CodeInfo error_info(CryptoError code) {
  switch (code) {
    case CryptoError::kBadKey:
      return {"crypto.bad_key", Kind::kInvalidInput, Stage::kForm};
    case CryptoError::kBadSignature:
      return {"crypto.bad_signature", Kind::kRejected, Stage::kSignature};
    case CryptoError::kDecryptFailed:
      return {"crypto.decrypt_failed", Kind::kRejected, Stage::kSignature};
    case CryptoError::kBadCertificate:
      return {"crypto.bad_certificate", Kind::kInvalidInput, Stage::kForm};
    case CryptoError::kChain:
      return {"crypto.chain", Kind::kRejected, Stage::kSignature};
    case CryptoError::kExpired:
      return {"crypto.expired", Kind::kRejected, Stage::kRevocation};
    case CryptoError::kRevoked:
      return {"crypto.revoked", Kind::kRejected, Stage::kRevocation};
    case CryptoError::kBadCose:
      return {"crypto.bad_cose", Kind::kInvalidInput, Stage::kForm};
    case CryptoError::kBadJose:
      return {"crypto.bad_jose", Kind::kInvalidInput, Stage::kForm};
    case CryptoError::kBackend:
      return {"crypto.backend", Kind::kInternal, Stage::kSystem};
  }
  return {"crypto.unknown", Kind::kInternal, Stage::kSystem};
}

}  // namespace ensconce
