#include "ensconce/client/proxy.h"

#include <algorithm>
#include <optional>

#include "ensconce/base/log.h"
#include "ensconce/codec/json.h"

namespace ensconce {

namespace {

// is_loopback_name takes "localhost", "127.0.0.1" or "[::1]", with any port.
bool is_loopback_name(std::string_view authority) {
  const std::size_t end = authority.starts_with('[') ? authority.find(']') : authority.find(':');
  std::string_view host = authority.substr(0, end);
  if (host.starts_with('[')) {
    host.remove_prefix(1);
  }
  return lower_name(host) == "localhost" || host == "127.0.0.1" || host == "::1";
}

// refused_because says why a request is not of a program on this machine. A page in a browser can
// be made to send one: by another name for this machine (Host), or from another site, which the
// browser itself says (Fetch Metadata; Origin, RFC 6454). Another port is another site.
std::optional<std::string_view> refused_because(const HttpRequest& request) {
  const std::string_view host = request.headers.get("Host").value_or("");
  if (!is_loopback_name(host)) {
    return "Host must be a loopback name of this machine";
  }
  for (const HttpHeader& header : request.headers.all()) {
    const std::string name = lower_name(header.name);
    if (name == "sec-fetch-site" && header.value != "none" && header.value != "same-origin") {
      return "a browser says that a page of another site asks (Sec-Fetch-Site)";
    }
    if (name == "origin" && lower_name(header.value) != "http://" + lower_name(host)) {
      return "Origin must be the address of the proxy itself: pages of other sites are not served";
    }
  }
  return std::nullopt;
}

HttpResponse json_answer(int status, const json::Value& body) {
  HttpResponse out;
  out.status = status;
  out.headers.set("Content-Type", "application/json");
  out.body = to_bytes(json::write(body));
  return out;
}

int status_of(const Error& error) {
  if (error.is(ChannelError::kModelNotInPolicy) || error.is(ChannelError::kModelNotServed)) {
    return 404;  // for a program it is a model that is not there
  }
  if (error.id().starts_with("ohttp.") || error.id().starts_with("bhttp.") ||
      error.is(ChannelError::kUnexpectedAnswer)) {
    return 502;  // of what came; what the program sent is not sealed by it
  }
  switch (error.kind()) {
    case Kind::kUnavailable:
    case Kind::kExhausted:
      return 503;
    case Kind::kInvalidInput:
      return 400;
    default:
      return 502;
  }
}

// Programs of the Open Inference Protocol read {"error": text}, those of OpenAI's
// {"error": {"message", …}}. Whoever asks is on this machine and may know everything.
HttpResponse refusal(const HttpRequest& request, int status, std::string_view code,
                     std::string_view text) {
  const std::string words = "ensconce proxy: " + std::string(text);
  if (request.target.starts_with("/v1/")) {
    return json_answer(status, json::Object{{"error", json::Object{{"message", words},
                                                                   {"type", "ensconce_proxy"},
                                                                   {"param", json::Value()},
                                                                   {"code", code}}}});
  }
  return json_answer(status, json::Object{{"error", words}, {"code", code}});
}

HttpResponse failure(const HttpRequest& request, const Error& error) {
  log_failure("request not forwarded", error);
  return refusal(request, status_of(error), error.id(),
                 "no answer is passed on. " + error.to_string());
}

// The request left whole and no answer came, or none that holds.
HttpResponse unknown_outcome(const HttpRequest& request, const Error& error) {
  log_failure("request forwarded, and no answer", error);
  return refusal(request, error.is(NetError::kTimeout) ? 504 : 502, error.id(),
                 "no answer is passed on. The request was sent, and the worker may have acted on "
                 "it; it is not sent again by itself. " +
                     error.to_string());
}

}  // namespace

// Passing hands an answer on as it comes and holds the channel it comes by, which goes back when
// the answer came to its end. A program that stops reading ends it.
class AttestedProxy::Passing final : public BodySource {
 public:
  Passing(AttestedProxy& proxy, Channel channel, std::shared_ptr<BodySource> body)
      : proxy_(proxy), channel_(std::move(channel)), body_(std::move(body)) {}
  ~Passing() override { body_.reset(); }  // it borrows the channel

  Result<bool> next(Bytes& out) override {
    Result<bool> more = body_->next(out);
    if (more && !*more) {
      body_.reset();
      proxy_.give_back(std::move(channel_));
    }
    return more;
  }

