#include "ensconce/sim/launch.h"

#include <algorithm>

#include "ensconce/codec/cbor.h"

namespace ensconce {

namespace {
cbor::Value file_item(const MeasuredFile& file) {
  return cbor::Array{as_bytes(file.path), file.sha256};
}
}  // namespace

Bytes encode_launch_manifest(const LaunchManifest& manifest) {
  std::vector<MeasuredFile> libraries = manifest.libraries;
  std::sort(libraries.begin(), libraries.end(),
            [](const MeasuredFile& a, const MeasuredFile& b) { return a.path < b.path; });
  cbor::Array library_items;
  for (const MeasuredFile& library : libraries) {
    library_items.push_back(file_item(library));
  }
  cbor::Array configuration;
  for (const MeasuredFile& file : manifest.configuration) {
    configuration.push_back(file_item(file));
  }
  // Arguments and environment are bytes to the kernel, not text.
  cbor::Array argv;
  for (const std::string& argument : manifest.argv) {
    argv.emplace_back(as_bytes(argument));
  }
  cbor::Array environment;
  for (const auto& [name, value] : manifest.environment) {
    environment.emplace_back(cbor::Array{as_bytes(name), as_bytes(value)});
  }
  return cbor::encode(cbor::Map{{"format", "ensconce-sim-launch/1"},
                                {"executable", file_item(manifest.executable)},
                                {"libraries", std::move(library_items)},
                                {"configuration", std::move(configuration)},
                                {"argv", std::move(argv)},
                                {"environment", std::move(environment)}});
}

ByteArray<48> launch_measurement(const LaunchManifest& manifest) {
  return sha384(encode_launch_manifest(manifest));
}

ByteArray<32> launch_digest(const LaunchManifest& manifest) {
  return sha256(encode_launch_manifest(manifest));
}

}  // namespace ensconce
