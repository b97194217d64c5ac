#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ensconce/inference/engine.h"

namespace ensconce {

// ModelFiles is a model directory held in memory. What find returns is borrowed for the load alone:
// afterwards the bytes may be wiped.
class ModelFiles {
 public:
  ModelFiles() = default;
  virtual ~ModelFiles() = default;
  ModelFiles(const ModelFiles&) = delete;
  ModelFiles& operator=(const ModelFiles&) = delete;
  // find returns a file by its path in the directory; any error means that there is none.
  [[nodiscard]] virtual Result<ByteView> find(std::string_view name) const = 0;
  // let_go says that nothing before `offset` of a file will be read again. Any thread may call it.
  virtual void let_go(std::string_view name, std::size_t offset) const = 0;
};

// MemoryFiles borrows its files from whoever added them.
class MemoryFiles final : public ModelFiles {
 public:
  void add(std::string name, ByteView content) { files_[std::move(name)] = content; }
  [[nodiscard]] Result<ByteView> find(std::string_view name) const override;
  void let_go(std::string_view /*name*/, std::size_t /*offset*/) const override {}

 private:
  ExternalFiles files_;
};

// Model is what is served: raw bytes in, result out. infer may be called from several threads at
// once.
class Model {
 public:
  Model() = default;
  virtual ~Model() = default;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  // task is "ocr-line", "ocr-page", "sentence-labels" or "tensor".
  [[nodiscard]] virtual const std::string& task() const = 0;
  // inputs lists all that can be given. A request gives each of them, but for "ocr-page": there one
  // of two, the image encoded or its pixels.
  [[nodiscard]] virtual const std::vector<TensorSpec>& inputs() const = 0;
  // outputs lists all that can be asked for.
  [[nodiscard]] virtual const std::vector<TensorSpec>& outputs() const = 0;
  // infer answers with the outputs requested, in that order. None requested means the task's usual
  // ones: all but "probabilities", "embedding" and "tokens". Errors: check_inputs, check_wanted,
  // InferenceError::kBadImage, kBadText, kTooLarge, kEngine.
  virtual Result<std::vector<Tensor>> infer(std::vector<Tensor> inputs,
                                            std::span<const std::string> requested) const = 0;
};

// load_model reads model.toml ("ensconce-model/1") and the files that it names, and loads the
// graph. Everything wrong with them is InferenceError::kBadModel, but for a graph that wants files
// from elsewhere: kForeignExternalData.
Result<std::unique_ptr<Model>> load_model(const ModelFiles& files, EngineFactory& engines,
                                          const EngineOptions& options);

}  // namespace ensconce
