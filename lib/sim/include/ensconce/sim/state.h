#pragma once

#include <filesystem>
#include <memory>

#include "ensconce/base/clock.h"
#include "ensconce/base/file.h"
#include "ensconce/base/random.h"
#include "ensconce/base/result.h"
#include "ensconce/sim/error.h"
#include "ensconce/sim/intel_pki.h"
#include "ensconce/sim/sgx_signer.h"
#include "ensconce/sim/snp_pki.h"

namespace ensconce {

// SimulatorState is a directory (0700) with the PKI of both simulated vendors and the private
// directories of the runs that live.
class SimulatorState {
 public:
  // init makes what is not there yet; it returns false when all was. SimError::kState when `dir` is
  // open to others.
  static Result<bool> init(const std::filesystem::path& dir, Random& random, const Clock& clock);
  static Result<SimulatorState> open(const std::filesystem::path& dir);

  [[nodiscard]] const SnpPki& pki() const { return *pki_; }
  // intel is the Intel platform and the signer of its enclaves. SimError::kState in a directory
  // from before there was one: init adds it.
  struct Intel {
    IntelPki pki;
    SgxSigner signer;
  };
  [[nodiscard]] Result<const Intel*> intel() const;
  [[nodiscard]] const std::filesystem::path& dir() const { return dir_; }

 private:
  SimulatorState(std::filesystem::path dir, std::unique_ptr<SnpPki> pki,
                 std::unique_ptr<Intel> intel)
      : dir_(std::move(dir)), pki_(std::move(pki)), intel_(std::move(intel)) {}
  std::filesystem::path dir_;
  std::unique_ptr<SnpPki> pki_;
  std::unique_ptr<Intel> intel_;
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

}  // namespace ensconce
