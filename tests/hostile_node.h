// For tests and benchmarks: a node process under attack, and what became of it.
#pragma once

#include <fstream>
#include <memory>
#include <string>

#include "base/file.h"
#include "base/status.h"
#include "runtime/client.h"
#include "simulator/emulator.h"
#include "tests/hostile_client.h"

namespace dilemma {

// One real node process "a" with 512 MiB, over TLS or in plain text.
struct HostileNode {
  TempDir dir = *TempDir::Create("dilemma-hostile");
  std::unique_ptr<EmulatedCluster> cluster;
  Peer peer;  // as a coordinator of the cluster: the worst case

  static absl::StatusOr<std::unique_ptr<HostileNode>> Start(bool tls) {
    auto node = std::make_unique<HostileNode>();
    Cluster cluster;
    cluster.name = "hostile";
    Server server;
    server.name = "a";
    server.threads = 1;
    server.memory_bytes = int64_t{512} << 20;
    server.disk_bytes = int64_t{256} << 20;
    cluster.servers.push_back(server);
    EmulatorOptions options;
    options.binary = DILEMMA_BINARY;
    options.work_dir = node->dir.path();
    options.insecure = !tls;
    ASSIGN_OR_RETURN(node->cluster, EmulatedCluster::Start(cluster, options));
    ASSIGN_OR_RETURN(auto credentials, CredentialsFor(node->cluster->cluster()));
    node->peer = {"a", node->cluster->cluster().servers[0].address, std::move(credentials)};
    return node;
  }

  // kB-exact, from the kernel; also for a node that does not answer.
  int64_t ResidentBytesNow() const {
    std::ifstream status("/proc/" + std::to_string(cluster->Pid("a")) + "/status");
    std::string word;
    while (status >> word) {
      int64_t kib = 0;
      if (word == "VmRSS:" && status >> kib) return kib << 10;
    }
    return 0;
  }

  // Whether it still does what it is there for.
  absl::Status CheckAlive() const {
    if (cluster->Pid("a") == 0) {
      return Internal("the node is gone; its log: {}", ReadFile(dir.path() / "a" / "log").value_or("none"));
    }
    ASSIGN_OR_RETURN(const auto client,
                     NodeClient::Connect(peer.address, 10, {peer.credentials, peer.server}));
    ASSIGN_OR_RETURN(const NodeInfo info, client->Info());
    if (info.open_stages != 0) return Internal("{} stages are open", info.open_stages);
    return absl::OkStatus();
  }
};

}  // namespace dilemma
