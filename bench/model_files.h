#pragma once

#include <filesystem>
#include <memory>

#include "ensconce/inference/model.h"

namespace ensconce::bench {

// load_directory reads a model directory into memory and loads it, unprotected.
Result<std::unique_ptr<Model>> load_directory(const std::filesystem::path& folder,
                                              EngineFactory& engines, const EngineOptions& options);

}  // namespace ensconce::bench
