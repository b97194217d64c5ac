#include <algorithm>
#include <string>

#include "../azure_vtpm_evidence.h"
#include "ensconce/crypto/hash.h"
#include "ensconce/crypto/x509.h"
#include "ensconce/sim/vtpm_file.h"
#include "tpm_commands.h"

namespace ensconce {

namespace {

// swtpm has no larger index. An Azure VM's has 2600 bytes today, zeros behind the report.
constexpr std::uint16_t kIndexLen = 2048;
constexpr int kRsaBits = 2048;
constexpr ByteArray<3> kExponent = {0x01, 0x00, 0x01};
constexpr std::uint64_t kSnpDebugBit = std::uint64_t{1} << 19U;

std::string vm_id(Random& random) {
  std::string hex = to_hex(random.array<16>());
  std::transform(hex.begin(), hex.end(), hex.begin(),
                 [](char c) { return c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c; });
  for (const std::size_t at : {8U, 13U, 18U, 23U}) {
    hex.insert(at, "-");
  }
  return hex;
}

// attestation_key makes one and leaves it at a persistent handle. Returns its modulus.
Result<Bytes> attestation_key(Swtpm& vtpm, std::uint8_t number, std::uint32_t handle) {
  ENSC_TRY_ASSIGN(const Bytes response, vtpm.require(tpm::create_attestation_key(number)));
  ENSC_TRY_ASSIGN(tpm::CreatedKey key, tpm::parse_created_key(response));
  ENSC_TRY(vtpm.require(tpm::make_persistent(key.handle, handle)));
  ENSC_TRY(vtpm.require(tpm::flush(key.handle)));
  return std::move(key.modulus);
}

Bytes hcl_report(const SnpPki& pki, ByteView ak_modulus, const FaultScript& faults,
                 Random& random) {
  HclReport hcl;
  // The report of another VM of the same host names that VM's key.
  const Bytes modulus = faults.of_run(Fault::kOtherVm) ? RsaPrivateKey::generate(kRsaBits).modulus()
                                                       : to_bytes(ak_modulus);
  hcl.runtime_data = azure_runtime_data(modulus, kExponent, vm_id(random));
  SnpReport report = pki.report_template();
  report.measurement = azure_paravisor_measurement();
  report.report_id = random.array<32>();
  report.report_data = runtime_digest(hcl.runtime_data);
  report.vmpl = faults.of_run(Fault::kPrivilegeLevel) ? 1 : 0;
  if (faults.of_run(Fault::kDebug)) {
    report.policy |= kSnpDebugBit;
  }
  hcl.hardware_report = pki.sign_report(report);
  return write_hcl_report(hcl);
}

}  // namespace

ByteArray<48> azure_paravisor_measurement() { return sha384(as_bytes("ensconce-sim paravisor/1")); }

ByteArray<32> azure_launch_pcr(const ByteArray<32>& launch_digest) {
  return sha256(concat({ByteArray<32>{}, launch_digest}));
}

Result<void> furnish_vtpm(Swtpm& vtpm, const SnpPki& pki, const ByteArray<32>& launch_digest,
                          const FaultScript& faults, Random& random) {
  ENSC_TRY_ASSIGN(const Bytes modulus, attestation_key(vtpm, 1, kAttestationKeyHandle));
  ENSC_TRY(attestation_key(vtpm, 2, kOtherKeyHandle));
  Bytes content = hcl_report(pki, modulus, faults, random);
  if (content.size() > kIndexLen) {
    return Error(SimError::kVtpm, "an HCL report of " + std::to_string(content.size()) +
                                      " bytes does not fit into an index of swtpm");
  }
  content.resize(kIndexLen);
  ENSC_TRY(vtpm.require(tpm::nv_define(kHclReportIndex, kIndexLen)));
  for (std::size_t at = 0; at < content.size(); at += tpm::kMaxNvChunk) {
    const ByteView rest = ByteView(content).subspan(at);
    ENSC_TRY(vtpm.require(tpm::nv_write(kHclReportIndex, static_cast<std::uint16_t>(at),
                                        rest.first(std::min(rest.size(), tpm::kMaxNvChunk)))));
  }
  ENSC_TRY(vtpm.require(tpm::pcr_extend(kLaunchPcr, launch_digest)));
  return ok();
}

}  // namespace ensconce
