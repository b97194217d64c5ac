#include "ensconce/sim/launch.h"

#include <gtest/gtest.h>

namespace ensconce {
namespace {

LaunchManifest manifest() {
  LaunchManifest m;
  m.executable = {"bin/worker", sha256(as_bytes("exe"))};
  m.libraries = {{"lib/libb.so", sha256(as_bytes("b"))}, {"lib/liba.so", sha256(as_bytes("a"))}};
  m.configuration = {{"etc/0-worker.toml", sha256(as_bytes("config"))}};
  m.argv = {"worker", "--config", "etc/0-worker.toml"};
  m.environment = {{"B", "2"}, {"A", "1"}};
  return m;
}

TEST(LaunchMeasurement, IsTheSameInAnyOrderOfDiscovery) {
  LaunchManifest swapped = manifest();
  std::swap(swapped.libraries[0], swapped.libraries[1]);
  EXPECT_EQ(launch_measurement(manifest()), launch_measurement(swapped));
}

// Pins the form of docs/simulator.md: another encoding is another format name.
TEST(LaunchMeasurement, HasTheDocumentedForm) {
  LaunchManifest m;
  m.executable = {"bin/p", Sha256Digest{}};
  m.argv = {"p"};
  const std::string zeros(64, '0');
  EXPECT_EQ(to_hex(encode_launch_manifest(m)),
            "a6"
            "6461726776"
            "814170"
            "66666f726d6174"
            "75656e73636f6e63652d73696d2d6c61756e63682f31"
            "696c6962726172696573"
            "80"
            "6a65786563757461626c65"
            "8245"
            "62696e2f70"
            "5820" +
                zeros +
                "6b656e7669726f6e6d656e74"
                "80"
                "6d636f6e66696775726174696f6e"
                "80");
}

TEST(LaunchMeasurement, ChangesWithEachThingMeasured) {
  const auto base = launch_measurement(manifest());
  const auto differs = [&](auto change) {
    LaunchManifest m = manifest();
    change(m);
    return launch_measurement(m) != base;
  };
  EXPECT_TRUE(differs([](LaunchManifest& m) { m.executable.sha256[0] ^= 1; }));
  EXPECT_TRUE(differs([](LaunchManifest& m) { m.executable.path += "x"; }));
  EXPECT_TRUE(differs([](LaunchManifest& m) { m.libraries[0].sha256[31] ^= 1; }));
  EXPECT_TRUE(differs([](LaunchManifest& m) { m.libraries[0].path += ".1"; }));
  EXPECT_TRUE(differs([](LaunchManifest& m) { m.libraries.pop_back(); }));
  EXPECT_TRUE(differs([](LaunchManifest& m) { m.configuration[0].sha256[0] ^= 1; }));
  EXPECT_TRUE(differs([](LaunchManifest& m) { m.configuration.clear(); }));
  EXPECT_TRUE(differs([](LaunchManifest& m) { m.argv.emplace_back("--more"); }));
  EXPECT_TRUE(differs([](LaunchManifest& m) { std::swap(m.argv[1], m.argv[2]); }));
  EXPECT_TRUE(differs([](LaunchManifest& m) {
    m.argv = {"worker", "--config etc/0-worker.toml"};
  }));
  EXPECT_TRUE(differs([](LaunchManifest& m) { m.environment["A"] = "2"; }));
  EXPECT_TRUE(differs([](LaunchManifest& m) { m.environment.erase("B"); }));
  EXPECT_TRUE(differs([](LaunchManifest& m) { m.environment["C"] = ""; }));
}

}  // namespace
}  // namespace ensconce
