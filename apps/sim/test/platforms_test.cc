// Platforms other than SNP, played by the program ensconce-sim over FUSE to a program that does as
// it is told; what misbehaves does so by script.
#include <sys/stat.h>

#include "ensconce/attestation/endorsements/recognise.h"
#include "ensconce/attestation/policy/trust_anchor_file.h"
#include "ensconce/attestation/verify/intel_verifier.h"
#include "ensconce/base/file.h"
#include "simulator.h"

namespace ensconce {
namespace {

// TPM2_GetRandom of 8 bytes.
constexpr const char* kGetRandom = "80010000000c0000017b0008";

class Platforms : public Simulator {
 protected:
  static std::string probe() { return from_environment("ENSC_DEVICE_PROBE"); }
  static Strings arguments(const std::string& platform, const Strings& asked,
                           const Strings& options = {}) {
    Strings out = {"run", "--state", state(), "--platform", platform};
    out.insert(out.end(), options.begin(), options.end());
    out.insert(out.end(), {"--", probe()});
    out.insert(out.end(), asked.begin(), asked.end());
    return out;
  }
  // lines of what the probe printed when asked so.
  static Strings asked(const std::string& platform, const Strings& what,
                       const Strings& options = {}) {
    const Ran ran = run(arguments(platform, what, options));
    EXPECT_EQ(ran.code, 0) << ran.err;
    last_err_ = ran.err;
    Strings lines;
    std::istringstream text(ran.out);
    for (std::string line; std::getline(text, line);) {
      lines.push_back(line);
    }
    return lines;
  }
  static json::Value measured(const std::string& platform, const Strings& program) {
    Strings all = {"measure", "--state", state(), "--platform", platform, "--", probe()};
    all.insert(all.end(), program.begin(), program.end());
    const Ran ran = run(all);
    EXPECT_EQ(ran.code, 0) << ran.err;
    return *json::parse(ran.out);
  }
  static std::string text_of(const json::Value& object, const char* name) {
    return *object.find(name)->as_text(name);
  }
  static std::vector<TrustAnchor> anchors(const std::string& platform) {
    return *trust_anchors_from_pem(
        run({"anchor", "--state", state(), "--platform", platform, "--pem"}).out);
  }
  // endorsements are what lies beside the device of a run.
  static std::vector<EndorsementItem> endorsements(const std::string& platform) {
    Spawned sim(scratch_ / ("endorsements-" + platform), command(arguments(platform, {"wait"})));
    const fs::path cwd = sim.line("cwd ");
    std::vector<EndorsementItem> out;
    for (const auto& entry : fs::directory_iterator(cwd / "endorsements")) {
      const auto recognised = recognise(*read_file(entry.path()));
      EXPECT_TRUE(recognised) << entry.path();
      out.insert(out.end(), recognised->endorsements.begin(), recognised->endorsements.end());
    }
    sim.signal(SIGTERM);
    sim.wait();
    return out;
  }
  static Result<void> verify(const std::string& platform, const IntelQuote& quote,
                             const ByteArray<64>& challenge) {
    const auto fitting = collect_intel_endorsements(quote, endorsements(platform));
    ENSC_TRY(fitting);
    const IntelVerifier verifier(anchors(platform));
    auto verified = verifier.verify(quote, *fitting, challenge, SystemClock().now());
    ENSC_TRY(verified.claims);
    return ok();
  }

