#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ensconce/inference/tensor.h"

namespace ensconce {

// Engine is one loaded graph. run may be called from several threads at once.
class Engine {
 public:
  Engine() = default;
  virtual ~Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  [[nodiscard]] virtual const std::vector<TensorSpec>& inputs() const = 0;
  [[nodiscard]] virtual const std::vector<TensorSpec>& outputs() const = 0;
  // run computes the outputs named in `wanted`, in that order; none named means all. Inputs are
  // held against the specs before the graph sees them (check_inputs, check_wanted); what fails
  // inside is InferenceError::kEngine without a word of why, because the engine's messages quote
  // the values that it stumbled over.
  virtual Result<std::vector<Tensor>> run(std::span<const Tensor> inputs,
                                          std::span<const std::string> wanted) const = 0;
};

struct EngineOptions {
  int intra_op_threads = 1;  // of one request; several requests at once scale better than this
};

// ExternalFiles are weights kept beside a graph, by the name that the graph calls them.
using ExternalFiles = std::map<std::string, ByteView, std::less<>>;

// ReadUpTo is told how far a graph has been read: nothing before that offset is read again, so its
// owner may let go of it. It is called in order, on some thread, and not after load returned.
using ReadUpTo = std::function<void(std::size_t offset)>;

// EngineFactory loads graphs from memory; nothing it was given is read after load returns. Engines
// and the tensors they return may outlive it.
class EngineFactory {
 public:
  EngineFactory() = default;
  virtual ~EngineFactory() = default;
  EngineFactory(const EngineFactory&) = delete;
  EngineFactory& operator=(const EngineFactory&) = delete;

  // load refuses a graph that names a file not among `files`
  // (InferenceError::kForeignExternalData), and one that the engine does not take (kBadModel).
  // Without `read_up_to` the graph is kept whole until load returns.
  virtual Result<std::unique_ptr<Engine>> load(ByteView graph, const ExternalFiles& files,
                                               const EngineOptions& options,
                                               const ReadUpTo& read_up_to) = 0;
};

// check_inputs holds tensors against specs: InferenceError::kUnknownInput (also one given twice),
// kMissingInput, kWrongType, kWrongShape.
Result<void> check_inputs(std::span<const TensorSpec> specs, std::span<const Tensor> inputs);
// check_wanted holds output names against specs: InferenceError::kUnknownOutput (also one named
// twice).
Result<void> check_wanted(std::span<const TensorSpec> specs, std::span<const std::string> wanted);

}  // namespace ensconce
