// Three servers that are alike, "a", "b" and "c", and an emulated cluster of them, each a node process.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "simulator/emulator.h"

namespace dilemma {

inline Cluster ThreeServers() {
  Cluster cluster;
  cluster.name = "emulated";
  for (const std::string name : {"a", "b", "c"}) {
    Server server;
    server.name = name;
    server.threads = 1;
    cluster.servers.push_back(server);
  }
  return cluster;
}

inline absl::StatusOr<std::unique_ptr<EmulatedCluster>> EmulateThreeServers(
    const std::filesystem::path& work_dir) {
  EmulatorOptions options;
  options.binary = DILEMMA_BINARY;
  options.work_dir = work_dir;
  return EmulatedCluster::Start(ThreeServers(), options);
}

}  // namespace dilemma
