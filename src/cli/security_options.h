// --certs and --insecure of the commands that talk to nodes.
#pragma once

#include <string>

#include "cli/command.h"
#include "cluster/cluster.h"

namespace dilemma::cli {

struct SecurityOptions {
  std::string certs;
  bool insecure = false;
};

void AddSecurityOptions(CLI::App* command, SecurityOptions& options);

// The cluster file, for a command that will connect to its nodes: with the folder of certificates that the
// option or the file names, and with none only where --insecure was given.
absl::StatusOr<Cluster> ReadReachableCluster(const std::string& path, const SecurityOptions& options);

}  // namespace dilemma::cli
