// Everything that a planning problem is made from, so that it can be made again with something changed.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "planner/build_problem.h"
#include "study/explain_plan.h"

namespace dilemma {

struct PlanInputs {
  ModelInfo model;
  Cluster cluster;
  Profile profile;
  QualityTable quality;
  Workload workload;
  PlanLimits limits;
};
absl::StatusOr<Problem> BuildProblem(const PlanInputs& inputs);

// Every pair of servers that may be used, in Mbit/s of measured bandwidth, both directions at once; those
// between stages of the plan first. The resources refer to `inputs`. No latency is bought with bandwidth:
// without the limit a hop takes the link's latency alone.
std::vector<Resource> LinkResources(const PlanInputs& inputs, const Problem& problem,
                                    const Assignment& assignment);

}  // namespace dilemma
