// The vTPM of a simulated Azure VM, asked in the TPM's own words, and what it gives held against
// the verifier.
#include "ensconce/sim/vtpm_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "ensconce/attestation/verify/azure_verifier.h"
#include "ensconce/crypto/hash.h"
#include "own_code.h"

namespace ensconce {
namespace {

namespace fs = std::filesystem;

constexpr Instant kNow{1'790'000'000'000};
constexpr std::uint32_t kRetry = 0x922;
constexpr std::uint32_t kYielded = 0x908;
constexpr std::uint32_t kFailure = 0x101;
constexpr DeviceFiles::Node kRoot = DeviceFiles::kRoot;

// ---- Commands (TCG TPM 2.0 Library, Part 3), with the empty password where one is asked for -----

Bytes command(bool authorised, std::uint32_t code, const ByteWriter& handles,
              const ByteWriter& parameters) {
  ByteWriter body;
  body.raw(handles.bytes());
  if (authorised) {
    body.u32_be(9).u32_be(0x40000009).u16_be(0).u8(0).u16_be(0);
  }
  body.raw(parameters.bytes());
  ByteWriter out;
  out.u16_be(authorised ? 0x8002 : 0x8001);
  out.u32_be(static_cast<std::uint32_t>(10 + body.bytes().size())).u32_be(code);
  out.raw(body.bytes());
  return std::move(out).take();
}

Bytes nv_read(std::uint16_t offset, std::uint16_t len) {
  ByteWriter handles;
  handles.u32_be(kHclReportIndex).u32_be(kHclReportIndex);
  ByteWriter parameters;
  parameters.u16_be(len).u16_be(offset);
  return command(true, 0x14e, handles, parameters);
}

ByteWriter selection(ByteArray<3> bitmap) {
  ByteWriter out;
  out.u32_be(1).u16_be(0x000b).u8(3).raw(bitmap);
  return out;
}

Bytes quote_command(ByteView challenge) {
  ByteWriter handles;
  handles.u32_be(kAttestationKeyHandle);
  ByteWriter parameters;
  parameters.u16_be(static_cast<std::uint16_t>(challenge.size())).raw(challenge);
  parameters.u16_be(0x0010).raw(selection({0xff, 0xff, 0xff}).bytes());
  return command(true, 0x158, handles, parameters);
}

Bytes pcr_read(std::uint32_t pcr) {
  ByteArray<3> bitmap{};
  bitmap[pcr / 8] = static_cast<std::uint8_t>(1U << pcr % 8);
  return command(false, 0x17e, {}, selection(bitmap));
}

std::uint32_t code_of(const Bytes& response) {
  ByteReader reader(response);
  return reader.skip(6) ? reader.u32_be().value() : UINT32_MAX;
}

class Vtpm : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    SeededRandom random(1);
    SnpPkiOptions options;
    options.rsa_bits = 2048;
    pki_ = std::make_unique<SnpPki>(SnpPki::generate(options, random, kNow));
  }
  static void TearDownTestSuite() { pki_.reset(); }

  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "ensc-vtpm-XXXXXX").string();
    dir_ = mkdtemp(pattern.data());
    auto vtpm = Swtpm::start(dir_);
    if (!vtpm) {
      GTEST_SKIP() << vtpm.error().to_string();
    }
    vtpm_ = *std::move(vtpm);
    challenge_ = Bytes(32, 0x42);
    ASSERT_TRUE(gate_.learn_code());
    ASSERT_TRUE(gate_.arm(getpid()));
  }
  void TearDown() override {
    vtpm_.reset();
    fs::remove_all(dir_);
  }

  // furnish makes the device with these faults.
  void furnish(std::initializer_list<const char*> texts = {}) {
    std::vector<FaultRule> rules;
    for (const char* text : texts) {
      rules.push_back(*parse_fault(text, Platform::kAzure));
    }
    const FaultScript faults(std::move(rules));
    SystemRandom random;
    const auto furnished = furnish_vtpm(*vtpm_, *pki_, launch_, faults, random);
    ASSERT_TRUE(furnished) << furnished.error().to_string();
    file_ = std::make_unique<VtpmFile>(*vtpm_, gate_, faults);
    ASSERT_EQ(file_->open(kRoot, 1), 0);
  }

  // ask writes a command and reads its response in two parts, as tpm2-tss does.
  Bytes ask(const Bytes& bytes) {
    EXPECT_EQ(file_->write(kRoot, 1, 0, bytes), 0);
    const DeviceAnswer header = file_->read(kRoot, 1, 10, 0);
    EXPECT_EQ(header.error, 0);
    return concat({header.bytes, file_->read(kRoot, 1, 4096, 10).bytes});
  }

  // evidence is what an attester makes of the device.
  AzureEvidence evidence() {
    AzureEvidence out;
    for (std::uint16_t at = 0; at < 2048; at = static_cast<std::uint16_t>(at + 1024)) {
      const Bytes response = ask(nv_read(at, 1024));
      EXPECT_EQ(code_of(response), 0U);
      EXPECT_EQ(response.size(), 10U + 4 + 2 + 1024 + 5);
      out.hcl_report = concat({out.hcl_report, ByteView(response).subspan(16, 1024)});
    }
    const Bytes quoted = ask(quote_command(challenge_));
    EXPECT_EQ(code_of(quoted), 0U);
    ByteReader reader(quoted);
    EXPECT_TRUE(reader.skip(14));
    out.tpm_message = to_bytes(*reader.take(*reader.u16_be()));
    EXPECT_EQ(*reader.u16_be(), 0x0014) << "RSASSA";
    EXPECT_EQ(*reader.u16_be(), 0x000b) << "SHA-256";
    out.tpm_signature = to_bytes(*reader.take(*reader.u16_be()));
    for (std::uint32_t pcr = 0; pcr < 24; ++pcr) {
      const Bytes response = ask(pcr_read(pcr));
      EXPECT_EQ(code_of(response), 0U);
      out.pcrs.push_back(*to_array<32>(ByteView(response).last(32)));
    }
    out.vcek = pki_->vek().der();
    return out;
  }

  std::string verdict(const AzureEvidence& evidence) {
    ByteArray<64> expected{};
    std::copy(challenge_.begin(), challenge_.end(), expected.begin());
    const AzureVerifier verifier({{pki_->ark().spki_sha256(), "Milan", AnchorOrigin::kSimulated}});
    const auto parsed = parse_azure_evidence(write_azure_evidence(evidence));
    EXPECT_TRUE(parsed) << parsed.error().to_string();
    auto verified =
        verifier.verify(*parsed, pki_->endorsements(pki_->crl_der(kNow)), expected, kNow);
    return verified.claims ? "good" : std::string(verified.claims.error().id());
  }

  static inline std::unique_ptr<SnpPki> pki_;
  fs::path dir_;
  std::unique_ptr<Swtpm> vtpm_;
  ProcessGate gate_{own_code()};
  ByteArray<32> launch_ = sha256(as_bytes("launch"));
  Bytes challenge_;
  std::unique_ptr<VtpmFile> file_;
};

