// An emulated cluster of three servers that are alike, "a", "b" and "c", each a node process, for tests.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "simulator/emulator.h"

namespace dilemma {

inline absl::StatusOr<std::unique_ptr<EmulatedCluster>> EmulateThreeServers(
    const std::filesystem::path& work_dir) {
  Cluster cluster;
  cluster.name = "emulated";
  for (const std::string name : {"a", "b", "c"}) {
    Server server;
    server.name = name;
    server.threads = 1;
    cluster.servers.push_back(server);
  }
  EmulatorOptions options;
  options.binary = DILEMMA_BINARY;
  options.work_dir = work_dir;
  return EmulatedCluster::Start(cluster, options);
}

}  // namespace dilemma
