#include "ensconce/inference/engine.h"

#include <algorithm>

namespace ensconce {

namespace {

// The names in a detail are the specs' own, never the caller's: those may be user data.
Result<void> check_shape(const TensorSpec& spec, const Tensor& tensor) {
  if (spec.shape.size() != tensor.shape().size()) {
    return Error(InferenceError::kWrongShape,
                 "input \"" + spec.name + "\" has " + std::to_string(spec.shape.size()) +
                     " dimensions, got " + std::to_string(tensor.shape().size()));
  }
  for (std::size_t i = 0; i < spec.shape.size(); ++i) {
    const std::int64_t got = tensor.shape()[i];
    if (got == 0 || (spec.shape[i] >= 0 && spec.shape[i] != got)) {
      return Error(InferenceError::kWrongShape, "input \"" + spec.name + "\": dimension " +
                                                    std::to_string(i) + " is " +
                                                    std::to_string(got));
    }
  }
  return ok();
}

}  // namespace

Result<void> check_inputs(std::span<const TensorSpec> specs, std::span<const Tensor> inputs) {
  std::vector<bool> seen(specs.size(), false);
  for (const Tensor& input : inputs) {
    const auto spec = std::find_if(specs.begin(), specs.end(),
                                   [&](const TensorSpec& s) { return s.name == input.name(); });
    if (spec == specs.end()) {
      return Error(InferenceError::kUnknownInput, "the model has no such input");
    }
    const auto index = static_cast<std::size_t>(spec - specs.begin());
    if (seen[index]) {
      return Error(InferenceError::kUnknownInput, "input \"" + spec->name + "\" is given twice");
    }
    seen[index] = true;
    if (spec->type != input.type()) {
      return Error(InferenceError::kWrongType, "input \"" + spec->name + "\" is " +
                                                   std::string(name_of(spec->type)) + ", got " +
                                                   std::string(name_of(input.type())));
    }
    ENSC_TRY(check_shape(*spec, input));
  }
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if (!seen[i]) {
      return Error(InferenceError::kMissingInput, "input \"" + specs[i].name + "\" is missing");
    }
  }
  return ok();
}

Result<void> check_wanted(std::span<const TensorSpec> specs, std::span<const std::string> wanted) {
  std::vector<bool> seen(specs.size(), false);
  for (const std::string& name : wanted) {
    const auto spec = std::find_if(specs.begin(), specs.end(),
                                   [&](const TensorSpec& s) { return s.name == name; });
    if (spec == specs.end()) {
      return Error(InferenceError::kUnknownOutput, "the model has no such output");
    }
    const auto index = static_cast<std::size_t>(spec - specs.begin());
    if (seen[index]) {
      return Error(InferenceError::kUnknownOutput,
                   "output \"" + spec->name + "\" is asked for twice");
    }
    seen[index] = true;
  }
  return ok();
}

}  // namespace ensconce
