#pragma once

#include <string>

#include "ensconce/base/error.h"

namespace ensconce {

// ServerError says why a request was not served, or a worker did not become ready.
enum class ServerError : std::uint8_t {
  kNotFound,
  kMethod,
  kUnknownModel,
  kUnknownVersion,
  kBundleRequired,  // no Ensconce-Bundle header
  kBundleChanged,   // the model is another bundle by now
  kLeaseEnded,
  kNotReady,
  kBadNonce,
  kBadReceiptKey,
  kUnknownStatement,
  kThrottled,  // too many hardware reports
  kConfig,
  kForeignKey,    // sealed for another worker's key, or one that is gone
  kReplayed,      // a sealed request that was here before
  kKeyFull,       // the gateway's key has opened as many requests as it may
  kBusy,          // too much is held for readers of earlier answers
  kSlowReader,    // of a streamed answer
  kMediaType,     // not the content type this path takes
  kSealedOnly,    // this listener takes sealed requests and evidence alone
  kLengthsShown,  // lengths are to be hidden, which this channel does not
  kNoEmbeddings,  // the model's task makes none
};
CodeInfo error_info(ServerError code);
// http_status_of a server error is its own where HTTP has a better word than the kind's.
int http_status_of(ServerError code);
// http_status_of any error is that of its code if it is a server's, else its kind's.
int http_status_of(const Error& error);
// outward is what a peer may read of an error: the id, and details only of what was wrong with its
// own input.
std::string outward(const Error& error);

}  // namespace ensconce
