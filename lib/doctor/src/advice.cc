#include "ensconce/doctor/advice.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace ensconce {

namespace {

constexpr const char* kTsm = "/sys/kernel/config/tsm/report";
constexpr const char* kSevGuest = "/dev/sev-guest";
constexpr const char* kTdxGuest = "/dev/tdx_guest";
constexpr const char* kTpm = "/dev/tpmrm0";
constexpr const char* kAttestation = "/dev/attestation";
constexpr const char* kAzureTag = "7783-7084-3265-9085-8269-3286-77";  // of every VM of Azure

MachineFacts::Access access_to(const MachineFacts& facts, const char* device) {
  const auto found = facts.devices.find(device);
  return found == facts.devices.end() ? MachineFacts::Access{} : found->second;
}
bool there(const MachineFacts& facts, const char* device) { return access_to(facts, device).there; }
bool usable(const MachineFacts& facts, const char* device) {
  return access_to(facts, device).usable;
}

bool is_on(const MachineFacts& facts, const char* parameter) {
  const auto found = facts.host_parameters.find(parameter);
  return found != facts.host_parameters.end() && (found->second == "Y" || found->second == "1");
}

bool has_attester(const MachineFacts& facts, const char* name) {
  return facts.attesters.contains(name);
}

bool is_azure(const MachineFacts& facts) { return facts.asset_tag == kAzureTag; }
bool is_guest(const MachineFacts& facts) { return facts.flags.contains("hypervisor"); }

// at_least compares "6.12.95+…" with a version.
bool kernel_at_least(const std::string& kernel, int major, int minor) {
  int has_major = 0;
  int has_minor = 0;
  const char* end = kernel.data() + kernel.size();
  const auto [dot, bad] = std::from_chars(kernel.data(), end, has_major);
  if (bad != std::errc() || dot == end || *dot != '.') {
    return false;
  }
  std::from_chars(dot + 1, end, has_minor);
  return std::pair(has_major, has_minor) >= std::pair(major, minor);
}

// Denied is for a device that is there and closed to this process.
void say_denied(PlatformAdvice& out, const char* device) {
  out.missing.push_back({std::string("access to ") + device,
                         "run the worker as a user or group that may open it (packaging's unit "
                         "does), or start this as root to look"});
}

void say_tsm(PlatformAdvice& out, const MachineFacts& facts, const char* driver) {
  if (there(facts, kTsm)) {
    if (usable(facts, kTsm)) {
      out.found.push_back(std::string("configfs-tsm at ") + kTsm);
    } else {
      say_denied(out, kTsm);
    }
    return;
  }
  if (!kernel_at_least(facts.kernel, 6, 7)) {
    out.missing.push_back({"configfs-tsm: Linux 6.7 or later, here " + facts.kernel,
                           "a newer kernel in the guest; Debian 12 has one in its backports"});
  } else if (!facts.configfs) {
    out.missing.push_back({"configfs in this kernel", "CONFIG_CONFIGFS_FS and CONFIG_TSM_REPORTS"});
  } else {
    out.missing.push_back({std::string(kTsm), std::string("modprobe ") + driver +
                                                  "; mount -t configfs none /sys/kernel/config"});
  }
}

PlatformAdvice snp(const MachineFacts& facts) {
  PlatformAdvice out{"snp", "AMD SEV-SNP", Readiness::kNotHere, {}, {}};
  if (is_on(facts, "kvm_amd/parameters/sev_snp")) {
    out.found.emplace_back("this machine can start SEV-SNP guests (kvm_amd, sev_snp)");
    out.missing.push_back({"a guest to run the worker in", "docs/deploy/snp-host.md"});
    return out;
  }
  const bool device = there(facts, kSevGuest);
  const bool tsm = there(facts, kTsm) && facts.processor_vendor == "AuthenticAMD";
  if (!device && !tsm && (facts.processor_vendor != "AuthenticAMD" || is_azure(facts))) {
    out.missing.push_back(
        {"an AMD EPYC of the third generation or later, in a guest that was started as SEV-SNP",
         is_azure(facts) ? "on Azure the paravisor keeps the device: see azure"
                         : "docs/deploy/ has how each provider offers one"});
    return out;
  }
  if (device && usable(facts, kSevGuest)) {
    out.found.emplace_back(kSevGuest);
  } else if (device) {
    say_denied(out, kSevGuest);
  }
  say_tsm(out, facts, "sev-guest");
  const bool ready =
      has_attester(facts, "sev-guest") || (tsm && has_attester(facts, "configfs-tsm"));
  if (ready) {
    out.readiness = Readiness::kReady;
    out.missing.clear();  // one interface is enough
  } else if (device || tsm) {
    out.readiness = Readiness::kNotYet;
  } else {
    out.missing.push_back(
        {"an SEV-SNP guest: this is an AMD machine, and nothing says that its "
         "memory is encrypted and measured",
         is_guest(facts) ? "start the VM as a confidential one; then "
                           "modprobe sev-guest"
                         : "docs/deploy/snp-host.md, for the host"});
  }
  return out;
}

PlatformAdvice tdx(const MachineFacts& facts) {
  PlatformAdvice out{"tdx", "Intel TDX", Readiness::kNotHere, {}, {}};
  if (is_on(facts, "kvm_intel/parameters/tdx")) {
    out.found.emplace_back("this machine can start TDX guests (kvm_intel, tdx)");
    out.missing.push_back({"a guest to run the worker in", "docs/deploy/tdx-host.md"});
    return out;
  }
  const bool guest = facts.flags.contains("tdx_guest") || there(facts, kTdxGuest);
  if (!guest) {
    out.missing.push_back(
        {"a guest that was started as a trust domain, on an Intel Xeon that has "
         "TDX (the processor flag tdx_guest)",
         "docs/deploy/ has how each provider offers one"});
    return out;
  }
  out.found.emplace_back("a trust domain (tdx_guest)");
  say_tsm(out, facts, "tdx-guest");
  out.readiness = has_attester(facts, "configfs-tsm") ? Readiness::kReady : Readiness::kNotYet;
  if (!there(facts, kTsm) && there(facts, kTdxGuest)) {
    out.missing.push_back(
        {"a quote: /dev/tdx_guest alone gives TDREPORTs, which prove nothing to "
         "other machines",
         "configfs-tsm, and a quote generation service on the host"});
  }
  return out;
}

PlatformAdvice sgx(const MachineFacts& facts) {
  PlatformAdvice out{"sgx", "Intel SGX through Gramine", Readiness::kNotHere, {}, {}};
  if (there(facts, kAttestation)) {
    out.found.emplace_back("inside a Gramine enclave (/dev/attestation)");
    out.readiness = Readiness::kReady;
    return out;
  }
  const bool enclaves = there(facts, "/dev/sgx_enclave");
  if (!enclaves && !facts.flags.contains("sgx")) {
    out.missing.push_back(
        {"a processor with SGX (the flag sgx), enabled in its firmware",
         "Intel Xeon of the third generation or later; desktop processors lost SGX in 2021"});
    return out;
  }
  out.readiness = Readiness::kNotYet;  // ready is said inside the enclave
  if (enclaves) {
    out.found.emplace_back("/dev/sgx_enclave");
  } else {
    out.missing.push_back({"/dev/sgx_enclave", "enable SGX in the firmware; Linux 5.11 or later"});
  }
  if (facts.programs.contains("gramine-sgx")) {
    out.found.emplace_back("gramine-sgx");
  } else {
    out.missing.push_back({"gramine-sgx", "install Gramine; then deploy/gramine/README.md"});
  }
  if (there(facts, "/var/run/aesmd/aesm.socket")) {
    out.found.emplace_back("AESM, the service that has quotes made");
  } else {
    out.missing.push_back({"AESM's socket, /var/run/aesmd/aesm.socket",
                           "install Intel's sgx-aesm-service with its quoting plug-in (DCAP)"});
  }
  out.missing.push_back({"the enclave itself: run `ensconce doctor` inside it to see more",
                         "deploy/gramine/README.md"});
  return out;
}

PlatformAdvice azure(const MachineFacts& facts) {
  PlatformAdvice out{"azure", "Azure confidential VM (vTPM)", Readiness::kNotHere, {}, {}};
  if (!is_azure(facts)) {
    out.missing.push_back({"a confidential VM of Azure",
                           "DCasv5, ECasv5 and later series of Azure: docs/deploy/azure.md"});
    return out;
  }
  out.found.emplace_back("a virtual machine of Azure (asset tag)");
  out.readiness = has_attester(facts, "azure-vtpm") ? Readiness::kReady : Readiness::kNotYet;
  if (out.readiness == Readiness::kReady) {
    out.found.emplace_back(std::string(kTpm) + ", with the paravisor's report");
  } else if (usable(facts, kTpm)) {
    out.missing.push_back({"the paravisor's report, NV index 0x01400001 of the TPM",
                           "this is an ordinary VM: create one of security type ConfidentialVM"});
  } else if (there(facts, kTpm)) {
    out.missing.push_back({std::string("access to ") + kTpm, "add the worker's user to group tss"});
  } else {
    out.missing.push_back({kTpm,
                           "modprobe tpm_crb; the VM needs vTPM (it is on for confidential "
                           "VMs)"});
  }
  return out;
}

PlatformAdvice simulated(const MachineFacts& facts) {
  PlatformAdvice out{"simulated",
                     "SIMULATED processor: real formats, protects nothing",
                     Readiness::kNotYet,
                     {},
                     {}};
  if (facts.programs.contains("ensconce-sim")) {
    out.found.emplace_back("ensconce-sim");
    out.readiness = Readiness::kReady;
  } else {
    out.missing.push_back({"ensconce-sim", "package ensconce-sim, or `make demo` in the sources"});
  }
  if (usable(facts, "/dev/fuse") || facts.programs.contains("fusermount3")) {
    out.found.emplace_back("FUSE");
  } else {
    out.missing.push_back({"FUSE, without which it plays SNP alone, by pipes",
                           "package fuse3, and /dev/fuse in containers"});
  }
  if (facts.programs.contains("swtpm")) {
    out.found.emplace_back("swtpm");
  } else {
    out.missing.push_back({"swtpm, without which it cannot play Azure", "package swtpm"});
  }
  return out;
}

}  // namespace

