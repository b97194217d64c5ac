#include "ensconce/inference/image.h"
#include "tasks.h"

namespace ensconce {

namespace {

class OcrLineModel final : public Model {
 public:
  OcrLineModel(const OcrLineOptions& options, Charset charset, std::unique_ptr<Engine> engine)
      : options_(options), charset_(std::move(charset)), engine_(std::move(engine)) {}

  // try_out reads a blank picture once, before the model is served: a graph need not say how many
  // classes it has, and the first run is slower than those after it.
  Result<void> try_out() {
    RgbImage blank{1, 1, SecretBytes(3)};
    ENSC_TRY_ASSIGN(const Tensor probabilities, recognise(blank));
    ENSC_TRY(read(probabilities));
    outputs_.push_back({"probabilities", DataType::kFp32, {1, -1, probabilities.shape()[2]}});
    return ok();
  }

  [[nodiscard]] const std::string& task() const override { return task_; }
  [[nodiscard]] const std::vector<TensorSpec>& inputs() const override { return inputs_; }
  [[nodiscard]] const std::vector<TensorSpec>& outputs() const override { return outputs_; }

  Result<std::vector<Tensor>> infer(std::vector<Tensor> inputs,
                                    std::span<const std::string> requested) const override {
    ENSC_TRY(check_inputs(inputs_, inputs));
    ENSC_TRY(check_wanted(outputs_, requested));
    ENSC_TRY_ASSIGN(const RgbImage image, decode_image(inputs[0].element(0)));
    ENSC_TRY_ASSIGN(Tensor probabilities, recognise(image));
    ENSC_TRY_ASSIGN(const LineReading reading, read(probabilities));
    return answer(reading, std::move(probabilities),
                  requested.empty() ? std::span<const std::string>(usual_) : requested);
  }

 private:
  // Returns the probabilities, [1, steps, classes].
  Result<Tensor> recognise(const RgbImage& image) const {
    std::vector<Tensor> lines;
    ENSC_TRY_ASSIGN(Tensor line, ocr_line_tensor(image, options_, engine_->inputs()[0].name));
    lines.push_back(std::move(line));
    ENSC_TRY_ASSIGN(std::vector<Tensor> results, engine_->run(lines, {}));
    const auto& shape = results[0].shape();
    if (shape.size() != 3 || shape[0] != 1 || shape[2] <= 0) {
      return Error(InferenceError::kBadModel, "the graph's answer is not [1, steps, classes]");
    }
    return std::move(results[0]);
  }

  Result<LineReading> read(const Tensor& probabilities) const {
    return ctc_greedy(probabilities.values<float>(),
                      static_cast<std::size_t>(probabilities.shape()[2]), charset_);
  }

  static Result<std::vector<Tensor>> answer(const LineReading& reading, Tensor probabilities,
                                            std::span<const std::string> wanted) {
    std::vector<Tensor> out;
    for (const std::string& name : wanted) {
      if (name == "text") {
        const ByteView text(reading.text);
        ENSC_TRY_ASSIGN(Tensor tensor, Tensor::strings(name, {1}, {&text, 1}));
        out.push_back(std::move(tensor));
      } else if (name == "confidence") {
        ENSC_TRY_ASSIGN(Tensor tensor, Tensor::floats(name, {1}, {&reading.confidence, 1}));
        out.push_back(std::move(tensor));
      } else {
        probabilities.rename(name);
        out.push_back(std::move(probabilities));
      }
    }
    return out;
  }

  std::string task_ = "ocr-line";
  std::vector<TensorSpec> inputs_ = {{"image", DataType::kBytes, {1}}};
  std::vector<TensorSpec> outputs_ = {{"text", DataType::kBytes, {1}},
                                      {"confidence", DataType::kFp32, {1}}};
  std::vector<std::string> usual_ = {"text", "confidence"};
  OcrLineOptions options_;
  Charset charset_;
  std::unique_ptr<Engine> engine_;
};

bool fits(const Engine& engine, const OcrLineOptions& options) {
  const auto& inputs = engine.inputs();
  const auto& outputs = engine.outputs();
  const auto allows = [](std::int64_t dim, std::int64_t value) { return dim < 0 || dim == value; };
  return inputs.size() == 1 && inputs[0].type == DataType::kFp32 && inputs[0].shape.size() == 4 &&
         allows(inputs[0].shape[0], 1) && allows(inputs[0].shape[1], 3) &&
         allows(inputs[0].shape[2], options.height) && inputs[0].shape[3] < 0 &&
         outputs.size() == 1 && outputs[0].type == DataType::kFp32 && outputs[0].shape.size() == 3;
}

}  // namespace

Result<std::unique_ptr<Model>> make_ocr_line_model(const OcrLineManifest& manifest,
                                                   const ModelFiles& files,
                                                   std::unique_ptr<Engine> engine) {
  ENSC_TRY_ASSIGN(const ByteView charset_file, require_file(files, manifest.charset));
  ENSC_TRY_ASSIGN(Charset charset, Charset::parse(charset_file));
  if (!fits(*engine, manifest.options)) {
    return Error(InferenceError::kBadModel,
                 "the graph is not a line recogniser: FP32 [1, 3, height, any] in, "
                 "FP32 [1, steps, classes] out");
  }
  auto model =
      std::make_unique<OcrLineModel>(manifest.options, std::move(charset), std::move(engine));
  const auto tried = model->try_out();
  if (!tried) {
    return Error(InferenceError::kBadModel,
                 "the graph cannot read a blank picture (" + std::string(tried.error().id()) + ")");
  }
  return std::unique_ptr<Model>(std::move(model));
}

}  // namespace ensconce
