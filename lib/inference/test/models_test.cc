#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <sstream>

#include "ensconce/base/file.h"
#include "ensconce/inference/model.h"
#include "ensconce/inference/ocr_line.h"
#include "ensconce/inference/onnxruntime.h"
#include "ensconce/inference/sentence_labels.h"

// The two models that the project fetches, with their real weights.

namespace ensconce {
namespace {

namespace fs = std::filesystem;

constexpr float kTolerance = 1e-4F;
constexpr std::size_t kMaxModelFile = std::size_t{256} * 1024 * 1024;

fs::path source_dir() {
  const char* path = std::getenv("ENSCONCE_SOURCE_DIR");
  return path == nullptr ? "." : path;
}

fs::path models_dir() {
  const char* path = std::getenv("ENSCONCE_MODELS");
  return path == nullptr ? source_dir() / ".cache/models" : fs::path(path);
}

class RealModel : public testing::Test {
 protected:
  void load(const std::string& name) {
    const fs::path folder = models_dir() / name;
    if (!fs::exists(folder / "model.onnx")) {
      GTEST_SKIP() << folder << " is not there: setup/setup.sh fetches it";
    }
    for (const auto& entry : fs::directory_iterator(folder)) {
      auto& content = contents_[entry.path().filename()];
      content = *read_file(entry.path(), kMaxModelFile);
      files_.add(entry.path().filename(), content);
    }
    auto model = load_model(files_, *factory_, {});
    ASSERT_TRUE(model) << model.error().to_string();
    model_ = *std::move(model);
    engine_ = *factory_->load(contents_.at("model.onnx"), {}, {}, {});
  }
  static std::vector<Tensor> strings(const std::string& name, std::span<const ByteView> elements) {
    std::vector<Tensor> inputs;
    inputs.push_back(
        *Tensor::strings(name, {static_cast<std::int64_t>(elements.size())}, elements));
    return inputs;
  }
  static void expect_near(const Tensor& a, const Tensor& b) {
    ASSERT_EQ(a.shape(), b.shape());
    const auto x = a.values<float>();
    const auto y = b.values<float>();
    float most = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      most = std::max(most, std::abs(x[i] - y[i]));
    }
    EXPECT_LE(most, kTolerance);
  }

  std::map<std::string, Bytes> contents_;
  MemoryFiles files_;
  std::unique_ptr<EngineFactory> factory_ = *make_onnxruntime();
  std::unique_ptr<Model> model_;
  std::unique_ptr<Engine> engine_;  // the same graph, run directly
};

// Listed first among those skipped, this makes CTest say that the program was.
TEST(WholeModels, AreFetched) {
  for (const char* name : {"line-reader", "sentence-labels"}) {
    if (!fs::exists(models_dir() / name / "model.onnx")) {
      GTEST_SKIP() << models_dir() << " lacks " << name << ": setup/setup.sh fetches it";
    }
  }
}

class LineReader : public RealModel {
 protected:
  void SetUp() override { load("line-reader"); }
  static Bytes sample(const char* name) {
    return *read_file(source_dir() / "models/samples" / name);
  }
  std::string read(const Bytes& file, float least_confidence) {
    const ByteView view(file);
    const auto outputs = model_->infer(strings("image", {&view, 1}), {});
    EXPECT_TRUE(outputs) << outputs.error().to_string();
    EXPECT_GE((*outputs)[1].values<float>()[0], least_confidence);
    return std::string(as_text((*outputs)[0].element(0)));
  }
};

TEST_F(LineReader, ReadsTheSamples) {
  EXPECT_EQ(read(sample("invoice.png"), 0.95F), "Invoice No. 48213");
  EXPECT_EQ(read(sample("patient.png"), 0.95F), "Patient: Jane Example");
}

TEST_F(LineReader, EqualsTheEngineRunDirectly) {
  for (const char* name : {"invoice.png", "patient.png"}) {
    const Bytes file = sample(name);
    const ByteView view(file);
    const auto served =
        model_->infer(strings("image", {&view, 1}), std::array<std::string, 1>{"probabilities"});
    ASSERT_TRUE(served);
    std::vector<Tensor> line;
    line.push_back(*ocr_line_tensor(*decode_png(file), {}, engine_->inputs()[0].name));
    const auto direct = engine_->run(line, {});
    ASSERT_TRUE(direct);
    expect_near((*served)[0], (*direct)[0]);
  }
}

class SentenceLabels : public RealModel {
 protected:
  void SetUp() override { load("sentence-labels"); }
  std::vector<Tensor> infer(const std::vector<std::string>& texts, std::string output) {
    std::vector<ByteView> views;
    for (const auto& text : texts) {
      views.push_back(as_bytes(text));
    }
    auto outputs = model_->infer(strings("text", views), std::array{std::move(output)});
    EXPECT_TRUE(outputs) << outputs.error().to_string();
    return *std::move(outputs);
  }
};

// Case is one of models/sentence-labels/expected.json, which another implementation wrote.
struct Case {
  std::string text;
  std::vector<std::int64_t> ids;
  std::vector<float> embedding_start;
};

// Reads the file as it is written: a case a line, no escapes in the texts.
std::vector<Case> expected_cases() {
  const std::string file = *read_text_file(source_dir() / "models/sentence-labels/expected.json");
  const auto between = [](std::string_view line, std::string_view begin, std::string_view end) {
    const std::size_t from = line.find(begin) + begin.size();
    return line.substr(from, line.find(end, from) - from);
  };
  const auto numbers = [](std::string_view list, auto convert) {
    std::vector<decltype(convert(""))> out;
    for (std::size_t at = 0; at < list.size(); at = std::min(list.find(',', at), list.size()) + 1) {
      out.push_back(convert(std::string(list.substr(at)).c_str()));
    }
    return out;
  };
  std::vector<Case> cases;
  std::istringstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    if (line.find("\"text\":") != std::string::npos) {
      cases.push_back({std::string(between(line, "\"text\":\"", "\",\"ids\"")),
                       numbers(between(line, "\"ids\":[", "]"),
                               [](const char* s) { return std::int64_t{std::atoll(s)}; }),
                       numbers(between(line, "\"embedding_start\":[", "]"),
                               [](const char* s) { return static_cast<float>(std::atof(s)); })});
    }
  }
  return cases;
}

