#include "broker_client.h"

#include "ensconce/broker_link/pinned_broker.h"
#include "ensconce/codec/base64.h"
#include "ensconce/codec/json.h"
#include "ensconce/keybroker/admin.h"
#include "ensconce/keybroker/client.h"

namespace ensconce::cli {

namespace {

class PinnedConnection final : public OwnerConnection {
 public:
  PinnedConnection(std::unique_ptr<PinnedBroker> broker, const Sha256Digest& pin,
                   const Context& context)
      : broker_(std::move(broker)), pin_(pin), context_(context) {}

  Result<Bytes> ask(const Ed25519PrivateKey& owner, const std::string& method,
                    const std::string& target, Bytes body) override {
    WireRequest request{method, target, {}, std::move(body)};
    if (!request.body.empty()) {
      request.headers["content-type"] = "application/json";
    }
    return exchange(
        sign_admin_request(std::move(request), owner, pin_, context_.clock.now(), context_.random));
  }

  Result<Bytes> get(const std::string& target) override {
    return exchange(WireRequest{"GET", target, {}, {}});
  }

  [[nodiscard]] std::optional<Ed25519PublicKey> attested_key() const override {
    const Affirmed* affirmed = broker_->affirmed();
    return affirmed != nullptr ? std::optional(affirmed->statement().security.broker_key)
                               : std::nullopt;
  }

 private:
  Result<Bytes> exchange(WireRequest request) {
    Result<WireResponse> response = broker_->exchange(request);
    wipe(request.body.data(), request.body.size());
    if (!response) {
      return response.error();
    }
    if (response->status != 200) {
      return broker_error(*response);
    }
    return std::move(response->body);
  }

  std::unique_ptr<PinnedBroker> broker_;
  Sha256Digest pin_;
  const Context& context_;
};

json::Value or_null(const std::optional<std::uint64_t>& value) {
  return value ? json::Value(*value) : json::Value();
}

}  // namespace

Result<std::optional<AppraisalPolicy>> policy_for_broker(const std::string& path) {
  if (path.empty()) {
    return std::optional<AppraisalPolicy>();
  }
  ENSC_TRY_ASSIGN(AppraisalPolicy policy, read_broker_policy(path));
  return std::optional(std::move(policy));
}

Result<std::unique_ptr<OwnerConnection>> OwnerConnection::open(const BrokerDoor& door,
                                                               const Context& context) {
  ENSC_TRY_ASSIGN(const Url url, parse_url(door.url));
  const Result<Bytes> pin = from_hex(door.pin);
  if (url.scheme != "https" || !pin || pin->size() != 32) {
    return Error(BaseError::kInvalidArgument,
                 "a broker is named by an https address and a pin of 64 hex digits")
        .with_remedy("`ensconce-broker init` prints the pin, as tls_pin");
  }
  const Sha256Digest digest = to_array<32>(*pin).value();
  auto broker = std::make_unique<PinnedBroker>(ExpectedBroker{url, digest, door.key, door.policy},
                                               context.clock, context.random);
  ENSC_TRY(broker->connect());
  return std::unique_ptr<OwnerConnection>(
      std::make_unique<PinnedConnection>(std::move(broker), digest, context));
}

Result<void> upload_content_key(const BrokerTarget& target, const Ed25519PrivateKey& owner,
                                const SealedResult& sealed, const Context& context) {
  ENSC_TRY_ASSIGN(const std::unique_ptr<OwnerConnection> broker,
                  OwnerConnection::open(target.door, context));
  std::string key = base64_encode(sealed.content_key.expose());
  // Written by hand around the key, so that it stands in two buffers, both wiped.
  const std::string rest = json::write(
      json::Object{{"key_id", to_hex(sealed.header.key_id)},
                   {"name", sealed.header.name},
                   {"version", sealed.header.version},
                   {"manifest", to_hex(sealed.manifest_digest)},
                   {"owner", to_hex(sealed.header.owner_key.bytes)},
                   {"policy", target.policy},
                   {"lease_seconds", or_null(target.lease_seconds)},
                   {"max_uses", or_null(target.max_uses)},
                   {"not_after", target.not_after ? json::Value(to_rfc3339(*target.not_after))
                                                  : json::Value()}});
  Bytes body =
      concat({as_bytes("{\"key\":\""), as_bytes(key), as_bytes("\","), as_bytes(rest).subspan(1)});
  wipe(key.data(), key.size());
  const Result<Bytes> answer =
      broker->ask(owner, "POST", "/ensconce/v1/admin/keys", std::move(body));
  if (!answer) {
    return answer.error().with_context("the broker did not take the content key");
  }
  return ok();
}

}  // namespace ensconce::cli
