#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ensconce/base/bytes.h"
#include "ensconce/base/error.h"

namespace ensconce::openai {

// The part of OpenAI's HTTP API that a served model can answer, as bytes: the list of models and
// embeddings. Form only: which model makes embeddings is not known here.

enum class OpenAiError : std::uint8_t {
  kBadJson,      // not JSON, or not of the API's shape
  kBadInput,     // no text, or an empty one
  kTooLarge,     // over a limit
  kUnsupported,  // of the API, and not something this version does
};
CodeInfo error_info(OpenAiError code);

inline constexpr std::size_t kMaxInputs = 2048;  // of one request, as the API has it

enum class EncodingFormat : std::uint8_t { kFloat, kBase64 };

// EmbeddingsRequest is the body of POST /v1/embeddings. Its texts are user data: it moves and does
// not copy, and wipes them.
struct EmbeddingsRequest {
  std::string model;
  std::vector<std::string> inputs;  // 1 to kMaxInputs, none empty
  EncodingFormat format = EncodingFormat::kFloat;

  EmbeddingsRequest() = default;
  ~EmbeddingsRequest();
  EmbeddingsRequest(EmbeddingsRequest&&) noexcept = default;
  EmbeddingsRequest& operator=(EmbeddingsRequest&&) = delete;
  EmbeddingsRequest(const EmbeddingsRequest&) = delete;
  EmbeddingsRequest& operator=(const EmbeddingsRequest&) = delete;
};

// parse_embeddings_request reads a body. Token lists and `dimensions` would need OpenAI's own
// tokeniser and models: kUnsupported. Members it does not know are passed over, as clients send
// such as `user`.
Result<EmbeddingsRequest> parse_embeddings_request(ByteView body);

// write_embeddings writes the answer to `values.size() / width` inputs, `width` numbers each, in
// their order; `num_tokens` is what the model read. A number that JSON has no word for (infinite,
// not a number) is kUnsupported, unless the format is base64 (FP32, little-endian).
Result<Bytes> write_embeddings(std::string_view model, std::span<const float> values,
                               std::size_t width, std::uint64_t num_tokens, EncodingFormat format);

// ModelEntry is one line of GET /v1/models. There is no time in it that anybody vouches for, so
// `created` is 0.
struct ModelEntry {
  std::string id;
  std::string owned_by;
};
std::string write_model(const ModelEntry& model);
std::string write_models(std::span<const ModelEntry> models);

// write_error is {"error": {"message", "type", "param": null, "code"}}. The type follows from the
// status: "invalid_request_error" below 500, "server_error" from there.
std::string write_error(int status, std::string_view message, std::string_view code);

}  // namespace ensconce::openai
