#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "ensconce/codec/json.h"

// Files made by real machines, which are not part of this repository: ENSCONCE_VECTORS names their
// folder, or it lies beside the checkout.
namespace ensconce::vector_files {

std::filesystem::path root();

// What cannot be read fails the test and is empty.
Bytes file(const std::filesystem::path& path);
json::Value json_file(const std::filesystem::path& path);
std::string text(const json::Value& object, std::string_view name);  // "" when absent

// changed applies a list of changes: xor or set at an offset, truncate, append.
Bytes changed(Bytes bytes, const json::Value& ops);

}  // namespace ensconce::vector_files
