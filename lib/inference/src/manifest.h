#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "ensconce/base/bytes.h"
#include "ensconce/inference/ocr_line.h"
#include "ensconce/inference/ocr_page.h"

namespace ensconce {

struct OcrLineManifest {
  std::string charset;
  OcrLineOptions options;
};

struct OcrPageManifest {
  std::string orientation;
  std::string recogniser;
  std::string charset;
  OcrPageOptions options;
};

struct SentenceLabelsManifest {
  std::string vocabulary;
  std::string examples;
  std::size_t max_tokens = 0;
};

struct TensorManifest {};

// Manifest is what model.toml says ("ensconce-model/1").
struct Manifest {
  std::string task;
  std::string graph;  // of ocr-page: the detector
  std::variant<TensorManifest, OcrLineManifest, OcrPageManifest, SentenceLabelsManifest> settings;
};

// parse_manifest reads model.toml. Every key must be there, and no other: else
// InferenceError::kBadModel, naming the key.
Result<Manifest> parse_manifest(ByteView file);

}  // namespace ensconce
