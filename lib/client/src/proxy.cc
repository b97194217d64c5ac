#include "ensconce/client/proxy.h"

#include <algorithm>

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

bool means_this_machine(const HttpRequest& request) {
  if (!is_loopback_name(request.headers.get("Host").value_or(""))) {
    return false;
  }
  const auto origin = request.headers.get("Origin");
  if (!origin) {
    return true;
  }
  const std::size_t scheme = origin->find("://");
  return scheme != std::string_view::npos && is_loopback_name(origin->substr(scheme + 3));
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
HttpResponse failure(const HttpRequest& request, const Error& error) {
  log_failure("request not forwarded", error);
  const int status = status_of(error);
  const std::string words = "ensconce proxy: no answer is passed on. " + error.to_string();
  if (request.target.starts_with("/v1/")) {
    return json_answer(status, json::Object{{"error", json::Object{
                                                          {"message", words},
                                                          {"type", "ensconce_proxy"},
                                                          {"param", json::Value()},
                                                          {"code", std::string(error.id())},
                                                      }}});
  }
  return json_answer(status, json::Object{{"error", words}, {"code", std::string(error.id())}});
}

}  // namespace

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
  if (channel->open() && idle_.size() < options_.max_idle_channels) {
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
// replaced once by a new one, which is verified like the first. What is asked of a model changes
// nothing, so that asking twice does no harm.
Result<HttpResponse> AttestedProxy::forward(HttpRequest request) {
  if (Channel idle = take(); idle != nullptr) {
    Result<HttpResponse> answer = idle->forward(HttpRequest(request));
    const bool open = idle->open();
    give_back(std::move(idle));
    if (answer || open) {
      wipe(request.body.data(), request.body.size());
      return answer;
    }
  }
  ConnectOutcome outcome = connect();
  if (!outcome.client) {
    wipe(request.body.data(), request.body.size());
    return outcome.client.error();
  }
  Channel channel = *std::move(outcome.client);
  Result<HttpResponse> answer = channel->forward(std::move(request));
  give_back(std::move(channel));
  return answer;
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
  if (!means_this_machine(request)) {
    return json_answer(403, json::Object{{"error",
                                          "ensconce proxy: Host and Origin must be this "
                                          "machine's loopback names"}});
  }
  const std::string_view path = path_of(request.target);
  if (path == kProxyStatusPath) {
    return status();
  }
  if (path.starts_with("/.well-known/")) {
    return json_answer(404, json::Object{{"error", "ensconce proxy: no such path"}});
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
  Result<HttpResponse> answer = forward(std::move(inner));
  if (!answer) {
    return failure(request, answer.error());
  }
  HttpResponse out;
  out.status = answer->status;
  for (const HttpHeader& header : answer->headers.all()) {
    if (!is_hop_field(header.name)) {
      out.headers.add(header.name, header.value);
    }
  }
  out.body = std::move(answer->body);
  return out;
}

}  // namespace ensconce
