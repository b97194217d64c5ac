#pragma once

#include <optional>
#include <string>

#include "ensconce/base/clock.h"
#include "ensconce/crypto/keys.h"
#include "ensconce/keybroker/error.h"

namespace ensconce {

// LogDecision is what an entry of the release log records.
enum class LogDecision : std::uint8_t {
  kRelease,         // a content key, and a lease
  kRenewal,         // a lease alone
  kRefusal,         // neither
  kPolicy,          // an owner set a policy
  kKey,             // an owner registered a content key
  kRevocation,      // an owner revoked one
  kMinimumVersion,  // an owner raised the minimum version of a model
};
std::string_view name_of(LogDecision decision);  // "release", "renewal", …

// LogEntry is one entry of the release log: a deterministic CBOR map whose absent members are left
// out (docs/protocols/key-release.md, section 6). Uses, revocations, minimum versions and spent
// admin nonces are derived from the entries and kept nowhere else.
struct LogEntry {
  Instant time;  // of the broker
  LogDecision decision = LogDecision::kRefusal;
  std::string code;  // of a refusal: the id of what did not hold
  std::optional<ByteArray<16>> key_id;
  std::optional<Sha256Digest> manifest;
  std::optional<std::string> name;            // of the model
  std::optional<std::uint64_t> version;       // of the bundle; the minimum, of kMinimumVersion
  std::optional<Ed25519PublicKey> owner;      // whose key, model or policy; absent: nobody's
  std::optional<std::string> policy;          // its name
  std::optional<Sha256Digest> policy_sha256;  // and text, at that moment
  std::optional<Bytes> measurement;
  std::optional<std::string> origin;  // of the trust anchor
  std::optional<Sha256Digest> statement;
  std::optional<Ed25519PublicKey> session;  // of the worker
  std::optional<ByteArray<16>> lease_id;
  std::optional<ByteArray<16>> admin_nonce;
  std::optional<std::string> verdict;  // of a refusal by policy: JSON
  std::optional<std::uint64_t> count;  // how many refusals by this code the entry stands for
  friend bool operator==(const LogEntry&, const LogEntry&) = default;
};

inline constexpr std::size_t kMaxLogEntry = 65536;

Bytes encode_log_entry(const LogEntry& entry);
// parse_log_entry accepts exactly what encode_log_entry writes. Errors: kMalformed.
Result<LogEntry> parse_log_entry(ByteView bytes);

// LogHead is the broker's word on the whole log at a time.
struct LogHead {
  std::uint64_t size = 0;
  Sha256Digest root{};  // RFC 9162 section 2.1.1
  Instant time;
  friend bool operator==(const LogHead&, const LogHead&) = default;
};
// sign_log_head makes the COSE_Sign1 ("ensconce-log-head/1"); verify_log_head reads it. A signature
// by another key is kUntrustedAnswer.
Bytes sign_log_head(const Ed25519PrivateKey& broker_key, const LogHead& head);
Result<LogHead> verify_log_head(const Ed25519PublicKey& broker_key, ByteView message);

}  // namespace ensconce