  static inline std::string last_err_;
  const std::string challenge_ = std::string(128, '4');
  const ByteArray<64> challenge_bytes_ = *to_array<64>(*from_hex(challenge_));
  const Strings tsm_ = {"mkdir",
                        "tsm/report/r",
                        "write",
                        "tsm/report/r/inblob",
                        challenge_,
                        "read",
                        "tsm/report/r/provider",
                        "read",
                        "tsm/report/r/outblob",
                        "read",
                        "tsm/report/r/generation"};
  const Strings gramine_ = {"write", "attestation/user_report_data", challenge_, "read",
                            "attestation/quote"};
};

class FusePlatforms : public Platforms {
 protected:
  void SetUp() override {
    if (run(arguments("sgx", {})).code != 0) {
      GTEST_SKIP() << "FUSE cannot be mounted here (no /dev/fuse or no CAP_SYS_ADMIN)";
    }
  }
};

TEST_F(FusePlatforms, TrustDomainsQuoteVerifiesWithTheMeasurementThatWasForetold) {
  const Strings lines = asked("tdx", tsm_);
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_EQ(lines[2], to_hex(as_bytes("tdx_guest\n")));
  EXPECT_EQ(lines[4], to_hex(as_bytes("1\n")));
  const auto quote = parse_intel_quote(*from_hex(lines[3]));
  ASSERT_TRUE(quote) << quote.error().to_string();
  EXPECT_EQ(to_hex(std::get<TdReport>(quote->body).mr_td),
            text_of(measured("tdx", tsm_), "measurement"));
  const auto verified = verify("tdx", *quote, challenge_bytes_);
  EXPECT_TRUE(verified) << verified.error().to_string();
}

TEST_F(FusePlatforms, EnclavesQuoteVerifiesWithTheMeasurementsThatWereForetold) {
  const Strings lines = asked("sgx", gramine_);
  ASSERT_EQ(lines.size(), 2U);
  const auto quote = parse_intel_quote(*from_hex(lines[1]));
  ASSERT_TRUE(quote) << quote.error().to_string();
  const SgxReport& enclave = std::get<SgxReport>(quote->body);
  const json::Value foretold = measured("sgx", gramine_);
  EXPECT_EQ(to_hex(enclave.mr_enclave), text_of(foretold, "measurement"));
  EXPECT_EQ(to_hex(enclave.mr_signer), text_of(foretold, "mr_signer"));
  const auto verified = verify("sgx", *quote, challenge_bytes_);
  EXPECT_TRUE(verified) << verified.error().to_string();
}

TEST_F(Platforms, MeasurementsChangeWithTheLaunchAndTheSignerDoesNot) {
  const json::Value one = measured("sgx", {"read", "a"});
  const json::Value other = measured("sgx", {"read", "b"});
  EXPECT_NE(text_of(one, "measurement"), text_of(other, "measurement"));
  EXPECT_EQ(text_of(one, "mr_signer"), text_of(other, "mr_signer"));
  const auto pcr = [](const json::Value& document) { return json::write(*document.find("pcrs")); };
  EXPECT_NE(pcr(measured("azure", {"read", "a"})), pcr(measured("azure", {"read", "b"})));
  EXPECT_EQ(text_of(measured("azure", {"read", "a"}), "measurement"),
            text_of(measured("azure", {"read", "b"}), "measurement"))
      << "the paravisor boots whatever comes";
}

TEST_F(FusePlatforms, NobodyElseIsAnswered) {
  for (const auto& [platform, place] :
       {std::pair("sgx", "attestation/quote"), std::pair("tdx", "tsm/report")}) {
    EXPECT_EQ(asked(platform, {"child", place}), Strings{"EACCES"}) << platform;
    EXPECT_NE(last_err_.find("is not the one it was started for"), std::string::npos);
  }
}

TEST_F(Platforms, AnOldDirectoryIsCompletedAndNotReplaced) {
  const fs::path old = scratch_ / "old";
  fs::copy(state(), old, fs::copy_options::recursive);
  fs::remove_all(old / "run");
  fs::remove_all(old / "intel");
  const Bytes before = *read_file(old / "pki" / "vek.key");
  EXPECT_EQ(run({"anchor", "--state", old.string()}).code, 0);
  const Ran refused = run({"anchor", "--state", old.string(), "--platform", "tdx"});
  EXPECT_EQ(refused.code, exit_code_of(Stage::kUsage));
  EXPECT_NE(refused.err.find("sim.state"), std::string::npos) << refused.err;
  EXPECT_EQ(run({"init", "--state", old.string()}).code, 0);
  EXPECT_EQ(run({"anchor", "--state", old.string(), "--platform", "tdx"}).code, 0);
  EXPECT_EQ(*read_file(old / "pki" / "vek.key"), before);
}

// ---- Devices that misbehave -------------------------------------------------------------------

TEST_F(FusePlatforms, AFaultPassesAndIsAnnounced) {
  const Strings lines =
      asked("sgx",
            {"read", "attestation/quote", "read", "attestation/quote", "read", "attestation/quote"},
            {"--fault", "busy:1", "--fault", "denied:1@2"});
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0], "EBUSY");
  EXPECT_EQ(lines[1], "EACCES");
  EXPECT_GT(lines[2].size(), 2000U);
  EXPECT_NE(last_err_.find("SIMULATED fault scripted: busy"), std::string::npos);
  EXPECT_NE(last_err_.find("SIMULATED fault busy befalls request 1"), std::string::npos);
}

