#include "ensconce/inference/sentence_labels.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tasks.h"

namespace ensconce {

namespace {

constexpr std::size_t kMaxExamples = 10'000;
constexpr std::size_t kMaxLabelBytes = 256;

// Example is one line of the owner's file, borrowed from it.
struct Example {
  std::string_view label;
  ByteView sentence;
};

Result<std::vector<Example>> parse_examples(ByteView file) {
  std::vector<Example> examples;
  std::string_view rest = as_text(file);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos || tab == 0 || tab > kMaxLabelBytes ||
        examples.size() == kMaxExamples) {
      return Error(
          InferenceError::kBadModel,
          "example line " + std::to_string(examples.size() + 1) + " is not a label and a sentence");
    }
    examples.push_back({line.substr(0, tab), as_bytes(line.substr(tab + 1))});
  }
  if (examples.empty()) {
    return Error(InferenceError::kBadModel, "there is no labelled example");
  }
  return examples;
}

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  }
  return sum;
}

struct Nearest {
  std::string_view label;
  float score = 0;
};

class SentenceLabelsModel final : public Model {
 public:
  SentenceLabelsModel(Unigram vocabulary, std::size_t max_tokens, std::unique_ptr<Engine> engine)
      : vocabulary_(std::move(vocabulary)), max_tokens_(max_tokens), engine_(std::move(engine)) {}

  [[nodiscard]] const std::string& task() const override { return task_; }
  [[nodiscard]] const std::vector<TensorSpec>& inputs() const override { return inputs_; }
  [[nodiscard]] const std::vector<TensorSpec>& outputs() const override { return outputs_; }

  // learn computes the examples' embeddings, once, before the model is served.
  Result<void> learn(std::span<const Example> examples) {
    for (std::size_t begin = 0; begin < examples.size(); begin += kMaxSentences) {
      const auto batch = examples.subspan(begin, std::min(kMaxSentences, examples.size() - begin));
      std::vector<ByteView> sentences;
      for (const Example& example : batch) {
        sentences.push_back(example.sentence);
        labels_.emplace_back(example.label);
      }
      ENSC_TRY_ASSIGN(const Embedded embedded, embed(sentences));
      const auto values = embedded.embedding.values<float>();
      examples_.insert(examples_.end(), values.begin(), values.end());
      width_ = static_cast<std::size_t>(embedded.embedding.shape()[1]);
    }
    outputs_[2].shape[1] = static_cast<std::int64_t>(width_);
    return ok();
  }

  Result<std::vector<Tensor>> infer(std::vector<Tensor> inputs,
                                    std::span<const std::string> requested) const override {
    ENSC_TRY(check_inputs(inputs_, inputs));
    ENSC_TRY(check_wanted(outputs_, requested));
    std::vector<ByteView> sentences;
    for (std::size_t i = 0; i < inputs[0].num_elements(); ++i) {
      sentences.push_back(inputs[0].element(i));
    }
    ENSC_TRY_ASSIGN(Embedded embedded, embed(sentences));
    return answer(std::move(embedded),
                  requested.empty() ? std::span<const std::string>(usual_) : requested);
  }

 private:
  struct Embedded {
    Tensor embedding;  // [N, width]
    Tensor tokens;     // [N], how many of each sentence were read
  };

  Result<Embedded> embed(std::span<const ByteView> sentences) const {
    ENSC_TRY_ASSIGN(const std::vector<Tensor> tensors,
                    sentence_tensors(sentences, vocabulary_, max_tokens_));
    ENSC_TRY_ASSIGN(std::vector<Tensor> results, engine_->run(tensors, {}));
    Tensor& embedding = results[0];
    const auto& shape = embedding.shape();
    if (shape.size() != 2 || shape[0] != static_cast<std::int64_t>(sentences.size()) ||
        shape[1] <= 0 || (width_ != 0 && shape[1] != static_cast<std::int64_t>(width_))) {
      return Error(InferenceError::kBadModel, "the graph's answer is not [sentences, width]");
    }
    embedding.rename("embedding");
    ENSC_TRY_ASSIGN(Tensor tokens, count_tokens(tensors[1]));
    return Embedded{std::move(embedding), std::move(tokens)};
  }

  // count_tokens adds up each sentence's mask.
  static Result<Tensor> count_tokens(const Tensor& mask) {
    const auto values = mask.values<std::int64_t>();
    const auto count = static_cast<std::size_t>(mask.shape()[0]);
    const std::size_t width = values.size() / count;
    SecretBytes data(count * sizeof(std::int64_t));
    auto* out = reinterpret_cast<std::int64_t*>(data.expose_mutable().data());
    for (std::size_t i = 0; i < count; ++i) {
      const auto row = values.subspan(i * width, width);
      out[i] = std::accumulate(row.begin(), row.end(), std::int64_t{0});
    }
    return Tensor::make("tokens", DataType::kInt64, {mask.shape()[0]}, std::move(data));
  }

