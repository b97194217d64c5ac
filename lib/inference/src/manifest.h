#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "ensconce/base/bytes.h"
#include "ensconce/inference/ocr_line.h"

namespace ensconce {

struct OcrLineManifest {
  std::string charset;
  OcrLineOptions options;
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
  std::string graph;
  std::variant<TensorManifest, OcrLineManifest, SentenceLabelsManifest> settings;
};

// parse_manifest reads model.toml. Every key must be there, and no other: else
// InferenceError::kBadModel, naming the key.
Result<Manifest> parse_manifest(ByteView file);

}  // namespace ensconce
