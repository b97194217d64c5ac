#include "ensconce/attestation/endorsements/recognise.h"

#include <gtest/gtest.h>

#include "ensconce/attestation/evidence/cert_table.h"
#include "ensconce/codec/base64.h"
#include "ensconce/sim/azure_vtpm.h"
#include "made_intel.h"
#include "made_snp.h"

namespace ensconce {
namespace {

using made::kNow;

std::string pem(std::string_view label, ByteView der) {
  const std::string base64 = base64_encode(der);
  std::string out = "-----BEGIN " + std::string(label) + "-----\n";
  for (std::size_t at = 0; at < base64.size(); at += 64) {
    out += base64.substr(at, 64) + "\n";
  }
  return out + "-----END " + std::string(label) + "-----\n";
}

Recognised recognised(ByteView bytes) {
  auto out = recognise(bytes);
  if (!out) {
    ADD_FAILURE() << out.error().to_string();
    return {};
  }
  return *std::move(out);
}

void expect_evidence(ByteView bytes, std::string_view type) {
  const Recognised out = recognised(bytes);
  ASSERT_TRUE(out.evidence.has_value()) << out.what;
  EXPECT_EQ(out.evidence->type, type);
  EXPECT_TRUE(equal(out.evidence->data, bytes));
  EXPECT_TRUE(out.endorsements.empty());
  EXPECT_FALSE(out.what.empty());
}

void expect_endorsement(ByteView bytes, std::string_view type) {
  const Recognised out = recognised(bytes);
  EXPECT_FALSE(out.evidence.has_value());
  ASSERT_EQ(out.endorsements.size(), 1U);
  EXPECT_EQ(out.endorsements[0].type, type);
}

template <typename Code>
Error expect_refused(ByteView bytes, Code code) {
  const auto out = recognise(bytes);
  if (out) {
    ADD_FAILURE() << "recognised as " << out->what;
    return {EvidenceError::kEvidenceUnknown};
  }
  EXPECT_TRUE(out.error().is(code)) << out.error().to_string();
  return out.error();
}

Bytes snp_report() {
  const SnpPki& pki = made::shared_pki();
  return pki.sign_report(made::report_for(pki, {}));
}

Bytes quote(bool tdx) {
  const IntelPki& pki = made::shared_intel_pki();
  return write_intel_quote(pki.sign(tdx ? made::td_quote(pki, {}) : made::sgx_quote(pki, {})));
}

Bytes report_response(std::uint32_t status, std::uint32_t len) {
  Bytes out = ByteWriter().u32_le(status).u32_le(len).raw(Bytes(24)).raw(snp_report()).bytes();
  out.resize(4000);
  return out;
}

// ---- Evidence --------------------------------------------------------------------------------

TEST(Recognise, TellsEvidenceByItsContent) {
  expect_evidence(snp_report(), "snp");
  expect_evidence(quote(true), "tdx");
  expect_evidence(quote(false), "sgx");
  const AzureVtpm vtpm = AzureVtpm::generate();
  const SnpPki& pki = made::shared_pki();
  expect_evidence(write_azure_evidence(vtpm.on_snp(pki, made::report_for(pki, {}),
                                                   vtpm.runtime_data(), Bytes(32, 1))),
                  "azure-snp");
  const IntelPki& intel = made::shared_intel_pki();
  expect_evidence(write_azure_evidence(vtpm.on_tdx(intel, made::td_quote(intel, {}),
                                                   vtpm.runtime_data(), Bytes(32, 1))),
                  "azure-tdx");
}

TEST(Recognise, TakesTheReportOutOfTheProcessorsAnswer) {
  const Recognised out = recognised(report_response(0, kSnpReportLen));
  ASSERT_TRUE(out.evidence.has_value());
  EXPECT_TRUE(equal(out.evidence->data, snp_report()) ||
              out.evidence->data.size() == kSnpReportLen);
  EXPECT_TRUE(parse_snp_report(out.evidence->data));
}

TEST(Recognise, RejectsAnAnswerThatHoldsNoReport) {
  expect_refused(report_response(0x27, kSnpReportLen), EvidenceError::kEvidenceUnknown);
  expect_refused(report_response(0, 0), EvidenceError::kEvidenceUnknown);
  Bytes reserved = report_response(0, kSnpReportLen);
  reserved[31] = 1;
  expect_refused(reserved, EvidenceError::kEvidenceUnknown);
  Bytes behind = report_response(0, kSnpReportLen);
  behind.back() = 1;
  expect_refused(behind, EvidenceError::kEvidenceUnknown);
  Bytes large = report_response(0, kSnpReportLen);
  large.resize(8193);
  expect_refused(large, EvidenceError::kEvidenceUnknown);
}

TEST(Recognise, ReadsARawHclReport) {
  const AzureVtpm vtpm = AzureVtpm::generate();
  const SnpPki& pki = made::shared_pki();
  const AzureEvidence evidence =
      vtpm.on_snp(pki, made::report_for(pki, {}), vtpm.runtime_data(), Bytes(32, 1));
  const Recognised out = recognised(evidence.hcl_report);
  EXPECT_FALSE(out.evidence.has_value());
  ASSERT_TRUE(out.hcl_report.has_value());
  EXPECT_EQ(out.hcl_report->runtime_data, vtpm.runtime_data());
  expect_refused(as_bytes("HCLA and no more"), EvidenceError::kAzureHcl);
}

TEST(Recognise, SaysWhatACutReportLooksLike) {
  Bytes cut = snp_report();
  cut.resize(1000);
  const Error error = expect_refused(cut, EvidenceError::kEvidenceUnknown);
  EXPECT_NE(error.detail().find("begin like an SNP report"), std::string::npos);
  cut[0] = 9;
  const Error other = expect_refused(cut, EvidenceError::kEvidenceUnknown);
  EXPECT_EQ(other.detail().find("SNP"), std::string::npos);
}

// MNONCE, LAUNCH_DIGEST, POLICY, SIG_USAGE, SIG_ALGO, reserved, signature.
Bytes sev_report(std::uint32_t policy, std::uint32_t usage) {
  return ByteWriter()
      .raw(Bytes(16, 1))
      .raw(Bytes(32, 2))
      .u32_le(policy)
      .u32_le(usage)
      .u32_le(2)
      .u32_le(0)
      .raw(Bytes(144, 3))
      .bytes();
}

TEST(Recognise, RefusesSevAndSevEsByName) {
  const Error sev = expect_refused(sev_report(1, 0x1002), EvidenceError::kSevReport);
  EXPECT_NE(sev.detail().find("AMD SEV attestation"), std::string::npos);
  EXPECT_NE(sev.remedy().find("SEV-SNP"), std::string::npos);
  const Error es = expect_refused(sev_report(5, 0x1002), EvidenceError::kSevReport);
  EXPECT_NE(es.detail().find("AMD SEV-ES attestation"), std::string::npos);
  expect_refused(sev_report(1, 0x1003), EvidenceError::kEvidenceUnknown);
}

TEST(Recognise, RefusesATdReportByName) {
  Bytes report(1024);
  report[0] = 0x81;
  const Error error = expect_refused(report, EvidenceError::kIntelTdReport);
  EXPECT_NE(error.remedy().find("quote"), std::string::npos);
  report[0] = 0;
  expect_refused(report, EvidenceError::kEvidenceUnknown);
}

TEST(Recognise, LeavesKindsTheirOwnErrors) {
  Bytes cut = quote(true);
  cut.resize(cut.size() - 100);
  expect_refused(cut, EvidenceError::kIntelLength);
  expect_refused(as_bytes(R"({"tcbInfo":{},"signature":""})"), EvidenceError::kIntelTcbInfo);
  expect_refused(as_bytes(R"({"enclaveIdentity":{},"signature":""})"),
                 EvidenceError::kIntelQeIdentity);
  expect_refused(as_bytes(R"({"hcl_report":"","tpm_quote":{}})"), EvidenceError::kAzureForm);
}

TEST(Recognise, ListsWhatIsKnownWhereNothingFits) {
  for (const std::string_view text : {"", "hello", "{\"a\":1}", "{", "  "}) {
    const Error error = expect_refused(as_bytes(text), EvidenceError::kEvidenceUnknown);
    for (const char* kind : {"SNP", "TDX", "SGX", "Azure", "RA-TLS", "CRLs", "TCB info"}) {
      EXPECT_NE(error.remedy().find(kind), std::string::npos) << kind;
    }
  }
}

// ---- Endorsements ----------------------------------------------------------------------------

TEST(Recognise, TellsEndorsementsByTheirContent) {
  const SnpPki& pki = made::shared_pki();
  const IntelPki& intel = made::shared_intel_pki();
  expect_endorsement(pki.vek().der(), kCertificateType);
  expect_endorsement(pki.crl_der(kNow), kCrlType);
  expect_endorsement(intel.sign_tcb_info(intel.tcb_info(true, kNow)), kTcbInfoType);
  expect_endorsement(intel.sign_qe_identity(intel.qe_identity(false, kNow)), kQeIdentityType);
  expect_endorsement(as_bytes(pem("CERTIFICATE", pki.ark().der())), kCertificateType);
  expect_endorsement(as_bytes(pem("X509 CRL", intel.root_crl(kNow))), kCrlType);
}

TEST(Recognise, TakesEveryBlockOfAPemFile) {
  const SnpPki& pki = made::shared_pki();
  const std::string text = "\n " + pem("CERTIFICATE", pki.ask().der()) + "\r\n" +
                           pem("X509 CRL", pki.crl_der(kNow)) + pki.ark_pem();
  const Recognised out = recognised(as_bytes(text));
  ASSERT_EQ(out.endorsements.size(), 3U);
  EXPECT_EQ(out.endorsements[0].data, pki.ask().der());
  EXPECT_EQ(out.endorsements[1].type, kCrlType);
  EXPECT_EQ(out.endorsements[2].data, pki.ark().der());
  EXPECT_EQ(out.what, "3 certificates or lists");
}

TEST(Recognise, RejectsBrokenPem) {
  const std::string good = made::shared_pki().ark_pem();
  const auto refuse = [](const std::string& text) {
    expect_refused(as_bytes(text), EvidenceError::kEndorsementForm);
  };
  refuse("-----BEGIN CERTIFICATE");
  refuse("-----BEGIN CERTI\nFICATE-----\n-----END CERTI\nFICATE-----\n");
  refuse("-----BEGIN CERTIFICATE-----\nAAAA\n");
  refuse("-----BEGIN CERTIFICATE-----\nA!AA\n-----END CERTIFICATE-----\n");
  refuse(pem("CERTIFICATE", Bytes{0x30, 0x00}));
  refuse(pem("PRIVATE KEY", made::shared_pki().ark().der()));
  refuse(good + "text behind it");
  std::string many;
  for (int i = 0; i < 65; ++i) {
    many += good;
  }
  refuse(many);
}

TEST(Recognise, RejectsDerOfAnotherKind) {
  const Error error =
      expect_refused(Bytes{0x30, 0x03, 0x02, 0x01, 0x05}, EvidenceError::kEndorsementForm);
  EXPECT_NE(error.detail().find("revocation list"), std::string::npos);
}

TEST(Recognise, OpensCertificateTables) {
  const SnpPki& pki = made::shared_pki();
  EXPECT_EQ(recognised(pki.cert_table(pki.crl_der(kNow))).endorsements.size(), 4U);
  // A host may put an entry of its own first.
  const std::vector<CertTableEntry> entries{{Guid{0xec, 1}, {4}}, {kCertTableArk, pki.ark().der()}};
  EXPECT_EQ(recognised(write_cert_table(entries)).endorsements.size(), 1U);
  Bytes broken = pki.cert_table({});
  broken.resize(40);
  expect_refused(broken, EvidenceError::kCertTable);
}

TEST(Recognise, ReadsEventLogs) {
  // The first record alone: index 0, EV_NO_ACTION, SHA-1 of zeros, then "Spec ID Event03" with
  // SHA-256 as the one algorithm.
  const Bytes spec = ByteWriter()
                         .raw(as_bytes("Spec ID Event03"))
                         .u8(0)
                         .u32_le(0)
                         .u8(0)
                         .u8(2)
                         .u8(0)
                         .u8(2)
                         .u32_le(1)
                         .u16_le(0x000b)
                         .u16_le(32)
                         .u8(0)
                         .bytes();
  const Bytes log = ByteWriter()
                        .u32_le(0)
                        .u32_le(3)
                        .raw(Bytes(20))
                        .u32_le(static_cast<std::uint32_t>(spec.size()))
                        .raw(spec)
                        .bytes();
  expect_endorsement(log, kEventLogType);
  Bytes cut = log;
  cut.resize(cut.size() - 3);
  expect_refused(cut, EvidenceError::kEventLog);
}

// ---- RA-TLS ----------------------------------------------------------------------------------

TEST(Recognise, FindsTheEvidenceInACertificate) {
  const EcPrivateKey key = EcPrivateKey::generate(Curve::kP256);
  CertificateBuilder builder;
  const Certificate certificate = builder.subject_cn("RATLS")
                                      .serial(1)
                                      .validity(kNow, kNow + Millis(1000))
                                      .extension("1.2.840.113741.1337.6", quote(false))
                                      .self_sign(key);
  for (const bool first : {true, false}) {
    const std::string mine = pem("CERTIFICATE", certificate.der());
    const std::string root = made::shared_pki().ark_pem();
    const Recognised out = recognised(as_bytes(first ? mine + root : root + mine));
    ASSERT_TRUE(out.evidence.has_value());
    EXPECT_EQ(out.evidence->type, "sgx");
    EXPECT_TRUE(out.ra_tls.has_value());
    EXPECT_EQ(out.endorsements.size(), 1U);
    EXPECT_EQ(out.what, "an RA-TLS certificate with an Intel SGX quote inside");
  }
  EXPECT_TRUE(recognised(certificate.der()).ra_tls.has_value());
}

TEST(Recognise, FindsAnSnpReportInACertificate) {
  const EcPrivateKey key = EcPrivateKey::generate(Curve::kP256);
  const SnpPki& pki = made::shared_pki();
  const Bytes report =
      write_snp_report(made::signed_report(pki, made::report_for(pki, ByteArray<64>{})));
  const Bytes statement = encode_statement(made::statement());
  CertificateBuilder builder;
  const Certificate certificate = builder.subject_cn("worker")
                                      .serial(1)
                                      .validity(kNow, kNow + Millis(1000))
                                      .extension(std::string(kTaggedEvidenceOid),
                                                 *ra_tls_extension_of({"snp", report}, statement))
                                      .self_sign(key);
  const Recognised out = recognised(certificate.der());
  ASSERT_TRUE(out.evidence.has_value());
  EXPECT_EQ(*out.evidence, (EvidenceItem{"snp", report}));
  EXPECT_EQ(out.ra_tls->claims->buffer, statement);
  EXPECT_EQ(out.what, "an RA-TLS certificate with an AMD SEV-SNP report inside");
}

}  // namespace
}  // namespace ensconce