TEST_F(SentenceLabels, SplitsTextAsThePublishedTokeniser) {
  const auto vocabulary = *Unigram::parse(contents_.at("vocab.tsv"));
  const auto cases = expected_cases();
  ASSERT_GE(cases.size(), 10U);
  for (const Case& expected : cases) {
    const auto text = normalise_text(as_bytes(expected.text));
    ASSERT_TRUE(text);
    const auto ids = vocabulary.encode(*text);
    EXPECT_THAT(std::vector<std::int64_t>(ids.begin(), ids.end()),
                testing::ElementsAreArray(expected.ids))
        << expected.text;
  }
}

TEST_F(SentenceLabels, EmbedsAsThePublishedModelAloneAndInABatch) {
  const auto cases = expected_cases();
  std::vector<std::string> texts;
  for (const Case& expected : cases) {
    texts.push_back(expected.text);
  }
  const auto batch = infer(texts, "embedding");
  ASSERT_EQ(batch[0].shape(), (std::vector<std::int64_t>{std::int64_t(cases.size()), 512}));
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const auto alone = infer({cases[i].text}, "embedding");
    for (std::size_t k = 0; k < cases[i].embedding_start.size(); ++k) {
      const float expected = cases[i].embedding_start[k];
      EXPECT_NEAR(alone[0].values<float>()[k], expected, kTolerance) << cases[i].text;
      EXPECT_NEAR(batch[0].values<float>()[i * 512 + k], expected, kTolerance) << cases[i].text;
    }
  }
}

TEST_F(SentenceLabels, EqualsTheEngineRunDirectly) {
  const std::vector<std::string> texts = {"My card was swallowed by the cash machine.", "Hello."};
  const std::vector<ByteView> views = {as_bytes(texts[0]), as_bytes(texts[1])};
  const auto served = infer(texts, "embedding");
  const auto vocabulary = *Unigram::parse(contents_.at("vocab.tsv"));
  const auto direct = engine_->run(*sentence_tensors(views, vocabulary, 128), {});
  ASSERT_TRUE(direct);
  expect_near(served[0], (*direct)[0]);
}

TEST_F(SentenceLabels, LabelsSentencesThatAreNotAmongTheExamples) {
  std::istringstream lines(*read_text_file(source_dir() / "models/sentence-labels/held-out.tsv"));
  std::vector<std::string> labels;
  std::vector<std::string> texts;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t tab = line.find('\t');
    labels.push_back(line.substr(0, tab));
    texts.push_back(line.substr(tab + 1));
  }
  ASSERT_GE(texts.size(), 24U);
  const auto outputs = infer(texts, "label");
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(as_text(outputs[0].element(i)), labels[i]) << texts[i];
  }
}

}  // namespace
}  // namespace ensconce
