#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "ensconce/inference/image.h"
#include "ensconce/inference/model.h"
#include "png_writer.h"

// The task "ocr-page" around graphs that are functions: what it feeds them, and what it makes of
// their answers.

namespace ensconce {
namespace {

using testing::ElementsAre;

struct FakeGraph {
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  std::function<Tensor(const Tensor&)> run;
};

class FakeEngine final : public Engine {
 public:
  explicit FakeEngine(const FakeGraph& graph) : graph_(graph) {}
  [[nodiscard]] const std::vector<TensorSpec>& inputs() const override { return graph_.inputs; }
  [[nodiscard]] const std::vector<TensorSpec>& outputs() const override { return graph_.outputs; }
  Result<std::vector<Tensor>> run(std::span<const Tensor> inputs,
                                  std::span<const std::string> /*wanted*/) const override {
    ENSC_TRY(check_inputs(graph_.inputs, inputs));
    std::vector<Tensor> out;
    out.push_back(graph_.run(inputs[0]));
    return out;
  }

 private:
  const FakeGraph& graph_;
};

// Loads detector, orientation and recogniser, in the order in which the task asks for them.
class FakeFactory final : public EngineFactory {
 public:
  Result<std::unique_ptr<Engine>> load(ByteView /*graph*/, const ExternalFiles& /*files*/,
                                       const EngineOptions& /*options*/,
                                       const ReadUpTo& /*read_up_to*/) override {
    return std::make_unique<FakeEngine>(graphs.at(num_loaded++ % 3));
  }
  std::array<FakeGraph, 3> graphs;
  std::size_t num_loaded = 0;
};

// A page of this kind: white, with blocks of ink. The detector sees a block as it is; a line is
// upside down as likely as the red near its left end says, and says "a" with a confidence of the
// green there.
struct Block {
  std::uint32_t left, top, right, bottom;
  std::uint8_t red, green, blue;
};

class OcrPageTask : public testing::Test {
 protected:
  static constexpr std::uint32_t kWidth = 320;
  static constexpr std::uint32_t kHeight = 160;

  OcrPageTask() {
    auto& [detector, orientation, recogniser] = factory_.graphs;
    detector.inputs = {{"x", DataType::kFp32, {-1, 3, -1, -1}}};
    detector.outputs = {{"y", DataType::kFp32, {-1, 1, -1, -1}}};
    detector.run = [](const Tensor& page) {
      const auto height = page.shape()[2];
      const auto width = page.shape()[3];
      std::vector<float> map;
      for (const float blue : page.values<float>().first(std::size_t(width * height))) {
        map.push_back(blue < 2.2F ? 1 : 0);  // white is 2.25
      }
      return *Tensor::floats("y", {1, 1, height, width}, map);
    };
    orientation.inputs = {{"x", DataType::kFp32, {-1, 3, -1, -1}}};
    orientation.outputs = {{"y", DataType::kFp32, {-1, 2}}};
    orientation.run = [this](const Tensor& lines) {
      num_windows_ += lines.shape()[0];
      EXPECT_THAT(lines.shape(), ElementsAre(testing::Gt(0), 3, 48, 192));
      std::vector<float> out;
      for (std::int64_t i = 0; i < lines.shape()[0]; ++i) {
        const float red = sample(lines, i, 2);
        out.push_back(1 - red);
        out.push_back(red);
      }
      return *Tensor::floats("y", {lines.shape()[0], 2}, out);
    };
    recogniser.inputs = {{"x", DataType::kFp32, {-1, 3, 48, -1}}};
    recogniser.outputs = {{"y", DataType::kFp32, {-1, -1, 3}}};
    recogniser.run = [this](const Tensor& lines) {
      batches_.push_back(lines.shape());
      std::vector<float> out;
      for (std::int64_t i = 0; i < lines.shape()[0]; ++i) {
        const float confidence = sample(lines, i, 1);
        out.insert(out.end(), {0, confidence, 0});
      }
      return *Tensor::floats("y", {lines.shape()[0], 1, 3}, out);
    };
    add("detector.onnx", "");
    add("orientation.onnx", "");
    add("recogniser.onnx", "");
    add("charset.txt", "a\n");
    manifest("unclip = 0.0");
  }

  // The middle of a line near its left end; 0 to 1.
  static float sample(const Tensor& lines, std::int64_t i, std::int64_t plane) {
    const std::int64_t width = lines.shape()[3];
    const auto at = ((i * 3 + plane) * 48 + 24) * width + 20;
    return (lines.values<float>()[static_cast<std::size_t>(at)] + 1) / 2;
  }

