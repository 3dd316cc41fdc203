// `run --engine llama-rpc`.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "cli/command.h"
#include "cluster/cluster.h"
#include "engine/tokenizer.h"
#include "plan/plan.h"
#include "runtime/coordinator.h"
#include "simulator/rpc_servers.h"

namespace dilemma::cli {

struct RpcFlags {
  std::vector<std::string> servers;  // NAME=HOST:PORT
  bool head_on_client = false, flash_attention = false;
};
void AddRpcOptions(CLI::App* command, RpcFlags& flags);

// What must outlive the coordinator.
struct RpcRun {
  TempDir dir;
  std::unique_ptr<EmulatedRpcServers> started;  // where none were given
  std::unique_ptr<Coordinator> coordinator;
};

// Writes the whole model at the plan's types and opens it on the servers given, or on some that are started
// on this machine behind the cluster's emulated links.
absl::StatusOr<std::unique_ptr<RpcRun>> OpenRpc(const Program& program, const Plan& plan,
                                                const Cluster& cluster, const std::string& model_path,
                                                const Tokenizer& tokenizer, const RpcFlags& flags);

}  // namespace dilemma::cli
