#pragma once

#include <map>
#include <string>
#include <vector>

#include "ensconce/crypto/hash.h"

namespace ensconce {

// MeasuredFile is one file of a launch by its name inside the private directory ("bin/…", "lib/…",
// "etc/…").
struct MeasuredFile {
  std::string path;
  Sha256Digest sha256{};
  friend bool operator==(const MeasuredFile&, const MeasuredFile&) = default;
};

// LaunchManifest is everything that makes a simulated launch what it is. Names in it are relative
// to the private directory, so that the same program gives the same measurement in every run.
struct LaunchManifest {
  MeasuredFile executable;
  std::vector<MeasuredFile> libraries;      // the loader and all it loads, any order
  std::vector<MeasuredFile> configuration;  // files that arguments name, in order
  std::vector<std::string> argv;            // as the program sees it
  std::map<std::string, std::string> environment;
};

// encode_launch_manifest writes the deterministic CBOR of docs/simulator.md, "Measurement".
Bytes encode_launch_manifest(const LaunchManifest& manifest);
// launch_measurement is SHA-384 over it: MEASUREMENT of an SNP report, MRTD.
ByteArray<48> launch_measurement(const LaunchManifest& manifest);
// launch_digest is SHA-256 over it: MRENCLAVE, and what a vTPM's PCR is extended with.
ByteArray<32> launch_digest(const LaunchManifest& manifest);

}  // namespace ensconce
