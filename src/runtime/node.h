// A node: the process that a server of the cluster runs. It stores shards, times probes, measures links and
// runs stages for coordinators. Everything it receives is checked before use; a bad message ends the stream
// it came on and nothing else.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/credentials.h"

namespace dilemma {

struct NodeOptions {
  std::string name = "node";           // stands in errors and in NodeInfo
  std::string listen = "127.0.0.1:0";  // "host:port"; port 0 picks a free one
  std::filesystem::path store;         // folder of shards, made where it is missing; kept when the node ends
  int64_t memory_bytes = 0;            // the whole process may hold this; 0: what the machine or cgroup has
  int64_t disk_bytes = 0;              // limit for stored shards; 0: the free space of the store's disk
  int threads = 0;                     // of one stage; 0: the machine's cores
  double slowdown = 1;                 // >= 1: emulates a slower server by stretching compute time
  // For both directions; its certificate must be for `name`. Null: plain text, and then `listen` must be an
  // address of this machine only.
  std::shared_ptr<const Credentials> credentials;
  // Names whose work is taken; empty: of every certificate that was made for a coordinator.
  std::vector<std::string> coordinators;
};

// Thread-safe. Destroying the object stops the node.
class Node {
 public:
  // Tunes the allocator of the process (ReturnFreedMemory in machine.h).
  // kInvalidArgument for options that make no sense; kFailedPrecondition where the port is in use or the
  // store's folder cannot be written.
  static absl::StatusOr<std::unique_ptr<Node>> Start(const NodeOptions& options);
  virtual ~Node() = default;

  virtual int port() const = 0;             // the one that was picked
  virtual std::string address() const = 0;  // "host:port"
  // Closes every stage and stream and waits until they are gone. May be called more than once.
  virtual void Stop() = 0;
};

}  // namespace dilemma
