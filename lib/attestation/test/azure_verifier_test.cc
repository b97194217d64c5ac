#include "ensconce/attestation/verify/azure_verifier.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>

#include "ensconce/base/file.h"
#include "ensconce/crypto/hash.h"
#include "ensconce/sim/azure_vtpm.h"
#include "made_intel.h"
#include "made_snp.h"

namespace ensconce {
namespace {

using E = AttestationError;
using made::kNow;

const AzureVtpm& vtpm() {
  static const AzureVtpm made = AzureVtpm::generate();
  return made;
}

const AzureVtpm& other_vtpm() {
  static const AzureVtpm made = AzureVtpm::generate();
  return made;
}

// What a client expects: a digest and zeros, of which the guest quotes the first 32.
ByteArray<64> expected_data() {
  ByteArray<64> data{};
  std::fill_n(data.begin(), 32, std::uint8_t{0x5a});
  return data;
}

ByteView nonce() {
  static const Bytes bytes(32, 0x5a);
  return bytes;
}

AzureEvidence on_snp(const std::string& runtime_data, std::uint32_t vmpl = 0) {
  const SnpPki& pki = made::shared_pki();
  SnpReport report = made::report_for(pki, {});
  report.vmpl = vmpl;
  return vtpm().on_snp(pki, report, runtime_data, nonce());
}

AzureEvidence good() { return on_snp(vtpm().runtime_data()); }

// The chip's certificate is in the evidence.
std::vector<EndorsementItem> pool() {
  const SnpPki& pki = made::shared_pki();
  return {{std::string(kCertificateType), pki.ask().der()},
          {std::string(kCertificateType), pki.ark().der()},
          {std::string(kCrlType), pki.crl_der(kNow)}};
}

Verification verify(const AzureEvidence& evidence,
                    const ExpectedReportData& expected = expected_data(),
                    const EventLog* event_log = nullptr) {
  return AzureVerifier({made::anchor_of(made::shared_pki())})
      .verify(evidence, pool(), expected, kNow, event_log);
}

// expect_only asserts that a rule refused, and that it alone did.
void expect_only(const Verification& verification, E code) {
  ASSERT_FALSE(verification.claims);
  EXPECT_TRUE(verification.claims.error().is(code)) << verification.claims.error().to_string();
  EXPECT_FALSE(verification.claims.error().remedy().empty());
  for (const Check& check : verification.checks) {
    EXPECT_EQ(check.holds.value_or(true), check.id != error_info(code).id)
        << check.id << ": expected " << check.expected << ", got " << check.got;
  }
}

// expect_form asserts that what could not be parsed has no checks.
void expect_form(const Verification& verification, EvidenceError code) {
  ASSERT_FALSE(verification.claims);
  EXPECT_TRUE(verification.claims.error().is(code)) << verification.claims.error().to_string();
  EXPECT_TRUE(verification.checks.empty());
}

AzureEvidence with_hcl(AzureEvidence evidence, const std::function<void(HclReport&)>& change) {
  HclReport hcl = parse_hcl_report(evidence.hcl_report).value();
  change(hcl);
  evidence.hcl_report = write_hcl_report(hcl);
  return evidence;
}

// requote is the TPM's quote changed and signed again.
AzureEvidence requote(AzureEvidence evidence, const std::function<void(TpmAttest&)>& change) {
  TpmAttest attest = parse_tpm_attest(evidence.tpm_message).value();
  change(attest);
  evidence.tpm_message = write_tpm_attest(attest);
  evidence.tpm_signature = vtpm().sign_attest(evidence.tpm_message);
  return evidence;
}

AzureEvidence with_extra(const Bytes& extra) {
  return requote(good(), [&](TpmAttest& attest) { attest.extra_data = extra; });
}

// select quotes some of the PCRs.
AzureEvidence select(AzureEvidence evidence, std::uint32_t pcrs) {
  Bytes selected;
  for (std::size_t i = 0; i < evidence.pcrs.size(); ++i) {
    if ((pcrs >> i & 1) != 0) {
      selected = concat({selected, evidence.pcrs[i]});
    }
  }
  return requote(std::move(evidence), [&](TpmAttest& attest) {
    attest.pcr_select = pcrs;
    attest.pcr_digest = to_bytes(ByteView(sha256(selected)));
  });
}

TEST(AzureVerify, AcceptsAGuestOnSnp) {
  const AzureEvidence evidence = good();
  const Verification verification = verify(evidence);
  ASSERT_TRUE(verification.claims) << verification.claims.error().to_string();
  const EvidenceClaims& claims = verification.claims.value().value();
  EXPECT_EQ(claims.kind, EvidenceKind::kAzureSnp);
  EXPECT_EQ(claims.anchor, made::anchor_of(made::shared_pki()));
  ASSERT_NE(claims.snp(), nullptr);
  EXPECT_EQ(claims.measurement(), to_bytes(ByteView(made::measurement())));
  EXPECT_EQ(claims.report_data, expected_data());
  EXPECT_TRUE(claims.crl_checked);
  EXPECT_FALSE(claims.event_log_checked);
  EXPECT_EQ(claims.endorsed_until,
            made::endorsements_of(made::shared_pki()).crls.front().next_update());
  ASSERT_TRUE(claims.vtpm.has_value());
  EXPECT_EQ(claims.vtpm->attest, parse_tpm_attest(evidence.tpm_message).value());
  EXPECT_EQ(claims.vtpm->runtime.secure_boot, true);
  EXPECT_EQ(claims.vtpm->pcrs, evidence.pcrs);
  EXPECT_EQ(claims.checks.size(), verification.checks.size());
  // The hardware's checks come first.
  EXPECT_EQ(verification.checks.front().id, "snp.chain.ark_pinned");
  EXPECT_EQ(made::holds(verification.checks, "azure.hardware_kind"), true);
  EXPECT_EQ(made::holds(verification.checks, "snp.report_data"), std::nullopt);
  EXPECT_EQ(made::holds(verification.checks, "event_log.replay"), std::nullopt);
}

TEST(AzureVerify, ReturnsARefusalOfTheHardwareAsItIs) {
  const Verification unknown = AzureVerifier({}).verify(good(), pool(), expected_data(), kNow);
  expect_only(unknown, E::kArkPinned);
  EXPECT_EQ(unknown.checks.size(), 1U);

  const AzureEvidence changed =
      with_hcl(good(), [](HclReport& hcl) { hcl.hardware_report[0x90] ^= 1; });
  const Verification forged = verify(changed);
  expect_only(forged, E::kReportSignature);
  EXPECT_TRUE(std::none_of(forged.checks.begin(), forged.checks.end(),
                           [](const Check& check) { return check.id.starts_with("azure."); }));
}

TEST(AzureVerify, RefusesWhatDoesNotParseWithoutChecks) {
  AzureEvidence evidence = good();
  evidence.hcl_report.resize(100);
  expect_form(verify(evidence), EvidenceError::kAzureHcl);
  expect_form(verify(with_hcl(good(), [](HclReport& hcl) { hcl.hardware_report[0x4c] = 1; })),
              EvidenceError::kSnpReserved);
  evidence = good();
  evidence.vcek.reset();
  expect_form(verify(evidence), EvidenceError::kEndorsementMissing);
  evidence.td_quote = Bytes{4, 0};
  evidence = with_hcl(evidence, [](HclReport& hcl) { hcl.hardware = HclReport::Hardware::kTdx; });
  expect_form(verify(evidence), EvidenceError::kIntelLength);
}

TEST(AzureVerify, RejectsAReportOfTheOtherHardware) {
  const AzureEvidence named_tdx =
      with_hcl(good(), [](HclReport& hcl) { hcl.hardware = HclReport::Hardware::kTdx; });
  const Verification verification = verify(named_tdx);
  expect_only(verification, E::kAzureHardwareKind);
  EXPECT_EQ(verification.checks.size(), 1U);
}

// ---- Runtime claims --------------------------------------------------------------------------

TEST(AzureVerify, RejectsRuntimeClaimsTheHardwareDidNotVouchFor) {
  // The same JSON in other bytes.
  expect_only(verify(with_hcl(good(), [](HclReport& hcl) { hcl.runtime_data += ' '; })),
              E::kAzureRuntimeClaims);
  // Another TPM's claims and quote beside a genuine report.
  AzureEvidence evidence =
      with_hcl(good(), [](HclReport& hcl) { hcl.runtime_data = other_vtpm().runtime_data(); });
  evidence.tpm_signature = other_vtpm().sign_attest(evidence.tpm_message);
  expect_only(verify(evidence), E::kAzureRuntimeClaims);
}

TEST(AzureVerify, RejectsReportDataWithMoreThanTheDigest) {
  const SnpPki& pki = made::shared_pki();
  for (const std::size_t at : {31, 32, 63}) {
    expect_only(verify(with_hcl(good(),
                                [&](HclReport& hcl) {
                                  SnpReport report = parse_snp_report(hcl.hardware_report).value();
                                  report.report_data[at] ^= 1;
                                  hcl.hardware_report = pki.sign_report(report);
                                })),
                E::kAzureRuntimeClaims);
  }
}

TEST(AzureVerify, RejectsAReportThatTheGuestAskedFor) {
  for (const std::uint32_t vmpl : {1U, 2U, 3U, 0xffffffffU}) {
    expect_only(verify(on_snp(vtpm().runtime_data(), vmpl)), E::kAzureVmpl);
  }
}

TEST(AzureVerify, RejectsClaimsThatNameNoKey) {
  for (const char* claims : {"{}", "{\"keys\":[]}", "no JSON"}) {
    expect_only(verify(on_snp(claims)), E::kAzureAkForm);
  }
}

// ---- TPM -------------------------------------------------------------------------------------

TEST(AzureVerify, RejectsWhatIsNoQuote) {
  AzureEvidence evidence = good();
  evidence.tpm_message[5] = 0x17;  // TPM_ST_ATTEST_CERTIFY
  evidence.tpm_signature = vtpm().sign_attest(evidence.tpm_message);
  expect_only(verify(evidence), E::kAzureTpmForm);
  evidence.tpm_message.clear();
  expect_only(verify(evidence), E::kAzureTpmForm);
}

TEST(AzureVerify, RejectsAQuoteTheKeyDidNotSign) {
  AzureEvidence evidence = good();
  evidence.tpm_signature = other_vtpm().sign_attest(evidence.tpm_message);
  expect_only(verify(evidence), E::kAzureTpmSignature);
  for (const std::size_t at : {0, 128, 255}) {
    evidence = good();
    evidence.tpm_signature[at] ^= 1;
    expect_only(verify(evidence), E::kAzureTpmSignature);
  }
  evidence.tpm_signature.pop_back();
  expect_only(verify(evidence), E::kAzureTpmSignature);
  // The clock, which nothing else looks at.
  evidence = good();
  TpmAttest attest = parse_tpm_attest(evidence.tpm_message).value();
  attest.clock_info[0] ^= 1;
  evidence.tpm_message = write_tpm_attest(attest);
  expect_only(verify(evidence), E::kAzureTpmSignature);
}

TEST(AzureVerify, RemembersSignaturesAndNoVerdicts) {
  SignatureMemo memo;
  const AzureVerifier verifier({made::anchor_of(made::shared_pki())}, &memo);
  const auto judged = [&](const AzureEvidence& evidence) {
    return verifier.verify(evidence, pool(), expected_data(), kNow);
  };
  ASSERT_TRUE(judged(good()).claims);
  EXPECT_TRUE(judged(good()).claims);
  AzureEvidence evidence = good();
  evidence.tpm_signature[0] ^= 1;
  expect_only(judged(evidence), E::kAzureTpmSignature);
  evidence = good();
  evidence.pcrs[0][0] ^= 1;
  expect_only(judged(evidence), E::kAzureTpmPcrDigest);
}

TEST(AzureVerify, RejectsPcrsThatAreNotTheQuotedOnes) {
  for (const std::size_t i : {0, 11, 23}) {
    AzureEvidence evidence = good();
    evidence.pcrs[i][0] ^= 1;
    expect_only(verify(evidence), E::kAzureTpmPcrDigest);
  }
  AzureEvidence evidence = good();
  std::swap(evidence.pcrs[0], evidence.pcrs[1]);
  expect_only(verify(evidence), E::kAzureTpmPcrDigest);
  expect_only(verify(requote(good(), [](TpmAttest& attest) { attest.pcr_select = 0x7fffff; })),
              E::kAzureTpmPcrDigest);
}

TEST(AzureVerify, HashesTheSelectedPcrsInOrder) {
  AzureEvidence evidence = select(good(), 0x800091);
  const Verification verification = verify(evidence);
  ASSERT_TRUE(verification.claims) << verification.claims.error().to_string();
  EXPECT_EQ(verification.claims.value()->vtpm->attest.pcr_select, 0x800091U);
  evidence.pcrs[7][0] ^= 1;
  expect_only(verify(evidence), E::kAzureTpmPcrDigest);
  evidence = select(good(), 0x800091);
  evidence.pcrs[1][0] ^= 1;  // not quoted: nothing is said of it
  EXPECT_TRUE(verify(evidence).claims);
  // As many values as there are registers, also where the missing one is not quoted.
  evidence.pcrs.pop_back();
  expect_only(verify(select(std::move(evidence), 1)), E::kAzureTpmPcrDigest);
}

TEST(AzureVerify, RejectsOtherExtraData) {
  for (const std::size_t at : {0, 31, 32, 63}) {
    ByteArray<64> other = expected_data();
    other[at] ^= 1;
    expect_only(verify(good(), other), E::kAzureReportData);
  }
}

TEST(AzureVerify, TakesExtraDataOfThreeLengths) {
  ByteArray<64> full{};
  full.fill(0x77);
  for (const std::size_t len : {32, 48, 64}) {
    ByteArray<64> expected{};
    std::fill_n(expected.begin(), len, std::uint8_t{0x77});
    const AzureEvidence evidence = with_extra(Bytes(len, 0x77));
    const Verification verification = verify(evidence, expected);
    ASSERT_TRUE(verification.claims) << verification.claims.error().to_string();
    EXPECT_EQ(verification.claims.value()->report_data, expected);
    if (len < 64) {
      expect_only(verify(evidence, full), E::kAzureReportData);
    }
  }
  // Zeros behind a shorter one would be the same 64 bytes.
  const ByteArray<64> zeros{};
  for (const std::size_t len : {0, 1, 31, 33, 47, 49, 63}) {
    expect_only(verify(with_extra(Bytes(len)), zeros), E::kAzureReportData);
  }
}

TEST(AzureVerify, SaysThatExtraDataWasNotCompared) {
  const Verification verification = verify(with_extra(Bytes(9, 0x63)), std::nullopt);
  ASSERT_TRUE(verification.claims) << verification.claims.error().to_string();
  EXPECT_EQ(made::holds(verification.checks, "azure.report_data"), std::nullopt);
  ByteArray<64> padded{};
  std::fill_n(padded.begin(), 9, std::uint8_t{0x63});
  EXPECT_EQ(verification.claims.value()->report_data, padded);
}

// ---- Event log -------------------------------------------------------------------------------

MeasuredEvent event(std::uint32_t pcr, std::uint8_t value) {
  MeasuredEvent out;
  out.index = pcr;
  out.type = 0x80000003;  // EV_EFI_BOOT_SERVICES_APPLICATION
  out.digests[kTcgAlgSha256] = Bytes(32, value);
  return out;
}

EventLog log_of(std::vector<MeasuredEvent> events) {
  EventLog log;
  log.algorithms = {kTcgAlgSha256};
  log.events = std::move(events);
  return log;
}

EventLog boot_log() { return log_of({event(0, 1), event(4, 2), event(4, 3)}); }

// booted is evidence of a guest whose PCRs that log gives.
AzureEvidence booted() {
  const auto extended = [](const Bytes& old, std::uint8_t value) {
    return to_bytes(ByteView(sha256(concat({old, Bytes(32, value)}))));
  };
  AzureEvidence evidence = good();
  std::fill_n(evidence.pcrs.begin(), 8, ByteArray<32>{});
  evidence.pcrs[0] = to_array<32>(extended(Bytes(32), 1)).value();
  evidence.pcrs[4] = to_array<32>(extended(extended(Bytes(32), 2), 3)).value();
  return select(std::move(evidence), 0xffffff);
}

TEST(AzureVerify, AcceptsAnEventLogThatGivesThePcrs) {
  const EventLog log = boot_log();
  const Verification verification = verify(booted(), expected_data(), &log);
  ASSERT_TRUE(verification.claims) << verification.claims.error().to_string();
  EXPECT_TRUE(verification.claims.value()->event_log_checked);
  EXPECT_EQ(made::holds(verification.checks, "event_log.replay"), true);
}

// Registers of the firmware are all told of; what the guest extends itself no firmware's log knows.
TEST(AzureVerify, RejectsAnEventLogThatLeavesARegisterOfTheFirmwareOut) {
  const EventLog less = log_of({event(0, 1)});
  expect_only(verify(booted(), expected_data(), &less), E::kEventLogReplay);
  // Not quoted, nothing is said of it.
  AzureEvidence guests = booted();
  guests.pcrs[4] = {};
  guests.pcrs[8].fill(9);
  EXPECT_TRUE(verify(select(guests, 0xffffff), expected_data(), &less).claims);
  guests.pcrs[7] = guests.pcrs[8];
  expect_only(verify(select(guests, 0xffffff), expected_data(), &less), E::kEventLogReplay);
  EXPECT_TRUE(verify(select(guests, 0xffff7f), expected_data(), &less).claims);
}

TEST(AzureVerify, RejectsAnEventLogThatGivesOtherRegisters) {
  const std::vector<EventLog> logs{
      log_of({}),
      log_of({event(0, 2), event(4, 2), event(4, 3)}),
      log_of({event(0, 1), event(4, 3), event(4, 2)}),
      log_of({event(0, 1), event(4, 2)}),
      log_of({event(0, 1), event(4, 2), event(4, 3), event(5, 1)}),
      log_of({event(0, 1), event(4, 2), event(4, 3), event(24, 1)}),
      log_of({event(0, 1), event(4, 2), event(4, 3), event(0xfffffffe, 1)}),
  };
  for (const EventLog& log : logs) {
    expect_only(verify(booted(), expected_data(), &log), E::kEventLogReplay);
  }
  // A register that the log gives and nobody quotes proves nothing.
  const EventLog log = boot_log();
  expect_only(verify(select(booted(), 0xffffef), expected_data(), &log), E::kEventLogReplay);
}

// ---- TDX -------------------------------------------------------------------------------------

AzureEvidence on_tdx(const std::string& runtime_data) {
  const IntelPki& pki = made::shared_intel_pki();
  return vtpm().on_tdx(pki, made::td_quote(pki, {}), runtime_data, nonce());
}

Verification verify_tdx(const AzureEvidence& evidence, const EventLog* event_log = nullptr) {
  const IntelPki& pki = made::shared_intel_pki();
  return AzureVerifier({made::anchor_of(pki)})
      .verify(evidence, pki.endorsements(true, kNow), expected_data(), kNow, event_log);
}

TEST(AzureVerify, AcceptsAGuestOnTdx) {
  const AzureEvidence evidence = on_tdx(vtpm().runtime_data());
  const Verification verification = verify_tdx(evidence);
  ASSERT_TRUE(verification.claims) << verification.claims.error().to_string();
  const EvidenceClaims& claims = verification.claims.value().value();
  EXPECT_EQ(claims.kind, EvidenceKind::kAzureTdx);
  EXPECT_EQ(claims.anchor, made::anchor_of(made::shared_intel_pki()));
  ASSERT_NE(claims.tdx(), nullptr);
  EXPECT_EQ(claims.report_data, expected_data());
  EXPECT_TRUE(claims.crl_checked);
  ASSERT_TRUE(claims.vtpm.has_value());
  EXPECT_EQ(claims.vtpm->pcrs, evidence.pcrs);
  EXPECT_EQ(verification.checks.front().id, "intel.chain.root_pinned");
  EXPECT_EQ(made::holds(verification.checks, "azure.td_report"), true);
  // The rule of the log stands once: a TPM's, not a TD's.
  EXPECT_EQ(std::count_if(verification.checks.begin(), verification.checks.end(),
                          [](const Check& check) { return check.id == "event_log.replay"; }),
            1);
}

TEST(AzureVerify, ReturnsARefusalOfTheQuoteAsItIs) {
  const AzureEvidence evidence = on_tdx(vtpm().runtime_data());
  const Verification unknown = AzureVerifier({}).verify(
      evidence, made::shared_intel_pki().endorsements(true, kNow), expected_data(), kNow);
  ASSERT_FALSE(unknown.claims);
  EXPECT_TRUE(unknown.claims.error().is(E::kIntelRootPinned));
  expect_form(AzureVerifier({made::anchor_of(made::shared_intel_pki())})
                  .verify(evidence, {}, expected_data(), kNow),
              EvidenceError::kEndorsementMissing);
}

TEST(AzureVerify, RejectsAReportOfTheOtherHardwareOrAnEnclave) {
  const AzureEvidence named_snp = with_hcl(on_tdx(vtpm().runtime_data()), [](HclReport& hcl) {
    hcl.hardware = HclReport::Hardware::kSnp;
  });
  expect_only(verify_tdx(named_snp), E::kAzureHardwareKind);
  const IntelPki& pki = made::shared_intel_pki();
  AzureEvidence enclave = on_tdx(vtpm().runtime_data());
  enclave.td_quote = write_intel_quote(pki.sign(made::sgx_quote(pki, {})));
  expect_only(verify_tdx(enclave), E::kAzureHardwareKind);
}

TEST(AzureVerify, RejectsRuntimeClaimsTheQuoteDoesNotVouchFor) {
  expect_only(verify_tdx(with_hcl(on_tdx(vtpm().runtime_data()),
                                  [](HclReport& hcl) { hcl.runtime_data += ' '; })),
              E::kAzureRuntimeClaims);
}

TEST(AzureVerify, RejectsATdReportThatIsNotTheQuotes) {
  // REPORTDATA; ATTRIBUTES, XFAM, MRTD, …, RTMR0, RTMR3.
  for (const std::size_t at : {128, 191, 512, 520, 528, 575, 576, 624, 672, 720, 911}) {
    expect_only(verify_tdx(with_hcl(on_tdx(vtpm().runtime_data()),
                                    [&](HclReport& hcl) { hcl.hardware_report[at] ^= 1; })),
                E::kAzureTdReport);
  }
}

TEST(AzureVerify, HoldsTheLogOfATdxGuestAgainstItsTpm) {
  const AzureEvidence booted_on_snp = booted();
  AzureEvidence evidence = on_tdx(vtpm().runtime_data());
  evidence.pcrs = booted_on_snp.pcrs;
  evidence.tpm_message = booted_on_snp.tpm_message;
  evidence.tpm_signature = booted_on_snp.tpm_signature;
  const EventLog log = boot_log();
  const Verification verification = verify_tdx(evidence, &log);
  ASSERT_TRUE(verification.claims) << verification.claims.error().to_string();
  EXPECT_TRUE(verification.claims.value()->event_log_checked);
  const EventLog other = log_of({event(0, 9)});
  expect_only(verify_tdx(evidence, &other), E::kEventLogReplay);
}

// ---- Evidence of real machines ---------------------------------------------------------------

namespace fs = std::filesystem;

fs::path vectors() {
  if (const char* dir = std::getenv("ENSCONCE_VECTORS")) {
    return fs::path(dir);
  }
  const char* source = std::getenv("ENSCONCE_SOURCE_DIR");
  return fs::path(source == nullptr ? "." : source) / ".." / "shared" / "vectors";
}

Bytes file(const fs::path& path) {
  auto bytes = read_file(path);
  if (!bytes) {
    ADD_FAILURE() << bytes.error().to_string();
    return {};
  }
  return *bytes;
}

class RealAzure : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(vectors())) {
      GTEST_SKIP() << "no vectors at " << vectors() << "; set ENSCONCE_VECTORS";
    }
  }

  static AzureEvidence evidence(const char* name) {
    return parse_azure_evidence(file(vectors() / "azure" / name)).value();
  }

  static void add(std::vector<EndorsementItem>& items, std::string_view type,
                  const fs::path& path) {
    items.push_back({std::string(type), file(path)});
  }

  static void add_pem(std::vector<EndorsementItem>& items, const fs::path& path) {
    const Bytes pem = file(path);
    const auto certificates = Certificate::many_from_pem(as_text(pem)).value();
    for (const Certificate& certificate : certificates) {
      items.push_back({std::string(kCertificateType), certificate.der()});
    }
  }
};

