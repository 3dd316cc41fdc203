// Sends the shards of a plan to its servers, in parallel.
#pragma once

#include <filesystem>

#include "absl/status/status.h"
#include "cluster/cluster.h"
#include "plan/plan.h"
#include "runtime/coordinator.h"

namespace dilemma {

std::filesystem::path ShardPath(const std::filesystem::path& shards, const PlanStage& stage);

// What a server has already is not sent. The first error ends all.
absl::Status ShipShards(const Plan& plan, const Cluster& cluster, const std::filesystem::path& shards,
                        const CoordinatorOptions& options);

}  // namespace dilemma
