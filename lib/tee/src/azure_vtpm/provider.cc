#include <algorithm>
#include <string>
#include <utility>

#include "../attempts.h"
#include "../endorsement_items.h"
#include "ensconce/attestation/endorsements/snp_endorsements.h"
#include "ensconce/attestation/evidence/azure_evidence.h"
#include "ensconce/attestation/evidence/cert_table.h"
#include "ensconce/attestation/evidence/snp_report.h"
#include "ensconce/crypto/hash.h"
#include "ensconce/tee/azure_vtpm.h"

namespace ensconce {

namespace {

constexpr Millis kFirstPause{20};
constexpr Millis kLongestPause{1000};
constexpr std::uint32_t kAllPcrs = 0xffffff;
constexpr std::size_t kLongestDigest = 48;

// The digest that fills the report data, without the zeros behind it: a verifier puts them back.
ByteView digest_in(const ByteArray<64>& report_data) {
  const ByteView all(report_data);
  return all.first(all_zero(all.subspan(32)) ? 32 : kLongestDigest);
}

Error bad_answer(const char* what, const Error& error) {
  return {TeeError::kBadAnswer, std::string(what) + ": " + error.to_string()};
}

// Vouched is what the paravisor's report says, as far as an attester can see.
struct Vouched {
  SnpReport report;
  RsaPublicKey key;  // HCLAkPub
};

Result<Vouched> read_report(ByteView nv) {
  const auto hcl = parse_hcl_report(nv);
  if (!hcl) {
    return bad_answer("the paravisor's report", hcl.error());
  }
  if (hcl->hardware != HclReport::Hardware::kSnp) {
    return Error(TeeError::kUnsupported,
                 "below this paravisor is Intel TDX, whose quotes the host's "
                 "metadata service makes")
        .with_remedy("use a confidential VM of Azure on AMD (DCas and ECas series)");
  }
  auto report = parse_snp_report(hcl->hardware_report);
  if (!report) {
    return bad_answer("the paravisor's SNP report", report.error());
  }
  const Sha256Digest digest = sha256(as_bytes(hcl->runtime_data));
  if (!std::equal(digest.begin(), digest.end(), report->report_data.begin())) {
    return Error(TeeError::kWrongReport,
                 "the paravisor's SNP report does not carry the hash of its runtime claims");
  }
  const auto claims = parse_runtime_claims(hcl->runtime_data);
  if (!claims) {
    return bad_answer("runtime claims", claims.error());
  }
  auto key = RsaPublicKey::from_modulus(claims->ak_modulus, claims->ak_exponent);
  if (!key) {
    return bad_answer("HCLAkPub", key.error());
  }
  return Vouched{*std::move(report), *std::move(key)};
}

// The key of the TPM must be the one that the hardware vouches for: another would sign what nobody
// can believe, and a report beside it is perhaps another machine's.
Result<void> expect_key(VtpmDevice& device, const RsaPublicKey& vouched) {
  ENSC_TRY_ASSIGN(const RsaPublicKey key, device.read_key(kHclKeyHandle));
  if (key == vouched) {
    return ok();
  }
  return Error(TeeError::kWrongKey,
               "the TPM's attestation key is not the one that the paravisor's report names")
      .with_remedy(
          "the report in NV index 0x01400001 is another VM's, or the key was replaced: "
          "create the VM anew");
}

Result<void> expect_answer(const VtpmDevice::Quote& quote, ByteView challenge,
                           const std::vector<ByteArray<32>>& pcrs, const RsaPublicKey& key) {
  const auto attest = parse_tpm_attest(quote.attest);
  if (!attest) {
    return bad_answer("TPM quote", attest.error());
  }
  if (!equal(attest->extra_data, challenge)) {
    return Error(TeeError::kWrongReport, "the TPM quote carries other data than was asked for");
  }
  if (attest->pcr_select != kAllPcrs) {
    return Error(TeeError::kBadAnswer, "the TPM quote does not cover PCR 0 to 23");
  }
  if (const auto signature = rsa_pkcs1_sha256_verify(key, quote.attest, quote.signature);
      !signature) {
    return Error(TeeError::kWrongKey,
                 "the TPM quote is not signed by the key that the paravisor's report names");
  }
  Bytes values;
  for (const ByteArray<32>& pcr : pcrs) {
    values.insert(values.end(), pcr.begin(), pcr.end());
  }
  if (!equal(attest->pcr_digest, sha256(values))) {
    return Error(TeeError::kBusy, "PCRs changed between reading and quoting them");
  }
  return ok();
}

// Closes what was opened, whatever happens in between.
class Opened {
 public:
  explicit Opened(VtpmDevice& device) : device_(device) {}
  ~Opened() { device_.close(); }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;