TEST_F(Vtpm, MakesEvidenceThatVerifies) {
  furnish();
  const AzureEvidence made = evidence();
  EXPECT_EQ(verdict(made), "good");
  EXPECT_EQ(made.pcrs[kLaunchPcr], azure_launch_pcr(launch_));
  const auto hcl = parse_hcl_report(made.hcl_report);
  ASSERT_TRUE(hcl) << hcl.error().to_string();
  const auto report = parse_snp_report(hcl->hardware_report);
  EXPECT_EQ(report->measurement, azure_paravisor_measurement());
  EXPECT_EQ(report->vmpl, 0U);
}

TEST_F(Vtpm, FailsInEachWayAndThenAnswers) {
  furnish({"busy:1", "throttled:1@2", "firmware-error:1@3", "short-read:1@4"});
  EXPECT_EQ(code_of(ask(quote_command(challenge_))), kRetry);
  EXPECT_EQ(code_of(ask(quote_command(challenge_))), kYielded);
  EXPECT_EQ(code_of(ask(quote_command(challenge_))), kFailure);
  const Bytes cut = ask(quote_command(challenge_));
  ByteReader reader(cut);
  EXPECT_TRUE(reader.skip(2));
  EXPECT_GT(*reader.u32_be(), cut.size()) << "the header promises more";
  EXPECT_EQ(verdict(evidence()), "good");
}

TEST_F(Vtpm, StaleQuoteAnswersAnotherChallenge) {
  furnish({"stale"});
  EXPECT_EQ(verdict(evidence()), "azure.report_data");
}

TEST_F(Vtpm, AnotherKeyOfTheSameKindIsNotVouchedFor) {
  furnish({"other-ak"});
  EXPECT_EQ(verdict(evidence()), "azure.tpm.signature");
}

TEST_F(Vtpm, AnotherVmsReportNamesAnotherKey) {
  furnish({"other-vm"});
  EXPECT_EQ(verdict(evidence()), "azure.tpm.signature");
}