  [[nodiscard]] Nearest nearest_to(std::span<const float> embedding) const {
    Nearest nearest{labels_[0], -2};
    for (std::size_t i = 0; i < labels_.size(); ++i) {
      const std::span<const float> example(&examples_[i * width_], width_);
      const double len = std::sqrt(dot(embedding, embedding) * dot(example, example));
      const auto score = static_cast<float>(len > 0 ? dot(embedding, example) / len : 0);
      if (score > nearest.score) {
        nearest = {labels_[i], score};
      }
    }
    return nearest;
  }

  Result<std::vector<Tensor>> answer(Embedded embedded, std::span<const std::string> wanted) const {
    const auto values = embedded.embedding.values<float>();
    WipedVector<ByteView> labels;
    WipedVector<float> scores;
    for (std::size_t i = 0; i < values.size(); i += width_) {
      const Nearest nearest = nearest_to(values.subspan(i, width_));
      labels.push_back(as_bytes(nearest.label));
      scores.push_back(nearest.score);
    }
    const std::vector<std::int64_t> shape = {embedded.embedding.shape()[0]};
    std::vector<Tensor> out;
    for (const std::string& name : wanted) {
      if (name == "label") {
        ENSC_TRY_ASSIGN(Tensor tensor, Tensor::strings(name, shape, labels));
        out.push_back(std::move(tensor));
      } else if (name == "score") {
        ENSC_TRY_ASSIGN(Tensor tensor, Tensor::floats(name, shape, scores));
        out.push_back(std::move(tensor));
      } else {
        out.push_back(std::move(name == "tokens" ? embedded.tokens : embedded.embedding));
      }
    }
    return out;
  }

  std::string task_ = "sentence-labels";
  std::vector<TensorSpec> inputs_ = {{"text", DataType::kBytes, {-1}}};
  std::vector<TensorSpec> outputs_ = {{"label", DataType::kBytes, {-1}},
                                      {"score", DataType::kFp32, {-1}},
                                      {"embedding", DataType::kFp32, {-1, -1}},
                                      {"tokens", DataType::kInt64, {-1}}};
  std::vector<std::string> usual_ = {"label", "score"};
  Unigram vocabulary_;
  std::size_t max_tokens_;
  std::unique_ptr<Engine> engine_;
  std::vector<std::string> labels_;
  WipedVector<float> examples_;  // [labels, width_]
  std::size_t width_ = 0;
};

bool fits(const Engine& engine) {
  const auto& inputs = engine.inputs();
  const auto& outputs = engine.outputs();
  const auto is_ids = [](const TensorSpec& spec, std::string_view name) {
    return spec.name == name && spec.type == DataType::kInt64 && spec.shape.size() == 2 &&
           spec.shape[0] < 0 && spec.shape[1] < 0;
  };
  return inputs.size() == 2 && is_ids(inputs[0], "input_ids") &&
         is_ids(inputs[1], "attention_mask") && outputs.size() == 1 &&
         outputs[0].type == DataType::kFp32 && outputs[0].shape.size() == 2;
}

}  // namespace

Result<std::unique_ptr<Model>> make_sentence_labels_model(const SentenceLabelsManifest& manifest,
                                                          const ModelFiles& files,
                                                          std::unique_ptr<Engine> engine) {
  ENSC_TRY_ASSIGN(const ByteView vocabulary_file, require_file(files, manifest.vocabulary));
  ENSC_TRY_ASSIGN(Unigram vocabulary, Unigram::parse(vocabulary_file));
  ENSC_TRY_ASSIGN(const ByteView examples_file, require_file(files, manifest.examples));
  ENSC_TRY_ASSIGN(const std::vector<Example> examples, parse_examples(examples_file));
  if (!fits(*engine)) {
    return Error(InferenceError::kBadModel,
                 "the graph is not a sentence encoder: INT64 input_ids and attention_mask "
                 "[any, any] in, FP32 [any, width] out");
  }
  auto model = std::make_unique<SentenceLabelsModel>(std::move(vocabulary), manifest.max_tokens,
                                                     std::move(engine));
  const auto learned = model->learn(examples);
  if (!learned) {
    return Error(InferenceError::kBadModel,
                 "an example cannot be embedded (" + std::string(learned.error().id()) + ")");
  }
  return std::unique_ptr<Model>(std::move(model));
}

}  // namespace ensconce
