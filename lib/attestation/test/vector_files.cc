#include "vector_files.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "ensconce/base/file.h"

namespace ensconce::vector_files {

namespace fs = std::filesystem;

fs::path root() {
  if (const char* dir = std::getenv("ENSCONCE_VECTORS")) {
    return dir;
  }
  const char* source = std::getenv("ENSCONCE_SOURCE_DIR");
  return fs::path(source == nullptr ? "." : source) / ".." / "shared" / "vectors";
}

Bytes file(const fs::path& path) {
  auto bytes = read_file(path);
  if (!bytes) {
    ADD_FAILURE() << bytes.error().to_string();
    return {};
  }
  return *bytes;
}

json::Value json_file(const fs::path& path) { return json::parse(as_text(file(path))).value(); }

std::string text(const json::Value& object, std::string_view name) {
  const json::Value* value = object.find(name);
  return value == nullptr ? std::string() : value->as_text(name).value();
}

Bytes changed(Bytes bytes, const json::Value& ops) {
  for (const json::Value& op : **ops.as_array("ops")) {
    if (const json::Value* len = op.find("truncate")) {
      bytes.resize(len->as_uint("truncate").value());
      continue;
    }
    if (op.find("append") != nullptr) {
      const Bytes more = from_hex(text(op, "append")).value();
      bytes.insert(bytes.end(), more.begin(), more.end());
      continue;
    }
    const std::size_t offset = op.find("offset")->as_uint("offset").value();
    if (const json::Value* mask = op.find("xor")) {
      bytes.at(offset) ^= static_cast<std::uint8_t>(mask->as_uint("xor").value());
    } else {
      const Bytes set = from_hex(text(op, "set")).value();
      std::copy(set.begin(), set.end(), bytes.begin() + static_cast<std::ptrdiff_t>(offset));
    }
  }
  return bytes;
}

}  // namespace ensconce::vector_files
