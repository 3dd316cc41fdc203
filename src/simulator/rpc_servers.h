// llama.cpp's RPC servers on this machine, one for each server of a cluster, behind the cluster's emulated
// links.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cluster/cluster.h"

namespace dilemma {

// The processes end with the object. Their compute time is not stretched, and their memory is not limited:
// the backend knows of neither.
class EmulatedRpcServers {
 public:
  // Starts `<binary> rpc-server --listen 127.0.0.1:PORT --threads N` for every one of `servers`. Logs go to
  // `work_dir`.
  static absl::StatusOr<std::unique_ptr<EmulatedRpcServers>> Start(const Cluster& cluster,
                                                                   const std::vector<std::string>& servers,
                                                                   const std::filesystem::path& binary,
                                                                   const std::filesystem::path& work_dir);
  virtual ~EmulatedRpcServers() = default;
  // Where the user reaches each: server -> "host:port" of its link.
  virtual const std::map<std::string, std::string>& addresses() const = 0;
};

}  // namespace dilemma
