#pragma once

#include <span>
#include <string>

#include "ensconce/base/clock.h"
#include "ensconce/net/http.h"
#include "ensconce/server/model_registry.h"

namespace ensconce {

// OpenAiService answers the part of OpenAI's API that a served model fits: GET /v1/models, GET
// /v1/models/NAME, and POST /v1/embeddings by models that take a list of texts and have the outputs
// "embedding" and "tokens" (sentence-labels). Lease and Ensconce-Bundle are as in V2Service, and an
// answer names its bundle, so that it gets a receipt. Safe to call from several threads.
class OpenAiService {
 public:
  // The registry and the clock are borrowed and must outlive the service.
  OpenAiService(const ModelRegistry& registry, const Clock& clock)
      : registry_(registry), clock_(clock) {}

  // handle answers any request whose path starts with /v1/; others are 404.
  [[nodiscard]] HttpResponse handle(const HttpRequest& request) const;

 private:
  [[nodiscard]] Result<HttpResponse> route(const HttpRequest& request) const;
  [[nodiscard]] HttpResponse list() const;
  [[nodiscard]] Result<ServedEntry> find(std::string_view name) const;
  [[nodiscard]] Result<HttpResponse> embed(const HttpRequest& request) const;

  const ModelRegistry& registry_;
  const Clock& clock_;
};

// openai_response_of is response_of in OpenAI's shape. What this version does not do is 400 there:
// its clients ask again by themselves after a 5xx.
HttpResponse openai_response_of(const Error& error);
// response_to turns an error into the answer in the shape of what was asked, by its path.
HttpResponse response_to(const HttpRequest& request, const Error& error);
bool is_openai_path(std::string_view path);

}  // namespace ensconce
