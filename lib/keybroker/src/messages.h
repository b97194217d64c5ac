#pragma once

#include <string>
#include <vector>

#include "ensconce/attestation/evidence/evidence_item.h"
#include "ensconce/base/clock.h"
#include "ensconce/codec/json.h"
#include "ensconce/keybroker/error.h"
#include "ensconce/keybroker/wire.h"

// The messages both ends share: RCAR 0.4.0, the beacon, and how an error travels.
namespace ensconce::internal {

inline constexpr std::string_view kRcarVersion = "0.4.0";
inline constexpr const char* kAuthPath = "/kbs/v0/auth";
inline constexpr const char* kAttestPath = "/kbs/v0/attest";
inline constexpr const char* kModelKeyPath = "/kbs/v0/resource/ensconce/model-key/";
inline constexpr const char* kLeasePath = "/kbs/v0/resource/ensconce/lease/";
inline constexpr const char* kBeaconPath = "/ensconce/v1/beacon";
inline constexpr const char* kLogHeadPath = "/ensconce/v1/log/head";
inline constexpr const char* kIdentityPath = "/ensconce/v1/identity";
inline constexpr const char* kAdminPath = "/ensconce/v1/admin/";
inline constexpr std::string_view kCookieName = "kbs-session-id";
inline constexpr std::size_t kMaxSmallBody = 4096;

// parse_json reads a body, bounded; form errors are kMalformed.
Result<json::Value> parse_json(ByteView body, std::size_t max_bytes);
// malformed turns a codec's error into kMalformed.
Error malformed(const Error& cause);
template <typename T>
Result<T> in_message(Result<T> result) {
  if (!result && !result.error().is(KeyBrokerError::kMalformed)) {
    return malformed(result.error());
  }
  return result;
}

// text_member returns a member that must be there and be text.
Result<std::string> text_member(const json::Value& object, std::string_view name);
Result<Bytes> base64_member(const json::Value& object, std::string_view name);

struct AttestMessage {
  std::string nonce;
  json::Value tee_pubkey;
  std::string additional_evidence;
  EvidenceItem evidence;
  std::vector<EndorsementItem> endorsements;
};
Bytes write_attest_message(const AttestMessage& message);
// read_attest_message tolerates unknown members where RCAR has its own, and none in
// `primary_evidence`, which is ours. Errors: kMalformed.
Result<AttestMessage> read_attest_message(ByteView body);

// session_cookie finds the session id among the request's cookies; "" when there is none.
std::string session_cookie(const WireRequest& request);

WireResponse json_answer(int status, const json::Value& value);
// error_answer carries the code's name and one id: of the check that did not hold, or of the code.
// Detail texts stay at home. RCAR paths answer as a Trustee does: 401, or 404.
enum class Dialect : std::uint8_t { kRcar, kOurs };
WireResponse error_answer(KeyBrokerError code, std::string_view id, Dialect dialect);
WireResponse error_answer(const Error& error, Dialect dialect);
// error_of reads such an answer: the broker's code, its id as the detail.
Error error_of(const WireResponse& response);

}  // namespace ensconce::internal
