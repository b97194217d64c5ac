#include "ensconce/keybroker/error.h"

namespace ensconce {

CodeInfo error_info(KeyBrokerError code) {
  constexpr auto kInfo = [](std::string_view id, Kind kind) {
    return CodeInfo{id, kind, Stage::kRelease};
  };
  switch (code) {
    case KeyBrokerError::kMalformed:
      return kInfo("keybroker.malformed", Kind::kInvalidInput);
    case KeyBrokerError::kVersion:
      return kInfo("keybroker.version", Kind::kUnsupported);
    case KeyBrokerError::kNoSession:
      return kInfo("keybroker.session", Kind::kRejected);
    case KeyBrokerError::kNonce:
      return kInfo("keybroker.nonce", Kind::kRejected);
    case KeyBrokerError::kReleaseKey:
      return kInfo("keybroker.release_key", Kind::kRejected);
    case KeyBrokerError::kReportData:
      return kInfo("keybroker.report_data", Kind::kRejected);
    case KeyBrokerError::kEvidence:
      return kInfo("keybroker.evidence", Kind::kRejected);
    case KeyBrokerError::kDenied:
      return kInfo("keybroker.denied", Kind::kRejected);
    case KeyBrokerError::kNoSuchKey:
      return kInfo("keybroker.no_such_key", Kind::kRejected);
    case KeyBrokerError::kNoSuchPolicy:
      return kInfo("keybroker.no_such_policy", Kind::kInvalidInput);
    case KeyBrokerError::kNoSuchPath:
      return kInfo("keybroker.no_such_path", Kind::kInvalidInput);
    case KeyBrokerError::kRevoked:
      return kInfo("keybroker.revoked", Kind::kRejected);
    case KeyBrokerError::kExpired:
      return kInfo("keybroker.expired", Kind::kRejected);
    case KeyBrokerError::kRolledBack:
      return kInfo("keybroker.rolled_back", Kind::kRejected);
    case KeyBrokerError::kUsesExhausted:
      return kInfo("keybroker.uses_exhausted", Kind::kRejected);
    case KeyBrokerError::kUnauthorised:
      return kInfo("keybroker.unauthorised", Kind::kRejected);
    case KeyBrokerError::kReplayed:
      return kInfo("keybroker.replayed", Kind::kRejected);
    case KeyBrokerError::kConflict:
      return kInfo("keybroker.conflict", Kind::kRejected);
    case KeyBrokerError::kFull:
      return kInfo("keybroker.full", Kind::kExhausted);
    case KeyBrokerError::kStore:
      return kInfo("keybroker.store", Kind::kInternal);
    case KeyBrokerError::kUntrustedAnswer:
      return kInfo("keybroker.untrusted_answer", Kind::kRejected);
    case KeyBrokerError::kUnavailable:
      return kInfo("keybroker.unavailable", Kind::kUnavailable);
    case KeyBrokerError::kConfig:
      return {"keybroker.config", Kind::kInvalidInput, Stage::kUsage};
  }
  return kInfo("keybroker.unknown", Kind::kInternal);
}

}  // namespace ensconce
