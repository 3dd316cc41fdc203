// Plans for what is left of a cluster: the same problem without the dead servers and links, first inside the
// budget of quality, then, where the operator allows it, outside it by as little as is needed.
#pragma once

#include <filesystem>
#include <functional>

#include "absl/status/statusor.h"
#include "plan/plan.h"
#include "quantizer/shard_writer.h"
#include "recovery/survivors.h"
#include "runtime/plan_shards.h"
#include "study/plan_inputs.h"

namespace dilemma {

struct ReplannerOptions {
  bool allow_worse = false;     // plans outside the loss budget, where there is none inside
  double time_limit_s = 2;      // of one solve
  double gap = 0.01;            // a plan that is as good as that is good enough
  double serve_requests = 100;  // over which moving a shard must pay off: what is in place is preferred
  TensorBytes weights;          // of new shards, as the plan's loss was measured; null: rounded plainly
};

// Thread-compatible.
class Replanner {
 public:
  // `original`: the plan that servers hold shards of; `inputs`: what it was made from.
  Replanner(Plan original, PlanInputs inputs, const ReplannerOptions& options)
      : original_(std::move(original)), inputs_(std::move(inputs)), options_(options) {}

  // kFailedPrecondition with the reason where there is no plan: the servers cannot hold the model at all, or
  // not inside the budget. Shards that stay as they are have their hashes; others are to be written.
  absl::StatusOr<Plan> PlanWithout(const Outage& outage, std::function<bool()> stop = nullptr) const;

  // Writes what the plan lacks, from the model.
  absl::Status WriteShards(Plan& plan, const std::filesystem::path& dir,
                           const ShardsProgress& progress) const {
    return WritePlanShards(inputs_.model, plan, dir, progress, options_.weights);
  }

 private:
  absl::StatusOr<Plan> Solve(const PlanInputs& inputs, const std::function<bool()>& stop) const;
  absl::StatusOr<Plan> SolveOutsideBudget(PlanInputs inputs, const std::function<bool()>& stop) const;

  const Plan original_;
  const PlanInputs inputs_;
  const ReplannerOptions options_;
};

}  // namespace dilemma
