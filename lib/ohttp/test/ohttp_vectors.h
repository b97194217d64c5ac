#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "ensconce/base/file.h"
#include "ensconce/codec/json.h"

// Vectors of tests/vectors, and of the folder beside the checkout or in ENSCONCE_VECTORS.
namespace ensconce::testing {

namespace fs = std::filesystem;

inline fs::path source_dir() {
  const char* source = std::getenv("ENSCONCE_SOURCE_DIR");  // NOLINT(concurrency-mt-unsafe)
  return source == nullptr ? "." : source;
}
inline json::Value document(const fs::path& path) {
  constexpr std::size_t kMaxVectorFile = std::size_t{4} * 1024 * 1024;
  return json::parse(as_text(read_file(path, kMaxVectorFile).value())).value();
}
inline json::Value committed(std::string_view name) {
  return document(source_dir() / "tests" / "vectors" / name);
}

inline Bytes hex(std::string_view text) { return from_hex(text).value(); }
inline std::string text(const json::Value& object, std::string_view name) {
  return object.find(name)->as_text(name).value();
}
inline Bytes hex(const json::Value& object, std::string_view name) {
  return hex(text(object, name));
}
inline std::uint64_t number(const json::Value& object, std::string_view name) {
  return object.find(name)->as_uint(name).value();
}
inline const json::Array& list(const json::Value& object, std::string_view name) {
  return *object.find(name)->as_array(name).value();
}

// RealVectors skips, aloud, where there are none but the committed ones.
class RealVectors : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* given = std::getenv("ENSCONCE_VECTORS");  // NOLINT(concurrency-mt-unsafe)
    root_ = given != nullptr ? fs::path(given) : source_dir() / ".." / "shared" / "vectors";
    if (!fs::is_directory(root_)) {
      GTEST_SKIP() << "no vectors: set ENSCONCE_VECTORS to their folder";
    }
  }
  [[nodiscard]] json::Value real(std::string_view name) const { return document(root_ / name); }
  fs::path root_;
};

}  // namespace ensconce::testing