TEST_F(Vtpm, ReportOfAnotherPrivilegeLevel) {
  furnish({"privilege-level"});
  EXPECT_EQ(verdict(evidence()), "azure.vmpl");
}

TEST_F(Vtpm, WrongPcrIsQuotedTruthfully) {
  furnish({"wrong-pcr"});
  const AzureEvidence made = evidence();
  EXPECT_EQ(verdict(made), "good") << "what it should be only a policy knows";
  EXPECT_NE(made.pcrs[kLaunchPcr], azure_launch_pcr(launch_));
  EXPECT_EQ(evidence().pcrs[kLaunchPcr], made.pcrs[kLaunchPcr]) << "extended once";
}

TEST_F(Vtpm, DebugShowsInTheReport) {
  furnish({"debug"});
  EXPECT_TRUE(
      parse_snp_report(parse_hcl_report(evidence().hcl_report)->hardware_report)->debug_allowed());
}

TEST_F(Vtpm, BehavesAsTheKernelsDevice) {
  furnish();
  EXPECT_EQ(file_->read(kRoot, 1, 4096, 0).bytes, Bytes()) << "nothing was asked";
  EXPECT_FALSE(file_->readable(kRoot, 1));
  EXPECT_EQ(file_->write(kRoot, 1, 0, Bytes(4)), EINVAL);
  Bytes longer = pcr_read(0);
  longer.push_back(0);
  EXPECT_EQ(file_->write(kRoot, 1, 0, longer), EINVAL) << "longer than its header says";
  EXPECT_EQ(file_->write(kRoot, 1, 0, Bytes(5000)), E2BIG);
  EXPECT_EQ(file_->write(kRoot, 1, 0, pcr_read(0)), 0);
  EXPECT_TRUE(file_->readable(kRoot, 1));
  EXPECT_EQ(file_->write(kRoot, 1, 0, pcr_read(1)), EBUSY) << "the response was not read";
  EXPECT_EQ(file_->read(kRoot, 1, 4096, 0).bytes.size(), 62U);
  EXPECT_FALSE(file_->readable(kRoot, 1));
  EXPECT_EQ(file_->write(kRoot, 1, 0, pcr_read(1)), 0);
}

TEST_F(Vtpm, HangsAtAQuoteAlone) {
  furnish({"hang"});
  EXPECT_EQ(code_of(ask(pcr_read(0))), 0U);
  EXPECT_EQ(file_->write(kRoot, 1, 0, quote_command(challenge_)), 0);
  EXPECT_FALSE(file_->readable(kRoot, 1));
  EXPECT_EQ(file_->read(kRoot, 1, 4096, 0).error, kNever);
  EXPECT_EQ(file_->write(kRoot, 1, 0, pcr_read(0)), EBUSY);
}

TEST_F(Vtpm, DeniesItsUse) {
  furnish();
  VtpmFile denying(*vtpm_, gate_, FaultScript({*parse_fault("denied:1", Platform::kAzure)}));
  EXPECT_EQ(denying.open(kRoot, 2), EACCES);
  EXPECT_EQ(denying.open(kRoot, 3), 0);
}

TEST_F(Vtpm, RefusesACommandWhenForeignCodeRuns) {
  furnish();
  ProcessGate strict({"/proc/self/exe"});
  ASSERT_TRUE(strict.arm(getpid()));  // it has learnt no code at all
  VtpmFile refusing(*vtpm_, strict);
  ASSERT_EQ(refusing.open(kRoot, 2), 0);
  EXPECT_EQ(refusing.write(kRoot, 2, 0, pcr_read(0)), EIO);
}

TEST_F(Vtpm, FlushesWhatAUserLeftLoaded) {
  furnish();
  // TPM2_StartAuthSession: three are all the TPM has room for.
  ByteWriter handles;
  handles.u32_be(0x40000007).u32_be(0x40000007);
  ByteWriter parameters;
  parameters.u16_be(16).raw(Bytes(16, 1)).u16_be(0).u8(1).u16_be(0x0010).u16_be(0x000b);
  const Bytes start = command(false, 0x176, handles, parameters);
  for (DeviceFiles::Handle user = 10; user < 20; ++user) {
    ASSERT_EQ(file_->open(kRoot, user), 0);
    ASSERT_EQ(file_->write(kRoot, user, 0, start), 0);
    EXPECT_EQ(code_of(file_->read(kRoot, user, 4096, 0).bytes), 0U) << user;
    file_->release(user);
  }
}

}  // namespace
}  // namespace ensconce
