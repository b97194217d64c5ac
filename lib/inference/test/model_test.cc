#include "ensconce/inference/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "ensconce/inference/sentence_labels.h"
#include "onnx_writer.h"
#include "png_writer.h"

namespace ensconce {
namespace {

using testing::ElementsAre;

// A graph that is a function, so that tasks are tested without an engine.
struct FakeGraph {
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  std::function<std::vector<Tensor>(std::span<const Tensor>)> run;
};

class FakeEngine final : public Engine {
 public:
  explicit FakeEngine(const FakeGraph& graph) : graph_(graph) {}
  [[nodiscard]] const std::vector<TensorSpec>& inputs() const override { return graph_.inputs; }
  [[nodiscard]] const std::vector<TensorSpec>& outputs() const override { return graph_.outputs; }
  Result<std::vector<Tensor>> run(std::span<const Tensor> inputs,
                                  std::span<const std::string> wanted) const override {
    ENSC_TRY(check_inputs(graph_.inputs, inputs));
    ENSC_TRY(check_wanted(graph_.outputs, wanted));
    if (!graph_.run) {
      return Error(InferenceError::kEngine);
    }
    return graph_.run(inputs);
  }

 private:
  const FakeGraph& graph_;
};

class FakeFactory final : public EngineFactory {
 public:
  Result<std::unique_ptr<Engine>> load(ByteView /*graph*/, const ExternalFiles& files,
                                       const EngineOptions& /*options*/,
                                       const ReadUpTo& read_up_to) override {
    if (read_up_to) {
      read_up_to(7);
    }
    for (const auto& [name, content] : files) {
      file_names.push_back(name);
    }
    return std::make_unique<FakeEngine>(graph);
  }
  FakeGraph graph;
  std::vector<std::string> file_names;
};

// Files that remember what was let go.
class RememberingFiles final : public ModelFiles {
 public:
  [[nodiscard]] Result<ByteView> find(std::string_view name) const override {
    return files.find(name);
  }
  void let_go(std::string_view name, std::size_t offset) const override {
    gone.emplace_back(std::string(name), offset);
  }
  MemoryFiles files;
  mutable std::vector<std::pair<std::string, std::size_t>> gone;
};

class LoadModel : public testing::Test {
 protected:
  void add(const std::string& name, std::string content) {
    kept_.push_back(std::make_unique<std::string>(std::move(content)));
    files_.add(name, as_bytes(*kept_.back()));
  }
  Result<std::unique_ptr<Model>> load() { return load_model(files_, factory_, {}); }
  void expect_bad_model() {
    const auto model = load();
    ASSERT_FALSE(model);
    EXPECT_TRUE(model.error().is(InferenceError::kBadModel)) << model.error().to_string();
  }
  template <typename... T>
  static std::vector<Tensor> list(T... tensors) {
    std::vector<Tensor> out;
    (out.push_back(std::move(tensors)), ...);
    return out;
  }
  static Tensor strings(const std::string& name, const std::vector<std::string>& elements) {
    std::vector<ByteView> views;
    for (const auto& element : elements) {
      views.push_back(as_bytes(element));
    }
    return *Tensor::strings(name, {static_cast<std::int64_t>(elements.size())}, views);
  }