TEST_F(RealAzure, AGuestOnSnpIsVerified) {
  std::vector<EndorsementItem> items;
  add(items, kCertificateType, vectors() / "snp/anchors/ask_milan.der");
  add(items, kCertificateType, vectors() / "snp/anchors/ark_milan.der");
  AzureEvidence real = evidence("snp-vtpm-milan.json");
  const Instant at = from_rfc3339("2025-03-01T00:00:00Z").value();
  const AzureVerifier verifier(vendor_anchors());
  const Verification verification = verifier.verify(real, items, std::nullopt, at);
  ASSERT_TRUE(verification.claims) << verification.claims.error().to_string();
  const EvidenceClaims& claims = verification.claims.value().value();
  EXPECT_EQ(claims.anchor.origin, AnchorOrigin::kVendor);
  EXPECT_EQ(as_text(claims.vtpm->attest.extra_data), "challenge");
  EXPECT_EQ(as_text(ByteView(claims.report_data).first(9)), "challenge");
  real.pcrs[9][0] ^= 1;
  expect_only(verifier.verify(real, items, std::nullopt, at), E::kAzureTpmPcrDigest);
}

TEST_F(RealAzure, AGuestOnTdxIsVerified) {
  const fs::path set = vectors() / "intel/collateral/tdx-90C06F000000-2026-02";
  std::vector<EndorsementItem> items;
  add(items, kTcbInfoType, set / "tcb_info.json");
  add(items, kQeIdentityType, set / "qe_identity.json");
  add(items, kCrlType, set / "pck_crl.der");
  add(items, kCrlType, set / "root_ca_crl.der");
  add_pem(items, set / "tcb_signing_chain.pem");
  const AzureEvidence real = evidence("tdx-vtpm.json");
  const Instant at = from_rfc3339("2026-03-05T10:50:03Z").value();
  const AzureVerifier verifier(vendor_anchors());
  const Verification verification = verifier.verify(real, items, std::nullopt, at);
  ASSERT_TRUE(verification.claims) << verification.claims.error().to_string();
  const EvidenceClaims& claims = verification.claims.value().value();
  EXPECT_EQ(claims.anchor.origin, AnchorOrigin::kVendor);
  EXPECT_EQ(claims.intel_tcb()->status, IntelTcbStatus::kUpToDate);
  EXPECT_EQ(as_text(claims.vtpm->attest.extra_data), "attestation-test-fixture");
  EXPECT_EQ(made::holds(verification.checks, "azure.td_report"), true);
}

}  // namespace
}  // namespace ensconce
