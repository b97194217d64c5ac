#include "ensconce/server/worker_sandbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace ensconce {
namespace {

const FileRule* rule_for(const SandboxPlan& plan, const std::string& path) {
  const auto it = std::find_if(plan.files.begin(), plan.files.end(),
                               [&](const FileRule& rule) { return rule.path == path; });
  return it == plan.files.end() ? nullptr : &*it;
}

WorkerConfig config() {
  WorkerConfig out;
  out.listen.port = 8443;
  out.attester.tsm_root = "tsm";
  out.broker_url = parse_url("https://127.0.0.1:7001").value();
  out.models = {{"a.sealed", 1}, {"b.sealed", 1}};
  return out;
}

TEST(WorkerSandbox, NamesWhatTheConfigurationNames) {
  const SandboxPlan plan = worker_sandbox(config());
  for (const char* bundle : {"a.sealed", "b.sealed"}) {
    ASSERT_NE(rule_for(plan, bundle), nullptr);
    EXPECT_EQ(rule_for(plan, bundle)->use, FileUse::kRead);
  }
  ASSERT_NE(rule_for(plan, "tsm"), nullptr);
  EXPECT_EQ(rule_for(plan, "tsm")->use, FileUse::kReports);
  ASSERT_EQ(plan.listens.size(), 1U);
  EXPECT_EQ(plan.listens[0].port, 8443);
  ASSERT_EQ(plan.connects.size(), 1U);
  EXPECT_EQ(plan.connects[0].port, 7001);
  EXPECT_FALSE(plan.datagrams);
  EXPECT_FALSE(plan.keeps_a_store());
}

TEST(WorkerSandbox, NamesTheDevicesThatMayBeAsked) {
  WorkerConfig one = config();
  EXPECT_NE(rule_for(worker_sandbox(one), "/dev/tpmrm0"), nullptr);
  EXPECT_NE(rule_for(worker_sandbox(one), "/dev/sev-guest"), nullptr);
  EXPECT_NE(rule_for(worker_sandbox(one), "/dev/attestation"), nullptr);
  one.attester.attester = AttesterKind::kAzureVtpm;
  one.attester.endorsements = "endorsements";
  const SandboxPlan plan = worker_sandbox(one);
  EXPECT_NE(rule_for(plan, "/dev/tpmrm0"), nullptr);
  EXPECT_NE(rule_for(plan, "endorsements"), nullptr);
  for (const char* other : {"tsm", "/dev/sev-guest", "/dev/attestation"}) {
    EXPECT_EQ(rule_for(plan, other), nullptr) << other;
  }
  EXPECT_TRUE(plan.ioctls.empty());
}

TEST(WorkerSandbox, NamesWhatIsOptionalOnlyWhereItIsSet) {
  WorkerConfig more = config();
  EXPECT_EQ(rule_for(worker_sandbox(more), "peers.toml"), nullptr);
  more.peer_policy = "peers.toml";
  more.listen_sealed = ListenAddress{"127.0.0.1", 8080};
  const SandboxPlan plan = worker_sandbox(more);
  ASSERT_NE(rule_for(plan, "peers.toml"), nullptr);
  ASSERT_EQ(plan.listens.size(), 2U);
  EXPECT_EQ(plan.listens[1].port, 8080);
}

}  // namespace
}  // namespace ensconce
