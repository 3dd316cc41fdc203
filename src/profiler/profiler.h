// Measures a cluster: compute time of the model's units on every server at every tensor type of the menu, the
// memory that a stage takes beyond its weights, and latency and bandwidth of every ordered pair of servers
// and the user.
//
// Times come from probe shards that the nodes write themselves (quantizer/shard_writer.h): no weights travel.
// With T(k) the median time of a pass through k layers, a layer costs (T(long) - T(short)) / (long - short)
// and the rest of T(short) is the stage's fixed cost; embedding and head are what they add to one layer. A
// pass of prefill is timed at two numbers of tokens: a line through both gives its cost and that of each
// token.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "cluster/cluster.h"
#include "cluster/profile.h"
#include "model/model.h"
#include "runtime/client.h"

namespace dilemma {

struct ProfileOptions {
  std::vector<TensorType> menu;  // empty: every type that each kind of unit admits
  int64_t decode_context = 96;   // tokens in the KV cache at which decode is timed
  int64_t prefill_chunk = 64;    // most tokens a pass of prefill; timed with these and with a quarter of them
  int long_layers = 6;           // layers of the long probe shard (less where memory is short)
  // Every shard is timed once a round, and the median over the rounds counts: a machine that is slow for some
  // seconds would otherwise make the type it was timing look slow.
  int rounds = 3;
  int decode_repeats = 9, prefill_repeats = 2;  // of each pass in a round
  // Pause before each timed pass, as a stage of a ring waits for the others: the longer it is, the slower
  // what follows. On a machine that servers share, somebody works in most of that time: a quarter of the
  // pause, and memory that is touched in place of theirs.
  double idle_s = 0.01;
  int64_t sweep_bytes = 64 << 20;
  LinkProbeOptions link;
  // Called with the share done (0 to 1) and what is being measured; returning false cancels (kCancelled).
  std::function<bool(double fraction, std::string_view what)> progress;
};

// Measures servers that share a host one after the other, as they would disturb each other. A type that a
// server has no room for is left out of its times; ServerProfile::left_out says why. Errors name the server.
absl::StatusOr<Profile> MeasureProfile(const Cluster& cluster, const ModelInfo& model,
                                       const ProfileOptions& options);

}  // namespace dilemma
