#include "ensconce/server/error.h"

namespace ensconce {

CodeInfo error_info(ServerError code) {
  switch (code) {
    case ServerError::kNotFound:
      return {"server.not_found", Kind::kInvalidInput, Stage::kForm};
    case ServerError::kMethod:
      return {"server.method", Kind::kInvalidInput, Stage::kForm};
    case ServerError::kUnknownModel:
      return {"server.unknown_model", Kind::kInvalidInput, Stage::kForm};
    case ServerError::kUnknownVersion:
      return {"server.unknown_version", Kind::kInvalidInput, Stage::kForm};
    case ServerError::kBundleRequired:
      return {"server.bundle_required", Kind::kInvalidInput, Stage::kChannel};
    case ServerError::kBundleChanged:
      return {"server.bundle_changed", Kind::kRejected, Stage::kChannel};
    case ServerError::kLeaseEnded:
      return {"server.lease_ended", Kind::kUnavailable, Stage::kRelease};
    case ServerError::kNotReady:
      return {"server.not_ready", Kind::kUnavailable, Stage::kSystem};
    case ServerError::kBadNonce:
      return {"server.nonce", Kind::kInvalidInput, Stage::kForm};
    case ServerError::kBadReceiptKey:
      return {"server.receipt_key", Kind::kInvalidInput, Stage::kForm};
    case ServerError::kUnknownStatement:
      return {"server.unknown_statement", Kind::kInvalidInput, Stage::kChannel};
    case ServerError::kThrottled:
      return {"server.throttled", Kind::kUnavailable, Stage::kSystem};
    case ServerError::kConfig:
      return {"server.config", Kind::kInvalidInput, Stage::kUsage};
    case ServerError::kForeignKey:
      return {"ohttp.foreign_key", Kind::kRejected, Stage::kChannel};
    case ServerError::kReplayed:
      return {"ohttp.replayed", Kind::kRejected, Stage::kChannel};
    case ServerError::kKeyFull:
      return {"ohttp.key_full", Kind::kUnavailable, Stage::kChannel};
    case ServerError::kBusy:
      return {"ohttp.busy", Kind::kUnavailable, Stage::kChannel};
    case ServerError::kSlowReader:
      return {"ohttp.slow_reader", Kind::kUnavailable, Stage::kChannel};
    case ServerError::kMediaType:
      return {"server.media_type", Kind::kInvalidInput, Stage::kForm};
    case ServerError::kSealedOnly:
      return {"server.sealed_only", Kind::kRejected, Stage::kChannel};
    case ServerError::kLengthsShown:
      return {"server.lengths_shown", Kind::kRejected, Stage::kChannel};
    case ServerError::kNoEmbeddings:
      return {"server.no_embeddings", Kind::kInvalidInput, Stage::kForm};
  }
  return {"server.unknown", Kind::kInternal, Stage::kSystem};
}

int http_status_of(ServerError code) {
  switch (code) {
    case ServerError::kNotFound:
    case ServerError::kUnknownModel:
    case ServerError::kUnknownVersion:
      return 404;
    case ServerError::kMethod:
      return 405;
    case ServerError::kBundleRequired:
      return 428;
    case ServerError::kBundleChanged:
      return 412;
    case ServerError::kUnknownStatement:
    case ServerError::kReplayed:
      return 409;
    case ServerError::kMediaType:
      return 415;
    case ServerError::kLengthsShown:
      return 421;
    case ServerError::kThrottled:
      return 429;
    default:
      return http_status_of(error_info(code).kind);
  }
}

int http_status_of(const Error& error) {
  for (const ServerError code :
       {ServerError::kNotFound, ServerError::kUnknownModel, ServerError::kUnknownVersion,
        ServerError::kMethod, ServerError::kBundleRequired, ServerError::kBundleChanged,
        ServerError::kUnknownStatement, ServerError::kThrottled, ServerError::kLengthsShown}) {
    if (error.is(code)) {
      return http_status_of(code);
    }
  }
  return http_status_of(error.kind());
}

std::string outward(const Error& error) {
  const bool own_input = error.kind() == Kind::kInvalidInput || error.kind() == Kind::kUnsupported;
  std::string text(error.id());
  if (own_input && !error.detail().empty()) {
    text += ": " + error.detail();
  }
  return text;
}

}  // namespace ensconce
