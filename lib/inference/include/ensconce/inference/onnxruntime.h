#pragma once

#include <memory>
#include <string>

#include "ensconce/inference/engine.h"

namespace ensconce {

// make_onnxruntime starts ONNX Runtime for one process: its log discarded (it quotes values), its
// telemetry off, all memory of requests wiped when it is given back. It sets and clears variables
// of the process environment, so call it before other threads start. ONNX Runtime keeps one
// environment a process whatever we ask for, so a second factory is refused with
// InferenceError::kEngine while the first, an engine or a tensor made by it still lives.
Result<std::unique_ptr<EngineFactory>> make_onnxruntime();

// onnxruntime_version returns the version of the library that runs: "1.27.0".
std::string onnxruntime_version();

}  // namespace ensconce
