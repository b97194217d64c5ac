// bench_load: how long a model takes to be ready, and how much memory at most. One load a process,
// so that the peak is that load's; bench/run starts it many times and takes turns.
//
//   bench_load seal DIRECTORY BUNDLE          seals with keys of the moment: {"key":…,"owner":…}
//   bench_load sealed BUNDLE KEY OWNER        opens the bundle as a worker does, and loads
//   bench_load plain DIRECTORY                reads the files into memory, and loads
//   bench_load engine-path DIRECTORY          ONNX Runtime by itself, from model.onnx's path
//   bench_load engine-memory DIRECTORY        ONNX Runtime by itself, from model.onnx in memory
//
// The last four print {"ms":…,"peak_mib":…,"left_mib":…}: until an inference may run, the most that
// was resident beyond what was before, and what stays.

#include <onnxruntime_cxx_api.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../model_files.h"
#include "ensconce/base/file.h"
#include "ensconce/codec/json.h"
#include "ensconce/inference/onnxruntime.h"
#include "ensconce/sealed_model/seal.h"
#include "ensconce/server/bundle_files.h"

namespace ensconce::bench {
namespace {

namespace fs = std::filesystem;

// mib reads a line of /proc/self/status, such as VmHWM.
double mib(const std::string& name) {
  std::ifstream status("/proc/self/status");
  std::string word;
  double kib = 0;
  while (status >> word) {
    if (word == name + ":") {
      status >> kib;
      break;
    }
  }
  return kib / 1024;
}

// reset_peak makes VmHWM begin anew (proc(5), clear_refs).
void reset_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

Result<void> timed(const std::function<Result<void>()>& load) {
  reset_peak();
  const double before = mib("VmRSS");
  const auto start = std::chrono::steady_clock::now();
  ENSC_TRY(load());
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  std::puts(json::write(json::Object{{"ms", took.count()},
                                     {"peak_mib", mib("VmHWM") - before},
                                     {"left_mib", mib("VmRSS") - before}})
                .c_str());
  return ok();
}

Result<void> seal(const fs::path& folder, const fs::path& bundle) {
  SystemRandom random;
  const Ed25519PrivateKey owner = Ed25519PrivateKey::generate(random);
  ENSC_TRY_ASSIGN(const SealedResult sealed,
                  seal_directory(folder, bundle, owner, {.name = "bench"}, random));
  std::puts(json::write(json::Object{{"key", to_hex(sealed.content_key.expose())},
                                     {"owner", to_hex(owner.public_key().bytes)}})
                .c_str());
  return ok();
}

Result<void> sealed(const fs::path& bundle, const std::string& key_hex,
                    const std::string& owner_hex) {
  ENSC_TRY_ASSIGN(const Bytes key_bytes, from_hex(key_hex));
  ENSC_TRY_ASSIGN(ContentKey key, ContentKey::from(key_bytes));
  ENSC_TRY_ASSIGN(const Bytes owner_bytes, from_hex(owner_hex));
  Ed25519PublicKey owner;
  ENSC_TRY_ASSIGN(owner.bytes, to_array<32>(owner_bytes));
  HeldKeySource keys(std::move(key));
  ENSC_TRY_ASSIGN(const auto engines, make_onnxruntime());
  std::unique_ptr<Model> model;
  return timed([&]() -> Result<void> {
    ENSC_TRY_ASSIGN(OpeningBundle opening,
                    start_opening_bundle(bundle, keys, {.accepted_owners = {owner}}));
    ENSC_TRY_ASSIGN(model, load_model(BundleFiles(opening), *engines, {}));
    ENSC_TRY(std::move(opening).finish());
    return ok();
  });
}

Result<void> plain(const fs::path& folder) {
  ENSC_TRY_ASSIGN(const auto engines, make_onnxruntime());
  std::unique_ptr<Model> model;
  return timed([&]() -> Result<void> {
    ENSC_TRY_ASSIGN(model, load_directory(folder, *engines, {}));
    return ok();
  });
}

// The engine with the one setting that bears on fairness: threads.
Result<void> engine(const fs::path& graph, bool from_memory) {
  const Ort::Env env(ORT_LOGGING_LEVEL_ERROR, "bench");
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(1);
  std::unique_ptr<Ort::Session> session;
  return timed([&]() -> Result<void> {
    if (!from_memory) {
      session = std::make_unique<Ort::Session>(env, graph.c_str(), options);
      return ok();
    }
    ENSC_TRY_ASSIGN(const Bytes bytes, read_file(graph, std::size_t{1} << 31));
    session = std::make_unique<Ort::Session>(env, bytes.data(), bytes.size(), options);
    return ok();
  });
}

Result<void> run(const std::vector<std::string>& words) {
  if (words.size() == 3 && words[0] == "seal") {
    return seal(words[1], words[2]);
  }
  if (words.size() == 4 && words[0] == "sealed") {
    return sealed(words[1], words[2], words[3]);
  }
  if (words.size() == 2 && words[0] == "plain") {
    return plain(words[1]);
  }
  if (words.size() == 2 && (words[0] == "engine-path" || words[0] == "engine-memory")) {
    return engine(fs::path(words[1]) / "model.onnx", words[0] == "engine-memory");
  }
  return Error(BaseError::kInvalidArgument, "see the head of bench/load/load.cc");
}

}  // namespace
}  // namespace ensconce::bench

int main(int argc, char** argv) {
  try {
    const auto done = ensconce::bench::run({argv + 1, argv + argc});
    if (!done) {
      std::fprintf(stderr, "bench_load: %s\n", done.error().to_string().c_str());
      return ensconce::exit_code_of(done.error().stage());
    }
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench_load: %s\n", e.what());
    return 1;
  }
}
