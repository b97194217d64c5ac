#include "ensconce/net/error.h"

namespace ensconce {

CodeInfo error_info(NetError code) {
  switch (code) {
    case NetError::kBadUrl:
      return {"net.bad_url", Kind::kInvalidInput, Stage::kChannel};
    case NetError::kInvalidArgument:
      return {"net.invalid_argument", Kind::kInvalidInput, Stage::kChannel};
    case NetError::kBind:
      return {"net.bind", Kind::kUnavailable, Stage::kChannel};
    case NetError::kResolve:
      return {"net.resolve", Kind::kUnavailable, Stage::kChannel};
    case NetError::kConnect:
      return {"net.connect", Kind::kUnavailable, Stage::kChannel};
    case NetError::kTimeout:
      return {"net.timeout", Kind::kUnavailable, Stage::kChannel};
    case NetError::kClosed:
      return {"net.closed", Kind::kUnavailable, Stage::kChannel};
    case NetError::kTlsIdentity:
      return {"net.tls_identity", Kind::kInvalidInput, Stage::kChannel};
    case NetError::kTlsHandshake:
      return {"net.tls_handshake", Kind::kRejected, Stage::kChannel};
    case NetError::kTlsVersion:
      return {"net.tls_version", Kind::kRejected, Stage::kChannel};
    case NetError::kTlsPin:
      return {"net.tls_pin", Kind::kRejected, Stage::kChannel};
    case NetError::kTlsResumed:
      return {"net.tls_resumed", Kind::kRejected, Stage::kChannel};
    case NetError::kTlsTicket:
      return {"net.tls_ticket", Kind::kRejected, Stage::kChannel};
    case NetError::kHttpMalformed:
      return {"net.http_malformed", Kind::kInvalidInput, Stage::kChannel};
    case NetError::kHttpTooLarge:
      return {"net.http_too_large", Kind::kExhausted, Stage::kChannel};
  }
  return {"net.unknown", Kind::kInternal, Stage::kChannel};
}

}  // namespace ensconce