 private:
  VtpmDevice& device_;
};

}  // namespace

Result<void> probe_azure_vtpm(const std::filesystem::path& path) {
  return probe_azure_vtpm(*make_vtpm_device(path));
}

Result<void> probe_azure_vtpm(VtpmDevice& device) {
  ENSC_TRY(device.open());
  const Opened opened(device);
  ENSC_TRY_ASSIGN(const Bytes held, device.read_nv(kHclReportIndex, kMaxHclReport));
  const auto report = parse_hcl_report(held);
  return report ? ok() : Result<void>(bad_answer("the paravisor's report", report.error()));
}

AzureVtpmProvider::AzureVtpmProvider(std::filesystem::path tpm, std::filesystem::path endorsements,
                                     Sleeper sleep)
    : AzureVtpmProvider(make_vtpm_device(std::move(tpm)), std::move(endorsements),
                        std::move(sleep)) {}

AzureVtpmProvider::AzureVtpmProvider(std::unique_ptr<VtpmDevice> device,
                                     std::filesystem::path endorsements, Sleeper sleep)
    : device_(std::move(device)),
      endorsements_(std::move(endorsements)),
      sleep_(std::move(sleep)) {}

Result<HardwareEvidence> AzureVtpmProvider::attest(const ByteArray<64>& report_data) {
  if (!all_zero(ByteView(report_data).subspan(kLongestDigest))) {
    return Error(TeeError::kUnsupported, "a TPM quote carries 48 bytes of report data, not 64");
  }
  return internal::with_attempts(kAttempts, {kFirstPause, kLongestPause}, sleep_,
                                 [&] { return request(report_data); });
}

Result<HardwareEvidence> AzureVtpmProvider::request(const ByteArray<64>& report_data) {
  const ByteView challenge = digest_in(report_data);
  AzureEvidence evidence;
  std::optional<Vouched> vouched;
  {
    ENSC_TRY(device_->open());
    const Opened opened(*device_);
    ENSC_TRY_ASSIGN(evidence.hcl_report, device_->read_nv(kHclReportIndex, kMaxHclReport));
    ENSC_TRY_ASSIGN(vouched, read_report(evidence.hcl_report));
    ENSC_TRY(expect_key(*device_, vouched->key));
    ENSC_TRY_ASSIGN(evidence.pcrs, device_->read_pcrs());
    ENSC_TRY_ASSIGN(VtpmDevice::Quote quote, device_->quote(kHclKeyHandle, challenge));
    ENSC_TRY(expect_answer(quote, challenge, evidence.pcrs, vouched->key));
    evidence.tpm_message = std::move(quote.attest);
    evidence.tpm_signature = std::move(quote.signature);
  }
  HardwareEvidence out;
  if (!endorsements_.empty()) {
    ENSC_TRY_ASSIGN(out.endorsements, internal::read_endorsement_items(endorsements_));
  }
  out.endorsements = select_snp_endorsements(vouched->report, out.endorsements);
  out.missing = missing_snp_endorsements(out.endorsements);
  // The evidence itself has a place for the chip's certificate, and does without it nowhere.
  const auto chain = collect_snp_endorsements(out.endorsements);
  if (!chain) {
    return internal::unusable_endorsements(chain.error().to_string());
  }
  evidence.vcek = chain->vek.der();
  out.evidence = {"azure-snp", write_azure_evidence(evidence)};
  return out;
}

}  // namespace ensconce
