#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

#include "ensconce/doctor/advice.h"

namespace ensconce {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;

// Root is a machine made of files.
class Root {
 public:
  Root() {
    std::string name = (fs::temp_directory_path() / "ensc-doctor-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Root() { fs::remove_all(path_); }
  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;

  Root& file(const std::string& at, const std::string& content = "") {
    const fs::path path = path_ / at;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << content;
    return *this;
  }
  Root& folder(const std::string& at) {
    fs::create_directories(path_ / at);
    return *this;
  }
  Root& processor(const std::string& vendor, const std::string& flags) {
    return file("proc/cpuinfo", "processor\t: 0\nvendor_id\t: " + vendor +
                                    "\nmodel name\t: A processor\nflags\t\t: fpu aes " + flags +
                                    "\n\nprocessor\t: 1\nvendor_id\t: Other\n");
  }
  Root& kernel(const std::string& version) {
    return file("proc/sys/kernel/osrelease", version + "\n");
  }
  [[nodiscard]] MachineFacts look() const {
    return look_at_machine(path_, (path_ / "usr/bin").string() + ":/nowhere");
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

PlatformAdvice advice_on(const Root& root, const std::string& platform,
                         const std::set<std::string>& attesters = {}) {
  MachineFacts facts = root.look();
  facts.attesters = attesters;
  for (PlatformAdvice& one : advise(facts)) {
    if (one.platform == platform) {
      return std::move(one);
    }
  }
  ADD_FAILURE() << "nothing about " << platform;
  return {};
}

auto misses(const std::string& what) { return Contains(Field(&Missing::what, HasSubstr(what))); }

TEST(LookAtMachine, ReadsWhatIsThereAndTakesTheRestForAbsent) {
  Root root;
  const MachineFacts nothing = root.look();
  EXPECT_EQ(nothing.processor_vendor, "");
  EXPECT_FALSE(nothing.devices.at("/dev/sev-guest").there);

  root.processor("AuthenticAMD", "hypervisor vaes").kernel("6.12.95+deb12");
  root.file("proc/meminfo", "MemTotal:  1 kB\nSwapTotal:       2048 kB\n");
  root.file("proc/filesystems", "nodev\tsysfs\nnodev\tconfigfs\n");
  root.file("sys/class/dmi/id/sys_vendor", "Example\x01\n").file("dev/sev-guest");
  root.file("usr/bin/swtpm");
  ::chmod((root.path() / "usr/bin/swtpm").c_str(), 0755);
  const MachineFacts facts = root.look();
  EXPECT_EQ(facts.processor_vendor, "AuthenticAMD");
  EXPECT_EQ(facts.processor, "A processor");
  EXPECT_TRUE(facts.flags.contains("vaes"));
  EXPECT_EQ(facts.kernel, "6.12.95+deb12");
  EXPECT_EQ(facts.swap_kib, 2048U);
  EXPECT_TRUE(facts.configfs);
  EXPECT_THAT(facts.maker, ::testing::Not(HasSubstr("\x01")));
  EXPECT_TRUE(facts.devices.at("/dev/sev-guest").usable);
  EXPECT_EQ(facts.programs, std::set<std::string>{"swtpm"});
}

TEST(Advise, SnpIsReadyByEitherInterface) {
  for (const bool device : {true, false}) {
    Root root;
    root.processor("AuthenticAMD", "hypervisor").kernel("6.1.0");
    device ? root.file("dev/sev-guest") : root.folder("sys/kernel/config/tsm/report");
    // Where it lies there without a driver behind it, it is not found to be there.
    EXPECT_EQ(advice_on(root, "snp").readiness, Readiness::kNotYet) << device;
    const PlatformAdvice advice = advice_on(root, "snp", {device ? "sev-guest" : "configfs-tsm"});
    EXPECT_EQ(advice.readiness, Readiness::kReady) << device;
    EXPECT_TRUE(advice.missing.empty());
  }
}

TEST(Advise, SnpOnAnAmdMachineThatIsNoConfidentialGuest) {
  Root root;
  root.processor("AuthenticAMD", "hypervisor").kernel("6.1.0");
  const PlatformAdvice advice = advice_on(root, "snp");
  EXPECT_EQ(advice.readiness, Readiness::kNotHere);
  EXPECT_THAT(advice.missing, misses("Linux 6.7"));
  EXPECT_THAT(advice.missing, misses("an SEV-SNP guest"));
}

TEST(Advise, TellsAHostOfGuestsFromAGuest) {
  Root root;
  root.processor("AuthenticAMD", "").file("sys/module/kvm_amd/parameters/sev_snp", "Y\n");
  const PlatformAdvice advice = advice_on(root, "snp");
  EXPECT_EQ(advice.readiness, Readiness::kNotHere);
  EXPECT_THAT(advice.found, Contains(HasSubstr("can start SEV-SNP guests")));
  EXPECT_THAT(advice.missing, misses("a guest"));
}

TEST(Advise, ATrustDomainNeedsMoreThanTdreports) {
  Root root;
  root.processor("GenuineIntel", "hypervisor tdx_guest").kernel("6.6.9").file("dev/tdx_guest");
  EXPECT_EQ(advice_on(root, "tdx").readiness, Readiness::kNotYet);
  EXPECT_THAT(advice_on(root, "tdx").missing, misses("Linux 6.7"));
  EXPECT_THAT(advice_on(root, "tdx").missing, misses("TDREPORT"));
  EXPECT_EQ(advice_on(root, "snp").readiness, Readiness::kNotHere);

  root.kernel("6.12.1").file("proc/filesystems", "nodev\tconfigfs\n");
  EXPECT_THAT(advice_on(root, "tdx").missing, misses("tsm/report"));
  root.folder("sys/kernel/config/tsm/report");
  EXPECT_EQ(advice_on(root, "tdx").readiness, Readiness::kNotYet);
  EXPECT_EQ(advice_on(root, "tdx", {"configfs-tsm"}).readiness, Readiness::kReady);
  EXPECT_TRUE(advice_on(root, "tdx", {"configfs-tsm"}).missing.empty());
  EXPECT_EQ(advice_on(root, "snp").readiness, Readiness::kNotHere);
}

TEST(Advise, SgxIsReadyInsideTheEnclaveAlone) {
  Root root;
  EXPECT_EQ(advice_on(root, "sgx").readiness, Readiness::kNotHere);
  root.processor("GenuineIntel", "sgx").file("dev/sgx_enclave");
  EXPECT_EQ(advice_on(root, "sgx").readiness, Readiness::kNotYet);
  EXPECT_THAT(advice_on(root, "sgx").missing, misses("gramine-sgx"));
  EXPECT_THAT(advice_on(root, "sgx").missing, misses("AESM"));
  root.file("dev/attestation/attestation_type", "dcap");
  EXPECT_EQ(advice_on(root, "sgx").readiness, Readiness::kReady);
}

TEST(Advise, AzureIsToldByItsAssetTagAndNeedsTheTpm) {
  Root root;
  root.processor("AuthenticAMD", "hypervisor");
  EXPECT_EQ(advice_on(root, "azure").readiness, Readiness::kNotHere);
  root.file("sys/class/dmi/id/chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77\n");
  EXPECT_EQ(advice_on(root, "azure").readiness, Readiness::kNotYet);
  EXPECT_THAT(advice_on(root, "snp").missing.at(0).how, HasSubstr("see azure"));
  root.file("dev/tpmrm0");
  // Every VM of Azure may have a TPM.
  EXPECT_EQ(advice_on(root, "azure").readiness, Readiness::kNotYet);
  EXPECT_THAT(advice_on(root, "azure").missing, misses("paravisor"));
  EXPECT_EQ(advice_on(root, "azure", {"azure-vtpm"}).readiness, Readiness::kReady);
}

TEST(Advise, EverythingMissingSaysHowToGetIt) {
  Root root;
  root.processor("AuthenticAMD", "sgx tdx_guest hypervisor").kernel("5.10.0");
  for (const PlatformAdvice& one : advise(root.look())) {
    for (const Missing& missing : one.missing) {
      EXPECT_FALSE(missing.how.empty()) << one.platform << ": " << missing.what;
    }
  }
}

TEST(LookAtHygiene, NamesWhatLetsMemoryOut) {
  Root root;
  root.file("proc/meminfo", "SwapTotal: 4096 kB\n");
  MachineFacts facts = root.look();
  facts.locked_limit = 8192;
  facts.landlock = 0;
  const auto bad = look_at_hygiene(facts);
  for (const char* name : {"swap", "locked memory", "landlock", "seccomp", "aes"}) {
    const auto found = std::find_if(bad.begin(), bad.end(),
                                    [&](const HygieneFinding& one) { return one.name == name; });
    ASSERT_NE(found, bad.end()) << name;
    EXPECT_FALSE(found->good) << name;
    EXPECT_FALSE(found->how.empty()) << name;
  }
  root.file("proc/meminfo", "SwapTotal: 0 kB\n").processor("AuthenticAMD", "");
  root.file("proc/sys/kernel/seccomp/actions_avail", "kill_process\n");
  facts = root.look();
  facts.locked_limit = std::nullopt;
  facts.landlock = 4;
  for (const HygieneFinding& one : look_at_hygiene(facts)) {
    EXPECT_TRUE(one.good) << one.name;
  }
}

}  // namespace
}  // namespace ensconce
