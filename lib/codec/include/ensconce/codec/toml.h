#pragma once

#include <filesystem>
#include <string_view>

#include "ensconce/codec/json.h"

namespace ensconce::toml {

// parse reads a TOML 1.0 document into the same values as JSON: tables are objects, dates are text.
// Errors are CodecError::kBadToml with line and column.
Result<json::Value> parse(std::string_view text, std::string_view source_name);
Result<json::Value> parse_file(const std::filesystem::path& path);

}  // namespace ensconce::toml
