#include "broker_client.h"

#include "broker_connection.h"
#include "ensconce/codec/base64.h"
#include "ensconce/codec/json.h"
#include "ensconce/keybroker/admin.h"
#include "ensconce/keybroker/client.h"
#include "ensconce/net/client.h"

namespace ensconce::cli {

namespace {

class PinnedConnection final : public OwnerConnection {
 public:
  PinnedConnection(std::unique_ptr<HttpClient> client, const Sha256Digest& pin,
                   const Context& context)
      : client_(std::move(client)), pin_(pin), context_(context) {}

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

 private:
  Result<Bytes> exchange(WireRequest wire) {
    HttpRequest request{wire.method, wire.target, {}, std::move(wire.body)};
    for (const auto& [name, value] : wire.headers) {
      request.headers.set(name, value);
    }
    Result<HttpResponse> response = client_->request(request);
    wipe(request.body.data(), request.body.size());
    if (!response) {
      return response.error();
    }
    if (response->status != 200) {
      return broker_error({response->status, {}, std::move(response->body)});
    }
    return std::move(response->body);
  }

  std::unique_ptr<HttpClient> client_;
  Sha256Digest pin_;
  const Context& context_;
};

json::Value or_null(const std::optional<std::uint64_t>& value) {
  return value ? json::Value(*value) : json::Value();
}

}  // namespace

Result<std::unique_ptr<OwnerConnection>> OwnerConnection::open(const std::string& url,
                                                               const std::string& pin_hex,
                                                               const Context& context) {
  ENSC_TRY_ASSIGN(const Url parsed, parse_url(url));
  const Result<Bytes> pin = from_hex(pin_hex);
  if (parsed.scheme != "https" || !pin || pin->size() != 32) {
    return Error(BaseError::kInvalidArgument,
                 "a broker is named by an https address and a pin of 64 hex digits")
        .with_remedy("`ensconce-broker init` prints the pin, as tls_pin");
  }
  ClientOptions options;
  options.pinned_spki_sha256 = to_array<32>(*pin).value();
  ENSC_TRY_ASSIGN(std::unique_ptr<HttpClient> client, HttpClient::connect(parsed, options));
  return std::unique_ptr<OwnerConnection>(
      std::make_unique<PinnedConnection>(std::move(client), *options.pinned_spki_sha256, context));
}

Result<void> upload_content_key(const BrokerTarget& target, const Ed25519PrivateKey& owner,
                                const SealedResult& sealed, const Context& context) {
  ENSC_TRY_ASSIGN(const std::unique_ptr<OwnerConnection> broker,
                  OwnerConnection::open(target.url, target.pin, context));
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