  void add(const std::string& name, std::string content) {
    kept_.push_back(std::make_unique<std::string>(std::move(content)));
    files_.add(name, as_bytes(*kept_.back()));
  }
  void manifest(std::string_view unclip, std::string_view more = "") {
    add("model.toml",
        "format = \"ensconce-model/1\"\ntask = \"ocr-page\"\ngraph = "
        "\"detector.onnx\"\n[ocr_page]\n"
        "orientation = \"orientation.onnx\"\nrecogniser = \"recogniser.onnx\"\ncharset = "
        "\"charset.txt\"\nmax_side = 960\npixel_threshold = 0.3\nbox_threshold = 0.6\n"
        "turn_threshold = 0.9\ntext_threshold = 0.5\nmax_width = 3840\n" +
            std::string(unclip) + "\n" + std::string(more));
  }
  Result<std::unique_ptr<Model>> load() { return load_model(files_, factory_, {}); }
  void expect_bad_model() {
    const auto model = load();
    ASSERT_FALSE(model);
    EXPECT_TRUE(model.error().is(InferenceError::kBadModel)) << model.error().to_string();
    factory_.num_loaded = 0;
  }

  static std::vector<Tensor> page(const std::vector<Block>& blocks, std::uint32_t width = kWidth,
                                  std::uint32_t height = kHeight) {
    SecretBytes pixels(std::size_t{width} * height * 3);
    const auto bytes = pixels.expose_mutable();
    std::fill(bytes.begin(), bytes.end(), std::uint8_t{255});
    for (const Block& b : blocks) {
      for (std::uint32_t y = b.top; y <= b.bottom; ++y) {
        for (std::uint32_t x = b.left; x <= b.right; ++x) {
          const std::array<std::uint8_t, 3> ink = {b.red, b.green, b.blue};
          std::copy(ink.begin(), ink.end(), &bytes[(std::size_t{y} * width + x) * 3]);
        }
      }
    }
    std::vector<Tensor> out;
    out.push_back(*Tensor::make("pixels", DataType::kUint8, {height, width, 3}, std::move(pixels)));
    return out;
  }
  std::vector<Tensor> read(std::vector<Tensor> inputs, std::span<const std::string> wanted = {}) {
    const auto model = load();
    EXPECT_TRUE(model) << model.error().to_string();
    batches_.clear();  // of the blank line
    num_windows_ = 0;
    auto outputs = (*model)->infer(std::move(inputs), wanted);
    EXPECT_TRUE(outputs) << outputs.error().to_string();
    factory_.num_loaded = 0;
    return *std::move(outputs);
  }

