#include "ensconce/sim/azure_vtpm.h"

#include <algorithm>

#include "azure_vtpm_evidence.h"
#include "ensconce/codec/base64.h"
#include "ensconce/codec/json.h"
#include "ensconce/crypto/hash.h"
#include "ensconce/crypto/x509.h"
#include "ensconce/sim/snp_pki.h"

namespace ensconce {
namespace {

constexpr std::size_t kNumPcrs = 24;
constexpr std::uint32_t kAllPcrs = 0xffffff;
constexpr std::size_t kIndexLen = 2600;  // NV index 0x01400001: zeros behind the report
constexpr int kRsaBits = 2048;

json::Object jwk_of(const char* id, const char* operation, ByteView modulus, ByteView exponent) {
  return {{"kid", id},
          {"key_ops", json::Array{operation}},
          {"kty", "RSA"},
          {"e", base64url_encode(exponent)},
          {"n", base64url_encode(modulus)}};
}

json::Object jwk_of(const char* id, const char* operation, const RsaPrivateKey& key) {
  return jwk_of(id, operation, key.modulus(), key.exponent());
}

std::string runtime_claims(json::Array keys, const std::string& vm_unique_id) {
  return json::write(json::Object{
      {"keys", std::move(keys)},
      {"vm-configuration", json::Object{{"console-enabled", true},
                                        {"secure-boot", true},
                                        {"tpm-enabled", true},
                                        {"vmUniqueId", vm_unique_id}}},
      {"user-data", std::string(128, '0')},
  });
}

}  // namespace

ByteArray<64> runtime_digest(const std::string& runtime_data) {
  const Sha256Digest digest = sha256(as_bytes(runtime_data));
  ByteArray<64> out{};
  std::copy(digest.begin(), digest.end(), out.begin());
  return out;
}

std::string azure_runtime_data(ByteView ak_modulus, ByteView ak_exponent,
                               const std::string& vm_unique_id) {
  return runtime_claims(json::Array{jwk_of("HCLAkPub", "sign", ak_modulus, ak_exponent)},
                        vm_unique_id);
}

AzureEvidence azure_evidence(const AzureVtpm& vtpm, const HclReport& report, ByteView extra_data) {
  AzureEvidence out;
  out.hcl_report = write_hcl_report(report);
  out.hcl_report.resize(std::max(out.hcl_report.size(), kIndexLen));
  out.tpm_message = write_tpm_attest(vtpm.attest_template(extra_data));
  out.tpm_signature = vtpm.sign_attest(out.tpm_message);
  out.pcrs = vtpm.pcrs();
  return out;
}

struct AzureVtpm::State {
  RsaPrivateKey attestation_key;
  RsaPrivateKey endorsement_key;
};

AzureVtpm::AzureVtpm(std::unique_ptr<State> state) : state_(std::move(state)) {}
AzureVtpm::~AzureVtpm() = default;
AzureVtpm::AzureVtpm(AzureVtpm&&) noexcept = default;
AzureVtpm& AzureVtpm::operator=(AzureVtpm&&) noexcept = default;

AzureVtpm AzureVtpm::generate() {
  return AzureVtpm(std::make_unique<State>(
      State{RsaPrivateKey::generate(kRsaBits), RsaPrivateKey::generate(kRsaBits)}));
}

std::string AzureVtpm::runtime_data() const {
  return runtime_claims(json::Array{jwk_of("HCLAkPub", "sign", state_->attestation_key),
                                    jwk_of("HCLEkPub", "encrypt", state_->endorsement_key)},
                        "53494D55-4C41-4445-8000-000000000000");
}

std::vector<ByteArray<32>> AzureVtpm::pcrs() const {
  std::vector<ByteArray<32>> out;
  for (std::size_t i = 0; i < kNumPcrs; ++i) {
    out.push_back(sha256(as_bytes("simulated PCR " + std::to_string(i))));
  }
  return out;
}

TpmAttest AzureVtpm::attest_template(ByteView extra_data) const {
  TpmAttest attest;
  // A name is its algorithm, SHA-256, and a digest (TCG TPM 2.0 Part 1, section 16).
  attest.qualified_signer = concat({Bytes{0x00, 0x0b}, sha256(state_->attestation_key.modulus())});
  attest.extra_data = to_bytes(extra_data);
  attest.clock_info[3] = 1;
  attest.clock_info.back() = 1;  // safe
  attest.firmware_version = 0x2020031200120003;
  attest.pcr_select = kAllPcrs;
  Bytes all;
  for (const ByteArray<32>& pcr : pcrs()) {
    all.insert(all.end(), pcr.begin(), pcr.end());
  }
  attest.pcr_digest = to_bytes(ByteView(sha256(all)));
  return attest;
}

Bytes AzureVtpm::sign_attest(ByteView attest) const {
  return state_->attestation_key.sign_pkcs1_sha256(attest);
}

AzureEvidence AzureVtpm::on_snp(const SnpPki& processor, SnpReport report,
                                const std::string& runtime_data, ByteView extra_data) const {
  report.report_data = runtime_digest(runtime_data);
  HclReport hcl;
  hcl.version = 1;
  hcl.hardware = HclReport::Hardware::kSnp;
  hcl.hardware_report = processor.sign_report(report);
  hcl.runtime_data = runtime_data;
  AzureEvidence evidence = azure_evidence(*this, hcl, extra_data);
  evidence.vcek = processor.vek().der();
  return evidence;
}

}  // namespace ensconce
