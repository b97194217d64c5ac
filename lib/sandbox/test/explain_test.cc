#include "ensconce/sandbox/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ensconce {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr SandboxSupport kWhole{.landlock_abi = 7, .calls = true, .locked = true};

SandboxPlan plan() {
  SandboxPlan out;
  out.program = "ensconce-worker";
  out.files = {{"/absent/bundle.sealed", FileUse::kRead, "a sealed bundle"},
               {"/proc", FileUse::kReports, "reports"}};
  out.listens = {{8443, "clients"}};
  out.reach("192.0.2.1", 7001, "the broker");
  return out;
}

TEST(SandboxInForce, NamesWhatHolds) {
  const auto text = [](const SandboxPlan& of, const SandboxSupport& support) {
    return expected_in_force(of, support).to_string();
  };
  EXPECT_EQ(text(plan(), kWhole), "files+network+calls+locked");
  EXPECT_EQ(text(plan(), {}), "none");
  EXPECT_EQ(text(plan(), {.landlock_abi = 3, .calls = true}), "files+calls");
  EXPECT_EQ(text(plan(), {.landlock_abi = 4}), "files+tcp");
  EXPECT_EQ(text(plan(), {.locked = true}), "locked");
  // Where names are resolved datagrams go anywhere.
  SandboxPlan by_name = plan();
  by_name.reach("broker.example", 7001, "");
  EXPECT_EQ(text(by_name, kWhole), "files+tcp+calls+locked");
}

TEST(SandboxPlan, KnowsTheResolverWhereItIsNeeded) {
  for (const char* address : {"127.0.0.1", "::1"}) {
    SandboxPlan out;
    out.reach(address, 7001, "");
    EXPECT_FALSE(out.datagrams);
    EXPECT_TRUE(out.files.empty());
    EXPECT_EQ(out.connects.size(), 1U);
  }
  SandboxPlan out;
  out.reach("broker.example", 7001, "");
  EXPECT_TRUE(out.datagrams);
  EXPECT_EQ(out.connects.size(), 2U);
  EXPECT_FALSE(out.files.empty());
}

TEST(SandboxPlan, AsksTheDevicesThatAreNamed) {
  SandboxPlan out;
  out.ask_processor({});
  EXPECT_TRUE(out.files.empty());
  EXPECT_TRUE(out.ioctls.empty());
  out.ask_processor({"tsm", "sev-guest", "attestation", "tpm", "endorsements"});
  ASSERT_EQ(out.files.size(), 5U);
  EXPECT_EQ(out.files[0].use, FileUse::kReports);
  EXPECT_EQ(out.files[1].use, FileUse::kDevice);
  EXPECT_EQ(out.files[4].use, FileUse::kRead);
  EXPECT_EQ(out.ioctls.size(), 2U);
  EXPECT_THAT(explain_sandbox(out, SandboxMode::kAuto, kWhole), HasSubstr("SNP_GET_EXT_REPORT"));
}

TEST(Explain, SaysWhatIsAllowedAndWhyAndWhatIsNot) {
  const std::string text = explain_sandbox(plan(), SandboxMode::kAuto, kWhole);
  EXPECT_THAT(text, HasSubstr("/absent/bundle.sealed (not there now: refused)\n"
                              "    read: a sealed bundle"));
  EXPECT_THAT(text, HasSubstr("/proc\n    read, write, make and remove directories: reports"));
  EXPECT_THAT(text, HasSubstr("listen   8443: clients"));
  EXPECT_THAT(text, HasSubstr("connect  7001: the broker"));
  EXPECT_THAT(text, HasSubstr("refused  UDP"));
  EXPECT_THAT(text, HasSubstr("ABI 7: files and TCP ports"));
  EXPECT_THAT(text, HasSubstr("security.sandbox = \"files+network+calls+locked\""));
  EXPECT_THAT(text, Not(HasSubstr("fdatasync")));  // it keeps no store
}

TEST(Explain, SaysWhatThisKernelLacks) {
  const std::string text = explain_sandbox(plan(), SandboxMode::kRequired, {.landlock_abi = 3});
  EXPECT_THAT(text, HasSubstr("ABI 3: files; ports need ABI 4"));
  EXPECT_THAT(text, HasSubstr("seccomp       no"));
  EXPECT_THAT(text, HasSubstr("RLIMIT_MEMLOCK"));
  EXPECT_THAT(text, HasSubstr("sandbox = \"required\""));
  EXPECT_THAT(text, HasSubstr("security.sandbox = \"files\""));
}

TEST(Explain, SaysTheSameToMachines) {
  const json::Value value = sandbox_to_json(plan(), SandboxMode::kAuto, kWhole);
  EXPECT_EQ(value.find("security.sandbox")->as_text("").value(), "files+network+calls+locked");
  EXPECT_EQ(value.find("files")->as_array("").value()->size(), 2U);
  EXPECT_EQ(value.find("listen")->as_array("").value()->at(0).find("port")->as_int("").value(),
            8443);
  EXPECT_THAT(json::write(*value.find("calls")->find("fatal")), HasSubstr("\"ptrace\""));
}

}  // namespace
}  // namespace ensconce
