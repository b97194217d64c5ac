#include "ensconce/server/openai_service.h"

#include <algorithm>

#include "ensconce/base/log.h"
#include "ensconce/channel/evidence_document.h"
#include "ensconce/inference/sentence_labels.h"
#include "ensconce/inference/wiped.h"
#include "ensconce/openai/openai.h"
#include "ensconce/server/error.h"
#include "ensconce/server/v2_service.h"
#include "served_request.h"

namespace ensconce {

namespace {

constexpr std::string_view kPrefix = "/v1/";

// Of how a model makes embeddings.
constexpr const char* kEmbedding = "embedding";
constexpr const char* kTokens = "tokens";

bool makes_embeddings(const Model& model) {
  const auto& inputs = model.inputs();
  const auto& outputs = model.outputs();
  const auto has = [&](std::string_view name, DataType type, std::size_t rank) {
    return std::any_of(outputs.begin(), outputs.end(), [&](const TensorSpec& spec) {
      return spec.name == name && spec.type == type && spec.shape.size() == rank;
    });
  };
  return inputs.size() == 1 && inputs[0].type == DataType::kBytes && inputs[0].shape.size() == 1 &&
         has(kEmbedding, DataType::kFp32, 2) && has(kTokens, DataType::kInt64, 1);
}

struct Embeddings {
  WipedVector<float> values;
  std::size_t width = 0;
  std::uint64_t num_tokens = 0;
};

// check_batch holds what a model gave for `count` texts against what it said of its outputs: a
// graph may give anything.
Result<void> check_batch(std::span<const Tensor> outputs, std::size_t count, std::size_t width) {
  const auto rows = static_cast<std::int64_t>(count);
  const bool right = outputs.size() == 2 && outputs[0].type() == DataType::kFp32 &&
                     outputs[0].shape().size() == 2 && outputs[0].shape()[0] == rows &&
                     outputs[0].shape()[1] > 0 &&
                     (width == 0 || outputs[0].shape()[1] == static_cast<std::int64_t>(width)) &&
                     outputs[1].type() == DataType::kInt64 &&
                     outputs[1].shape() == std::vector<std::int64_t>{rows};
  return right ? ok()
               : Result<void>(Error(InferenceError::kEngine,
                                    "the graph did not give one embedding of one width a text"));
}

// A model takes a few sentences at a time; its lease is held before each.
Result<Embeddings> embeddings_of(const ServedEntry& entry, const Clock& clock,
                                 std::span<const std::string> texts) {
  const Model& model = *entry.model;
  const std::vector<std::string> wanted{kEmbedding, kTokens};
  Embeddings out;
  for (std::size_t begin = 0; begin < texts.size(); begin += kMaxSentences) {
    ENSC_TRY(check_lease(entry, clock));
    WipedVector<ByteView> batch;
    for (const std::string& text :
         texts.subspan(begin).first(std::min(kMaxSentences, texts.size() - begin))) {
      batch.push_back(as_bytes(text));
    }
    std::vector<Tensor> inputs;
    ENSC_TRY_ASSIGN(
        Tensor input,
        Tensor::strings(model.inputs()[0].name, {static_cast<std::int64_t>(batch.size())}, batch));
    inputs.push_back(std::move(input));
    ENSC_TRY_ASSIGN(const std::vector<Tensor> outputs, model.infer(std::move(inputs), wanted));
    ENSC_TRY(check_batch(outputs, batch.size(), out.width));
    const auto values = outputs[0].values<float>();
    out.values.insert(out.values.end(), values.begin(), values.end());
    out.width = static_cast<std::size_t>(outputs[0].shape()[1]);
    for (const std::int64_t tokens : outputs[1].values<std::int64_t>()) {
      out.num_tokens += static_cast<std::uint64_t>(tokens);
    }
  }
  return out;
}

openai::ModelEntry describe(const ServedEntry& entry) {
  return {entry.name, to_hex(entry.owner.bytes)};
}

}  // namespace

bool is_openai_path(std::string_view path) { return path.starts_with(kPrefix); }

HttpResponse openai_response_of(const Error& error) {
  log_failure("request refused", error);
  const int status = error.kind() == Kind::kUnsupported ? 400 : http_status_of(error);
  return json_response(status, openai::write_error(status, outward(error), error.id()));
}

HttpResponse response_to(const HttpRequest& request, const Error& error) {
  return is_openai_path(path_of(request.target)) ? openai_response_of(error) : response_of(error);
}

HttpResponse OpenAiService::handle(const HttpRequest& request) const {
  Result<HttpResponse> answer = route(request);
  return answer ? *std::move(answer) : openai_response_of(answer.error());
}

Result<HttpResponse> OpenAiService::route(const HttpRequest& request) const {
  constexpr std::string_view kModels = "/v1/models";
  const std::string_view path = path_of(request.target);
  if (path == kModels) {
    ENSC_TRY(expect_method(request, "GET"));
    return list();
  }
  if (path.starts_with(kModels) && path[kModels.size()] == '/') {
    ENSC_TRY(expect_method(request, "GET"));
    ENSC_TRY_ASSIGN(const std::string name, percent_decode(path.substr(kModels.size() + 1)));
    ENSC_TRY_ASSIGN(const ServedEntry entry, find(name));
    return json_response(200, openai::write_model(describe(entry)));
  }
  if (path == "/v1/embeddings") {
    ENSC_TRY(expect_method(request, "POST"));
    return embed(request);
  }
  return Error(ServerError::kNotFound, "no such path; there are /v1/models and /v1/embeddings");
}

HttpResponse OpenAiService::list() const {
  std::vector<openai::ModelEntry> models;
  for (const ServedEntry& entry : registry_.all()) {
    if (check_lease(entry, clock_)) {
      models.push_back(describe(entry));
    }
  }
  return json_response(200, openai::write_models(models));
}

Result<ServedEntry> OpenAiService::find(std::string_view name) const {
  std::optional<ServedEntry> entry = registry_.find(name);
  if (!entry) {
    return Error(ServerError::kUnknownModel, "no such model is served here");
  }
  return *std::move(entry);
}

Result<HttpResponse> OpenAiService::embed(const HttpRequest& request) const {
  ENSC_TRY_ASSIGN(const openai::EmbeddingsRequest asked,
                  openai::parse_embeddings_request(request.body));
  ENSC_TRY_ASSIGN(const ServedEntry entry, find(asked.model));
  ENSC_TRY(check_bundle(request, entry));
  if (!makes_embeddings(*entry.model)) {
    return Error(ServerError::kNoEmbeddings, "model: the task of " + entry.name + ", " +
                                                 entry.model->task() + ", makes no embeddings");
  }
  ENSC_TRY_ASSIGN(const Embeddings made, embeddings_of(entry, clock_, asked.inputs));
  ENSC_TRY_ASSIGN(Bytes body, openai::write_embeddings(entry.name, made.values, made.width,
                                                       made.num_tokens, asked.format));
  HttpResponse out;
  out.headers.set("Content-Type", "application/json");
  out.headers.set(std::string(kBundleHeader), to_hex(entry.manifest_digest));
  out.body = std::move(body);
  return out;
}

}  // namespace ensconce
