#pragma once

#include "ensconce/base/clock.h"
#include "ensconce/net/http.h"
#include "ensconce/server/model_registry.h"

namespace ensconce {

// BundleRule says whether a request must name the bundle it means (Ensconce-Bundle). The worker
// requires it; the plaintext baseline of bench/ has no bundles.
enum class BundleRule : std::uint8_t { kRequired, kIgnored };

// V2Service answers the REST form of the Open Inference Protocol: health, metadata, infer; and what
// Triton's clients read besides: a model's configuration and the index of the repository, which
// nobody changes from here. It has not heard of TEEs. Safe to call from several threads. Errors are
// {"error": "…"} with a coarse text; the exact code goes to the log.
class V2Service {
 public:
  // The registry and the clock are borrowed and must outlive the service.
  V2Service(const ModelRegistry& registry, const Clock& clock, BundleRule rule)
      : registry_(registry), clock_(clock), rule_(rule) {}

  // handle answers any request whose path starts with /v2; others are 404.
  [[nodiscard]] HttpResponse handle(const HttpRequest& request) const;

 private:
  [[nodiscard]] Result<HttpResponse> route(const HttpRequest& request) const;
  [[nodiscard]] Result<HttpResponse> model_route(const HttpRequest& request,
                                                 std::string_view rest) const;
  [[nodiscard]] Result<HttpResponse> repository_index(const HttpRequest& request) const;
  [[nodiscard]] Result<HttpResponse> infer(const HttpRequest& request,
                                           const ServedEntry& entry) const;

  const ModelRegistry& registry_;
  const Clock& clock_;
  BundleRule rule_;
};

// response_of turns an error into the answer a peer may see, in the protocol's shape, and logs the
// exact code.
HttpResponse response_of(const Error& error);
HttpResponse json_response(int status, std::string body);

}  // namespace ensconce
