#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "ensconce/base/clock.h"
#include "ensconce/base/file.h"
#include "ensconce/base/random.h"
#include "ensconce/sim/snp_pki.h"
#include "ensconce/sim/stage.h"

namespace ensconce {

enum class TransportChoice : std::uint8_t { kAuto, kFuse, kPipes };

// SimulatorState is a directory (0700) with the simulated vendor's PKI and the private directories
// of the runs that live.
class SimulatorState {
 public:
  // init makes the PKI; it returns false when there was one. SimError::kState when `dir` is open to
  // others.
  static Result<bool> init(const std::filesystem::path& dir, Random& random, const Clock& clock);
  static Result<SimulatorState> open(const std::filesystem::path& dir);

  [[nodiscard]] const SnpPki& pki() const { return *pki_; }
  [[nodiscard]] const std::filesystem::path& dir() const { return dir_; }

 private:
  SimulatorState(std::filesystem::path dir, std::unique_ptr<SnpPki> pki)
      : dir_(std::move(dir)), pki_(std::move(pki)) {}
  std::filesystem::path dir_;
  std::unique_ptr<SnpPki> pki_;
};

// RunDirectory is the private directory of one run, `<state>/run/<random>`: mode 0700, held by a
// lock for as long as its owner lives, removed when it goes. Making one first removes what runs
// that were killed left behind.
class RunDirectory {
 public:
  static Result<RunDirectory> create(const SimulatorState& state, Random& random);
  ~RunDirectory();
  RunDirectory(RunDirectory&&) noexcept = default;
  RunDirectory& operator=(RunDirectory&&) noexcept = delete;
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  // keep leaves the directory in place.
  void keep() { keep_ = true; }

 private:
  RunDirectory(std::filesystem::path path, std::filesystem::path lock_path, Fd lock)
      : path_(std::move(path)), lock_path_(std::move(lock_path)), lock_(std::move(lock)) {}
  std::filesystem::path path_;
  std::filesystem::path lock_path_;
  Fd lock_;
  bool keep_ = false;
};

struct RunOptions {
  LaunchRequest launch;
  TransportChoice transport = TransportChoice::kAuto;
  bool keep = false;
};

// measure_launch stages, measures and removes: the measurement `run_launch` would have.
Result<StagedLaunch> measure_launch(const SimulatorState& state, const LaunchRequest& request,
                                    Random& random);

// run_launch stages, measures and starts a program, plays its secure processor while it runs,
// forwards SIGTERM, SIGINT and SIGHUP to it, and returns its exit code (128 + n for signal n). Call
// from the main thread before others exist: it blocks signals, and the program dies with this
// thread.
Result<int> run_launch(const SimulatorState& state, const RunOptions& options, const Clock& clock,
                       Random& random);

}  // namespace ensconce