  std::vector<std::unique_ptr<std::string>> kept_;
  MemoryFiles files_;
  FakeFactory factory_;
  std::vector<std::vector<std::int64_t>> batches_;
  std::int64_t num_windows_ = 0;
};

TEST_F(OcrPageTask, ReadsLinesInOrder) {
  const auto outputs = read(page({{100, 100, 200, 120, 0, 230, 0}, {20, 20, 120, 40, 0, 255, 0}}));
  ASSERT_EQ(outputs.size(), 3U);
  EXPECT_EQ(outputs[0].name(), "text");
  EXPECT_EQ(outputs[0].type(), DataType::kBytes);
  EXPECT_THAT(outputs[0].shape(), ElementsAre(2));
  EXPECT_EQ(as_text(outputs[0].element(0)), "a");
  EXPECT_EQ(outputs[1].name(), "boxes");
  EXPECT_THAT(outputs[1].shape(), ElementsAre(2, 4, 2));
  EXPECT_THAT(outputs[1].values<float>().first(8), ElementsAre(20, 20, 120, 20, 120, 40, 20, 40));
  EXPECT_EQ(outputs[2].name(), "confidence");
  EXPECT_THAT(outputs[2].shape(), ElementsAre(2));
  EXPECT_NEAR(outputs[2].values<float>()[0], 1.0F, 1e-3);
  EXPECT_NEAR(outputs[2].values<float>()[1], 0.902F, 1e-3);
}

TEST_F(OcrPageTask, GivesOutputsInTheOrderRequested) {
  const std::array<std::string, 2> wanted = {"confidence", "text"};
  const auto outputs = read(page({{20, 20, 120, 40, 0, 255, 0}}), wanted);
  ASSERT_EQ(outputs.size(), 2U);
  EXPECT_EQ(outputs[0].name(), "confidence");
  EXPECT_EQ(outputs[1].name(), "text");
}

TEST_F(OcrPageTask, LeavesOutWhatItCannotRead) {
  const auto outputs = read(page({{20, 20, 120, 40, 0, 120, 0}, {20, 80, 120, 100, 0, 140, 0}}));
  EXPECT_THAT(outputs[0].shape(), ElementsAre(1));
  EXPECT_EQ(outputs[1].values<float>()[1], 80);
}

TEST_F(OcrPageTask, AnswersABlankPageWithNothing) {
  const auto outputs = read(page({}));
  EXPECT_THAT(outputs[0].shape(), ElementsAre(0));
  EXPECT_THAT(outputs[1].shape(), ElementsAre(0, 4, 2));
  EXPECT_THAT(outputs[2].shape(), ElementsAre(0));
}

TEST_F(OcrPageTask, TurnsWhatIsUpsideDown) {
  const auto outputs = read(page({{20, 20, 120, 40, 240, 255, 0}}));
  EXPECT_THAT(outputs[1].values<float>(), ElementsAre(120, 40, 20, 40, 20, 20, 120, 20));
  EXPECT_EQ(batches_.size(), 1U);
}

TEST_F(OcrPageTask, ReadsAnUndecidedLineBothWays) {
  // Its right half reads better than its left one, so it reads better the other way up.
  const std::vector<Block> blocks = {{20, 20, 120, 40, 120, 150, 0},
                                     {70, 20, 120, 40, 120, 200, 0}};
  const auto outputs = read(page(blocks));
  EXPECT_EQ(batches_.size(), 2U);
  EXPECT_THAT(outputs[1].values<float>(), ElementsAre(120, 40, 20, 40, 20, 20, 120, 20));
  EXPECT_NEAR(outputs[2].values<float>()[0], 200 / 255.0F, 1e-3);
  // The same the other way round stays as it is; and one that is sure is not read twice.
  const auto upright = read(page({{20, 20, 120, 40, 120, 200, 0}, {70, 20, 120, 40, 120, 150, 0}}));
  EXPECT_EQ(upright[1].values<float>()[0], 20);
  read(page({{20, 20, 120, 40, 20, 200, 0}}));
  EXPECT_EQ(batches_.size(), 1U);
}

TEST_F(OcrPageTask, LooksAtALongLineInThreeWindows) {
  // 20 high: up to 80 wide it is looked at whole.
  read(page({{20, 20, 100, 40, 20, 255, 0}}));
  EXPECT_EQ(num_windows_, 1);
  // Its beginning and middle say 1, its end 0.75: together more than the threshold.
  const std::vector<Block> blocks = {{20, 20, 280, 40, 255, 255, 0},
                                     {190, 20, 280, 40, 191, 255, 0}};
  const auto outputs = read(page(blocks));
  EXPECT_EQ(num_windows_, 3);
  EXPECT_EQ(batches_.size(), 1U);
  EXPECT_EQ(outputs[1].values<float>()[0], 280);
  // A beginning and an end that say nothing leave it undecided.
  read(page({{20, 20, 280, 40, 0, 255, 0}, {100, 20, 200, 40, 255, 255, 0}}));
  EXPECT_EQ(batches_.size(), 2U);
}

TEST_F(OcrPageTask, BatchesLinesOfOneWidth) {
  std::vector<Block> blocks;
  for (std::uint32_t i = 0; i < 10; ++i) {
    blocks.push_back({10, 10 + i * 14, 60, 19 + i * 14, 0, 255, 0});
  }
  blocks.push_back({70, 10, 310, 19, 0, 255, 0});
  const auto outputs = read(page(blocks));
  EXPECT_THAT(outputs[0].shape(), ElementsAre(11));
  // 10 high: 50 wide makes 267 columns, padded to 320; 240 wide 1280.
  EXPECT_THAT(batches_, ElementsAre(ElementsAre(8, 3, 48, 320), ElementsAre(2, 3, 48, 320),
                                    ElementsAre(1, 3, 48, 1280)));
}

TEST_F(OcrPageTask, RejectsBoxesThatCoverThePageTooOften) {
  auto& run = factory_.graphs[0].run;
  const auto model = load();
  // Frames inside each other: each one's rectangle is nearly the page.
  run = [](const Tensor& input) {
    const auto side = input.shape()[2];
    std::vector<float> map(static_cast<std::size_t>(side * side), 0.7F);
    for (std::int64_t y = 0; y < side; ++y) {
      for (std::int64_t x = 0; x < side; ++x) {
        const auto rim = std::min({x, y, side - 1 - x, side - 1 - y});
        if (rim % 4 == 3) {
          map[static_cast<std::size_t>(y * side + x)] = 0.29F;
        }
      }
    }
    return *Tensor::floats("y", {1, 1, side, side}, map);
  };
  const auto outputs = (*model)->infer(page({}, 320, 320), {});
  ASSERT_FALSE(outputs);
  EXPECT_TRUE(outputs.error().is(InferenceError::kTooLarge)) << outputs.error().to_string();
}

TEST_F(OcrPageTask, RejectsMoreTextThanAPageHolds) {
  // Lines from rim to rim, as thin as lines can be: the recogniser would see 3840 columns of each.
  const auto lines = [](std::uint32_t count) {
    std::vector<Block> blocks;
    for (std::uint32_t i = 0; i < count; ++i) {
      blocks.push_back({0, i * 5, 959, i * 5 + 3, 0, 255, 0});
    }
    return page(blocks, 960, 960);
  };
  manifest("unclip = 0.7");  // no box below 5 a side is kept
  const auto model = load();
  EXPECT_TRUE((*model)->infer(lines(100), {}));
  const auto outputs = (*model)->infer(lines(190), {});
  ASSERT_FALSE(outputs);
  EXPECT_TRUE(outputs.error().is(InferenceError::kTooLarge)) << outputs.error().to_string();
}

TEST_F(OcrPageTask, TakesFilesAndPixelsAndNothingElse) {
  const Bytes file = png_writer::write(PNG_FORMAT_GRAY, 2, 1, std::array<std::uint8_t, 2>{}.data());
  const auto image = [](ByteView content) { return *Tensor::strings("image", {1}, {&content, 1}); };
  const auto model = load();
  const auto infer = [&](auto... tensors) {
    std::vector<Tensor> inputs;
    (inputs.push_back(std::move(tensors)), ...);
    return (*model)->infer(std::move(inputs), {});
  };
  EXPECT_TRUE(infer(image(file)));
  EXPECT_TRUE(infer().error().is(InferenceError::kMissingInput));
  EXPECT_TRUE(infer(image(file), image(file)).error().is(InferenceError::kUnknownInput));
  EXPECT_TRUE(infer(image(file), std::move(page({})[0])).error().is(InferenceError::kUnknownInput));
  EXPECT_TRUE(infer(image(as_bytes("GIF89a"))).error().is(InferenceError::kBadImage));
  const auto pixels = [](std::vector<std::int64_t> shape, std::size_t len) {
    return *Tensor::make("pixels", DataType::kUint8, std::move(shape), SecretBytes(len));
  };
  EXPECT_TRUE(infer(pixels({4, 4, 3}, 48)));
  EXPECT_TRUE(infer(pixels({4, 4, 1}, 16)).error().is(InferenceError::kWrongShape));
  EXPECT_TRUE(infer(pixels({4, 4}, 16)).error().is(InferenceError::kWrongShape));
  EXPECT_TRUE(infer(pixels({0, 4, 3}, 0)).error().is(InferenceError::kWrongShape));
  EXPECT_TRUE(infer(pixels({1, 8193, 3}, 24579)).error().is(InferenceError::kTooLarge));
  EXPECT_TRUE(infer(*Tensor::floats("pixels", {1, 1, 3}, std::vector<float>(3)))
                  .error()
                  .is(InferenceError::kWrongType));
  EXPECT_TRUE(infer(*Tensor::floats("other", {1}, std::vector<float>(1)))
                  .error()
                  .is(InferenceError::kUnknownInput));
  EXPECT_TRUE((*model)
                  ->infer(page({}), std::array<std::string, 1>{"probabilities"})
                  .error()
                  .is(InferenceError::kUnknownOutput));
}

TEST_F(OcrPageTask, RejectsGraphsThatDoNotFitTheirPart) {
  const auto good = factory_.graphs;
  for (std::size_t i = 0; i < 3; ++i) {
    factory_.graphs[i].inputs[0].shape = {-1, 1, -1, -1};
    expect_bad_model();
    factory_.graphs = good;
    factory_.graphs[i].inputs[0].type = DataType::kUint8;
    expect_bad_model();
    factory_.graphs = good;
    factory_.graphs[i].outputs[0].shape.push_back(-1);
    expect_bad_model();
    factory_.graphs = good;
    factory_.graphs[i].run = [](const Tensor& /*input*/) {  // an answer of no use
      return *Tensor::floats("y", {1, 1, 1, 1}, std::vector<float>(1));
    };
    expect_bad_model();
    factory_.graphs = good;
  }
  add("charset.txt", "a\nb\nc\n");
  expect_bad_model();
}

TEST_F(OcrPageTask, RejectsSettingsOutOfRange) {
  EXPECT_TRUE(load());
  factory_.num_loaded = 0;
  for (const char* unclip : {"", "unclip = -1.0", "unclip = 4.1", "unclip = \"1\"", "unclip = nan",
                             "unclip = 1.0\nextra = 1"}) {
    manifest(unclip);
    expect_bad_model();
  }
  manifest("unclip = 2");  // a whole number is a number
  EXPECT_TRUE(load());
}

}  // namespace
}  // namespace ensconce
