// The program ensconce-sim, started as a user starts it, with a probe in the place of the worker.
#include "simulator.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <sstream>

#include "ensconce/attestation/endorsements/snp_endorsements.h"
#include "ensconce/attestation/policy/trust_anchor_file.h"
#include "ensconce/attestation/verify/snp_verifier.h"
#include "ensconce/base/file.h"
#include "ensconce/tee/configfs_tsm.h"

namespace ensconce {
namespace {

struct Probed {
  std::optional<SnpReport> report;
  std::vector<EndorsementItem> endorsements;
  std::string error;
};

Probed probed(const std::string& text) {
  Probed out;
  std::istringstream lines(text);
  for (std::string word; lines >> word;) {
    std::string value;
    lines >> value;
    if (word == "report") {
      out.report = *parse_snp_report(*from_hex(value));
    } else if (word == "error") {
      out.error = value;
    } else if (word == "endorsement") {
      std::string hex;
      lines >> hex;
      out.endorsements.push_back({value, *from_hex(hex)});
    }
  }
  return out;
}

// ---- The directory and the anchor --------------------------------------------------------------

TEST_F(Simulator, InitIsIdempotentAndKeepsKeysToItsOwner) {
  const auto key = fs::path(state()) / "pki" / "vek.key";
  const auto before = *read_file(key);
  EXPECT_EQ(run({"init", "--state", state()}).code, 0);
  EXPECT_EQ(*read_file(key), before);
  struct stat st {};
  ASSERT_EQ(stat(key.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777U, 0600U);
  ASSERT_EQ(stat(state().c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777U, 0700U);
}

TEST_F(Simulator, RefusesAStateDirectoryThatIsOpenToOthers) {
  const fs::path open = scratch_ / "open";
  fs::create_directory(open);
  chmod(open.c_str(), 0755);
  EXPECT_EQ(run({"init", "--state", open.string()}).code, exit_code_of(Stage::kUsage));
  EXPECT_NE(run({"anchor", "--state", (scratch_ / "absent").string()}).code, 0);
}

TEST_F(Simulator, PrintsAnAnchorThatSaysSimulated) {
  const Ran ran = run({"anchor", "--state", state()});
  ASSERT_EQ(ran.code, 0);
  const auto anchor = json::parse(ran.out);
  ASSERT_TRUE(anchor);
  EXPECT_EQ(*anchor->find("origin")->as_text("origin"), "simulated");
  const Ran pem = run({"anchor", "--state", state(), "--pem"});
  const auto anchors = trust_anchors_from_pem(pem.out);
  ASSERT_TRUE(anchors);
  EXPECT_EQ(anchors->front().origin, AnchorOrigin::kSimulated);
  EXPECT_EQ(to_hex(anchors->front().spki_sha256),
            *anchor->find("spki_sha256")->as_text("spki_sha256"));
}

// ---- What is measured --------------------------------------------------------------------------

TEST_F(Simulator, MeasuresTheSameProgramTheSame) {
  EXPECT_EQ(measure({probe_, "report"}).measurement, measure({probe_, "report"}).measurement);
  EXPECT_TRUE(runs_left().empty());
}

TEST_F(Simulator, MeasurementChangesWithOneByteOfTheExecutable) {
  const fs::path dir = scratch_ / "changed";
  fs::create_directory(dir);
  const fs::path copy = dir / "tsm_probe";
  fs::copy_file(probe_, copy);
  const auto same = measure({copy.string(), "report"}).measurement;
  EXPECT_EQ(same, measure({probe_, "report"}).measurement) << "where it lies does not matter";
  std::ofstream(copy, std::ios::app | std::ios::binary) << '\0';
  EXPECT_NE(measure({copy.string(), "report"}).measurement, same);
}

TEST_F(Simulator, MeasurementChangesWithArgumentsAndEnvironment) {
  const auto base = measure({probe_, "report"}).measurement;
  EXPECT_NE(measure({probe_, "report", "x"}).measurement, base);
  EXPECT_NE(measure({probe_, "report"}, {}, {"--env", "A=1"}).measurement, base);
  EXPECT_NE(measure({probe_, "report"}, {"ENSCONCE_X=1"}).measurement, base);
  EXPECT_NE(measure({probe_, "report"}, {"LD_BIND_NOW=1"}).measurement, base);
  EXPECT_EQ(measure({probe_, "report"}, {"HOME=/somewhere"}).measurement, base)
      << "what the program never sees is not measured";
}

TEST_F(Simulator, MeasurementChangesWithTheContentOfAConfigurationFile) {
  const std::string file = (scratch_ / "worker.toml").string();
  std::ofstream(file) << "a = 1\n";
  const auto first = measure({probe_, "read-config", file});
  const auto by_option = measure({probe_, "read-config", "--config=" + file});
  EXPECT_NE(first.measurement, by_option.measurement);
  EXPECT_EQ((*by_option.document.find("argv")->as_array("argv"))->back(),
            json::Value("--config=etc/0-worker.toml"));
  std::ofstream(file) << "a = 2\n";
  EXPECT_NE(measure({probe_, "read-config", file}).measurement, first.measurement);
  EXPECT_NE(measure({probe_, "read-config", "--config=" + file}).measurement,
            by_option.measurement);
}

TEST_F(Simulator, MeasurementChangesWithAPreloadedLibrary) {
  const auto base = measure({probe_, "report"}).measurement;
  const auto preloaded = measure({probe_, "report"}, {}, {"--env", "LD_PRELOAD=" + foreign_});
  EXPECT_NE(preloaded.measurement, base);
  EXPECT_NE(json::write(preloaded.document).find("lib/libtsm_foreign.so"), std::string::npos);
  const auto audited = measure({probe_, "report"}, {}, {"--env", "LD_AUDIT=" + foreign_});
  EXPECT_NE(audited.measurement, base);
  EXPECT_NE(audited.measurement, preloaded.measurement);
}

TEST_F(Simulator, MeasurementChangesWithALibraryFromTheLibraryPath) {
  const fs::path dir = scratch_ / "libs";
  fs::create_directory(dir);
  const auto base = measure({probe_, "report"}, {"LD_LIBRARY_PATH=" + dir.string()});
  const json::Array& files = **base.document.find("files")->as_array("files");
  for (const json::Value& file : files) {
    if (*file.find("path")->as_text("path") == "lib/libm.so.6") {
      fs::copy_file(*file.find("source")->as_text("source"), dir / "libm.so.6");
    }
  }
  ASSERT_TRUE(fs::exists(dir / "libm.so.6"));
  const auto copied = measure({probe_, "report"}, {"LD_LIBRARY_PATH=" + dir.string()});
  EXPECT_EQ(copied.measurement, base.measurement) << "the same bytes from elsewhere";
  std::ofstream(dir / "libm.so.6", std::ios::app | std::ios::binary) << '\0';
  EXPECT_NE(measure({probe_, "report"}, {"LD_LIBRARY_PATH=" + dir.string()}).measurement,
            base.measurement);
}

TEST_F(Simulator, RefusesWhatItCannotMeasure) {
  const std::string script = (scratch_ / "script").string();
  std::ofstream(script) << "#!/bin/sh\n";
  chmod(script.c_str(), 0700);
  EXPECT_NE(run({"measure", "--state", state(), "--", script}).err.find("sim.not_elf"),
            std::string::npos);
  EXPECT_NE(run({"measure", "--state", state(), "--", "no-such-program"}).err.find("sim.not_found"),
            std::string::npos);
  EXPECT_NE(run({"measure", "--state", state(), "--", probe_}, {"LD_PRELOAD=/absent.so"})
                .err.find("sim.closure"),
            std::string::npos);
}

// ---- What runs ---------------------------------------------------------------------------------

class Transports : public Simulator, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    if (GetParam() == std::string("fuse") && !fuse_works()) {
      GTEST_SKIP() << "FUSE cannot be mounted here (no /dev/fuse or no CAP_SYS_ADMIN)";
    }
  }
  static bool fuse_works() {
    static const bool works =
        run({"run", "--state", state(), "--transport", "fuse", "--", probe_, "exit", "0"}).code ==
        0;
    return works;
  }
  static Strings run_arguments(const Strings& program, const Strings& options = {}) {
    Strings arguments = {"run", "--state", state(), "--transport", GetParam()};
    arguments.insert(arguments.end(), options.begin(), options.end());
    arguments.emplace_back("--");
    arguments.insert(arguments.end(), program.begin(), program.end());
    return arguments;
  }
  static Ran started(const Strings& program, const Strings& options = {},
                     Strings environment = {}) {
    return run(run_arguments(program, options), std::move(environment));
  }
};
INSTANTIATE_TEST_SUITE_P(Simulator, Transports, ::testing::Values("fuse", "pipes"),
                         [](const auto& instance) { return std::string(instance.param); });

TEST_P(Transports, ReportVerifiesUnderItsOwnRootWithTheMeasurementThatWasForetold) {
  const Ran ran = started({probe_, "report"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Probed probe = probed(ran.out);
  ASSERT_TRUE(probe.report);
  EXPECT_EQ(to_hex(probe.report->measurement), measure({probe_, "report"}).measurement);
  EXPECT_EQ(probe.report->vmpl, 0U);
  EXPECT_EQ(probe.report->policy, 0x30000U);
  EXPECT_EQ(probe.report->version, 3U);

  const auto anchors = trust_anchors_from_pem(run({"anchor", "--state", state(), "--pem"}).out);
  ASSERT_TRUE(anchors);
  const auto endorsements = collect_snp_endorsements(probe.endorsements);
  ASSERT_TRUE(endorsements);
  ByteArray<64> asked{};
  asked.fill(0x42);
  const SnpVerifier verifier(*anchors);
  const auto verified = verifier.verify(*probe.report, *endorsements, asked, SystemClock().now());
  EXPECT_TRUE(verified.claims) << verified.claims.error().to_string();
  const SnpVerifier vendor(vendor_anchors());
  EXPECT_FALSE(vendor.verify(*probe.report, *endorsements, asked, SystemClock().now()).claims);
  EXPECT_NE(ran.err.find("SIMULATED"), std::string::npos);
}

TEST_P(Transports, AnswersManyRequestsAndLeavesNoneBehind) {
  const Ran ran = started({probe_, "report-many"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), 'r') > 20, true);
}

TEST_P(Transports, AnswersEveryThreadOfTheProgram) {
  EXPECT_TRUE(probed(started({probe_, "report-from-thread"}).out).report);
}

TEST_P(Transports, AnswersAProgramThatMadeItselfUndumpable) {
  const Ran ran = started({probe_, "report-undumpable"});
  EXPECT_TRUE(probed(ran.out).report) << ran.out << ran.err;
}

TEST_P(Transports, DeniesAnotherProcessEvenAChildOfTheProgram) {
  const Ran ran = started({probe_, "report-from-child"});
  EXPECT_FALSE(probed(ran.out).report);
  EXPECT_NE(probed(ran.out).error, "");
}

TEST_P(Transports, DeniesAForeignProcessThatFindsTheTree) {
  Spawned sim(scratch_ / "foreign", command(run_arguments({probe_, "wait"})));
  const std::string cwd = sim.line("cwd ");
  const SystemClock clock;
  SystemRandom random;
  ConfigfsTsmProvider provider(fs::path(cwd) / "tsm", clock, random);
  const auto evidence = provider.attest({});
  ASSERT_FALSE(evidence);
  EXPECT_TRUE(evidence.error().is(TeeError::kDenied) || evidence.error().is(TeeError::kBadAnswer))
      << evidence.error().to_string();
  sim.signal(SIGTERM);
  EXPECT_EQ(sim.wait(), 7);
}

TEST_P(Transports, RefusesAReportOnceForeignCodeIsLoaded) {
  const Ran ran = started({probe_, "dlopen"}, {"--env", "FOREIGN=" + foreign_});
  EXPECT_FALSE(probed(ran.out).report);
  EXPECT_NE(ran.err.find("sim.foreign_code"), std::string::npos) << ran.err;
  EXPECT_NE(ran.err.find("libtsm_foreign.so"), std::string::npos) << ran.err;
}

TEST_P(Transports, RefusesAReportOnceTheProgramBecameAnother) {
  const Ran ran = started({probe_, "exec"}, {"--env", "FOREIGN=" + probe_});
  EXPECT_FALSE(probed(ran.out).report) << ran.out;
  EXPECT_NE(ran.err.find("sim.foreign_code"), std::string::npos) << ran.err;
}

TEST_P(Transports, APreloadedLibraryRunsUnderItsOwnMeasurement) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "AddressSanitizer refuses to start behind a preloaded library";
#endif
  const auto base = measure({probe_, "report"}).measurement;
  const Ran ran = started({probe_, "report"}, {}, {"LD_PRELOAD=" + foreign_});
  const Probed probe = probed(ran.out);
  ASSERT_TRUE(probe.report) << ran.err;
  EXPECT_NE(to_hex(probe.report->measurement), base);
}

TEST_P(Transports, StartsTheProgramWithNothingInherited) {
  const Fd extra(open("/dev/null", O_RDONLY));  // without O_CLOEXEC, so the simulator has it
  const Ran ran = started({probe_, "world"}, {"--env", "A=b"}, {"SECRET=1", "ENSCONCE_X=2"});
  EXPECT_EQ(ran.out, "env A=b\nenv ENSCONCE_X=2\nfds 3\n");
}

TEST_P(Transports, ReadsTheCopyOfAConfigurationFile) {
  const std::string file = (scratch_ / "run.toml").string();
  std::ofstream(file) << "content";
  const Ran ran = started({probe_, "read-config", file});
  EXPECT_NE(ran.out.find("config etc/0-run.toml content\n"), std::string::npos) << ran.out;
}

TEST_P(Transports, ReturnsTheExitCodeOfTheProgram) {
  EXPECT_EQ(started({probe_, "exit", "23"}).code, 23);
}

TEST_P(Transports, ForwardsTheEndAndCleansUp) {
  Spawned sim(scratch_ / "term", command(run_arguments({probe_, "wait"})));
  const std::string cwd = sim.line("cwd ");
  EXPECT_TRUE(fs::exists(cwd));
  sim.signal(SIGTERM);
  EXPECT_EQ(sim.wait(), 7) << sim.err();
  EXPECT_FALSE(fs::exists(cwd));
  EXPECT_TRUE(runs_left().empty());
}

TEST_P(Transports, TheProgramDiesWithAKilledSimulatorAndTheNextRunCleansUp) {
  Spawned sim(scratch_ / "killed", command(run_arguments({probe_, "wait"})));
  const pid_t program = std::stoi(sim.line("pid "));
  sim.line("cwd ");
  sim.signal(SIGKILL);
  EXPECT_EQ(sim.wait(), 128 + SIGKILL);
  const auto gone = [&] {
    std::string line;
    std::ifstream status("/proc/" + std::to_string(program) + "/stat");
    return !std::getline(status, line) || line.find(") Z") != std::string::npos ||
           line.find(") X") != std::string::npos;
  };
  for (int i = 0; i < 1000 && !gone(); ++i) {
    poll(nullptr, 0, 10);
  }
  EXPECT_TRUE(gone());
  EXPECT_FALSE(runs_left().empty());
  EXPECT_EQ(started({probe_, "exit", "0"}).code, 0);
  EXPECT_TRUE(runs_left().empty());
}

TEST_P(Transports, SeveralSimulatorsRunAtOnce) {
  Spawned first(scratch_ / "first", command(run_arguments({probe_, "wait"})));
  Spawned second(scratch_ / "second", command(run_arguments({probe_, "wait"})));
  const auto one = *parse_snp_report(*from_hex(first.line("report ")));
  const auto two = *parse_snp_report(*from_hex(second.line("report ")));
  EXPECT_EQ(one.measurement, two.measurement);
  EXPECT_NE(one.report_id, two.report_id);
  first.signal(SIGTERM);
  EXPECT_EQ(first.wait(), 7);
  second.signal(SIGTERM);
  EXPECT_EQ(second.wait(), 7);
}

}  // namespace
}  // namespace ensconce
