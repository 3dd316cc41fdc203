// What commands share that keep answering when servers die.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "cli/command.h"
#include "cluster/cluster.h"
#include "plan/plan.h"
#include "recovery/resilient_coordinator.h"

namespace dilemma::cli {

struct RecoveryFlags {
  bool recover = false;
  std::string profile, quality;
  bool allow_worse = false, stand_by = false;
  bool Wanted() const { return recover || !profile.empty() || stand_by || allow_worse; }
};
// --recover, --profile, --quality, --allow-worse, --stand-by.
void AddRecoveryOptions(CLI::App* command, RecoveryFlags& flags);

// What the plan was made from, for planning again: the model at `model_path`, the flags' profile and quality.
absl::StatusOr<PlanInputs> InputsOf(const Plan& plan, const Cluster& cluster, const std::string& model_path,
                                    const RecoveryFlags& flags);

// Opens the plan to go on when servers die, with progress while shards are shipped (`options.ring.on_ship`
// and what the flags say are set here). `model_path`: where the weights of new shards come from.
absl::StatusOr<std::unique_ptr<ResilientCoordinator>> OpenResilient(const Plan& plan, const Cluster& cluster,
                                                                    const std::filesystem::path& shards,
                                                                    const std::string& model_path,
                                                                    const RecoveryFlags& flags,
                                                                    RecoveryOptions options);

std::string Describe(const RecoveryEvent& event);  // one line for a person

}  // namespace dilemma::cli
