// Everything that a planning problem is made from, so that it can be made again with something changed.
#pragma once

#include <string_view>
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

// The loss of the whole model at one type throughout (a unit that lacks it takes its next larger choice).
absl::StatusOr<double> UniformLoss(const QualityTable& quality, TensorType type);

// "embedding=gateway", "head=gateway", "7=edge-fast" or "0-9=edge-fast" (layers). That there is such a server
// is checked when the problem is built.
absl::StatusOr<Pin> ParsePin(std::string_view text, const ModelInfo& model);

// Every pair of servers that may be used, in Mbit/s of measured bandwidth, both directions at once; those
// between stages of the plan first. The resources refer to `inputs`. No latency is bought with bandwidth:
// without the limit a hop takes the link's latency alone.
std::vector<Resource> LinkResources(const PlanInputs& inputs, const Problem& problem,
                                    const Assignment& assignment);

}  // namespace dilemma