 private:
  AttestedProxy& proxy_;
  Channel channel_;
  std::shared_ptr<BodySource> body_;
};

AttestedProxy::AttestedProxy(AppraisalPolicy policy, ProxyOptions options, const Clock& clock,
                             Random& random)
    : policy_(std::move(policy)), options_(std::move(options)), clock_(clock), random_(random) {}

ConnectOutcome AttestedProxy::connect() {
  return AttestedClient::connect(options_.url, policy_, options_.client, clock_, random_,
                                 options_.choice, &cache_);
}

AttestedProxy::Started AttestedProxy::start() {
  ConnectOutcome outcome = connect();
  if (!outcome.client) {
    return {std::move(outcome.appraisal), outcome.client.error()};
  }
  give_back(*std::move(outcome.client));
  return {std::move(outcome.appraisal), ok()};
}

AttestedProxy::Channel AttestedProxy::take() {
  const std::lock_guard lock(mutex_);
  while (!idle_.empty()) {
    Channel channel = std::move(idle_.back());
    idle_.pop_back();
    if (channel->open()) {
      return channel;
    }
  }
  return nullptr;
}

void AttestedProxy::give_back(Channel channel) {
  const std::lock_guard lock(mutex_);
  if (channel != nullptr && channel->open() && idle_.size() < options_.max_idle_channels) {
    idle_.push_back(std::move(channel));
  }
}

Result<void> AttestedProxy::warm() {
  std::vector<Channel> idle;
  {
    const std::lock_guard lock(mutex_);
    idle.swap(idle_);
  }
  bool warm = false;
  for (Channel& channel : idle) {
    if (const Result<void> renewed = channel->keep_warm(); renewed) {
      warm = warm || channel->open();
      give_back(std::move(channel));
    } else {
      log_failure("a channel to the worker was not renewed", renewed.error());
    }
  }
  return warm ? ok() : start().done;
}

// A channel that was idle may have been closed meanwhile, and a refused one is of no use: either is
// replaced once by a new one, which is verified like the first, if the worker cannot have acted on
// the request. What may have been acted on is for the program to send again.
AttestedProxy::Forwarded AttestedProxy::forward(HttpRequest request) {
  if (Channel idle = take(); idle != nullptr) {
    Forwarded first = forward_on(idle, HttpRequest(request));
    if (first.answer || !first.unsent || idle != nullptr) {
      wipe(request.body.data(), request.body.size());
      request.headers.wipe();
      give_back(std::move(idle));
      return first;
    }
  }
  ConnectOutcome outcome = connect();
  if (!outcome.client) {
    wipe(request.body.data(), request.body.size());
    request.headers.wipe();
    return {outcome.client.error(), true};
  }
  Channel channel = *std::move(outcome.client);
  Forwarded out = forward_on(channel, std::move(request));
  give_back(std::move(channel));
  return out;
}

AttestedProxy::Forwarded AttestedProxy::forward_on(Channel& channel, HttpRequest request) {
  Result<HttpResponse> answer = channel->forward_streamed(std::move(request));
  const bool unsent = channel->unsent();
  if (answer && answer->stream != nullptr) {
    answer->stream = std::make_shared<Passing>(*this, std::move(channel), answer->stream);
  } else if (!channel->open()) {
    channel.reset();
  }
  return {std::move(answer), unsent};
}

HttpResponse AttestedProxy::status() {
  if (const Result<void> warmed = warm(); !warmed) {
    return json_answer(503, json::Object{{"verified", false},
                                         {"worker", options_.url.to_string()},
                                         {"code", std::string(warmed.error().id())},
                                         {"error", warmed.error().to_string()}});
  }
  Channel channel = take();
  if (channel == nullptr) {
    return json_answer(503, json::Object{{"verified", false}, {"error", "busy"}});
  }
  const Affirmed& affirmed = channel->affirmed();
  json::Array models;
  for (const ServedModel& model : channel->served().models) {
    models.emplace_back(json::Object{{"name", model.name},
                                     {"version", std::to_string(model.version)},
                                     {"bundle", to_hex(model.manifest_digest)}});
  }
  HttpResponse out =
      json_answer(200, json::Object{{"verified", true},
                                    {"worker", options_.url.to_string()},
                                    {"origin", std::string(name_of(affirmed.origin()))},
                                    {"measurement", to_hex(affirmed.measurement())},
                                    {"software", affirmed.statement().software},
                                    {"affirmed_until", to_rfc3339(affirmed.expires())},
                                    {"models", std::move(models)}});
  give_back(std::move(channel));
  return out;
}

HttpResponse AttestedProxy::handle(const HttpRequest& request) {
  if (const auto why = refused_because(request)) {
    return refusal(request, 403, "proxy.cross_site", *why);
  }
  const std::string_view path = path_of(request.target);
  if (path == kProxyStatusPath) {
    return status();
  }
  if (path.starts_with("/.well-known/")) {
    return refusal(request, 404, "proxy.not_found", "no such path");
  }
  HttpRequest inner;
  inner.method = request.method;
  inner.target = request.target;
  for (const HttpHeader& header : request.headers.all()) {
    if (!is_hop_field(header.name)) {
      inner.headers.add(header.name, header.value);
    }
  }
  inner.body = request.body;
  auto [answer, unsent] = forward(std::move(inner));
  if (!answer) {
    const Error& why = answer.error();
    return unsent ? failure(request, why) : unknown_outcome(request, why);
  }
  HttpResponse out;
  out.status = answer->status;
  for (const HttpHeader& header : answer->headers.all()) {
    if (!is_hop_field(header.name)) {
      out.headers.add(header.name, header.value);
    }
  }
  out.body = std::move(answer->body);
  out.stream = std::move(answer->stream);
  return out;
}

}  // namespace ensconce
