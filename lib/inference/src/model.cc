#include "ensconce/inference/model.h"

#include "ensconce/inference/onnx_graph.h"
#include "tasks.h"

namespace ensconce {

namespace {

class TensorModel final : public Model {
 public:
  explicit TensorModel(std::unique_ptr<Engine> engine) : engine_(std::move(engine)) {}

  [[nodiscard]] const std::string& task() const override { return task_; }
  [[nodiscard]] const std::vector<TensorSpec>& inputs() const override { return engine_->inputs(); }
  [[nodiscard]] const std::vector<TensorSpec>& outputs() const override {
    return engine_->outputs();
  }
  Result<std::vector<Tensor>> infer(std::vector<Tensor> inputs,
                                    std::span<const std::string> requested) const override {
    return engine_->run(inputs, requested);
  }

 private:
  std::string task_ = "tensor";
  std::unique_ptr<Engine> engine_;
};

Result<std::unique_ptr<Engine>> load_graph(const ModelFiles& files, const std::string& name,
                                           EngineFactory& engines, const EngineOptions& options) {
  ENSC_TRY_ASSIGN(const ByteView graph, require_file(files, name));
  ENSC_TRY_ASSIGN(const std::vector<ExternalData> external, external_data_of(graph));
  ExternalFiles external_files;
  for (const ExternalData& data : external) {
    const auto found = files.find(data.file);
    if (found) {  // what is not there is the engine's to refuse
      external_files[data.file] = *found;
    }
  }
  // A graph that names its own file as its weights is read to the end first.
  return engines.load(
      graph, external_files, options,
      external_files.contains(name) ? ReadUpTo()
                                    : [&](std::size_t offset) { files.let_go(name, offset); });
}

}  // namespace

Result<ByteView> MemoryFiles::find(std::string_view name) const {
  const auto found = files_.find(name);
  if (found == files_.end()) {
    return Error(InferenceError::kBadModel, "no such file");
  }
  return found->second;
}

Result<ByteView> require_file(const ModelFiles& files, const std::string& name) {
  auto found = files.find(name);
  if (!found) {
    return Error(InferenceError::kBadModel, "the model has no file \"" + name + "\"");
  }
  return *found;
}

Result<std::unique_ptr<Model>> make_tensor_model(std::unique_ptr<Engine> engine) {
  return std::make_unique<TensorModel>(std::move(engine));
}

Result<std::unique_ptr<Model>> load_model(const ModelFiles& files, EngineFactory& engines,
                                          const EngineOptions& options) {
  ENSC_TRY_ASSIGN(const ByteView file, require_file(files, "model.toml"));
  ENSC_TRY_ASSIGN(const Manifest manifest, parse_manifest(file));
  ENSC_TRY_ASSIGN(std::unique_ptr<Engine> engine,
                  load_graph(files, manifest.graph, engines, options));
  if (const auto* ocr_line = std::get_if<OcrLineManifest>(&manifest.settings)) {
    return make_ocr_line_model(*ocr_line, files, std::move(engine));
  }
  if (const auto* page = std::get_if<OcrPageManifest>(&manifest.settings)) {
    OcrPageGraphs graphs;
    graphs.detector = std::move(engine);
    ENSC_TRY_ASSIGN(graphs.orientation, load_graph(files, page->orientation, engines, options));
    ENSC_TRY_ASSIGN(graphs.recogniser, load_graph(files, page->recogniser, engines, options));
    return make_ocr_page_model(*page, files, std::move(graphs));
  }
  if (const auto* labels = std::get_if<SentenceLabelsManifest>(&manifest.settings)) {
    return make_sentence_labels_model(*labels, files, std::move(engine));
  }
  return make_tensor_model(std::move(engine));
}

}  // namespace ensconce
