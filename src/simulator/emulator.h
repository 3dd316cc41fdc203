// A cluster on one machine: every server is a `dilemma node` process of its own, and every ordered pair of
// servers (and the user) is joined by an emulated link. What runs on it cannot tell it from real hosts.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cluster/cluster.h"
#include "simulator/link_proxy.h"

namespace dilemma {

struct EmulatorOptions {
  std::filesystem::path binary;             // of `dilemma`
  std::filesystem::path work_dir;           // gets <server>/store, <server>/log and certs; kept
  double start_timeout_s = 20;              // for all nodes to listen
  std::vector<std::string> node_arguments;  // further ones for every node
  bool insecure = false;                    // plain text, without certificates
};

// Starts, for every server: `<binary> node --name NAME --listen 127.0.0.1:0 --store DIR --threads N
// --slowdown K --certs DIR [--memory BYTES --disk BYTES]` ("4096 B"), and reads "listening on 127.0.0.1:PORT"
// from its standard output. The processes end with this one, however it ends, and with Stop. Thread-safe.
class EmulatedCluster {
 public:
  static absl::StatusOr<std::unique_ptr<EmulatedCluster>> Start(const Cluster& cluster,
                                                                const EmulatorOptions& options);
  virtual ~EmulatedCluster() = default;

  // The cluster with the nodes' addresses, the folder of the user's certificates (made for this cluster), and
  // `via` of every ordered pair (from "user" as well) at its proxy.
  virtual const Cluster& cluster() const = 0;

  // Trouble, on purpose. NotFound for a server or pair that is not there.
  virtual absl::Status Kill(std::string_view server) = 0;     // SIGKILL
  virtual absl::Status Restart(std::string_view server) = 0;  // after Kill: same name, port and store
  virtual absl::Status Pause(std::string_view server) = 0;    // SIGSTOP
  virtual absl::Status Resume(std::string_view server) = 0;
  // One direction; nullptr where there is none.
  virtual EmulatedLink* Link(std::string_view from, std::string_view to) = 0;
  virtual int Pid(std::string_view server) const = 0;  // 0: not running

  virtual void Stop() = 0;
};

}  // namespace dilemma