std::string_view name_of(Readiness readiness) {
  switch (readiness) {
    case Readiness::kReady:
      return "ready";
    case Readiness::kNotYet:
      return "not yet";
    case Readiness::kNotHere:
      break;
  }
  return "not here";
}

std::vector<PlatformAdvice> advise(const MachineFacts& facts) {
  return {snp(facts), tdx(facts), sgx(facts), azure(facts), simulated(facts)};
}

std::vector<HygieneFinding> look_at_hygiene(const MachineFacts& facts) {
  std::vector<HygieneFinding> out;
  out.push_back({"swap", facts.swap_kib == 0,
                 facts.swap_kib == 0 ? "none" : std::to_string(facts.swap_kib / 1024) + " MiB",
                 facts.swap_kib == 0 ? "" : "swapoff -a, or MemorySwapMax=0 in the unit"});
  const bool piped = facts.core_pattern.starts_with("|");
  out.push_back({"core dumps", true,
                 piped ? "piped to a program; the worker makes none" : "the worker makes none",
                 ""});
  // As worker and broker count it (docs/sandbox.md): all memory or none, and ports by landlock 4.
  const bool enough = !facts.locked_limit;
  out.push_back({"locked memory", enough,
                 facts.locked_limit ? std::to_string(*facts.locked_limit / 1024) + " KiB allowed"
                                    : "no limit",
                 enough ? "" : "LimitMEMLOCK=infinity in the unit, or ulimit -l"});
  const bool ports = facts.landlock >= 4;
  out.push_back({"landlock", ports,
                 facts.landlock > 0 ? "version " + std::to_string(facts.landlock) : "none",
                 ports                ? ""
                 : facts.landlock > 0 ? "Linux 6.7 or later, to restrict TCP ports as well"
                                      : "a kernel with CONFIG_SECURITY_LANDLOCK and landlock in "
                                        "lsm="});
  out.push_back({"seccomp", facts.seccomp, facts.seccomp ? "there" : "cannot be seen",
                 facts.seccomp ? "" : "a kernel with CONFIG_SECCOMP_FILTER"});
  const bool aes = facts.flags.contains("aes");
  out.push_back({"aes", aes,
                 facts.flags.contains("vaes") ? "AES instructions, and VAES"
                 : aes                        ? "AES instructions"
                                              : "no AES instructions",
                 aes ? "" : "encryption will be slow: show the guest the processor's flags"});
  return out;
}

}  // namespace ensconce