TEST_F(FusePlatforms, SnpMisbehavesOverFuseToo) {
  const Strings lines = asked("snp", tsm_, {"--fault", "wrong-generation"});
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_EQ(lines[4], to_hex(as_bytes("2\n")));
}

TEST_F(FusePlatforms, AProgramThatWaitsForAnAnswerThatNeverComesCanBeEnded) {
  for (const auto& [platform, what] :
       {std::pair("sgx", Strings{"read", "attestation/quote"}), std::pair("tdx", tsm_)}) {
    Spawned sim(scratch_ / (std::string("hang-") + platform),
                command(arguments(platform, what, {"--fault", "hang"})));
    for (int i = 0; i < 2000 && sim.err().find("hang befalls request") == std::string::npos; ++i) {
      poll(nullptr, 0, 10);
    }
    sim.signal(SIGTERM);
    EXPECT_EQ(sim.wait(), 128 + SIGTERM) << platform << sim.err();
  }
}

TEST_F(Platforms, RefusesFaultsThatThereAreNotAndPipesThatCannot) {
  const Ran fault = run(arguments("sgx", {}, {"--fault", "tdreport"}));
  EXPECT_EQ(fault.code, exit_code_of(Stage::kUsage));
  EXPECT_NE(fault.err.find("sim.fault"), std::string::npos);
  EXPECT_NE(run(arguments("sgx", {}, {"--transport", "pipes"})).err.find("sim.transport"),
            std::string::npos);
  EXPECT_NE(run(arguments("snp", {}, {"--transport", "pipes", "--fault", "busy"}))
                .err.find("sim.transport"),
            std::string::npos);
  EXPECT_EQ(run(arguments("vbs", {})).code, 2);
}

// ---- Azure, where swtpm is ----------------------------------------------------------------------

class AzurePlatform : public FusePlatforms {
 protected:
  void SetUp() override {
    FusePlatforms::SetUp();
    if (!IsSkipped() && run(arguments("azure", {})).err.find("sim.vtpm") != std::string::npos) {
      GTEST_SKIP() << "swtpm is not installed";
    }
  }
};

TEST_F(AzurePlatform, TheFileIsATpm) {
  const Strings lines = asked("azure", {"ask", "tpm", kGetRandom, "ask", "tpm", kGetRandom});
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].substr(0, 24), "800100000014000000000008");
  EXPECT_EQ(lines[0].size(), 40U);
  EXPECT_NE(lines[0], lines[1]);
}

TEST_F(AzurePlatform, NobodyElseMayUseIt) {
  EXPECT_EQ(asked("azure", {"child", "tpm"}), Strings{"EACCES"});
}

TEST_F(AzurePlatform, CertificatesLieBesideIt) {
  const auto items = endorsements("azure");
  EXPECT_EQ(items.size(), 4U);
}

TEST_F(AzurePlatform, NothingIsLeftOfIt) {
  EXPECT_EQ(asked("azure", {"read", "tpm"}), Strings{""}) << "no response without a command";
  EXPECT_TRUE(runs_left().empty());
}

}  // namespace
}  // namespace ensconce
