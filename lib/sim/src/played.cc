#include "played.h"

#include "ensconce/sim/tsm_files.h"
#include "ensconce/sim/vtpm_file.h"

namespace ensconce {

namespace {

struct EndorsementFile {
  const char* name;
  Bytes content;
};

// The names are for people: what a file is, its content tells.
const char* intel_file_name(const EndorsementItem& item, std::size_t num_lists) {
  if (item.type == kCertificateType) {
    return "tcb-signing.der";
  }
  if (item.type == kTcbInfoType) {
    return "tcb-info.json";
  }
  if (item.type == kQeIdentityType) {
    return "qe-identity.json";
  }
  return num_lists == 0 ? "pck-crl.der" : "root-ca-crl.der";
}

std::vector<EndorsementFile> intel_files(const IntelPki& pki, bool tdx, Instant now) {
  std::vector<EndorsementFile> files;
  std::size_t num_lists = 0;
  for (EndorsementItem& item : pki.endorsements(tdx, now)) {
    files.push_back({intel_file_name(item, num_lists), {}});
    num_lists += item.type == kCrlType ? 1 : 0;
    files.back().content = std::move(item.data);
  }
  return files;
}

std::vector<EndorsementFile> snp_files(const SnpPki& pki, Instant now) {
  return {{"vcek.der", pki.vek().der()},
          {"ask.der", pki.ask().der()},
          {"ark.der", pki.ark().der()},
          {"crl.der", pki.crl_der(now)}};
}

}  // namespace

Result<void> write_endorsements(const SimulatorState& state, Platform platform, Instant now,
                                const std::filesystem::path& dir) {
  std::vector<EndorsementFile> files;
  if (platform == Platform::kTdx || platform == Platform::kSgx) {
    ENSC_TRY_ASSIGN(const SimulatorState::Intel* intel, state.intel());
    files = intel_files(intel->pki, platform == Platform::kTdx, now);
  } else {
    files = snp_files(state.pki(), now);
  }
  for (const EndorsementFile& file : files) {
    ENSC_TRY(write_file_atomically(dir / file.name, file.content, 0400));
  }
  return ok();
}

Result<std::unique_ptr<Played>> play(const SimulatorState& state, const RunOptions& options,
                                     const StagedLaunch& launch, const ProcessGate& gate,
                                     const Clock& clock, Random& random) {
  auto played = std::make_unique<Played>();
  const FaultScript faults(options.faults);  // whose turn it is each device counts for itself
  switch (options.launch.platform) {
    case Platform::kSnp:
      played->processor =
          std::make_unique<SimulatedChip>(state.pki(), launch.measurement, clock, random);
      break;
    case Platform::kTdx: {
      ENSC_TRY_ASSIGN(const SimulatorState::Intel* intel, state.intel());
      played->processor = std::make_unique<SimulatedTrustDomain>(intel->pki, launch.measurement);
      break;
    }
    case Platform::kSgx: {
      ENSC_TRY_ASSIGN(const SimulatorState::Intel* intel, state.intel());
      played->enclave =
          std::make_unique<SimulatedEnclave>(intel->pki, launch.digest, intel->signer.mr_signer());
      played->files = std::make_unique<GramineTree>(*played->enclave, gate, faults);
      break;
    }
    case Platform::kAzure:
      ENSC_TRY_ASSIGN(played->vtpm, Swtpm::start(launch.root / kVtpmState));
      ENSC_TRY(furnish_vtpm(*played->vtpm, state.pki(), launch.digest, faults, random));
      played->files = std::make_unique<VtpmFile>(*played->vtpm, gate, faults);
      break;
  }
  if (played->processor != nullptr) {
    played->tsm = std::make_unique<TsmDevice>(*played->processor, gate, faults);
    played->files = std::make_unique<TsmFiles>(*played->tsm);
  }
  return played;
}

}  // namespace ensconce
