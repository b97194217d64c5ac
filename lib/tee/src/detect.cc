#include "ensconce/tee/detect.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "device_error.h"
#include "ensconce/tee/azure_vtpm.h"
#include "ensconce/tee/configfs_tsm.h"
#include "ensconce/tee/endorsed_provider.h"
#include "ensconce/tee/gramine.h"
#include "ensconce/tee/sev_guest.h"
#include "ensconce/tee/watched_provider.h"

namespace ensconce {

namespace {

namespace fs = std::filesystem;

AttesterFinding look(AttesterKind kind, const fs::path& path, std::string remedy) {
  std::error_code error;
  const bool there = fs::exists(path, error);
  if (there) {
    return {kind, true, path.string(), ""};
  }
  const std::string why = error ? error.message() : "not there";
  return {kind, false, path.string() + ": " + why, std::move(remedy)};
}

// The directory is there as soon as the kernel knows configfs-tsm; that a guest driver serves it
// shows when a request is made, which without one is ENXIO. Nothing is read: that could take long.
AttesterFinding look_for_tsm(const fs::path& root) {
  AttesterFinding out = look(AttesterKind::kConfigfsTsm, root / "report",
                             "for SEV-SNP and TDX guests: Linux 6.7 or later, the guest driver "
                             "(modprobe sev-guest, or tdx-guest), configfs mounted");
  if (!out.there) {
    return out;
  }
  const std::unique_ptr<TsmTree> tree = make_tsm_tree(root);
  const int error = tree->make("ensconce-probe-" + std::to_string(getpid()));
  if (error == 0) {
    remove_request(*tree, real_sleeper());
  } else if (internal::is_absent(error)) {
    out.there = false;
    out.found += ": no guest driver serves it";
    out.remedy = "for SEV-SNP and TDX guests: modprobe sev-guest, or tdx-guest";
  }
  return out;  // of any other error the request for evidence tells, by its own code
}

AttesterFinding look_for(AttesterKind kind, const AttesterSettings& settings) {
  switch (kind) {
    case AttesterKind::kGramine:
      return look(kind, settings.gramine_root / "attestation_type",
                  "for SGX: start in an enclave, with gramine-sgx");
    case AttesterKind::kConfigfsTsm:
      return look_for_tsm(settings.tsm_root);
    case AttesterKind::kSevGuest:
      return look(kind, settings.sev_guest,
                  "for SEV-SNP guests of older kernels: modprobe sev-guest");
    case AttesterKind::kAzureVtpm: {
      const Result<void> holds = probe_azure_vtpm(settings.tpm);
      if (holds) {
        return {kind, true, settings.tpm.string(), ""};
      }
      // One that is busy or closed to this process is there: the request for evidence tries again,
      // and tells by its own code.
      const bool there = holds.error().is(TeeError::kBusy) || holds.error().is(TeeError::kDenied);
      return {kind, there, settings.tpm.string() + ": " + holds.error().detail(),
              "for Azure: a confidential VM on AMD, and group tss for this user"};
    }
    case AttesterKind::kAuto:
      break;
  }
  return {kind, false, "", ""};
}

Error none_found(const Detection& detection) {
  std::string detail = "no interface to a secure processor:";
  std::string remedy;
  for (const AttesterFinding& one : detection.findings) {
    detail += " " + std::string(name_of(one.kind)) + " (" + one.found + ");";
    remedy += one.remedy + "; ";
  }
  detail.pop_back();
  return Error(TeeError::kNoDevice, std::move(detail))
      .with_remedy(
          remedy +
          "`ensconce doctor` tells more; on a machine without such a processor: start this "
          "program with ensconce-sim run");
}

std::unique_ptr<EvidenceProvider> make(AttesterKind kind, const AttesterSettings& settings,
                                       const Clock& clock, Random& random) {
  switch (kind) {
    case AttesterKind::kSevGuest:
      return std::make_unique<SevGuestProvider>(settings.sev_guest);
    case AttesterKind::kGramine:
      return std::make_unique<GramineProvider>(settings.gramine_root);
    case AttesterKind::kAzureVtpm:
      return std::make_unique<AzureVtpmProvider>(settings.tpm, settings.endorsements);
    case AttesterKind::kConfigfsTsm:
    case AttesterKind::kAuto:
      break;
  }
  return std::make_unique<ConfigfsTsmProvider>(settings.tsm_root, clock, random);
}

}  // namespace

std::string Detection::why() const {
  std::string out;
  for (const AttesterFinding& one : findings) {
    if (chosen == one.kind) {
      return "attester: " + std::string(name_of(one.kind)) + " at " + one.found +
             (out.empty() ? "" : " (before it, not here: " + out + ")");
    }
    out += (out.empty() ? "" : ", ") + std::string(name_of(one.kind));
  }
  return "attester: none (looked for " + out + ")";
}

Detection detect_attester(const AttesterSettings& settings, DetectionScope scope) {
  Detection out;
  for (const AttesterKind kind : {AttesterKind::kGramine, AttesterKind::kConfigfsTsm,
                                  AttesterKind::kSevGuest, AttesterKind::kAzureVtpm}) {
    if (out.chosen && scope == DetectionScope::kToTheFirst) {
      break;
    }
    out.findings.push_back(look_for(kind, settings));
    if (!out.chosen && out.findings.back().there) {
      out.chosen = kind;
    }
  }
  return out;
}

Result<std::unique_ptr<EvidenceProvider>> make_evidence_provider(
    const AttesterSettings& settings, const Clock& clock, Random& random,
    const std::function<void(const std::string&)>& say) {
  AttesterKind kind = settings.attester;
  if (kind == AttesterKind::kAuto) {
    const Detection detection = detect_attester(settings, DetectionScope::kToTheFirst);
    if (!detection.chosen) {
      return none_found(detection);
    }
    say(detection.why());
    kind = *detection.chosen;
  } else {
    say("attester: " + std::string(name_of(kind)) + ", as the configuration says");
  }
  std::unique_ptr<EvidenceProvider> provider = make(kind, settings, clock, random);
  if (!settings.endorsements.empty() && kind != AttesterKind::kAzureVtpm) {
    provider = std::make_unique<EndorsedProvider>(std::move(provider), settings.endorsements);
  }
  return std::unique_ptr<EvidenceProvider>(std::make_unique<WatchedProvider>(std::move(provider)));
}

}  // namespace ensconce
