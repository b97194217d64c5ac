#pragma once

#include <memory>

#include "ensconce/inference/model.h"
#include "manifest.h"

namespace ensconce {

// Each returns the model of one task around its loaded graph; InferenceError::kBadModel when graph
// and files do not fit the task.
Result<std::unique_ptr<Model>> make_tensor_model(std::unique_ptr<Engine> engine);
Result<std::unique_ptr<Model>> make_ocr_line_model(const OcrLineManifest& manifest,
                                                   const ModelFiles& files,
                                                   std::unique_ptr<Engine> engine);
struct OcrPageGraphs {
  std::unique_ptr<Engine> detector;
  std::unique_ptr<Engine> orientation;
  std::unique_ptr<Engine> recogniser;
};
Result<std::unique_ptr<Model>> make_ocr_page_model(const OcrPageManifest& manifest,
                                                   const ModelFiles& files, OcrPageGraphs graphs);
Result<std::unique_ptr<Model>> make_sentence_labels_model(const SentenceLabelsManifest& manifest,
                                                          const ModelFiles& files,
                                                          std::unique_ptr<Engine> engine);

// require_file finds a file that model.toml names; none is InferenceError::kBadModel.
Result<ByteView> require_file(const ModelFiles& files, const std::string& name);

}  // namespace ensconce
