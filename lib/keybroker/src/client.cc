#include "ensconce/keybroker/client.h"

#include "ensconce/attestation/evidence/beacon.h"
#include "ensconce/attestation/evidence/rcar.h"
#include "ensconce/attestation/verify/beacon_verifier.h"
#include "ensconce/channel/lease.h"
#include "ensconce/codec/base64.h"
#include "ensconce/crypto/jose.h"
#include "messages.h"

namespace ensconce {

namespace {

using internal::AttestMessage;

constexpr std::size_t kMaxAnswer = 65536;
constexpr std::size_t kMaxCookie = 256;
constexpr std::size_t kContentKeyLen = 32;

Result<WireResponse> ask(BrokerConnection& broker, WireRequest request) {
  if (!request.body.empty()) {
    request.headers["content-type"] = "application/json";
  }
  Result<WireResponse> response = broker.exchange(request);
  if (!response) {
    // Who refuses the broker, by its pin or by its evidence, says why itself.
    if (response.error().kind() == Kind::kRejected) {
      return response.error();
    }
    return Error(KeyBrokerError::kUnavailable, response.error().to_string())
        .with_remedy("see that the broker runs and that its address and pin are right");
  }
  if (response->status != 200) {
    return internal::error_of(*response).with_remedy(
        "the broker's log has the whole verdict: ensconce broker log");
  }
  return response;
}

struct Session {
  std::string cookie;
  std::string nonce;
};

Result<Session> open_session(BrokerConnection& broker) {
  WireRequest request{"POST", internal::kAuthPath, {}, {}};
  request.body = to_bytes(json::write(json::Object{
      {"version", internal::kRcarVersion}, {"tee", "snp"}, {"extra-params", json::Object{}}}));
  ENSC_TRY_ASSIGN(const WireResponse response, ask(broker, std::move(request)));
  ENSC_TRY_ASSIGN(const json::Value body, internal::parse_json(response.body, kMaxAnswer));
  Session session;
  ENSC_TRY_ASSIGN(session.nonce, internal::text_member(body, "nonce"));
  const auto cookie = response.headers.find("set-cookie");
  if (cookie == response.headers.end() || cookie->second.size() > kMaxCookie) {
    return Error(KeyBrokerError::kMalformed, "the broker opened no session");
  }
  session.cookie = cookie->second.substr(0, cookie->second.find(';'));
  return session;
}

Result<void> attest_session(BrokerConnection& broker, const Session& session,
                            const ReleaseRequest& request, const AttestFunction& attest) {
  AttestMessage message;
  message.nonce = session.nonce;
  message.tee_pubkey = jwk_of(request.release_key.public_key());
  message.additional_evidence = rcar_additional_evidence(request.statement);
  ENSC_TRY_ASSIGN(
      const std::string runtime_data,
      rcar_runtime_data(message.additional_evidence, message.nonce, message.tee_pubkey));
  ENSC_TRY_ASSIGN(ReleaseEvidence made, attest(rcar_report_data(runtime_data)));
  message.evidence = std::move(made.evidence);
  message.endorsements = std::move(made.endorsements);
  WireRequest post{"POST", internal::kAttestPath, {{"cookie", session.cookie}}, {}};
  post.body = internal::write_attest_message(message);
  ENSC_TRY_ASSIGN(const WireResponse response, ask(broker, std::move(post)));
  ENSC_TRY_ASSIGN(const json::Value body, internal::parse_json(response.body, kMaxAnswer));
  ENSC_TRY_ASSIGN(const std::string token, internal::text_member(body, "token"));
  if (!jws_verify(request.broker_key, "JWT", token)) {
    return Error(KeyBrokerError::kUntrustedAnswer,
                 "the attestation result is not signed by the broker's key");
  }
  return ok();
}

Result<Bytes> read_lease(const json::Value& body, const ReleaseRequest& request) {
  ENSC_TRY_ASSIGN(Bytes message, internal::base64_member(body, "lease"));
  const Result<Lease> lease = verify_lease(request.broker_key, message);
  if (!lease) {
    return Error(KeyBrokerError::kUntrustedAnswer, lease.error().to_string());
  }
  ENSC_TRY_ASSIGN(const Statement statement, parse_statement(request.statement));
  if (lease->manifest_digest != request.manifest_digest) {
    return Error(KeyBrokerError::kUntrustedAnswer,
                 "the lease is for another bundle: " + to_hex(lease->manifest_digest));
  }
  if (lease->session_key != statement.keys.session) {
    return Error(KeyBrokerError::kUntrustedAnswer, "the lease is for another worker");
  }
  if (lease->not_after <= lease->not_before) {
    return Error(KeyBrokerError::kUntrustedAnswer, "the lease ends before it begins");
  }
  if (lease->minimum_version > request.bundle_version) {
    return Error(KeyBrokerError::kRolledBack,
                 "the bundle is version " + std::to_string(request.bundle_version) +
                     ", the lease asks for " + std::to_string(lease->minimum_version));
  }
  return message;
}

enum class Wanted : std::uint8_t { kKeyAndLease, kLease };

Result<Grant> run_rcar(BrokerConnection& broker, const ReleaseRequest& request,
                       const AttestFunction& attest, Wanted wanted) {
  const bool wants_key = wanted == Wanted::kKeyAndLease;
  ENSC_TRY_ASSIGN(const Session session, open_session(broker));
  ENSC_TRY(attest_session(broker, session, request, attest));
  const std::string path = wants_key ? internal::kModelKeyPath : internal::kLeasePath;
  WireRequest get{"GET", path + request.key_id, {{"cookie", session.cookie}}, {}};
  ENSC_TRY_ASSIGN(const WireResponse response, ask(broker, std::move(get)));
  ENSC_TRY_ASSIGN(const json::Value body, internal::parse_json(response.body, kMaxAnswer));
  Grant grant;
  ENSC_TRY_ASSIGN(grant.lease, read_lease(body, request));
  if (wants_key) {
    ENSC_TRY_ASSIGN(grant.key, jwe_open(request.release_key, body));
    if (grant.key.size() != kContentKeyLen) {
      return Error(KeyBrokerError::kMalformed, "a content key of another length");
    }
  }
  return grant;
}

}  // namespace

Result<Bytes> fetch_beacon(BrokerConnection& broker, const Ed25519PublicKey& broker_key,
                           const ByteArray<16>& boot_id) {
  WireRequest request{"POST", internal::kBeaconPath, {}, {}};
  request.body = to_bytes(json::write(json::Object{{"boot_id", to_hex(boot_id)}}));
  ENSC_TRY_ASSIGN(const WireResponse response, ask(broker, std::move(request)));
  ENSC_TRY_ASSIGN(const json::Value body, internal::parse_json(response.body, kMaxAnswer));
  ENSC_TRY_ASSIGN(Bytes beacon, internal::base64_member(body, "beacon"));
  const Result<Verified<BeaconClaims>> claims =
      BeaconVerifier::verify(beacon, {&broker_key, 1}).claims;
  if (!claims) {
    return Error(KeyBrokerError::kUntrustedAnswer, claims.error().to_string());
  }
  if ((*claims)->beacon.boot_id != boot_id) {
    return Error(KeyBrokerError::kUntrustedAnswer, "a beacon for another boot");
  }
  return beacon;
}

Result<Grant> obtain_key(BrokerConnection& broker, const ReleaseRequest& request,
                         const AttestFunction& attest) {
  return run_rcar(broker, request, attest, Wanted::kKeyAndLease);
}

Result<Grant> renew_lease(BrokerConnection& broker, const ReleaseRequest& request,
                          const AttestFunction& attest) {
  return run_rcar(broker, request, attest, Wanted::kLease);
}

Error broker_error(const WireResponse& response) { return internal::error_of(response); }

}  // namespace ensconce
