// From what is known of model, cluster and quality to a Problem. Times come from the profile alone; no
// assumption is made that fewer bits are faster.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cluster/cluster.h"
#include "cluster/profile.h"
#include "model/model.h"
#include "plan/plan.h"
#include "planner/problem.h"
#include "quality/quality.h"

namespace dilemma {

// Units first..last (inclusive, as in ModelInfo::units) must be on this server.
struct Pin {
  int first_unit = 0, last_unit = 0;
  std::string server;
};

struct PlanLimits {
  std::optional<double> loss_budget;  // in the quality table's own measure; absent: no limit
  int64_t size_budget = kNoLimit;     // bytes of all weights together
  bool one_block_per_server = true;
  int max_servers = 0;  // 0: no limit
  Objective objective = Objective::kLatency;
  std::vector<Pin> pins;
};

// Servers of the problem are the cluster's, in its order; units are the model's; types[u] are
// quality.units[u].choices in order. What becomes what:
//  - memory: the cluster file's limit or the profile's, whichever is less, minus the resident size of an
//  empty
//    node; KV cache of `workload.context` tokens times users; each open stage takes the profile's stage
//    buffer, the head its own more.
//  - compute: the profile's times, at the mean context of a request, divided by the server's compute_share.
//  - hops: latency + bytes/(bandwidth * share), hidden states in the wire type; the ring and the user's links
//    carry token ids (4 bytes each).
//  - forbidden servers hold nothing; untrusted ones hold neither embedding nor head.
// kInvalidArgument or kNotFound name what the inputs lack or disagree on.
absl::StatusOr<Problem> BuildProblem(const ModelInfo& model, const Cluster& cluster, const Profile& profile,
                                     const QualityTable& quality, const Workload& workload,
                                     const PlanLimits& limits);

}  // namespace dilemma