  std::vector<std::unique_ptr<std::string>> kept_;
  MemoryFiles files_;
  FakeFactory factory_;
};

TEST_F(LoadModel, LetsGoOfAGraphAsItIsRead) {
  RememberingFiles files;
  const std::string manifest =
      "format = \"ensconce-model/1\"\ntask = \"tensor\"\ngraph = \"g.onnx\"\n";
  const std::string graph = onnx_writer::model(onnx_writer::Graph());
  files.files.add("model.toml", as_bytes(manifest));
  files.files.add("g.onnx", as_bytes(graph));
  ASSERT_TRUE(load_model(files, factory_, {}));
  EXPECT_EQ(files.gone, (std::vector<std::pair<std::string, std::size_t>>{{"g.onnx", 7}}));

  // Not of one that is its own weights too.
  const std::string own = onnx_writer::model(onnx_writer::add_one(onnx_writer::external_tensor(
      "one", onnx_writer::kFloat, {1}, {{"location", "g.onnx"}, {"length", "4"}})));
  files.files.add("g.onnx", as_bytes(own));
  files.gone.clear();
  ASSERT_TRUE(load_model(files, factory_, {}));
  EXPECT_TRUE(files.gone.empty());
}

class TensorTask : public LoadModel {
 protected:
  TensorTask() {
    factory_.graph = {{{"x", DataType::kFp32, {1}}}, {{"y", DataType::kFp32, {1}}}, {}};
    add("model.onnx", "");
  }
  void manifest(std::string_view text) { add("model.toml", std::string(text)); }
};

TEST_F(TensorTask, ServesTheGraphsOwnTensors) {
  manifest("format = \"ensconce-model/1\"\ntask = \"tensor\"\ngraph = \"model.onnx\"\n");
  const auto model = load();
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_EQ((*model)->task(), "tensor");
  EXPECT_EQ((*model)->inputs(), factory_.graph.inputs);
  EXPECT_EQ((*model)->outputs(), factory_.graph.outputs);
  const auto missing = (*model)->infer({}, {});
  ASSERT_FALSE(missing);
  EXPECT_TRUE(missing.error().is(InferenceError::kMissingInput));
}

TEST_F(TensorTask, RejectsAModelWithoutItsFiles) {
  expect_bad_model();
  manifest("format = \"ensconce-model/1\"\ntask = \"tensor\"\ngraph = \"other.onnx\"\n");
  expect_bad_model();
}

TEST_F(TensorTask, RejectsManifestsWithMissingUnknownOrWrongKeys) {
  for (const char* text :
       {"", "format = \"ensconce-model/2\"\ntask = \"tensor\"\ngraph = \"model.onnx\"",
        "task = \"tensor\"\ngraph = \"model.onnx\"",
        "format = \"ensconce-model/1\"\ngraph = \"model.onnx\"",
        "format = \"ensconce-model/1\"\ntask = \"tensor\"",
        "format = \"ensconce-model/1\"\ntask = \"tensor\"\ngraph = 1",
        "format = \"ensconce-model/1\"\ntask = \"tensor\"\ngraph = \"\"",
        "format = \"ensconce-model/1\"\ntask = \"other\"\ngraph = \"model.onnx\"",
        "format = \"ensconce-model/1\"\ntask = \"tensor\"\ngraph = \"model.onnx\"\nmore = 1",
        "format = \"ensconce-model/1\"\ntask = \"tensor\"\ngraph = \"model.onnx\"\n[ocr_line]\n",
        "format = "}) {
    manifest(text);
    expect_bad_model();
  }
  std::string text = "format = \"ensconce-model/1\"\ntask = \"tensor\"\ngraph = \"model.onnx\"\n";
  text.resize(64 * 1024, '#');
  manifest(text);
  EXPECT_TRUE(load());
  manifest(text + '#');
  expect_bad_model();
}

TEST_F(TensorTask, GivesTheEngineOnlyFilesThatTheGraphNames) {
  using namespace onnx_writer;  // NOLINT: it is this test's language.
  manifest("format = \"ensconce-model/1\"\ntask = \"tensor\"\ngraph = \"model.onnx\"\n");
  add("model.onnx", onnx_writer::model(add_one(external_tensor(
                        "one", kFloat, {1}, {{"location", "w.bin"}, {"length", "4"}}))));
  add("w.bin", std::string(kOne));
  add("other.bin", std::string(kOne));
  ASSERT_TRUE(load());
  EXPECT_THAT(factory_.file_names, ElementsAre("w.bin"));
}

class OcrLineTask : public LoadModel {
 protected:
  OcrLineTask() {
    factory_.graph.inputs = {{"x", DataType::kFp32, {-1, 3, 48, -1}}};
    factory_.graph.outputs = {{"p", DataType::kFp32, {-1, -1, 4}}};
    factory_.graph.run = [](std::span<const Tensor> inputs) {
      EXPECT_EQ(inputs[0].shape()[2], 48);
      return list(*Tensor::floats("p", {1, 3, 4},
                                  std::vector<float>{0, 1, 0, 0, 1, 0, 0, 0, 0, 0, .5F, 0}));
    };
    add("model.onnx", "");
    add("charset.txt", "a\nb\n");
    manifest("charset = \"charset.txt\"\nheight = 48\nmax_width = 1920\n");
  }
  void manifest(const std::string& settings) {
    add("model.toml",
        "format = \"ensconce-model/1\"\ntask = \"ocr-line\"\ngraph = \"model.onnx\"\n[ocr_line]\n" +
            settings);
  }
  static std::vector<Tensor> image(const std::string& content) {
    return list(strings("image", {content}));
  }
  static std::string png() {
    const std::array<std::uint8_t, 3> white = {255, 255, 255};
    const Bytes file = png_writer::write(PNG_FORMAT_RGB, 1, 1, white.data());
    return std::string(as_text(file));
  }
};

TEST_F(OcrLineTask, ReadsALine) {
  const auto model = load();
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_EQ((*model)->task(), "ocr-line");
  const auto outputs = (*model)->infer(image(png()), {});
  ASSERT_TRUE(outputs) << outputs.error().to_string();
  ASSERT_EQ(outputs->size(), 2U);
  EXPECT_EQ((*outputs)[0].name(), "text");
  EXPECT_EQ(as_text((*outputs)[0].element(0)), "ab");
  EXPECT_EQ((*outputs)[1].name(), "confidence");
  EXPECT_EQ((*outputs)[1].values<float>()[0], 0.75F);
}

TEST_F(OcrLineTask, GivesOutputsInTheOrderRequested) {
  const auto model = load();
  const auto outputs =
      (*model)->infer(image(png()), std::array<std::string, 2>{"probabilities", "text"});
  ASSERT_TRUE(outputs);
  ASSERT_EQ(outputs->size(), 2U);
  EXPECT_EQ((*outputs)[0].name(), "probabilities");
  EXPECT_THAT((*outputs)[0].shape(), ElementsAre(1, 3, 4));
  EXPECT_EQ((*outputs)[1].name(), "text");
}

TEST_F(OcrLineTask, RejectsOtherInputsAndOutputs) {
  const auto model = load();
  const auto error_of = [&](std::vector<Tensor> inputs, std::vector<std::string> wanted = {}) {
    return (*model)->infer(std::move(inputs), wanted).error();
  };
  EXPECT_TRUE(error_of(image("not a png")).is(InferenceError::kBadImage));
  EXPECT_TRUE(error_of({}).is(InferenceError::kMissingInput));
  EXPECT_TRUE(error_of(list(strings("text", {"a"}))).is(InferenceError::kUnknownInput));
  EXPECT_TRUE(error_of(list(strings("image", {png(), png()}))).is(InferenceError::kWrongShape));
  EXPECT_TRUE(error_of(list(*Tensor::make("image", DataType::kUint8, {1}, SecretBytes(1))))
                  .is(InferenceError::kWrongType));
  EXPECT_TRUE(error_of(image(png()), {"label"}).is(InferenceError::kUnknownOutput));
}

TEST_F(OcrLineTask, RejectsAGraphThatIsNoLineReader) {
  const FakeGraph good = factory_.graph;
  factory_.graph.inputs[0].shape = {-1, 1, 48, -1};
  expect_bad_model();
  factory_.graph.inputs[0].shape = {-1, 3, 32, -1};
  expect_bad_model();
  factory_.graph.inputs[0] = {"x", DataType::kUint8, {-1, 3, 48, -1}};
  expect_bad_model();
  factory_.graph = good;
  factory_.graph.outputs[0].shape = {-1, 4};
  expect_bad_model();
  factory_.graph = good;
  factory_.graph.inputs.push_back(good.inputs[0]);
  expect_bad_model();
}

TEST_F(OcrLineTask, RejectsACharsetThatDoesNotFitTheClasses) {
  add("charset.txt", "a\nb\nc\nd\n");
  expect_bad_model();
  add("charset.txt", "a\n");
  expect_bad_model();
}

TEST_F(OcrLineTask, RejectsSettingsOutOfRange) {
  for (const char* settings :
       {"charset = \"charset.txt\"\nheight = 48\n",
        "charset = \"charset.txt\"\nheight = 7\nmax_width = 1920\n",
        "charset = \"charset.txt\"\nheight = 257\nmax_width = 1920\n",
        "charset = \"charset.txt\"\nheight = 48\nmax_width = 8193\n",
        "charset = \"charset.txt\"\nheight = 48.0\nmax_width = 1920\n",
        "charset = \"charset.txt\"\nheight = 48\nmax_width = 1920\nextra = 1\n",
        "charset = \"none.txt\"\nheight = 48\nmax_width = 1920\n"}) {
    manifest(settings);
    expect_bad_model();
  }
}

class SentenceLabelsTask : public LoadModel {
 protected:
  // The embedding of a sentence is how often "a" and "b" are in it.
  SentenceLabelsTask() {
    factory_.graph.inputs = {{"input_ids", DataType::kInt64, {-1, -1}},
                             {"attention_mask", DataType::kInt64, {-1, -1}}};
    factory_.graph.outputs = {{"e", DataType::kFp32, {-1, 2}}};
    factory_.graph.run = [](std::span<const Tensor> inputs) {
      const auto ids = inputs[0].values<std::int64_t>();
      const auto width = static_cast<std::size_t>(inputs[0].shape()[1]);
      std::vector<float> counts;
      for (std::size_t i = 0; i < ids.size(); i += width) {
        const auto row = ids.subspan(i, width);
        counts.push_back(static_cast<float>(std::count(row.begin(), row.end(), 2)));
        counts.push_back(static_cast<float>(std::count(row.begin(), row.end(), 3)));
      }
      return list(*Tensor::floats("e", {inputs[0].shape()[0], 2}, counts));
    };
    add("model.onnx", "");
    add("vocab.tsv", "<unk>\t\n\xe2\x96\x81\t-1\na\t-1\nb\t-1\n");
    add("examples.tsv", "first\taa\nsecond\tbb\n");
    manifest("vocabulary = \"vocab.tsv\"\nexamples = \"examples.tsv\"\nmax_tokens = 128\n");
  }
  void manifest(const std::string& settings) {
    add("model.toml",
        "format = \"ensconce-model/1\"\ntask = \"sentence-labels\"\ngraph = \"model.onnx\"\n"
        "[sentence_labels]\n" +
            settings);
  }
};

TEST_F(SentenceLabelsTask, NamesTheNearestExample) {
  const auto model = load();
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_EQ((*model)->task(), "sentence-labels");
  const auto outputs = (*model)->infer(list(strings("text", {"a", "bbb", "aab"})), {});
  ASSERT_TRUE(outputs) << outputs.error().to_string();
  ASSERT_EQ(outputs->size(), 2U);
  EXPECT_EQ((*outputs)[0].name(), "label");
  EXPECT_EQ(as_text((*outputs)[0].element(0)), "first");
  EXPECT_EQ(as_text((*outputs)[0].element(1)), "second");
  EXPECT_EQ(as_text((*outputs)[0].element(2)), "first");
  EXPECT_EQ((*outputs)[1].name(), "score");
  EXPECT_NEAR((*outputs)[1].values<float>()[0], 1.0F, 1e-6);
  EXPECT_NEAR((*outputs)[1].values<float>()[2], 0.894427F, 1e-5);
}

TEST_F(SentenceLabelsTask, CountsTheTokensItRead) {
  manifest("vocabulary = \"vocab.tsv\"\nexamples = \"examples.tsv\"\nmax_tokens = 3\n");
  const auto model = load();
  ASSERT_TRUE(model) << model.error().to_string();
  const auto outputs = (*model)->infer(list(strings("text", {"a", "aabb", "ab"})),
                                       std::array<std::string, 1>{"tokens"});
  ASSERT_TRUE(outputs) << outputs.error().to_string();
  // The space mark in front counts; the second is cut at max_tokens.
  EXPECT_THAT((*outputs)[0].values<std::int64_t>(), testing::ElementsAre(2, 3, 3));
}

TEST_F(SentenceLabelsTask, GivesTheEmbeddingOnRequest) {
  const auto model = load();
  const auto outputs =
      (*model)->infer(list(strings("text", {"ab"})), std::array<std::string, 1>{"embedding"});
  ASSERT_TRUE(outputs);
  ASSERT_EQ(outputs->size(), 1U);
  EXPECT_EQ((*outputs)[0].name(), "embedding");
  EXPECT_THAT((*outputs)[0].values<float>(), ElementsAre(1, 1));
  EXPECT_THAT((*model)->outputs()[2].shape, ElementsAre(-1, 2));
}

TEST_F(SentenceLabelsTask, RejectsOtherInputsAndOutputs) {
  const auto model = load();
  const auto error_of = [&](std::vector<Tensor> inputs, std::vector<std::string> wanted = {}) {
    return (*model)->infer(std::move(inputs), wanted).error();
  };
  EXPECT_TRUE(error_of(list(strings("text", {" "}))).is(InferenceError::kBadText));
  EXPECT_TRUE(error_of(list(strings("text", {"\xff"}))).is(InferenceError::kBadText));
  EXPECT_TRUE(error_of(list(strings("text", {}))).is(InferenceError::kWrongShape));
  EXPECT_TRUE(error_of(list(strings("text", std::vector<std::string>(kMaxSentences + 1, "a"))))
                  .is(InferenceError::kTooLarge));
  EXPECT_TRUE(error_of(list(strings("text", {std::string(kMaxSentenceBytes + 1, 'a')})))
                  .is(InferenceError::kTooLarge));
  EXPECT_TRUE(error_of(list(strings("image", {"a"}))).is(InferenceError::kUnknownInput));
  EXPECT_TRUE(
      error_of(list(strings("text", {"a"})), {"nearest"}).is(InferenceError::kUnknownOutput));
}

TEST_F(SentenceLabelsTask, LearnsMoreExamplesThanOneBatch) {
  std::string examples;
  for (std::size_t i = 0; i < kMaxSentences; ++i) {
    examples += "first\taa\n";
  }
  add("examples.tsv", examples + "last\tbb\n");
  const auto model = load();
  ASSERT_TRUE(model);
  const auto outputs = (*model)->infer(list(strings("text", {"b"})), {});
  ASSERT_TRUE(outputs);
  EXPECT_EQ(as_text((*outputs)[0].element(0)), "last");
}

TEST_F(SentenceLabelsTask, RejectsBadExamples) {
  for (const char* examples :
       {"", "first\n", "\taa\n", "first\taa\n\n", "first\t\n", "first\t\xff\n"}) {
    add("examples.tsv", examples);
    expect_bad_model();
  }
  add("examples.tsv", std::string(257, 'l') + "\taa\n");
  expect_bad_model();
}

TEST_F(SentenceLabelsTask, RejectsAGraphThatIsNoEncoder) {
  const FakeGraph good = factory_.graph;
  factory_.graph.inputs[1].name = "mask";
  expect_bad_model();
  factory_.graph = good;
  factory_.graph.inputs[0].type = DataType::kInt32;
  expect_bad_model();
  factory_.graph = good;
  factory_.graph.outputs[0].shape = {-1, -1, 2};
  expect_bad_model();
  factory_.graph = good;
  factory_.graph.run = [](std::span<const Tensor>) {
    return list(*Tensor::floats("e", {1, 2}, std::vector<float>{1, 2}));  // one of two sentences
  };
  expect_bad_model();
}

}  // namespace
}  // namespace ensconce
