#include "ensconce/server/worker_sandbox.h"

#include "ensconce/attester/processor_paths.h"

namespace ensconce {

SandboxPlan worker_sandbox(const WorkerConfig& config) {
  SandboxPlan plan;
  plan.program = "ensconce-worker";
  for (const WorkerModelConfig& model : config.models) {
    plan.files.push_back({model.bundle, FileUse::kRead, "a sealed bundle (model.bundle)"});
  }
  if (!config.peer_policy.empty()) {
    plan.files.push_back({config.peer_policy, FileUse::kRead, "whom to admit (peer_policy)"});
  }
  plan.ask_processor(processor_paths(config.attester));
  plan.know_processors();
  plan.listens.push_back({config.listen.port, "clients, over attested TLS (listen)"});
  if (config.listen_sealed) {
    plan.listens.push_back(
        {config.listen_sealed->port, "a balancer, with sealed requests (listen_sealed)"});
  }
  plan.reach(config.broker_url.host, config.broker_url.port, "the broker (broker.url)");
  return plan;
}

}  // namespace ensconce
