// Talks to one node: what it has, shards, probes, links.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "quantizer/shard_writer.h"
#include "runtime/credentials.h"

namespace dilemma {

struct StoredShard {
  std::string sha256;
  int64_t bytes = 0;
};

struct NodeInfo {
  std::string name, version;
  int cores = 0;                // of the machine (or the process' share of it)
  int threads = 0;              // that a stage uses
  int64_t memory_bytes = 0;     // that the whole process may hold: the node's option, else the machine's
  int64_t base_rss_bytes = 0;   // resident size of the node with nothing in it
  int64_t rss_bytes = 0;        // resident size now
  int64_t free_disk_bytes = 0;  // that shards may still take: the node's option, else free space
  std::vector<StoredShard> shards;
  int open_stages = 0;
};

// One timing of a probe: `rows` tokens in one pass, with `context` tokens in the KV cache before them.
// A decode step is rows = 1, a prefill chunk of n tokens rows = n.
struct ProbePass {
  int64_t context = 0;
  int64_t rows = 1;
  int repeats = 5;
  // Pause before each timed pass, up to 1 s. A stage of a ring waits for the others between tokens, and a
  // processor that waited is slower than one that is kept busy: its caches are cold and its clock is low.
  double idle_s = 0;
  // Other memory that is touched in the pause, up to 1 GiB: nodes that share a machine push each other's
  // weights out of its caches, and a probe alone would not see that.
  int64_t sweep_bytes = 0;
};

struct ProbeRequest {
  ProbeShape shape;     // the node writes the shard itself: no weights travel
  int threads = 0;      // 0: as the node was started
  int64_t context = 0;  // tokens of KV cache; 0: as many as the passes need
  std::vector<ProbePass> passes;
};

struct ProbeResult {
  std::vector<std::vector<double>> seconds;  // of each repeat of each pass, in order; slowdown included
  int64_t weight_bytes = 0, kv_bytes = 0;
  int64_t rss_bytes = 0;  // growth of the node's resident size: open stage after all passes, minus before
};

struct LinkProbeOptions {
  int round_trips = 16;
  int64_t small_bytes = 64;
  int64_t large_messages = 8;        // streamed one after the other; 0: measure latency only
  int64_t large_bytes = 256 * 1024;  // of each, at most 2 MiB
  double limit_s = 5;                // no new message is started after this time
  // Before each small message and each answer to one, at most 1 s: between the tokens of a ring everybody is
  // asleep, and a message takes longer than in a rally.
  double idle_s = 0.01;
};

struct LinkProbeResult {
  // Of small messages over an open stream: both ways, without the pause between. The first few are left out.
  std::vector<double> round_trip_s;
  std::vector<double> bytes_per_s;  // between the arrivals of large messages
};

// Who we are and whom we expect at the other end.
struct ConnectAs {
  std::shared_ptr<const Credentials> credentials;  // null: plain text, to this machine only
  std::string server;                              // name that must stand in the node's certificate
  // Where connections are refused, as no process listens, we wait for no longer than this.
  double refused_s = std::numeric_limits<double>::infinity();
};

// Called with bytes done and all; returning false cancels (kCancelled).
using ShipProgress = std::function<bool(int64_t done, int64_t total)>;

// Thread-safe. Every call has a deadline; kUnavailable and kDeadlineExceeded name the address.
class NodeClient {
 public:
  // Connects at once: kUnavailable where nobody answers within the time, kUnauthenticated where one of both
  // ends does not believe the other.
  static absl::StatusOr<std::unique_ptr<NodeClient>> Connect(const std::string& address, double timeout_s = 5,
                                                             const ConnectAs& as = {});
  virtual ~NodeClient() = default;

  virtual absl::StatusOr<NodeInfo> Info() = 0;

  // Sends a shard file unless the node has it, from where an earlier attempt stopped. Returns bytes sent now
  // (0: was there). kInvalidArgument where the file does not have the hash, kResourceExhausted where the node
  // has no room for it.
  virtual absl::StatusOr<int64_t> SendShard(const std::filesystem::path& path, const std::string& sha256,
                                            const ShipProgress& progress = nullptr) = 0;
  virtual absl::Status DropShard(const std::string& sha256) = 0;

  virtual absl::StatusOr<ProbeResult> Probe(const ProbeRequest& request) = 0;

  // The link from the node to the node `server` at `to` (an address as the first one sees it).
  virtual absl::StatusOr<LinkProbeResult> ProbeLink(const std::string& server, const std::string& to,
                                                    const LinkProbeOptions& options) = 0;
  // The link from this process to the node.
  virtual absl::StatusOr<LinkProbeResult> MeasureLink(const LinkProbeOptions& options) = 0;
};

}  // namespace dilemma
