#include "ensconce/openai/openai.h"

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

#include "ensconce/base/check.h"
#include "ensconce/base/secret.h"
#include "ensconce/codec/base64.h"
#include "ensconce/codec/json.h"

namespace ensconce::openai {

CodeInfo error_info(OpenAiError code) {
  switch (code) {
    case OpenAiError::kBadJson:
      return {"openai.json", Kind::kInvalidInput, Stage::kForm};
    case OpenAiError::kBadInput:
      return {"openai.input", Kind::kInvalidInput, Stage::kForm};
    case OpenAiError::kTooLarge:
      return {"openai.too_large", Kind::kExhausted, Stage::kForm};
    case OpenAiError::kUnsupported:
      return {"openai.unsupported", Kind::kUnsupported, Stage::kForm};
  }
  return {"openai.unknown", Kind::kInternal, Stage::kForm};
}

namespace {

// The longest shortest form of a float, "-1.17549435e-38", and the comma.
constexpr std::size_t kMaxNumber = 16;

json::Value* member_of(json::Object& object, std::string_view name) {
  for (auto& [key, value] : object) {
    if (key == name) {
      return &value;
    }
  }
  return nullptr;
}

// The texts are moved out of the tree; what is too short to be moved is wiped in it.
Result<void> take_text(json::Value& value, std::vector<std::string>& out) {
  auto* text = std::get_if<std::string>(&value.variant());
  if (text == nullptr) {
    return Error(OpenAiError::kUnsupported,
                 "input: expected a text or a list of texts; lists of tokens are not taken, as the "
                 "model's own tokeniser is another than the one that made them");
  }
  if (text->empty()) {
    return Error(OpenAiError::kBadInput, "input: an empty text");
  }
  out.emplace_back(*text);
  wipe(text->data(), text->size());
  return ok();
}

Result<void> take_inputs(json::Value& input, std::vector<std::string>& out) {
  auto* items = std::get_if<json::Array>(&input.variant());
  if (items == nullptr) {
    return take_text(input, out);
  }
  if (items->empty()) {
    return Error(OpenAiError::kBadInput, "input: no text");
  }
  if (items->size() > kMaxInputs) {
    return Error(OpenAiError::kTooLarge,
                 "input: expected at most 2048 texts, got " + std::to_string(items->size()));
  }
  out.reserve(items->size());  // growing would move short texts and leave them behind
  for (json::Value& item : *items) {
    ENSC_TRY(take_text(item, out));
  }
  return ok();
}

Result<EncodingFormat> format_of(const json::Value* value) {
  if (value == nullptr || value->is_null()) {
    return EncodingFormat::kFloat;
  }
  const auto text = value->as_text("encoding_format");
  if (text && *text == "float") {
    return EncodingFormat::kFloat;
  }
  if (text && *text == "base64") {
    return EncodingFormat::kBase64;
  }
  return Error(OpenAiError::kBadJson, "encoding_format: expected \"float\" or \"base64\"");
}

void append(std::string_view text, Bytes& out) { out.insert(out.end(), text.begin(), text.end()); }

Result<void> append_numbers(std::span<const float> values, Bytes& out) {
  out.push_back('[');
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      return Error(OpenAiError::kUnsupported,
                   "an embedding holds a number that JSON has no word for: ask for base64");
    }
    std::array<char, kMaxNumber> text{};
    const auto done = std::to_chars(text.data(), text.data() + text.size(), values[i]);
    ENSC_CHECK(done.ec == std::errc());
    append(i == 0 ? "" : ",", out);
    append({text.data(), static_cast<std::size_t>(done.ptr - text.data())}, out);
  }
  out.push_back(']');
  return ok();
}

void append_base64(std::span<const float> values, Bytes& out) {
  static_assert(std::endian::native == std::endian::little);
  std::string text =
      base64_encode({reinterpret_cast<const std::uint8_t*>(values.data()), values.size_bytes()});
  append("\"", out);
  append(text, out);
  append("\"", out);
  wipe(text.data(), text.size());
}

json::Object describe(const ModelEntry& model) {
  return {{"id", model.id}, {"object", "model"}, {"created", 0}, {"owned_by", model.owned_by}};
}

}  // namespace

EmbeddingsRequest::~EmbeddingsRequest() {
  for (std::string& text : inputs) {
    wipe(text.data(), text.size());
  }
}

Result<EmbeddingsRequest> parse_embeddings_request(ByteView body) {
  Result<json::Value> root = json::parse(as_text(body));
  if (!root) {
    return Error(OpenAiError::kBadJson, root.error().detail());
  }
  auto* members = std::get_if<json::Object>(&root->variant());
  if (members == nullptr) {
    return Error(OpenAiError::kBadJson, "expected an object");
  }
  EmbeddingsRequest out;
  const json::Value* model = member_of(*members, "model");
  const auto name = model != nullptr ? model->as_text("model") : Result<std::string>("");
  if (!name || name->empty()) {
    return Error(OpenAiError::kBadJson, "model: expected the name of a served model");
  }
  out.model = *name;
  if (const json::Value* wanted = member_of(*members, "dimensions");
      wanted != nullptr && !wanted->is_null()) {
    return Error(OpenAiError::kUnsupported,
                 "dimensions: embeddings come in the width of their model and cannot be cut");
  }
  ENSC_TRY_ASSIGN(out.format, format_of(member_of(*members, "encoding_format")));
  json::Value* input = member_of(*members, "input");
  if (input == nullptr) {
    return Error(OpenAiError::kBadInput, "input: expected a text or a list of texts");
  }
  ENSC_TRY(take_inputs(*input, out.inputs));
  return out;
}

Result<Bytes> write_embeddings(std::string_view model, std::span<const float> values,
                               std::size_t width, std::uint64_t num_tokens, EncodingFormat format) {
  ENSC_CHECK(width > 0 && values.size() % width == 0);
  const std::size_t count = values.size() / width;
  const std::string end =
      "],\"model\":" + json::write(json::Value(model)) + ",\"usage\":" +
      json::write(json::Object{{"prompt_tokens", num_tokens}, {"total_tokens", num_tokens}}) + "}";
  Bytes out;
  // Growing would leave copies of the numbers behind.
  constexpr std::size_t kAround = 80;  // of one: {"object":"embedding","index":…,"embedding":…},
  out.reserve(values.size() * kMaxNumber + count * kAround + kAround + end.size());
  append(R"({"object":"list","data":[)", out);
  for (std::size_t i = 0; i < count; ++i) {
    append(i == 0 ? "" : ",", out);
    append(R"({"object":"embedding","index":)" + std::to_string(i) + R"(,"embedding":)", out);
    const auto row = values.subspan(i * width, width);
    if (format == EncodingFormat::kBase64) {
      append_base64(row, out);
    } else if (const Result<void> written = append_numbers(row, out); !written) {
      wipe(out.data(), out.size());
      return written.error();
    }
    append("}", out);
  }
  append(end, out);
  return out;
}

std::string write_model(const ModelEntry& model) { return json::write(describe(model)); }

std::string write_models(std::span<const ModelEntry> models) {
  json::Array data;
  for (const ModelEntry& model : models) {
    data.emplace_back(describe(model));
  }
  return json::write(json::Object{{"object", "list"}, {"data", std::move(data)}});
}

std::string write_error(int status, std::string_view message, std::string_view code) {
  return json::write(json::Object{
      {"error", json::Object{{"message", message},
                             {"type", status < 500 ? "invalid_request_error" : "server_error"},
                             {"param", nullptr},
                             {"code", code}}}});
}

}  // namespace ensconce::openai
