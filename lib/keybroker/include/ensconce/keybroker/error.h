#pragma once

#include "ensconce/base/error.h"

namespace ensconce {

// KeyBrokerError says why a key was not released, or an answer of a broker not believed.
enum class KeyBrokerError : std::uint8_t {
  kMalformed,   // a message without its form
  kVersion,     // a protocol version we do not speak
  kNoSession,   // no such session, or it ended
  kNonce,       // evidence for another challenge
  kReleaseKey,  // tee-pubkey is not the statement's release key
  kReportData,  // the report does not cover what was sent
  kEvidence,    // the evidence does not verify
  kDenied,      // the policy says no
  kNoSuchKey,
  kNoSuchPolicy,
  kNoSuchPath,
  kRevoked,
  kExpired,     // past the key's not_after
  kRolledBack,  // older than the model's minimum version
  kUsesExhausted,
  kUnauthorised,     // an admin request without a valid signature
  kReplayed,         // an admin request seen before, or too old
  kConflict,         // a key id that exists already, a minimum version below the present one
  kFull,             // a named limit of the store was reached
  kStore,            // the store failed
  kUntrustedAnswer,  // the broker's answer is not signed by the key we expect
  kUnavailable,      // the broker cannot be reached, or is busy
  kConfig,           // the broker's configuration file
};
CodeInfo error_info(KeyBrokerError code);

}  // namespace ensconce
